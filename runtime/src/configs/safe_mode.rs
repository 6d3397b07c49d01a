//! `pallet_safe_mode`: a pause. Money stands still; what protects money that was promised, and what
//! can end the pause, goes on.
//!
//! It is entered by a referendum, by root, or by anybody for a deposit that a referendum can take.

use frame_support::{
    parameter_types,
    traits::{Contains, EitherOf, MapSuccess},
};
use frame_system::EnsureRootWithSuccess;
use mica_primitives::UNIT;
use pallet_mica_channels::Call as Channels;
use pallet_mica_registry::Call as Registry;
use pallet_mica_sla::Call as Sla;
use sp_runtime::traits::Replace;

use crate::{
    AccountId, Balance, Balances, Runtime, RuntimeCall, RuntimeEvent, RuntimeHoldReason,
    configs::{
        origins::RootOrSafety,
        timing::{SafeModeDepositPeriod, SafeModeDuration},
    },
    origins::EnsureSafety,
};

parameter_types! {
    /// Held from whoever pauses the chain without being asked: a fool or an attacker loses it, by
    /// referendum.
    pub const SafeModeDeposit: Option<Balance> = Some(100_000 * UNIT);
}

/// Root, or a referendum for safety; either pauses for the same time.
type Pauses = EitherOf<
    EnsureRootWithSuccess<AccountId, SafeModeDuration>,
    MapSuccess<EnsureSafety, Replace<SafeModeDuration>>,
>;

impl pallet_safe_mode::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type WhitelistedCalls = InSafeMode;
    type EnterDuration = SafeModeDuration;
    type ExtendDuration = SafeModeDuration;
    type EnterDepositAmount = SafeModeDeposit;
    type ExtendDepositAmount = SafeModeDeposit;
    type ForceEnterOrigin = Pauses;
    type ForceExtendOrigin = Pauses;
    type ForceExitOrigin = RootOrSafety;
    type ForceDepositOrigin = RootOrSafety;
    type Notify = ();
    type ReleaseDelay = SafeModeDepositPeriod;
    type WeightInfo = pallet_safe_mode::weights::SubstrateWeight<Runtime>;
}

/// The calls that pass in safe mode. A batch, a proxy's call or a multisig's is looked at by what
/// is inside it when that is dispatched.
pub struct InSafeMode;

impl Contains<RuntimeCall> for InSafeMode {
    fn contains(call: &RuntimeCall) -> bool {
        match call {
            // Inherents, evidence, and the validators' own work.
            RuntimeCall::Timestamp(_)
            | RuntimeCall::Babe(_)
            | RuntimeCall::Grandpa(_)
            | RuntimeCall::Seats(_)
            | RuntimeCall::Clock(_)
            | RuntimeCall::Session(_) => true,
            RuntimeCall::Staking(call) => matches!(
                call,
                pallet_staking::Call::validate { .. }
                    | pallet_staking::Call::chill { .. }
                    | pallet_staking::Call::chill_other { .. }
            ),
            RuntimeCall::System(call) => {
                matches!(call, frame_system::Call::apply_authorized_upgrade { .. })
            }
            // What can decide on a repair, and end the pause.
            RuntimeCall::Preimage(_)
            | RuntimeCall::Scheduler(_)
            | RuntimeCall::Referenda(_)
            | RuntimeCall::ConvictionVoting(_)
            | RuntimeCall::SafeMode(_)
            | RuntimeCall::Sudo(_) => true,
            // Wrappers.
            RuntimeCall::Utility(_) | RuntimeCall::Multisig(_) => true,
            RuntimeCall::Proxy(call) => matches!(
                call,
                pallet_proxy::Call::proxy { .. }
                    | pallet_proxy::Call::proxy_announced { .. }
                    | pallet_proxy::Call::reject_announcement { .. }
                    | pallet_proxy::Call::remove_announcement { .. }
                    | pallet_proxy::Call::remove_proxy { .. }
                    | pallet_proxy::Call::remove_proxies { .. }
            ),
            // What was promised is kept, and answered for.
            RuntimeCall::Registry(call) => {
                matches!(
                    call,
                    Registry::heartbeat { .. }
                        | Registry::unjail { .. }
                        | Registry::set_addresses { .. }
                )
            }
            RuntimeCall::Channels(call) => matches!(
                call,
                Channels::redeem { .. }
                    | Channels::close { .. }
                    | Channels::close_cooperatively { .. }
                    | Channels::finish { .. }
            ),
            RuntimeCall::Sla(call) => matches!(
                call,
                Sla::claim { .. }
                    | Sla::dispute { .. }
                    | Sla::acknowledge { .. }
                    | Sla::settle { .. }
            ),
            RuntimeCall::Balances(_) | RuntimeCall::VoterList(_) | RuntimeCall::Treasury(_) => {
                false
            }
            #[cfg(feature = "next-runtime")]
            RuntimeCall::Next(_) => false,
        }
    }
}
