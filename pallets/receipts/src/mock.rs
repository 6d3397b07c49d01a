//! A runtime with the receipts pallet alone: the tests report redeems as the channels pallet would.

use frame_support::{derive_impl, parameter_types, traits::Hooks, weights::Weight};
use mica_primitives::{
    BlockNumber, ChannelId, LaneId,
    hooks::{OnRedeem, Redeemed, Saved},
    settlement::Submitter,
};
use sp_runtime::{BuildStorage, traits::BlockNumberProvider};

use crate as pallet_mica_receipts;

type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Receipts: pallet_mica_receipts,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

pub const WINDOW: BlockNumber = 10;

parameter_types! {
    pub const AuditWindow: BlockNumber = WINDOW;
    pub const MaxRemovalsPerBlock: u32 = 3;
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
    type BlockNumberProvider = Clock;
    type AuditWindow = AuditWindow;
    type MaxRemovalsPerBlock = MaxRemovalsPerBlock;
    type WeightInfo = ();
}

/// Empty storage at block 1.
pub fn new_test_ext() -> sp_io::TestExternalities {
    let storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .expect("an empty genesis builds");
    let mut ext = sp_io::TestExternalities::from(storage);
    ext.execute_with(|| System::set_block_number(1));
    ext
}

/// Runs `test` on fresh storage and checks the invariants afterwards.
pub fn run(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        test();
        Receipts::do_try_state().expect("invariants hold after the test");
    });
}

/// Ends every block up to and including `block`, with all weight to spare.
pub fn end_blocks_to(block: BlockNumber) {
    while System::block_number() < block {
        System::set_block_number(System::block_number() + 1);
        Receipts::on_idle(System::block_number(), Weight::MAX);
        Receipts::do_try_state().expect("invariants hold after each block");
    }
}

pub const PAYER: u64 = 1;
pub const WORKER: u64 = 2;

/// The channel that tests call `number`.
pub fn channel(number: u8) -> ChannelId {
    ChannelId([number; 32])
}

/// Reports a redeem by the payee with `receipts` receipts under a root of `seq`s.
pub fn redeem(number: u8, lane: LaneId, seq: u64, receipts: u64) {
    redeem_by(Submitter::Payee, number, lane, seq, receipts);
}

/// The same by anybody; returns what the pallet did not need of its worst case.
pub fn redeem_by(by: Submitter, number: u8, lane: LaneId, seq: u64, receipts: u64) -> Saved {
    Receipts::on_redeem(&Redeemed {
        payer: PAYER,
        payee: WORKER,
        channel: channel(number),
        lane,
        seq,
        receipts_root: [seq as u8; 32],
        receipts,
        by,
    })
}
