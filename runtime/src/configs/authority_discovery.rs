//! `pallet_authority_discovery`: the keys under which validators find each other's addresses in the
//! DHT.

use frame_support::traits::ConstU32;

use crate::{Runtime, constants::MAX_VALIDATORS};

impl pallet_authority_discovery::Config for Runtime {
    /// Those of this session and of the next.
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
}
