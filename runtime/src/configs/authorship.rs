//! `pallet_authorship`: the account behind a block, for reward points and fees.

use crate::{Babe, Runtime, Staking};

impl pallet_authorship::Config for Runtime {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
    type EventHandler = Staking;
}
