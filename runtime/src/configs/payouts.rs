//! `pallet_mica_payouts`: validators and nominators get their rewards without asking.

use frame_support::traits::ConstU32;

use crate::Runtime;

impl pallet_mica_payouts::Config for Runtime {
    /// A hundred validators with a few pages each are paid within two test eras' worth of blocks.
    type PagesPerBlock = ConstU32<2>;
}
