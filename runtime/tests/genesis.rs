//! The presets make a chain that starts, elects, pays and balances its books.

use codec::Encode;
use frame_support::{
    assert_err, assert_ok,
    traits::{PalletInfoAccess, fungible::Inspect},
};
use mica_primitives::UNIT;
use mica_runtime::{
    Authorship, Balances, Grandpa, Runtime, RuntimeCall, Session, SessionKeys, Staking, System,
    Treasury,
    configs::transaction_payment::{AUTHOR_PERCENT, TREASURY_PERCENT},
    constants::{EXISTENTIAL_DEPOSIT, durations::TEST},
    genesis::{DEV_ACCOUNTS, DEV_ENDOWMENT, STAGING_PRESET, VALIDATOR_BOND},
};
use pallet_staking::{RewardDestination, ValidatorPrefs};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::Sr25519Keyring::{
    Alice, AliceStash, Bob, BobStash, CharlieStash, DaveStash, Eve, Ferdie,
};
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::{DispatchError, transaction_validity::InvalidTransaction};

mod chain;
use chain::{check_state, drill, genesis_from, genesis_of, make_block, signed};

fn transfer(to: sp_keyring::Sr25519Keyring, value: u128) -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
        dest: to.to_account_id().into(),
        value,
    })
}

/// Blocks of one era.
fn era_blocks() -> u32 {
    u32::try_from(TEST.session_slots).expect("short") * TEST.sessions_per_era
}

#[test]
fn development_has_one_validator_and_six_rich_accounts() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        assert_eq!(Session::validators(), vec![AliceStash.to_account_id()]);
        assert_eq!(Grandpa::grandpa_authorities().len(), 1);
        for account in DEV_ACCOUNTS {
            assert_eq!(Balances::balance(&account.to_account_id()), DEV_ENDOWMENT);
        }
        assert_eq!(DEV_ENDOWMENT, 1_000_000 * UNIT);
        check_state();
    });
}

#[test]
fn local_has_four_staked_validators() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        let validators =
            [AliceStash, BobStash, CharlieStash, DaveStash].map(|stash| stash.to_account_id());
        assert_eq!(Session::validators().len(), validators.len());
        for stash in &validators {
            assert!(Session::validators().contains(stash));
            assert_eq!(
                Staking::ledger(stash.clone().into()).expect("it has bonded").active,
                VALIDATOR_BOND
            );
        }
        assert_eq!(Grandpa::grandpa_authorities().len(), 4);
        check_state();
    });
}

#[test]
fn durations_are_known_before_anything_asks_for_them() {
    let timing = mica_runtime::Timing::index();
    for asks in [Staking::index(), Session::index(), Grandpa::index()] {
        assert!(timing < asks, "pallets are built in the order of their numbers");
    }
}

#[test]
fn an_unknown_preset_is_nothing() {
    assert_eq!(mica_runtime::genesis::get_preset(&"mainnet".into()), None);
    assert_eq!(mica_runtime::genesis::preset_names().len(), 3);
}

#[test]
fn every_preset_has_its_times_and_only_a_public_one_has_no_master() {
    use pallet_mica_timing::Timing;
    for (preset, timing) in [
        (DEV_RUNTIME_PRESET, Timing::Test),
        (LOCAL_TESTNET_RUNTIME_PRESET, Timing::Test),
        (STAGING_PRESET, Timing::Public),
    ] {
        assert!(mica_runtime::genesis::preset_names().contains(&preset.into()));
        genesis_of(preset).execute_with(|| {
            assert_eq!(mica_runtime::Timing::timing(), timing, "{preset}");
            let master = pallet_sudo::Key::<Runtime>::get();
            assert_eq!(master.is_none(), timing == Timing::Public, "{preset}");
            make_block(1, 0, 0, vec![]);
            check_state();
        });
    }
}

#[test]
fn a_chain_for_drills_is_one_that_somebody_asked_for_by_hand() {
    use mica_runtime::{Babe, Timing, constants::durations::DRILL};
    genesis_from(drill()).execute_with(|| {
        assert_eq!(Timing::timing(), pallet_mica_timing::Timing::Drill);
        assert_eq!(<Runtime as pallet_babe::Config>::EpochDuration::get(), DRILL.session_slots);
        let idle_after = <Runtime as pallet_mica_seats::Config>::IdleAfter::get();
        assert_eq!(idle_after, DRILL.idle_after_missed_slots);
        let stall_bound: u32 = <Runtime as pallet_mica_clock::Config>::StallBound::get();
        assert_eq!(stall_bound, DRILL.stall_bound);
        assert_eq!(Babe::epoch_config().expect("the genesis has one").c, (1, 100));
        make_block(1, 0, 0, vec![]);
        check_state();
    });
}

#[test]
fn a_transfer_moves_money_and_half_of_its_fee_is_burned() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        let author = Session::validators()[2].clone();
        let (author_before, issuance) = (Balances::balance(&author), Balances::total_issuance());
        let treasury_before = Balances::balance(&Treasury::account_id());
        let results = make_block(2, 2, 0, vec![signed(Alice, 0, transfer(Bob, UNIT))]);
        assert_ok!(results[0].expect("valid"));

        let spent = DEV_ENDOWMENT - Balances::balance(&Alice.to_account_id());
        let fee = spent - UNIT;
        assert_eq!(Balances::balance(&Bob.to_account_id()), DEV_ENDOWMENT + UNIT);
        assert!(fee > 0 && fee < UNIT / 100, "a transfer cost {fee}");
        let part = |percent: u32| fee * u128::from(percent) / 100;
        let near = |is: u128, should: u128| assert!(is.abs_diff(should) <= 2, "{is}, not {should}");
        near(Balances::balance(&author) - author_before, part(AUTHOR_PERCENT));
        near(Balances::balance(&Treasury::account_id()) - treasury_before, part(TREASURY_PERCENT));
        // An author that fills its own blocks has less afterwards, whoever else is there.
        near(issuance - Balances::total_issuance(), fee / 2);
        assert_eq!(Authorship::author(), Some(author));
    });
}

#[test]
fn what_is_not_paid_for_signed_or_in_turn_does_not_enter_a_block() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        let forged = {
            let mut forged = signed(Alice, 0, transfer(Bob, UNIT));
            forged.function = transfer(Ferdie, UNIT);
            forged
        };
        let results = make_block(
            2,
            0,
            0,
            vec![
                forged,
                signed(Alice, 7, transfer(Bob, UNIT)),
                signed(sp_keyring::Sr25519Keyring::One, 0, transfer(Bob, UNIT)),
                signed(Alice, 0, transfer(Bob, UNIT)),
                signed(Alice, 0, transfer(Bob, UNIT)),
            ],
        );
        assert_eq!(results[0], Err(InvalidTransaction::BadProof.into()));
        assert_eq!(results[1], Err(InvalidTransaction::Future.into()));
        assert_eq!(results[2], Err(InvalidTransaction::Payment.into()));
        assert!(matches!(results[3], Ok(Ok(()))));
        assert_eq!(results[4], Err(InvalidTransaction::Stale.into()));
        assert_eq!(Balances::balance(&Bob.to_account_id()), DEV_ENDOWMENT + UNIT);
    });
}

#[test]
fn eras_pass_and_pay_validators() {
    genesis_of(LOCAL_TESTNET_RUNTIME_PRESET).execute_with(|| {
        // A few more than two eras, in which the last one that is over is paid.
        let blocks = 2 * era_blocks() + 10;
        for number in 1..=blocks {
            make_block(number, number % 4, 0, vec![]);
        }
        check_state();
        let era = pallet_staking::ActiveEra::<Runtime>::get().expect("eras have begun");
        assert!(era.index >= 1, "after {blocks} blocks the active era is {}", era.index);
        let paid = pallet_staking::ErasValidatorReward::<Runtime>::get(era.index - 1)
            .expect("the era before is closed");
        assert!(paid > 0);

        let stash = AliceStash.to_account_id();
        assert!(
            Balances::total_balance(&stash) > 2 * VALIDATOR_BOND,
            "the validator was paid, and nobody asked"
        );
        let issuance = Balances::total_issuance();
        let payout = RuntimeCall::Staking(pallet_staking::Call::payout_stakers {
            validator_stash: stash,
            era: era.index - 1,
        });
        let number = System::block_number() + 1;
        let again = make_block(number, 1, 0, vec![signed(Eve, 0, payout)])[0].expect("valid");
        assert_err!(again, pallet_staking::Error::<Runtime>::AlreadyClaimed);
        assert!(Balances::total_issuance() < issuance, "a page is paid once, and the fee burned");
    });
}

#[test]
fn a_chain_that_slept_through_epochs_goes_on() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        let slept = 10 * TEST.session_slots;
        for number in 2..=3 * u32::try_from(TEST.session_slots).expect("short") {
            make_block(number, 0, slept, vec![]);
        }
        check_state();
        assert_eq!(Session::validators(), vec![AliceStash.to_account_id()]);
    });
}

#[test]
fn session_keys_need_a_proof_that_their_owner_holds_them() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        let keys = SessionKeys {
            babe: sp_keyring::Sr25519Keyring::Bob.public().into(),
            grandpa: sp_keyring::Ed25519Keyring::Bob.public().into(),
            authority_discovery: sp_keyring::Sr25519Keyring::Bob.public().into(),
        };
        let set_keys =
            RuntimeCall::Session(pallet_session::Call::set_keys { keys, proof: vec![0; 192] });
        make_block(1, 0, 0, vec![]);
        let results = make_block(2, 0, 0, vec![signed(Bob, 0, set_keys)]);
        assert_err!(
            results[0].expect("the transaction itself is valid"),
            DispatchError::from(pallet_session::Error::<Runtime>::InvalidProof)
        );
    });
}

#[test]
fn anybody_who_bonds_and_proves_its_keys_becomes_a_validator() {
    let mut state = genesis_of(DEV_RUNTIME_PRESET);
    state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    state.execute_with(|| {
        let owner = Bob.to_account_id();
        let generated = SessionKeys::generate(&owner.encode(), None);
        let calls = [
            RuntimeCall::Staking(pallet_staking::Call::bond {
                value: VALIDATOR_BOND,
                payee: RewardDestination::Staked,
            }),
            RuntimeCall::Session(pallet_session::Call::set_keys {
                keys: generated.keys,
                proof: generated.proof.encode(),
            }),
            RuntimeCall::Staking(pallet_staking::Call::validate {
                prefs: ValidatorPrefs::default(),
            }),
        ];
        make_block(1, 0, 0, vec![]);
        let transactions = (0..).zip(calls).map(|(nonce, call)| signed(Bob, nonce, call)).collect();
        for result in make_block(2, 0, 0, transactions) {
            assert_ok!(result.expect("valid"));
        }
        for number in 3..=2 * era_blocks() + 1 {
            make_block(number, 0, 0, vec![]);
        }
        assert!(Session::validators().contains(&owner));
        assert_eq!(Grandpa::grandpa_authorities().len(), 2);
        check_state();
    });
}

#[test]
fn an_account_below_the_existential_deposit_cannot_be_made() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        make_block(1, 0, 0, vec![]);
        let stranger = sp_keyring::Sr25519Keyring::Two;
        let results = make_block(
            2,
            0,
            0,
            vec![
                signed(Alice, 0, transfer(stranger, EXISTENTIAL_DEPOSIT - 1)),
                signed(Alice, 1, transfer(stranger, EXISTENTIAL_DEPOSIT)),
            ],
        );
        assert!(results[0].expect("valid").is_err());
        assert_ok!(results[1].expect("valid"));
    });
}
