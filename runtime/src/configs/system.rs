//! `frame_system`: blocks, accounts, and how the runtime builds extrinsics of its own.

use frame_support::{
    derive_impl,
    dispatch::DispatchClass,
    parameter_types,
    weights::{
        Weight,
        constants::{ParityDbWeight, WEIGHT_REF_TIME_PER_SECOND},
    },
};
use frame_system::{
    limits::{BlockLength, BlockWeights},
    offchain::{CreateBare, CreateTransactionBase},
};
use sp_runtime::{Perbill, traits::AccountIdLookup};
use sp_version::RuntimeVersion;

use crate::{
    AccountId, Balance, Block, Hash, Migrations, Nonce, PalletInfo, Runtime, RuntimeCall,
    RuntimeEvent, RuntimeOrigin, RuntimeTask, SafeMode, UncheckedExtrinsic, VERSION,
    constants::HOURS,
};

/// Part of a block that ordinary transactions may fill; the rest is for operational ones.
const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);
/// Part of a block that operational transactions may fill. They go first, and heartbeats are free:
/// the rest is kept for redeems.
const OPERATIONAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(50);
/// Most bytes of a block's body.
const MAX_BLOCK_BYTES: u32 = 5 * 1024 * 1024;

parameter_types! {
    /// Blocks whose hash the chain remembers: the longest life of a mortal transaction.
    pub const BlockHashCount: u32 = 2 * HOURS;
    pub const Version: RuntimeVersion = VERSION;
    /// One second of execution in a slot of three, so that a slower machine still imports in time.
    pub RuntimeBlockWeights: BlockWeights =
        block_weights(Weight::from_parts(WEIGHT_REF_TIME_PER_SECOND, u64::MAX));
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(MAX_BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |bytes| {
            *bytes = NORMAL_DISPATCH_RATIO * MAX_BLOCK_BYTES;
        })
        .build();
    pub const SS58Prefix: u8 = 42;
}

/// Blocks of at most `most`, of which each class may have its part.
///
/// The SDK checks them with the rest of the runtime (`integrity_test`).
fn block_weights(most: Weight) -> BlockWeights {
    let mut weights = BlockWeights::with_sensible_defaults(most, NORMAL_DISPATCH_RATIO);
    let operational = weights.per_class.get_mut(DispatchClass::Operational);
    let kept = most - OPERATIONAL_DISPATCH_RATIO * most;
    operational.max_total = operational.max_total.map(|total| total.saturating_sub(kept));
    operational.max_extrinsic = operational.max_extrinsic.map(|one| one.saturating_sub(kept));
    weights
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    /// Everything, but in safe mode only what it lets through.
    type BaseCallFilter = SafeMode;
    type Block = Block;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    type AccountId = AccountId;
    type Lookup = AccountIdLookup<AccountId, ()>;
    type Nonce = Nonce;
    type Hash = Hash;
    type BlockHashCount = BlockHashCount;
    type DbWeight = ParityDbWeight;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
    type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
    type SS58Prefix = SS58Prefix;
    type MaxConsumers = frame_support::traits::ConstU32<16>;
    type SingleBlockMigrations = Migrations;
}

impl<LocalCall> CreateTransactionBase<LocalCall> for Runtime
where
    RuntimeCall: From<LocalCall>,
{
    type Extrinsic = UncheckedExtrinsic;
    type RuntimeCall = RuntimeCall;
}

/// Reports of equivocations are unsigned: the proof inside is what makes them valid.
impl<LocalCall> CreateBare<LocalCall> for Runtime
where
    RuntimeCall: From<LocalCall>,
{
    fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_bare(call)
    }
}
