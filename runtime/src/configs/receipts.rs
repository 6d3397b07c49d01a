//! `pallet_mica_receipts`: the roots of receipts that redeemed vouchers fix, kept while they can be
//! audited.

use frame_support::traits::ConstU32;

use crate::{Clock, Runtime, configs::timing::AuditWindow};

impl pallet_mica_receipts::Config for Runtime {
    type BlockNumberProvider = Clock;
    type AuditWindow = AuditWindow;
    /// More than the redeems that fit into a block, so that the queue cannot grow for ever.
    type MaxRemovalsPerBlock = ConstU32<2_048>;
    type WeightInfo = pallet_mica_receipts::weights::SubstrateWeight<Runtime>;
}
