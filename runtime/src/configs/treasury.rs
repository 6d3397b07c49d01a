//! `pallet_treasury`: a part of every fee, spent by referenda.

use frame_support::{
    PalletId, parameter_types,
    traits::{
        ConstU32, EitherOf,
        tokens::{PayFromAccount, UnityAssetBalanceConversion},
    },
};
use frame_system::{EnsureRoot, EnsureRootWithSuccess};
use mica_primitives::UNIT;
use sp_runtime::{
    Permill,
    traits::{IdentityLookup, Replace},
};

use crate::{
    AccountId, Balance, Balances, Runtime, RuntimeEvent, System,
    configs::timing::{PayoutPeriod, SpendPeriod},
    origins::EnsureTreasurer,
};

parameter_types! {
    pub const TreasuryId: PalletId = PalletId(*b"mica/tre");
    /// What is not spent stays.
    pub const Burn: Permill = Permill::zero();
    pub const NoLimit: Balance = Balance::MAX;
    /// Most that one referendum of the treasurer pays.
    pub const TreasurerLimit: Balance = 100_000 * UNIT;
}

impl pallet_treasury::Config for Runtime {
    type Currency = Balances;
    type RejectOrigin = EnsureRoot<AccountId>;
    type RuntimeEvent = RuntimeEvent;
    type SpendPeriod = SpendPeriod;
    type Burn = Burn;
    type PalletId = TreasuryId;
    type BurnDestination = ();
    type WeightInfo = pallet_treasury::weights::SubstrateWeight<Runtime>;
    type SpendFunds = ();
    type MaxApprovals = ConstU32<64>;
    type SpendOrigin = EitherOf<
        EnsureRootWithSuccess<AccountId, NoLimit>,
        frame_support::traits::MapSuccess<EnsureTreasurer, Replace<TreasurerLimit>>,
    >;
    type AssetKind = ();
    type Beneficiary = AccountId;
    type BeneficiaryLookup = IdentityLookup<AccountId>;
    type Paymaster = PayFromAccount<Balances, pallet_treasury::TreasuryAccountId<Runtime>>;
    type BalanceConverter = UnityAssetBalanceConversion;
    type PayoutPeriod = PayoutPeriod;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = BenchmarkPayee;
    type BlockNumberProvider = System;
}

/// Whom the treasury's benchmarks pay.
#[cfg(feature = "runtime-benchmarks")]
pub struct BenchmarkPayee;

#[cfg(feature = "runtime-benchmarks")]
impl pallet_treasury::ArgumentsFactory<(), AccountId> for BenchmarkPayee {
    fn create_asset_kind(_seed: u32) {}

    fn create_beneficiary(seed: [u8; 32]) -> AccountId {
        seed.into()
    }
}
