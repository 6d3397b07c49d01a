//! `pallet_transaction_payment`: fees by weight and length, raised while blocks are full, paid to
//! the block's author.

use frame_support::{
    parameter_types,
    traits::{
        ConstU8, OnUnbalanced,
        fungible::{Balanced, Credit},
    },
    weights::{ConstantMultiplier, IdentityFee},
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{FixedPointNumber, Perquintill, traits::Bounded};

use crate::{
    AccountId, Authorship, Balance, Balances, Runtime, RuntimeEvent, constants::FEE_PER_BYTE,
};

parameter_types! {
    pub const TransactionByteFee: Balance = FEE_PER_BYTE;
    /// Fullness of blocks at which the multiplier stands still.
    pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
    /// Full blocks double the fees in five minutes and bring them to the 8,000-fold within an hour,
    /// so that nobody can afford to fill blocks for long.
    pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(1, 100);
    /// Fees never fall below a tenth of their base, so that spam never becomes free.
    pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10);
    pub MaximumMultiplier: Multiplier = Bounded::max_value();
}

/// Pays fees and tips to the block's author; burns them where there is none.
pub struct FeesToAuthor;

impl OnUnbalanced<Credit<AccountId, Balances>> for FeesToAuthor {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        let Some(author) = Authorship::author() else { return };
        if let Err(credit) = Balances::resolve(&author, credit) {
            // The author's account is gone and the fee is too small to bring it back.
            drop(credit);
        }
    }
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = FungibleAdapter<Balances, FeesToAuthor>;
    type WeightToFee = IdentityFee<Balance>;
    type LengthToFee = ConstantMultiplier<Balance, TransactionByteFee>;
    type FeeMultiplierUpdate = TargetedFeeAdjustment<
        Self,
        TargetBlockFullness,
        AdjustmentVariable,
        MinimumMultiplier,
        MaximumMultiplier,
    >;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}

// Nothing has to be set up before a fee can be charged.
#[cfg(feature = "runtime-benchmarks")]
impl pallet_transaction_payment::BenchmarkConfig for Runtime {}
