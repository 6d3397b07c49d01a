//! Random operations by random accounts, the invariants after each, and what money must add up to.

use frame_support::traits::Hooks;
use mica_primitives::{
    WorkerStatus,
    hooks::{Offence, SlashWorker},
};
use proptest::prelude::*;

use crate::mock::*;

#[derive(Clone, Debug)]
enum Operation {
    Register {
        first: u16,
        length: u16,
        stake: u128,
    },
    SetRange {
        first: u16,
        length: u16,
    },
    SetPrice(u128),
    Heartbeat,
    Unjail,
    TopUp(u128),
    Unregister,
    Withdraw,
    Slash {
        amount: u128,
        offence: u8,
        reporter: AccountId,
    },
    Bind(bool),
    /// A channel to it ends, or one is there.
    Pay(bool),
    Blocks(u32),
}

fn operation() -> impl Strategy<Value = Operation> {
    let range = || (0u16..42, 0u16..24);
    prop_oneof![
        4 => (range(), 0u128..3_000).prop_map(|((first, length), stake)| Operation::Register { first, length, stake }),
        4 => range().prop_map(|(first, length)| Operation::SetRange { first, length }),
        1 => any::<u128>().prop_map(Operation::SetPrice),
        3 => Just(Operation::Heartbeat),
        2 => Just(Operation::Unjail),
        1 => (0u128..500).prop_map(Operation::TopUp),
        2 => Just(Operation::Unregister),
        2 => Just(Operation::Withdraw),
        2 => (0u128..1_500, 0u8..40, ALICE..ALICE + 6)
            .prop_map(|(amount, offence, reporter)| Operation::Slash { amount, offence, reporter }),
        1 => any::<bool>().prop_map(Operation::Bind),
        1 => any::<bool>().prop_map(Operation::Pay),
        3 => (1u32..40).prop_map(Operation::Blocks),
    ]
}

/// Base units that `operation` destroyed.
fn apply(account: AccountId, operation: &Operation) -> u128 {
    let origin = RuntimeOrigin::signed(account);
    // Refusals are part of the model: what matters is that they change nothing, which the
    // invariants would show.
    match *operation {
        Operation::Register { first, length, stake } => {
            let _ = join_with(account, first, first + length, stake);
        }
        Operation::SetRange { first, length } => {
            let before = Registry::coverage(model());
            if Registry::set_range(origin, layers(first, first + length)).is_ok() {
                let after = Registry::coverage(model());
                let uncovered =
                    before.iter().zip(&after).any(|(before, after)| *before > 0 && *after == 0);
                assert!(!uncovered, "a move uncovered a layer");
            }
        }
        Operation::SetPrice(price) => drop(Registry::set_price(origin, price)),
        Operation::Heartbeat => drop(beat(account)),
        Operation::Unjail => drop(Registry::unjail(origin)),
        Operation::TopUp(amount) => drop(Registry::top_up_stake(origin, amount)),
        Operation::Unregister => {
            let left = Registry::unregister(origin).is_ok();
            assert!(!left || !Bound::get().contains(&account), "a bound worker left");
        }
        Operation::Withdraw => {
            let before = Registry::worker(&account).map(|(record, _)| record.status);
            if Registry::withdraw(origin).is_ok() {
                let Some(WorkerStatus::Unbonding { until }) = before else {
                    panic!("withdrew without leaving")
                };
                assert!(System::block_number() >= until, "withdrew too early");
                assert!(!Paid::get().contains(&account), "withdrew while it is paid");
            }
        }
        Operation::Slash { amount, offence, reporter } => {
            let stake = Registry::worker(&account).map_or(0, |(record, _)| record.stake);
            let slashed = <Registry as SlashWorker<_>>::slash(
                &account,
                amount,
                Offence([offence; 32]),
                Some(&reporter),
            );
            assert!(slashed.total() <= stake.min(amount), "more than the stake was taken");
            assert!(slashed.burned >= slashed.reward, "less than half was burned");
            return slashed.burned;
        }
        Operation::Bind(bound) => Bound::mutate(|all| {
            all.retain(|other| *other != account);
            all.extend(bound.then_some(account));
        }),
        Operation::Pay(paid) => Paid::mutate(|all| {
            all.retain(|other| *other != account);
            all.extend(paid.then_some(account));
        }),
        Operation::Blocks(blocks) => {
            for _ in 0..blocks {
                System::set_block_number(System::block_number() + 1);
                Registry::on_idle(System::block_number(), frame_support::weights::Weight::MAX);
            }
        }
    }
    0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_invariant_holds_after_every_operation(
        steps in prop::collection::vec((ALICE..ALICE + 6, operation()), 1..120),
    ) {
        new_test_ext().execute_with(|| {
            model();
            let mut issued = Balances::total_issuance();
            for (account, operation) in &steps {
                issued -= apply(*account, operation);
                Registry::do_try_state().map_err(|broken| TestCaseError::fail(format!("{broken:?} after {operation:?}")))?;
                prop_assert_eq!(Balances::total_issuance(), issued);
            }
            Ok(())
        })?;
    }
}
