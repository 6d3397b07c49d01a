//! `pallet_transaction_payment`: fees by weight and length, raised while blocks are full.
//!
//! Half of each fee is burned, so that an author who fills its own blocks pays for it. The rest is
//! shared between the block's author and the treasury. A tip is the author's alone, and bounded: no
//! tip is worth more in a pool than a heartbeat.

use frame_support::{
    parameter_types,
    traits::{
        ConstU8, Currency, Imbalance, NoDrop, OnUnbalanced,
        fungible::{Balanced, Credit},
    },
    weights::{ConstantMultiplier, IdentityFee},
};
use mica_primitives::UNIT;
use pallet_transaction_payment::{
    FungibleAdapter, Multiplier, OnChargeTransaction, TargetedFeeAdjustment, TxCreditHold,
};
use sp_runtime::{
    FixedPointNumber, Perquintill,
    traits::{Bounded, DispatchInfoOf, PostDispatchInfoOf},
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};

use crate::{
    AccountId, Authorship, Balance, Balances, Runtime, RuntimeCall, RuntimeEvent, Treasury,
    constants::FEE_PER_BYTE,
};

/// Most that a transaction may tip, base units. A priority in a pool is the tip times the number of
/// such transactions that a block holds, in 64 bits: with more, a tip would come before heartbeats.
pub const MAX_TIP: Balance = 100 * UNIT;
/// What is said of a transaction with a higher tip ([`InvalidTransaction::Custom`]).
pub const TIP_TOO_HIGH: u8 = 1;

/// Parts of a fee, per cent.
pub const BURNED_PERCENT: u32 = 50;
/// What the block's author gets of a fee, per cent.
pub const AUTHOR_PERCENT: u32 = 30;
/// What the treasury gets of a fee, per cent.
pub const TREASURY_PERCENT: u32 = 20;

const _: () = assert!(BURNED_PERCENT + AUTHOR_PERCENT + TREASURY_PERCENT == 100);

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

/// Shares fees out. What cannot be paid because its account does not exist is burned.
pub struct ShareFees;

impl OnUnbalanced<Credit<AccountId, Balances>> for ShareFees {
    fn on_unbalanceds(mut fee_then_tip: impl Iterator<Item = Credit<AccountId, Balances>>) {
        if let Some(fee) = fee_then_tip.next() {
            let (burned, shared) = fee.ration(BURNED_PERCENT, AUTHOR_PERCENT + TREASURY_PERCENT);
            // A credit that is dropped leaves the issuance.
            drop(burned);
            let (author, treasury) = shared.ration(AUTHOR_PERCENT, TREASURY_PERCENT);
            pay_author(author);
            drop(Balances::resolve(&Treasury::account_id(), treasury));
        }
        fee_then_tip.for_each(pay_author);
    }
}

/// Pays the block's author, if there is one whose account exists.
fn pay_author(credit: Credit<AccountId, Balances>) {
    if let Some(author) = Authorship::author() {
        drop(Balances::resolve(&author, credit));
    }
}

/// How the SDK takes fees.
type Adapter = FungibleAdapter<Balances, ShareFees>;
type Liquidity = <Adapter as OnChargeTransaction<Runtime>>::LiquidityInfo;

/// The same, from transactions with a tip of [`MAX_TIP`] at most.
pub struct Fees;

impl TxCreditHold<Runtime> for Fees {
    type Credit = NoDrop<Credit<AccountId, Balances>>;
}

impl OnChargeTransaction<Runtime> for Fees {
    type Balance = Balance;
    type LiquidityInfo = Liquidity;

    fn withdraw_fee(
        who: &AccountId,
        call: &RuntimeCall,
        info: &DispatchInfoOf<RuntimeCall>,
        fee_with_tip: Balance,
        tip: Balance,
    ) -> Result<Liquidity, TransactionValidityError> {
        <Adapter as OnChargeTransaction<Runtime>>::withdraw_fee(who, call, info, fee_with_tip, tip)
    }

    fn can_withdraw_fee(
        who: &AccountId,
        call: &RuntimeCall,
        info: &DispatchInfoOf<RuntimeCall>,
        fee_with_tip: Balance,
        tip: Balance,
    ) -> Result<(), TransactionValidityError> {
        if tip > MAX_TIP {
            return Err(InvalidTransaction::Custom(TIP_TOO_HIGH).into());
        }
        <Adapter as OnChargeTransaction<Runtime>>::can_withdraw_fee(
            who,
            call,
            info,
            fee_with_tip,
            tip,
        )
    }

    fn correct_and_deposit_fee(
        who: &AccountId,
        info: &DispatchInfoOf<RuntimeCall>,
        post_info: &PostDispatchInfoOf<RuntimeCall>,
        corrected_fee_with_tip: Balance,
        tip: Balance,
        liquidity: Liquidity,
    ) -> Result<(), TransactionValidityError> {
        <Adapter as OnChargeTransaction<Runtime>>::correct_and_deposit_fee(
            who,
            info,
            post_info,
            corrected_fee_with_tip,
            tip,
            liquidity,
        )
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn endow_account(who: &AccountId, amount: Balance) {
        <Adapter as OnChargeTransaction<Runtime>>::endow_account(who, amount);
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn minimum_balance() -> Balance {
        <Adapter as OnChargeTransaction<Runtime>>::minimum_balance()
    }
}

/// Deposits that were lost, as the older pallets hand them over.
pub struct ToTreasury;

impl OnUnbalanced<<Balances as Currency<AccountId>>::NegativeImbalance> for ToTreasury {
    fn on_nonzero_unbalanced(amount: <Balances as Currency<AccountId>>::NegativeImbalance) {
        Balances::resolve_creating(&Treasury::account_id(), amount);
    }
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = Fees;
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
