//! A runtime with the registry, balances, and an agreements pallet that says what the test tells it
//! to.

use frame_support::{
    derive_impl, parameter_types,
    traits::{Hooks, UnfilteredDispatchable},
    weights::Weight,
};
use mica_primitives::{
    Balance, BlockNumber, Heartbeat, LayerRange, MarketUnits, ModelId, ModelManifest, PeerClaim,
    PublicKey, Signature, WorkerAddresses,
    hooks::{OpenAgreements, OpenChannels},
};
use sp_core::{Pair, ed25519};
#[allow(deprecated)]
use sp_runtime::traits::ValidateUnsigned;
use sp_runtime::{
    BuildStorage, DispatchResult, Perbill,
    traits::BlockNumberProvider,
    transaction_validity::{TransactionSource, TransactionValidity},
};

use crate as pallet_mica_registry;

pub type AccountId = u64;
type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Registry: pallet_mica_registry,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountData = pallet_balances::AccountData<Balance>;
}

parameter_types! {
    pub const ExistentialDeposit: Balance = 10;
    /// Accounts that the agreements pallet would call bound.
    pub static Bound: Vec<AccountId> = Vec::new();
    /// Accounts that channels pay.
    pub static Paid: Vec<AccountId> = Vec::new();
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
}

pub struct Agreements;
impl OpenAgreements<AccountId> for Agreements {
    fn has_open_agreements(worker: &AccountId) -> bool {
        Bound::get().contains(worker)
    }
}

pub struct Channels;
impl OpenChannels<AccountId> for Channels {
    fn has_channels(payee: &AccountId) -> bool {
        Paid::get().contains(payee)
    }
}

pub const DEPOSIT: Balance = 500;
pub const MIN_STAKE: Balance = 100;
pub const INTERVAL: BlockNumber = 5;
pub const OFFLINE: BlockNumber = 12;
pub const JAIL: BlockNumber = 30;
pub const UNBONDING: BlockNumber = 50;
pub const DISPUTE: BlockNumber = 20;
pub const PRICE_INTERVAL: BlockNumber = 3;

parameter_types! {
    pub const PriceInterval: BlockNumber = PRICE_INTERVAL;
    pub const Unbonding: BlockNumber = UNBONDING;
    // Those that `integrity_test` judges can be set by a test.
    pub static ModelDeposit: Balance = DEPOSIT;
    pub static MinStakePerLayer: Balance = MIN_STAKE;
    pub static HeartbeatInterval: BlockNumber = INTERVAL;
    pub static OfflineAfter: BlockNumber = OFFLINE;
    pub static JailAfter: BlockNumber = JAIL;
    pub static LongestDispute: BlockNumber = DISPUTE;
    pub static LongestClose: BlockNumber = UNBONDING - DISPUTE - 1;
    pub static SlashReward: Perbill = Perbill::from_percent(40);
}

/// The system's block number, which a benchmark may set.
pub struct Clock;
impl BlockNumberProvider for Clock {
    type BlockNumber = u32;
    fn current_block_number() -> u32 {
        System::block_number()
    }
    fn set_block_number(block: u32) {
        System::set_block_number(block);
    }
}

impl crate::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type BlockNumberProvider = Clock;
    type OpenAgreements = Agreements;
    type OpenChannels = Channels;
    type ModelDeposit = ModelDeposit;
    type MinStakePerLayer = MinStakePerLayer;
    type HeartbeatInterval = HeartbeatInterval;
    type OfflineAfter = OfflineAfter;
    type JailAfter = JailAfter;
    type Unbonding = Unbonding;
    type LongestDispute = LongestDispute;
    type LongestClose = LongestClose;
    type PriceInterval = PriceInterval;
    type SlashReward = SlashReward;
    type WeightInfo = ();
}

/// Owner of the models.
pub const OWNER: AccountId = 1;
/// Accounts that may become workers; each has [`FUNDS`].
pub const ALICE: AccountId = 10;
pub const BOB: AccountId = 11;
pub const CAROL: AccountId = 12;
/// Has nothing, not even an account.
pub const GHOST: AccountId = 99;
pub const FUNDS: Balance = 100_000;
/// Layers of [`manifest`].
pub const LAYERS: u16 = 40;

/// Storage with the funded accounts, at block 1.
pub fn new_test_ext() -> sp_io::TestExternalities {
    Bound::set(Vec::new());
    Paid::set(Vec::new());
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .expect("an empty genesis builds");
    let balances =
        (OWNER..=OWNER + 1).chain(ALICE..ALICE + 8).map(|account| (account, FUNDS)).collect();
    pallet_balances::GenesisConfig::<Test> { balances, ..Default::default() }
        .assimilate_storage(&mut storage)
        .expect("funded accounts build");
    let mut ext = sp_io::TestExternalities::from(storage);
    ext.register_extension(sp_keystore::KeystoreExt::new(
        sp_keystore::testing::MemoryKeystore::new(),
    ));
    ext.execute_with(|| System::set_block_number(1));
    ext
}

/// Runs `test` on fresh storage and checks the invariants afterwards.
pub fn run(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        test();
        Registry::do_try_state().expect("invariants hold after the test");
    });
}

/// A sound manifest; `name` tells models apart.
pub fn manifest(name: &str) -> ModelManifest {
    ModelManifest {
        name: name.as_bytes().to_vec().try_into().expect("short"),
        architecture: b"llama".to_vec().try_into().expect("short"),
        quantisation: b"Q8_0".to_vec().try_into().expect("short"),
        layers: LAYERS,
        hidden: 64,
        vocabulary: 512,
        context: 256,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

pub const UNITS: MarketUnits = MarketUnits { price_unit: 1_000, cost_unit_us: 50 };

/// Registers the usual model.
pub fn model() -> ModelId {
    let manifest = manifest("tiny");
    let id = manifest.id();
    if crate::Models::<Test>::get(id).is_none() {
        Registry::register_model(RuntimeOrigin::signed(OWNER), manifest, UNITS)
            .expect("the owner is funded");
    }
    id
}

/// A range from constants of a test.
pub fn layers(first: u16, end: u16) -> LayerRange {
    LayerRange { first, end }
}

/// The pair of the peer key that [`join`] gives to `account`.
fn peer_pair(account: AccountId) -> ed25519::Pair {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&account.to_le_bytes());
    ed25519::Pair::from_seed(&seed)
}

/// That key.
pub fn peer(account: AccountId) -> PublicKey {
    peer_pair(account).public().0
}

/// The proof with which `account` registers the peer key of `owner`.
pub fn claim(account: AccountId, owner: AccountId) -> Signature {
    peer_pair(owner).sign(&PeerClaim { account }.signing_bytes(&Registry::genesis())).0
}

/// A heartbeat of `worker` in block `at`, signed by the peer key of `signer`.
pub fn beat_by(signer: AccountId, worker: AccountId, at: BlockNumber) -> crate::Call<Test> {
    let beat = Heartbeat { worker, at };
    let signature = peer_pair(signer).sign(&beat.signing_bytes(&Registry::genesis())).0;
    crate::Call::heartbeat { beat, signature }
}

/// What a pool says of `call` without a signature around it.
#[allow(deprecated)]
pub fn check(call: &crate::Call<Test>) -> TransactionValidity {
    Registry::validate_unsigned(TransactionSource::External, call)
}

/// What it says of `worker`'s heartbeat in this block.
pub fn check_beat(worker: AccountId) -> TransactionValidity {
    check(&beat_by(worker, worker, System::block_number()))
}

/// Sends `worker`'s heartbeat as a block takes it.
#[allow(deprecated)]
pub fn send(call: crate::Call<Test>) -> DispatchResult {
    let checked = <Registry as ValidateUnsigned>::pre_dispatch(&call);
    checked.map_err(|_| sp_runtime::DispatchError::Other("the block does not take it"))?;
    call.dispatch_bypass_filter(RuntimeOrigin::none()).map(drop).map_err(|failed| failed.error)
}

/// The heartbeat that is due now.
pub fn beat(worker: AccountId) -> DispatchResult {
    send(beat_by(worker, worker, System::block_number()))
}

/// One address.
pub fn address(text: &str) -> WorkerAddresses {
    vec![text.as_bytes().to_vec().try_into().expect("short")].try_into().expect("one fits")
}

/// Registers `account` for `[first, end)` of the usual model with `stake`.
pub fn join_with(account: AccountId, first: u16, end: u16, stake: Balance) -> DispatchResult {
    let model = model();
    let origin = RuntimeOrigin::signed(account);
    Registry::register(
        origin,
        model,
        layers(first, end),
        20,
        900,
        peer(account),
        claim(account, account),
        address("/ip4/127.0.0.1/tcp/1"),
        stake,
    )
}

/// Registers `account` for `[first, end)` of the usual model with the minimum stake.
pub fn join(account: AccountId, first: u16, end: u16) {
    join_with(account, first, end, MIN_STAKE * Balance::from(end - first))
        .expect("a funded account can join");
}

/// Goes to block `block`, running the sweep in each block on the way and checking the invariants.
pub fn go_to(block: BlockNumber) {
    while System::block_number() < block {
        System::set_block_number(System::block_number() + 1);
        Registry::on_idle(System::block_number(), Weight::MAX);
        Registry::do_try_state().expect("invariants hold after each block");
    }
}

/// The record of a worker that must exist.
pub fn record(account: AccountId) -> mica_primitives::WorkerRecord<AccountId> {
    crate::Workers::<Test>::get(account).expect("the worker exists")
}

/// The last event of the registry.
pub fn last_event() -> crate::Event<Test> {
    System::read_events_for_pallet::<crate::Event<Test>>().pop().expect("an event was deposited")
}
