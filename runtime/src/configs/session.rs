//! `pallet_session` and its history: which keys speak for which validator, now and when an offence
//! was committed.
//!
//! `set_keys` takes the keys and a proof that the caller holds them; the node makes both with
//! `author_rotateKeysWithOwner`.

use alloc::vec::Vec;

use frame_support::parameter_types;
use sp_runtime::{
    impl_opaque_keys,
    traits::{ConvertInto, OpaqueKeys},
};

use crate::{
    AccountId, AuthorityDiscovery, Babe, Balance, Balances, Grandpa, Runtime, RuntimeEvent,
    configs::seats::CountedSessions, constants::storage_deposit,
};

impl_opaque_keys! {
    /// A validator's session keys, in this order on the wire.
    pub struct SessionKeys {
        /// Signs blocks, sr25519.
        pub babe: Babe,
        /// Signs finality votes, ed25519.
        pub grandpa: Grandpa,
        /// Signs the node's addresses, under which other validators find it, sr25519.
        pub authority_discovery: AuthorityDiscovery,
    }
}

parameter_types! {
    /// One entry for the keys and one per key for its owner.
    pub const KeyDeposit: Balance = storage_deposit(4, 96 + 3 * 36);
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = ConvertInto;
    type ShouldEndSession = Babe;
    type NextSessionRotation = Babe;
    type SessionManager = CountedSessions;
    type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
    type Keys = SessionKeys;
    type DisablingStrategy = pallet_session::disabling::UpToLimitWithReEnablingDisablingStrategy;
    type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type KeyDeposit = KeyDeposit;
}

impl pallet_session::historical::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    /// What a report must know of an offender beyond its account: nothing, staking looks the
    /// exposure up itself.
    type FullIdentification = ();
    type FullIdentificationOf = pallet_staking::UnitIdentificationOf<Self>;
}
