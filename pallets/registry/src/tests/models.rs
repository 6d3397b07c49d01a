//! Registering and removing models.

use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use mica_primitives::{MarketUnits, ModelManifest, layers::MAX_LAYERS};
use sp_runtime::TokenError;

use crate::{Error, Event, HoldReason, Models, mock::*};

fn deposit(owner: AccountId) -> u128 {
    Balances::balance_on_hold(&HoldReason::ModelDeposit.into(), &owner)
}

fn register(manifest: ModelManifest) -> sp_runtime::DispatchResult {
    Registry::register_model(RuntimeOrigin::signed(OWNER), manifest, UNITS)
}

#[test]
fn a_model_is_named_by_its_manifest_and_holds_a_deposit() {
    run(|| {
        let manifest = manifest("tiny");
        assert_ok!(register(manifest.clone()));
        let record = Models::<Test>::get(manifest.id()).expect("stored");
        assert_eq!((record.owner, record.deposit, record.units), (OWNER, DEPOSIT, UNITS));
        assert_eq!(deposit(OWNER), DEPOSIT);
        assert_eq!(last_event(), Event::ModelRegistered { model: manifest.id(), owner: OWNER });
    });
}

#[test]
fn the_same_manifest_is_registered_once() {
    run(|| {
        model();
        let again = Registry::register_model(RuntimeOrigin::signed(ALICE), manifest("tiny"), UNITS);
        assert_eq!(again, Err(Error::<Test>::ModelExists.into()));
        assert_eq!(deposit(ALICE), 0);
    });
}

#[test]
fn a_manifest_that_describes_nothing_is_refused() {
    let spoil: [fn(&mut ModelManifest); 10] = [
        |m| m.name = Default::default(),
        |m| m.name = vec![0xff].try_into().expect("short"),
        |m| m.architecture = Default::default(),
        |m| m.quantisation = Default::default(),
        |m| m.quantisation = vec![0xc0].try_into().expect("short"),
        |m| m.layers = 0,
        |m| m.layers = MAX_LAYERS + 1,
        |m| m.hidden = 0,
        |m| m.vocabulary = 0,
        |m| m.context = 0,
    ];
    run(|| {
        for spoil in spoil {
            let mut manifest = manifest("tiny");
            spoil(&mut manifest);
            assert_noop!(register(manifest), Error::<Test>::BadManifest);
        }
        assert_ok!(register(ModelManifest { layers: MAX_LAYERS, ..manifest("largest") }));
        assert_ok!(register(ModelManifest { layers: 1, ..manifest("smallest") }));
    });
}

#[test]
fn units_of_zero_are_refused() {
    run(|| {
        for units in
            [MarketUnits { price_unit: 0, ..UNITS }, MarketUnits { cost_unit_us: 0, ..UNITS }]
        {
            let origin = RuntimeOrigin::signed(OWNER);
            assert_noop!(
                Registry::register_model(origin, manifest("tiny"), units),
                Error::<Test>::BadUnits
            );
        }
    });
}

#[test]
fn who_cannot_pay_the_deposit_registers_nothing() {
    run(|| {
        let origin = RuntimeOrigin::signed(GHOST);
        assert_noop!(
            Registry::register_model(origin, manifest("tiny"), UNITS),
            TokenError::FundsUnavailable
        );
        assert_noop!(
            Registry::register_model(RuntimeOrigin::none(), manifest("tiny"), UNITS),
            sp_runtime::DispatchError::BadOrigin
        );
    });
}

#[test]
fn removing_a_model_releases_its_own_deposit_only() {
    run(|| {
        let first = model();
        assert_ok!(register(manifest("other")));
        assert_ok!(Registry::remove_model(RuntimeOrigin::signed(OWNER), first));
        assert_eq!(last_event(), Event::ModelRemoved { model: first });
        assert_eq!(deposit(OWNER), DEPOSIT);
        assert_noop!(
            Registry::remove_model(RuntimeOrigin::signed(OWNER), first),
            Error::<Test>::UnknownModel
        );
    });
}

#[test]
fn only_the_owner_removes_and_only_what_nobody_serves() {
    run(|| {
        let model = model();
        join(ALICE, 0, 4);
        assert_noop!(
            Registry::remove_model(RuntimeOrigin::signed(BOB), model),
            Error::<Test>::NotOwner
        );
        assert_noop!(
            Registry::remove_model(RuntimeOrigin::signed(OWNER), model),
            Error::<Test>::ModelInUse
        );
        assert_ok!(Registry::unregister(RuntimeOrigin::signed(ALICE)));
        assert_ok!(Registry::remove_model(RuntimeOrigin::signed(OWNER), model));
        // The stake of one that leaves does not depend on the model.
        go_to(UNBONDING + 1);
        assert_ok!(Registry::withdraw(RuntimeOrigin::signed(ALICE)));
    });
}

#[test]
fn a_jailed_worker_keeps_its_model() {
    run(|| {
        let model = model();
        join(ALICE, 0, 4);
        go_to(JAIL + 1);
        assert_noop!(
            Registry::remove_model(RuntimeOrigin::signed(OWNER), model),
            Error::<Test>::ModelInUse
        );
    });
}
