//! Who gets a seat, who loses it, and that nobody can freeze the set.

use std::collections::BTreeSet;

use codec::Encode;
use frame_support::{
    assert_ok,
    traits::fungible::{Inspect, Mutate},
};
use mica_primitives::{Balance, UNIT};
use mica_runtime::{
    AccountId, Balances, Runtime, RuntimeOrigin, Session, SessionKeys, Staking, VoterList,
    genesis::VALIDATOR_BOND,
};
use pallet_staking::{RewardDestination, ValidatorPrefs};
use sp_core::hexdisplay::HexDisplay;
use sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring::DaveStash;
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::Perbill;

mod chain;
use chain::{check_state, drill, genesis_from, genesis_of, schedule::Schedule};

/// The preset of four, with a keystore for more.
fn four() -> TestExternalities {
    let mut state = genesis_of(LOCAL_TESTNET_RUNTIME_PRESET);
    state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    state
}

fn newcomer(number: u16) -> AccountId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    AccountId::from(bytes)
}

/// `account` gets money, bonds `bond`, sets keys and stands for election.
fn stand(account: &AccountId, bond: Balance) {
    let origin = || RuntimeOrigin::signed(account.clone());
    assert_ok!(Balances::mint_into(account, bond + 10 * UNIT));
    assert_ok!(Staking::bond(origin(), bond, RewardDestination::Staked));
    // A seed, because a new phrase for each of hundreds takes long.
    let seed = format!("0x{}", HexDisplay::from(AsRef::<[u8; 32]>::as_ref(account)));
    let keys = SessionKeys::generate(&account.encode(), Some(seed.into_bytes()));
    assert_ok!(Session::set_keys(origin(), keys.keys, keys.proof.encode()));
    assert_ok!(Staking::validate(origin(), ValidatorPrefs::default()));
}

fn era() -> u32 {
    pallet_staking::ActiveEra::<Runtime>::get().map_or(0, |era| era.index)
}

#[test]
fn two_idle_newcomers_with_the_least_bond_get_no_seat() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let idle = [newcomer(0), newcomer(1)];
        idle.iter().for_each(|account| stand(account, 1_000 * UNIT));
        chain.away = idle.to_vec();
        chain.pass_eras(3);
        assert!(era() >= 2, "eras pass");
        let validators = Session::validators();
        assert_eq!(validators.len(), 4);
        assert!(idle.iter().all(|account| !validators.contains(account)));
        check_state();
    });
}

#[test]
fn newcomers_of_equal_stake_stay_fewer_than_a_third_and_go_when_idle() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let idle = [newcomer(0), newcomer(1)];
        idle.iter().for_each(|account| stand(account, VALIDATOR_BOND));
        chain.away = idle.to_vec();
        let mut seated = 0;
        for _ in 0..30 {
            chain.pass_slots(20);
            let validators = Session::validators();
            let newcomers = validators.iter().filter(|who| idle.contains(who)).count();
            assert!(newcomers <= (validators.len() - 1) / 3, "{newcomers} of {}", validators.len());
            seated = seated.max(newcomers);
        }
        assert_eq!(seated, 1, "one had its chance");
        // Each lost its seat, a part of its stake and its place among the candidates.
        chain.pass_eras(3);
        assert_eq!(Session::validators().len(), 4);
        for account in &idle {
            assert!(!pallet_staking::Validators::<Runtime>::contains_key(account));
            let active = Staking::ledger(account.clone().into()).expect("bonded").active;
            assert!(
                active <= VALIDATOR_BOND - Perbill::from_rational(1u32, 1_000) * VALIDATOR_BOND
            );
        }
        check_state();
    });
}

/// The network test walks the same way with real nodes, three seconds a slot.
#[test]
fn in_a_drill_two_idle_newcomers_come_and_go_within_minutes() {
    let mut state = genesis_from(drill());
    state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    state.execute_with(|| {
        let mut chain = Schedule::begin();
        let idle = [newcomer(0), newcomer(1)];
        idle.iter().for_each(|account| stand(account, VALIDATOR_BOND));
        chain.away = idle.to_vec();
        let (mut seated, mut slots) = (BTreeSet::new(), 0);
        let is_candidate =
            |who: &AccountId| pallet_staking::Validators::<Runtime>::contains_key(who);
        while seated.len() < 2 || Session::validators().len() > 4 || idle.iter().any(is_candidate) {
            chain.pass_slots(1);
            slots += 1;
            assert!(slots < 120, "more than six minutes: {seated:?}");
            seated.extend(Session::validators().into_iter().filter(|who| idle.contains(who)));
        }
        assert_eq!(Session::validators().len(), 4, "nobody else was taken for idle");
        check_state();
    });
}

#[test]
fn a_newcomer_that_works_stays_and_makes_room_for_the_next() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        for number in 0..4 {
            stand(&newcomer(number), VALIDATOR_BOND);
        }
        let mut sizes = vec![];
        for _ in 0..6 {
            chain.pass_eras(1);
            sizes.push(Session::validators().len());
        }
        assert!(sizes.is_sorted() && sizes.last() == Some(&8), "{sizes:?}");
        check_state();
    });
}

#[test]
fn one_that_is_away_is_chilled_and_slashed_within_an_era() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let dave = DaveStash.to_account_id();
        let issuance = Balances::total_issuance();
        chain.away = vec![dave.clone()];
        chain.pass_eras(1);
        assert!(!pallet_staking::Validators::<Runtime>::contains_key(&dave));
        let active = Staking::ledger(dave.clone().into()).expect("bonded").active;
        assert_eq!(active, VALIDATOR_BOND - VALIDATOR_BOND / 1_000);
        assert!(Balances::total_issuance() <= issuance - VALIDATOR_BOND / 1_000, "it is burned");
        chain.pass_eras(2);
        assert!(!Session::validators().contains(&dave));
        assert_eq!(Session::validators().len(), 3);
        check_state();
    });
}

/// Who stands behind a validator shares its rewards, which nobody has to ask for, and its slashes.
#[test]
fn a_nominator_is_paid_and_slashed_with_its_validator() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let (dave, nominator) = (DaveStash.to_account_id(), newcomer(0));
        let stake = 50_000 * UNIT;
        assert_ok!(Balances::mint_into(&nominator, stake + 10 * UNIT));
        let origin = || RuntimeOrigin::signed(nominator.clone());
        assert_ok!(Staking::bond(origin(), stake, RewardDestination::Stash));
        assert_ok!(Staking::nominate(origin(), vec![dave.clone().into()]));
        chain.pass_eras(3);
        let active = || Staking::ledger(nominator.clone().into()).expect("bonded").active;
        assert!(Balances::total_balance(&nominator) > stake + 10 * UNIT, "nobody asked");
        assert_eq!(active(), stake);
        chain.away = vec![dave.clone()];
        chain.pass_eras(1);
        assert!(!pallet_staking::Validators::<Runtime>::contains_key(&dave));
        assert_eq!(active(), stake - stake / 1_000);
    });
}

/// Attack: crowd voters out of elections with bonds that vote for nobody.
#[test]
fn a_bond_that_votes_for_nobody_is_not_on_the_list_of_voters() {
    four().execute_with(|| {
        Schedule::begin();
        let (silent, chilled) = (newcomer(0), newcomer(1));
        let origin = |who: &AccountId| RuntimeOrigin::signed(who.clone());
        assert_ok!(Balances::mint_into(&silent, 60_000 * UNIT));
        assert_ok!(Staking::bond(origin(&silent), 50_000 * UNIT, RewardDestination::Staked));
        stand(&chilled, VALIDATOR_BOND);
        assert_ok!(Staking::chill(origin(&chilled)));
        for who in [silent, chilled] {
            let put_on = VoterList::rebag(origin(&who), who.clone().into());
            assert!(put_on.is_err(), "{put_on:?}");
        }
        assert_eq!(pallet_bags_list::ListNodes::<Runtime>::count(), 4);
        check_state();
    });
}

/// Neither at somebody's request nor by itself: the list goes on in each block with the account at
/// which it stopped, which may have left meanwhile.
#[test]
fn who_stands_for_election_no_more_is_not_put_back_into_the_voters_list() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let accounts: Vec<_> = (0..8).map(newcomer).collect();
        accounts.iter().for_each(|account| stand(account, 2_000 * UNIT));
        chain.make_blocks(1);
        for account in &accounts {
            assert_ok!(Staking::chill(RuntimeOrigin::signed(account.clone())));
            let origin = RuntimeOrigin::signed(DaveStash.to_account_id());
            // It is an error or does nothing.
            let _ = VoterList::rebag(origin, account.clone().into());
            check_state();
        }
        chain.make_blocks(4);
    });
}

#[test]
fn a_disabled_validator_is_not_blamed_for_slots_that_it_may_not_fill() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let disabled = Session::validators()[3].clone();
        assert!(Session::disable_index(3));
        chain.away = vec![disabled.clone()];
        // Less than an era: the next set begins without anybody disabled.
        chain.pass_slots(100);
        assert!(Session::disabled_validators().contains(&3));
        assert!(pallet_staking::Validators::<Runtime>::contains_key(&disabled));
        let active = Staking::ledger(disabled.into()).expect("bonded").active;
        assert_eq!(active, VALIDATOR_BOND);
        check_state();
    });
}

#[test]
fn a_stake_above_all_others_together_has_one_seat_and_takes_none() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let founders = Session::validators();
        // More than all four together.
        let whale = newcomer(0);
        stand(&whale, 8 * VALIDATOR_BOND);
        chain.pass_eras(3);
        let validators = Session::validators();
        assert!(founders.iter().all(|stash| validators.contains(stash)));
        assert!(validators.contains(&whale), "it has one seat, as everybody");
        check_state();
    });
}

#[test]
fn who_works_is_never_blamed() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        chain.pass_eras(3);
        for stash in Session::validators() {
            let active = Staking::ledger(stash.into()).expect("bonded").active;
            assert!(active >= VALIDATOR_BOND);
        }
        assert_eq!(pallet_staking::Validators::<Runtime>::count(), 4);
        check_state();
    });
}

#[test]
fn an_outage_of_all_blames_nobody() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let all = Session::validators();
        for _ in 0..8 {
            chain.make_blocks(5);
            chain.away = all.clone();
            chain.pass_slots(30);
            chain.away = vec![];
        }
        assert_eq!(pallet_staking::Validators::<Runtime>::count(), 4);
        check_state();
    });
}

#[test]
fn six_hundred_candidates_freeze_no_election() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        for number in 0..600 {
            stand(&newcomer(number), 1_000 * UNIT);
        }
        let rich = newcomer(1_000);
        stand(&rich, 80_000 * UNIT);
        let before = era();
        chain.pass_eras(2);
        assert!(era() >= before + 2, "the era is {}", era());
        assert!(Session::validators().contains(&rich), "the one with stake is seen among them all");
        assert_eq!(Session::validators().len(), 5);
        check_state();
    });
}

#[test]
fn votes_for_many_candidates_cannot_hide_one_that_has_more_stake() {
    four().execute_with(|| {
        let mut chain = Schedule::begin();
        let many: Vec<AccountId> = (0..16).map(newcomer).collect();
        many.iter().for_each(|account| stand(account, 1_000 * UNIT));
        let nominator = newcomer(2_000);
        assert_ok!(Balances::mint_into(&nominator, 60_000 * UNIT));
        let origin = || RuntimeOrigin::signed(nominator.clone());
        assert_ok!(Staking::bond(origin(), 50_000 * UNIT, RewardDestination::Staked));
        assert_ok!(Staking::nominate(
            origin(),
            many.iter().map(|account| account.clone().into()).collect()
        ));
        let rich = newcomer(1_000);
        stand(&rich, 80_000 * UNIT);
        chain.pass_eras(2);
        assert!(Session::validators().contains(&rich));
        check_state();
    });
}
