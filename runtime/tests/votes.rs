//! Who makes blocks and does not vote for finality, in the composed runtime with GRANDPA's keys.

use codec::Encode;
use frame_support::{
    assert_ok,
    inherent::{InherentData, ProvideInherent},
    traits::fungible::Mutate,
};
use mica_primitives::UNIT;
use mica_runtime::{
    AccountId, Balances, BlockNumber, Executive, Grandpa, Hash, Runtime, RuntimeCall,
    RuntimeOrigin, Seats, Session, SessionKeys, Staking, System, UncheckedExtrinsic,
    genesis::VALIDATOR_BOND,
};
use pallet_mica_seats::{Ballots, INHERENT_IDENTIFIER, Precommits, VotesSince};
use sp_consensus_grandpa::localized_payload;
use sp_core::ed25519;
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_keyring::{
    Ed25519Keyring,
    Sr25519Keyring::{CharlieStash, DaveStash},
};
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};

mod chain;
use chain::{
    check_state, genesis_of,
    schedule::{Schedule, epoch_slots},
};

/// What a node knows when all but `silent` have voted for the parent block.
fn precommits(silent: &[AccountId]) -> Precommits<Hash, BlockNumber> {
    /// A precommit among GRANDPA's messages.
    const PRECOMMIT: u8 = 1;
    const ROUND: u64 = 5;
    let number = System::block_number() - 1;
    let hash = System::block_hash(number);
    let payload = localized_payload(ROUND, Grandpa::current_set_id(), &(PRECOMMIT, (hash, number)));
    let voters = Session::validators().into_iter().zip(Grandpa::grandpa_authorities());
    let votes = voters
        .filter(|(account, _)| !silent.contains(account))
        .map(|(_, (key, _))| {
            let public = ed25519::Public::from(key.clone());
            let signer = Ed25519Keyring::from_public(&public).expect("a key of the preset");
            (key, hash, number, signer.sign(&payload).into())
        })
        .collect();
    Precommits { round: ROUND, votes }
}

/// Puts what the node knows into the block that is being made, as its author does; whether it
/// carries something.
fn hand_in(silent: &[AccountId]) -> bool {
    let mut data = InherentData::new();
    data.put_data(INHERENT_IDENTIFIER, &precommits(silent)).expect("the first of its name");
    let Some(call) = Seats::create_inherent(&data) else { return false };
    let inherent = UncheckedExtrinsic::new_bare(RuntimeCall::Seats(call));
    assert_eq!(Executive::apply_extrinsic(inherent), Ok(Ok(())));
    true
}

/// Lets `slots` pass in which `silent` do not vote.
fn pass_slots(chain: &mut Schedule, slots: u64, silent: &[AccountId]) {
    for _ in 0..slots {
        chain.pass_slot_with(|| hand_in(silent));
    }
}

/// The same for the slots of `sessions`.
fn pass_sessions(chain: &mut Schedule, sessions: u64, silent: &[AccountId]) {
    pass_slots(chain, sessions * epoch_slots(), silent);
}

fn is_candidate(who: &AccountId) -> bool {
    pallet_staking::Validators::<Runtime>::contains_key(who)
}

fn bond(who: &AccountId) -> u128 {
    Staking::ledger(who.clone().into()).expect("bonded").active
}

fn run(test: impl FnOnce(&mut Schedule)) {
    let mut state = genesis_of(LOCAL_TESTNET_RUNTIME_PRESET);
    state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    state.execute_with(|| {
        test(&mut Schedule::begin());
        check_state();
    });
}

#[test]
fn a_validator_that_makes_blocks_and_never_votes_loses_its_seat_and_stake() {
    run(|chain| {
        let dave = DaveStash.to_account_id();
        let silent = std::slice::from_ref(&dave);
        pass_slots(chain, 2 * epoch_slots() - 4, silent);
        assert!(is_candidate(&dave), "it is judged at the end of its second session");
        assert!(Seats::proven().contains(&dave), "it makes blocks");
        // Whoever authors the block that begins a session is not judged in it.
        chain.away = vec![dave.clone()];
        pass_slots(chain, 8, silent);
        assert!(!is_candidate(&dave));
        assert_eq!(bond(&dave), VALIDATOR_BOND - VALIDATOR_BOND / 1_000);
        assert!(!Seats::proven().contains(&dave));
        assert_eq!(pallet_staking::Validators::<Runtime>::count(), 3, "nobody else is to blame");
        // It is disabled, so nodes refuse its blocks, until the set changes.
        let index = Session::validators().iter().position(|who| *who == dave).expect("elected");
        assert!(Session::disabled_validators().contains(&(index as u32)));
        let sessions: u32 = <Runtime as pallet_staking::Config>::SessionsPerEra::get();
        pass_sessions(chain, 2 * u64::from(sessions), silent);
        assert_eq!(Session::validators().len(), 3);
        assert!(!Session::validators().contains(&dave));
        let age = System::block_number() - VotesSince::<Runtime>::get();
        assert!(u64::from(age) <= 2 * epoch_slots(), "votes of the new set are taken");
        assert_eq!(pallet_staking::Validators::<Runtime>::count(), 3);
    });
}

#[test]
fn who_votes_is_never_blamed() {
    run(|chain| {
        pass_sessions(chain, 12, &[]);
        assert_eq!(pallet_staking::Validators::<Runtime>::count(), 4);
        assert_eq!(Seats::proven().len(), 4);
        assert!(Ballots::<Runtime>::get().values().all(|ballot| ballot.silent == 0));
    });
}

#[test]
fn nobody_is_blamed_while_finality_stalls() {
    run(|chain| {
        let silent = [CharlieStash.to_account_id(), DaveStash.to_account_id()];
        for _ in 0..6 * epoch_slots() {
            let carried = chain.pass_slot_with(|| hand_in(&silent));
            assert_eq!(carried, Some(false), "half of the votes decide nothing");
        }
        assert_eq!(pallet_staking::Validators::<Runtime>::count(), 4);
        assert!(silent.iter().all(|who| bond(who) >= VALIDATOR_BOND));
    });
}

/// Its old key votes until the session after the next, and is nobody's on the books.
#[test]
fn who_changes_its_keys_is_not_taken_for_silent() {
    run(|chain| {
        let dave = DaveStash.to_account_id();
        pass_sessions(chain, 1, &[]);
        assert_ok!(Balances::mint_into(&dave, 10 * UNIT));
        let keys = SessionKeys::generate(&dave.encode(), None);
        let origin = RuntimeOrigin::signed(dave.clone());
        assert_ok!(Session::set_keys(origin, keys.keys, keys.proof.encode()));
        pass_sessions(chain, 1, &[]);
        assert!(Ballots::<Runtime>::get().get(&dave).is_none_or(|ballot| ballot.silent == 0));
        assert!(is_candidate(&dave));
    });
}
