//! Stake, channels and receipts together: a worker cannot leave with its stake and fix receipts
//! afterwards, nor get around fixing them.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{
    ChannelId, LayerRange, MarketUnits, ModelManifest, PeerClaim, Redeem, UNIT, WorkerStatus,
    settlement::Submitter,
};
use mica_runtime::{
    Channels, Receipts, Registry, Runtime, RuntimeOrigin, System,
    constants::{MIN_STAKE_PER_LAYER, durations::TEST},
};
use sp_core::{Pair, ed25519};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie};
use sp_runtime::traits::BlockNumberProvider;

mod chain;
use chain::genesis_of;

const MAX_CHANNEL_WINDOW: u32 = TEST.max_channel_window;
const LONGEST_CLOSE: u32 = TEST.longest_close();
const LONGEST_DISPUTE: u32 = TEST.longest_dispute();
const WORKER_UNBONDING: u32 = TEST.worker_unbonding;

type Clock = <Runtime as pallet_mica_registry::Config>::BlockNumberProvider;

fn origin(who: Sr25519Keyring) -> RuntimeOrigin {
    RuntimeOrigin::signed(who.to_account_id())
}

fn go_to(block: u32) {
    Clock::set_block_number(block);
}

fn now() -> u32 {
    Clock::current_block_number()
}

fn genesis() -> [u8; 32] {
    System::block_hash(0).0
}

fn key() -> ed25519::Pair {
    ed25519::Pair::from_seed(&[5; 32])
}

/// Bob serves a layer.
fn register() {
    let manifest = ModelManifest {
        name: b"tiny".to_vec().try_into().expect("short"),
        architecture: b"llama".to_vec().try_into().expect("short"),
        quantisation: b"Q8_0".to_vec().try_into().expect("short"),
        layers: 16,
        hidden: 64,
        vocabulary: 512,
        context: 256,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    };
    let model = manifest.id();
    let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
    assert_ok!(Registry::register_model(origin(Alice), manifest, units));
    let peer = ed25519::Pair::from_seed(&[7; 32]);
    let claim = PeerClaim { account: Bob.to_account_id() };
    assert_ok!(Registry::register(
        origin(Bob),
        model,
        LayerRange { first: 0, end: 1 },
        1,
        1,
        peer.public().0,
        peer.sign(&claim.signing_bytes(&genesis())).0,
        Default::default(),
        MIN_STAKE_PER_LAYER,
    ));
}

/// A channel from Alice to Bob.
fn open() -> ChannelId {
    let number = pallet_mica_channels::NextChannel::<Runtime>::get();
    let (payee, signer) = (Bob.to_account_id(), key().public().0);
    assert_ok!(Channels::open(origin(Alice), payee.clone(), signer, UNIT, MAX_CHANNEL_WINDOW));
    ChannelId::derive(&genesis(), &Alice.to_account_id(), &payee, number)
}

fn promise(channel: ChannelId, seq: u64, cumulative: u128) -> Redeem {
    chain::promise(&key(), channel, seq, cumulative)
}

fn until() -> u32 {
    match Registry::worker(&Bob.to_account_id()).expect("registered").0.status {
        WorkerStatus::Unbonding { until } => until,
        other => panic!("not leaving but {other:?}"),
    }
}

#[test]
fn a_worker_has_its_stake_back_when_no_voucher_can_fix_receipts_any_more() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        go_to(1);
        register();
        let channel = open();
        assert_ok!(Registry::unregister(origin(Bob)));
        assert_noop!(
            Channels::open(origin(Alice), Bob.to_account_id(), [1; 32], UNIT, MAX_CHANNEL_WINDOW),
            pallet_mica_channels::Error::<Runtime>::PayeeLeaves
        );
        // Unbonding is over, and a voucher still fixes receipts: the stake answers for them.
        go_to(until());
        assert_noop!(
            Registry::withdraw(origin(Bob)),
            pallet_mica_registry::Error::<Runtime>::PaidByChannel
        );
        assert_ok!(Channels::redeem(origin(Bob), promise(channel, 1, 100)));
        assert_eq!(Receipts::root(channel, 0, Submitter::Payee).map(|root| root.seq), Some(1));
        assert_eq!(until(), now() + LONGEST_DISPUTE + 1);
        assert_ok!(Channels::close(origin(Bob), channel));
        assert_noop!(
            Registry::withdraw(origin(Bob)),
            pallet_mica_registry::Error::<Runtime>::StillBonded
        );
        go_to(until());
        assert_ok!(Registry::withdraw(origin(Bob)));
    });
}

/// A payer that asks to close when its worker leaves sees the end of the longest window, with all
/// extensions, and every dispute after it, while the stake is there.
#[test]
fn the_longest_window_ends_and_is_judged_before_the_stake_is_free() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        go_to(1);
        register();
        let channel = open();
        assert_ok!(Registry::unregister(origin(Bob)));
        assert_ok!(Channels::close(origin(Alice), channel));
        let mut ends = now() + MAX_CHANNEL_WINDOW;
        for seq in 1..=5 {
            go_to(ends - 1);
            assert_ok!(Channels::redeem(origin(Bob), promise(channel, seq, 100 * u128::from(seq))));
            let state = Channels::channel(channel).expect("it is closing").state;
            ends = state.ends().expect("it is closing");
        }
        assert!(ends <= 1 + LONGEST_CLOSE);
        assert!(ends + LONGEST_DISPUTE < 1 + WORKER_UNBONDING);
        assert_eq!(until(), 1 + WORKER_UNBONDING, "the last root is judged by then");
    });
}

#[test]
fn a_redeem_through_a_second_account_fixes_the_receipts() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        go_to(1);
        register();
        let channel = open();
        assert_ok!(Channels::redeem(origin(Charlie), promise(channel, 3, 100)));
        let root = Receipts::root(channel, 0, Submitter::Other).expect("it is fixed");
        assert_eq!((root.seq, root.by, root.worker), (3, Submitter::Other, Bob.to_account_id()));
        // The payer pays one unit more with a number of its own; the payee fixes its root all the
        // same.
        assert_ok!(Channels::redeem(origin(Alice), promise(channel, 200, 101)));
        assert_ok!(Channels::redeem(origin(Bob), promise(channel, 3, 100)));
        let root = Receipts::root(channel, 0, Submitter::Payee).expect("it is fixed");
        assert_eq!((root.seq, root.by), (3, Submitter::Payee));
        assert_eq!(Receipts::root(channel, 0, Submitter::Other).map(|root| root.seq), Some(200));
    });
}
