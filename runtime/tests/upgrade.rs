//! The first block of a new runtime on a market in use: what was promised under the old one is
//! kept.
//!
//! The state is made by this runtime and called an older one's, so what runs here are the
//! migrations that the next block would run. That the code itself is exchanged takes nodes.

use std::collections::BTreeMap;

use codec::Compact;
use frame_support::{
    assert_ok,
    traits::{GetStorageVersion, PalletInfoAccess, StorageVersion},
};
use frame_system::{LastRuntimeUpgrade, LastRuntimeUpgradeInfo};
use mica_primitives::{
    AgreementId, ChannelId, LayerRange, MarketUnits, ModelManifest, PeerClaim, Progress, Redeem,
    Terms, UNIT, settlement::Submitter,
};
use mica_runtime::{
    Balances, Channels, Clock, Payouts, Receipts, Registry, Runtime, RuntimeOrigin, Seats, Sla,
    System, Timing, VERSION, constants::MIN_STAKE_PER_LAYER,
};
use sp_genesis_builder::DEV_RUNTIME_PRESET;
use sp_keyring::{
    Ed25519Keyring,
    Sr25519Keyring::{self, Alice, Bob},
};

mod chain;
use chain::{genesis_of, make_block};

fn origin(who: Sr25519Keyring) -> RuntimeOrigin {
    RuntimeOrigin::signed(who.to_account_id())
}

fn genesis() -> [u8; 32] {
    System::block_hash(0).0
}

fn next_block() {
    make_block(System::block_number() + 1, 0, 0, vec![]);
}

/// Bob serves the layer of a model.
fn register() -> ModelManifest {
    let text = |text: &str| text.as_bytes().to_vec();
    let manifest = ModelManifest {
        name: text("tiny").try_into().expect("short"),
        architecture: text("llama").try_into().expect("short"),
        quantisation: text("Q8_0").try_into().expect("short"),
        layers: 1,
        hidden: 64,
        vocabulary: 256,
        context: 128,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    };
    let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
    assert_ok!(Registry::register_model(origin(Alice), manifest.clone(), units));
    let claim = PeerClaim { account: Bob.to_account_id() };
    assert_ok!(Registry::register(
        origin(Bob),
        manifest.id(),
        LayerRange { first: 0, end: 1 },
        1,
        UNIT,
        Ed25519Keyring::Bob.public().0,
        Ed25519Keyring::Bob.sign(&claim.signing_bytes(&genesis())).0,
        Default::default(),
        MIN_STAKE_PER_LAYER,
    ));
    manifest
}

/// A channel from Alice to Bob, open for a while.
fn open() -> ChannelId {
    let number = pallet_mica_channels::NextChannel::<Runtime>::get();
    let (payee, signer) = (Bob.to_account_id(), Ed25519Keyring::Alice.public().0);
    assert_ok!(Channels::open(origin(Alice), payee.clone(), signer, 10 * UNIT, 100));
    ChannelId::derive(&genesis(), &Alice.to_account_id(), &payee, number)
}

/// An agreement of Alice and Bob, under which Bob works.
fn work(manifest: &ModelManifest) -> AgreementId {
    let agreement = pallet_mica_sla::NextId::<Runtime>::get();
    let terms = Terms {
        model: manifest.id(),
        range: LayerRange { first: 0, end: 1 },
        tokens: 10,
        price_per_layer_token: UNIT,
        window: 4,
        start_blocks: 10,
        first_blocks: 2,
        work_blocks: 10,
        signer: Ed25519Keyring::Alice.public().0,
    };
    assert_ok!(Sla::propose(origin(Alice), Bob.to_account_id(), terms));
    assert_ok!(Sla::accept(origin(Bob), agreement));
    assert_ok!(Sla::acknowledge(origin(Bob), agreement, [5; 32]));
    agreement
}

/// What Alice promises on the channel.
fn promise(channel: ChannelId, seq: u64, cumulative: u128) -> Redeem {
    chain::promise(&Ed25519Keyring::Alice.pair(), channel, seq, cumulative)
}

/// Everything that a pallet has stored.
fn stored(pallet: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let prefix = sp_io::hashing::twox_128(pallet.as_bytes()).to_vec();
    let mut found = BTreeMap::new();
    let mut last = prefix.clone();
    while let Some(key) = sp_io::storage::next_key(&last).filter(|key| key.starts_with(&prefix)) {
        found.insert(key.clone(), sp_io::storage::get(&key).expect("it is there").to_vec());
        last = key;
    }
    found
}

#[test]
fn an_upgrade_loses_no_promise_and_no_agreement() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        next_block();
        let manifest = register();
        let (channel, closing) = (open(), open());
        assert_ok!(Channels::redeem(origin(Bob), promise(channel, 1, UNIT)));
        assert_ok!(Channels::close(origin(Alice), closing));
        let agreement = work(&manifest);
        next_block();
        // Signed under the old runtime, and shown to the new one.
        let (newer, last) = (promise(channel, 2, 3 * UNIT), promise(closing, 1, 2 * UNIT));
        let progress = Progress {
            agreement,
            tokens: 10,
            ended: true,
            elapsed_blocks: 3,
            receipts_root: [4; 32],
            receipts: 1,
        };
        let signature = Ed25519Keyring::Alice.sign(&progress.signing_bytes(&genesis())).0;
        let before = ["Channels", "Receipts"].map(stored);
        assert!(before.iter().all(|stored| stored.len() > 3));
        let (agreed, worker) = (Sla::agreement(agreement), Registry::worker(&Bob.to_account_id()));

        let old = VERSION.spec_version - 1;
        LastRuntimeUpgrade::<Runtime>::put(LastRuntimeUpgradeInfo {
            spec_version: Compact(old),
            spec_name: VERSION.spec_name,
        });
        next_block();
        let now = LastRuntimeUpgrade::<Runtime>::get().expect("an upgrade is noted");
        assert_eq!(now.spec_version, Compact(VERSION.spec_version), "migrations have run");

        assert_eq!(["Channels", "Receipts"].map(stored), before);
        assert_eq!(Sla::agreement(agreement), agreed);
        assert_eq!(Registry::worker(&Bob.to_account_id()), worker);
        let money = Balances::free_balance(Bob.to_account_id());
        assert_ok!(Channels::redeem(origin(Bob), newer));
        assert_ok!(Channels::redeem(origin(Bob), last));
        assert_ok!(Sla::claim(origin(Bob), progress, signature));
        let paid = 2 * UNIT + 2 * UNIT + 10 * UNIT;
        assert_eq!(Balances::free_balance(Bob.to_account_id()), money + paid);
        let root = Receipts::root(channel, 0, Submitter::Payee).expect("it is fixed");
        assert_eq!(root.seq, 2);
        next_block();
    });
}

/// A migration knows from it whether it has run.
fn has_a_version<P>()
where
    P: GetStorageVersion<InCodeStorageVersion = StorageVersion> + PalletInfoAccess,
{
    let (on_chain, in_code) = (P::on_chain_storage_version(), P::in_code_storage_version());
    assert!(on_chain == in_code && in_code >= 1, "{}: {on_chain:?} {in_code:?}", P::name());
}

#[test]
fn every_pallet_of_ours_notes_the_version_of_its_storage() {
    genesis_of(DEV_RUNTIME_PRESET).execute_with(|| {
        has_a_version::<Timing>();
        has_a_version::<Seats>();
        has_a_version::<Clock>();
        has_a_version::<Payouts>();
        has_a_version::<Registry>();
        has_a_version::<Channels>();
        has_a_version::<Sla>();
        has_a_version::<Receipts>();
    });
}
