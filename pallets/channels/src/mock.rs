//! A runtime of balances and channels for the tests.

use frame_support::{
    derive_impl, parameter_types,
    traits::{ConstU32, ConstU128},
};
use mica_primitives::{
    Channel, ChannelId, CooperativeClose, Hash32, LaneId, PublicKey, Redeem, Signature, Tick,
    TickProof, Voucher,
    hooks::{OnRedeem, Payees, PeerKeys, Redeemed, Saved},
};
use sp_core::{Pair, ed25519};
use sp_runtime::{BuildStorage, traits::BlockNumberProvider};

use crate as pallet_mica_channels;

pub const PAYER: u64 = 1;
pub const PAYEE: u64 = 2;
pub const STRANGER: u64 = 3;
pub const OTHER_PAYEE: u64 = 4;
pub const FUNDS: u128 = 1_000_000;
pub const ED: u128 = 10;
pub const MIN_DEPOSIT: u128 = 100;
pub const STORAGE: u128 = 50;
pub const WINDOW: u32 = 20;
/// Far enough for every test.
pub const NEVER: u32 = 1_000_000;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Channels: pallet_mica_channels,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountData = pallet_balances::AccountData<u128>;
    type DbWeight = frame_support::weights::constants::RocksDbWeight;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = u128;
    type ExistentialDeposit = ConstU128<ED>;
    type AccountStore = System;
}

parameter_types! {
    /// What the listener heard.
    pub static Heard: Vec<Redeemed<u64>> = Vec::new();
    /// Blocks in which the clock stood still.
    pub static HaltedBlocks: u32 = 0;
    /// Whether payees have a peer key.
    pub static KnowsPeerKeys: bool = true;
}

pub struct Listener;
impl OnRedeem<u64> for Listener {
    fn on_redeem(redeemed: &Redeemed<u64>) -> Saved {
        Heard::mutate(|heard| heard.push(redeemed.clone()));
        Saved { reads: 1, writes: 2 }
    }
}

pub struct Keys;
impl PeerKeys<u64> for Keys {
    fn peer_key(account: &u64) -> Option<PublicKey> {
        KnowsPeerKeys::get().then(|| key(*account).public().0)
    }
}

parameter_types! {
    /// A worker that is leaving.
    pub static Leaves: Option<u64> = None;
}

pub struct Leaving;
impl Payees<u64> for Leaving {
    fn takes_channels(account: &u64) -> bool {
        Leaves::get() != Some(*account)
    }
}

/// The system's block number, less the blocks in which calls were halted.
pub struct TestClock;
impl BlockNumberProvider for TestClock {
    type BlockNumber = u32;
    fn current_block_number() -> u32 {
        System::block_number() - HaltedBlocks::get()
    }
    fn set_block_number(block: u32) {
        System::set_block_number(block);
    }
}

impl pallet_mica_channels::Config for Test {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = TestClock;
    type PeerKeys = Keys;
    type Payees = Leaving;
    type OnRedeem = Listener;
    type StorageDeposit = ConstU128<STORAGE>;
    type MinDeposit = ConstU128<MIN_DEPOSIT>;
    type MinWindow = ConstU32<WINDOW>;
    type MaxWindow = ConstU32<1_000>;
    type MaxChannelsPerPayer = ConstU32<32>;
    type WeightInfo = ();
}

/// A chain at block 1 with funded accounts. `try_state` runs when the test's closure is over.
pub fn test(run: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        run();
        Channels::do_try_state().expect("invariants hold");
    });
}

pub fn new_test_ext() -> sp_io::TestExternalities {
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .expect("default genesis builds");
    pallet_balances::GenesisConfig::<Test> {
        balances: [PAYER, PAYEE, STRANGER, OTHER_PAYEE].map(|account| (account, FUNDS)).to_vec(),
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .expect("balances build");
    let mut ext = sp_io::TestExternalities::new(storage);
    ext.register_extension(sp_keystore::KeystoreExt::new(
        sp_keystore::testing::MemoryKeystore::new(),
    ));
    ext.execute_with(|| {
        System::set_block_number(1);
        Heard::set(Vec::new());
        HaltedBlocks::set(0);
        KnowsPeerKeys::set(true);
        Leaves::set(None);
    });
    ext
}

/// The ed25519 key of an account: hot key of a payer, peer key of a payee.
pub fn key(account: u64) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[account as u8; 32])
}

pub fn genesis() -> Hash32 {
    System::block_hash(0).0
}

pub fn sign(account: u64, bytes: &[u8]) -> Signature {
    key(account).sign(bytes).0
}

/// Opens a channel from [`PAYER`] to [`PAYEE`].
pub fn open(deposit: u128) -> ChannelId {
    open_to(PAYEE, deposit)
}

pub fn open_to(payee: u64, deposit: u128) -> ChannelId {
    let next = crate::NextChannel::<Test>::get();
    Channels::open(RuntimeOrigin::signed(PAYER), payee, key(PAYER).public().0, deposit, WINDOW)
        .expect("channel opens");
    ChannelId::derive(&genesis(), &PAYER, &payee, next)
}

pub fn get(id: ChannelId) -> Channel<u64> {
    crate::Channels::<Test>::get(id).expect("channel exists")
}

/// A voucher for lane 0 without ticks.
pub fn voucher(channel: ChannelId, seq: u64, cumulative: u128) -> Voucher {
    Voucher {
        channel,
        lane: 0,
        seq,
        cumulative,
        receipts_root: [seq as u8; 32],
        receipts: seq,
        expires: NEVER,
        tick: None,
        lock: None,
        bounty: 0,
    }
}

pub fn on_lane(lane: LaneId, voucher: Voucher) -> Voucher {
    Voucher { lane, ..voucher }
}

/// Signed by [`PAYER`]'s hot key.
pub fn signed(voucher: Voucher) -> Redeem {
    let signature = sign(PAYER, &voucher.signing_bytes(&genesis()));
    Redeem { voucher, signature, tick: None, preimage: None }
}

/// `secret` hashed `n` times.
pub fn hashed(secret: Hash32, n: u16) -> Hash32 {
    (0..n).fold(secret, |value, _| sp_io::hashing::blake2_256(&value))
}

pub const SECRET: Hash32 = [42; 32];

/// Adds a tick chain of `max` from [`SECRET`].
pub fn ticking(voucher: Voucher, unit: u128, max: u16) -> Voucher {
    Voucher { tick: Some(Tick { anchor: hashed(SECRET, max), unit, max }), ..voucher }
}

/// Signs a ticking voucher and shows its `n`-th tick.
pub fn signed_with_tick(voucher: Voucher, n: u16) -> Redeem {
    let max = voucher.tick.expect("voucher ticks").max;
    Redeem { tick: Some(TickProof { n, preimage: hashed(SECRET, max - n) }), ..signed(voucher) }
}

pub fn redeem(who: u64, redeem: Redeem) -> frame_support::pallet_prelude::DispatchResult {
    Channels::redeem(RuntimeOrigin::signed(who), redeem).map(|_| ()).map_err(|error| error.error)
}

/// A cooperative close with the signature of `signer`.
pub fn agreed(
    channel: ChannelId,
    total: u128,
    expires: u32,
    signer: u64,
) -> (CooperativeClose, Signature) {
    let close = CooperativeClose { channel, total, expires };
    let signature = sign(signer, &close.signing_bytes(&genesis()));
    (close, signature)
}

pub fn held(account: u64) -> u128 {
    use frame_support::traits::fungible::InspectHold;
    Balances::balance_on_hold(&crate::HoldReason::Deposit.into(), &account)
}

/// On hold for the storage of channels.
pub fn held_for_storage(account: u64) -> u128 {
    use frame_support::traits::fungible::InspectHold;
    Balances::balance_on_hold(&crate::HoldReason::Storage.into(), &account)
}

/// What is free, and what will be once the account's channels have ended and their storage with
/// them.
pub fn free(account: u64) -> u128 {
    Balances::free_balance(account) + held_for_storage(account)
}

/// The pallet's events so far, and forgets them.
pub fn events() -> Vec<crate::Event<Test>> {
    let found = System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Channels(event) => Some(event),
            _ => None,
        })
        .collect();
    System::reset_events();
    found
}
