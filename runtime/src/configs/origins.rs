//! The origins of referenda, as other pallets ask for them.

use frame_support::traits::EitherOfDiverse;
use frame_system::EnsureRoot;

use crate::{AccountId, Runtime, origins};

impl origins::pallet_origins::Config for Runtime {}

/// Root, or a referendum on the track for safety.
pub type RootOrSafety = EitherOfDiverse<EnsureRoot<AccountId>, origins::EnsureSafety>;
