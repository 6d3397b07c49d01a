//! `pallet_referenda`: anybody proposes a call, money decides on it, on one of three tracks.
//!
//! A proposal passes when, for the whole confirmation period, enough of the votes are for it
//! (approval: votes weighed by conviction) and enough of all money has voted for it (support:
//! without conviction). Both thresholds fall while the decision lasts, but never below a floor:
//! nobody changes the chain because all others were asleep.

use alloc::borrow::Cow;

use frame_support::{parameter_types, traits::ConstU32};
use frame_system::{EnsureRoot, EnsureSigned, RawOrigin};
use mica_primitives::{BlockNumber, UNIT};
use pallet_referenda::{Curve, Track, TrackInfo, TracksInfo};
use sp_runtime::{Perbill, str_array};

use crate::{
    AccountId, Balance, Balances, OriginCaller, Preimage, Runtime, RuntimeCall, RuntimeEvent,
    Scheduler, System,
    configs::{
        origins::RootOrSafety,
        timing::{UndecidedPeriod, durations},
        transaction_payment::ToTreasury,
    },
    constants::durations::TrackDurations,
    origins::Origin,
};

/// The track on which a call is decided that may do everything.
pub const ROOT_TRACK: u16 = 0;
/// The track on which the treasury's money is spent.
pub const TREASURER_TRACK: u16 = 1;
/// The track on which the chain is paused.
pub const SAFETY_TRACK: u16 = 2;

parameter_types! {
    pub const SubmissionDeposit: Balance = 10 * UNIT;
}

/// Referenda that one track decides at the same time. Those that wait come in by their votes, so
/// only referenda that hold a place already keep others waiting, each for a decision deposit.
const PLACES: u32 = 64;
/// Least that it takes to fill a track with referenda that nobody wants.
const COST_OF_A_FULL_TRACK: Balance = 100_000 * UNIT;

// Also the track for safety, which ends what goes wrong on the others.
const _: () = {
    let places = PLACES as Balance;
    assert!(places * ROOT.decision_deposit >= COST_OF_A_FULL_TRACK);
    assert!(places * TREASURER.decision_deposit >= COST_OF_A_FULL_TRACK);
    assert!(places * SAFETY.decision_deposit >= COST_OF_A_FULL_TRACK);
};

/// What a track asks for, besides time.
struct Rules {
    id: u16,
    name: &'static str,
    max_deciding: u32,
    decision_deposit: Balance,
    /// Part of the votes that must be for it, from the beginning of the decision to its end.
    approval: (Perbill, Perbill),
    /// Part of all money that must have voted for it, likewise.
    support: (Perbill, Perbill),
}

const fn falling(percent: (u32, u32)) -> (Perbill, Perbill) {
    (Perbill::from_percent(percent.0), Perbill::from_percent(percent.1))
}

const ROOT: Rules = Rules {
    id: ROOT_TRACK,
    name: "root",
    max_deciding: PLACES,
    decision_deposit: 10_000 * UNIT,
    approval: falling((80, 60)),
    support: falling((50, 15)),
};
const TREASURER: Rules = Rules {
    id: TREASURER_TRACK,
    name: "treasurer",
    max_deciding: PLACES,
    decision_deposit: 2_000 * UNIT,
    approval: falling((80, 55)),
    support: falling((30, 5)),
};
const SAFETY: Rules = Rules {
    id: SAFETY_TRACK,
    name: "safety",
    max_deciding: PLACES,
    decision_deposit: 5_000 * UNIT,
    approval: falling((90, 75)),
    support: falling((25, 15)),
};

impl Rules {
    fn track(&self, times: &TrackDurations) -> Track<u16, Balance, BlockNumber> {
        let line = |(ceil, floor)| Curve::LinearDecreasing { length: Perbill::one(), floor, ceil };
        Track {
            id: self.id,
            info: TrackInfo {
                name: str_array(self.name),
                max_deciding: self.max_deciding,
                decision_deposit: self.decision_deposit,
                prepare_period: times.prepare,
                decision_period: times.decide,
                confirm_period: times.confirm,
                min_enactment_period: times.enact,
                min_approval: line(self.approval),
                min_support: line(self.support),
            },
        }
    }
}

/// The tracks.
pub struct Tracks;

impl TracksInfo<Balance, BlockNumber> for Tracks {
    type Id = u16;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<u16, Balance, BlockNumber>>> {
        let times = durations();
        [
            ROOT.track(&times.root_track),
            TREASURER.track(&times.treasurer_track),
            SAFETY.track(&times.safety_track),
        ]
        .into_iter()
        .map(Cow::Owned)
    }

    fn track_for(origin: &OriginCaller) -> Result<u16, ()> {
        match origin {
            OriginCaller::system(RawOrigin::Root) => Ok(ROOT_TRACK),
            OriginCaller::Origins(Origin::Treasurer) => Ok(TREASURER_TRACK),
            OriginCaller::Origins(Origin::Safety) => Ok(SAFETY_TRACK),
            _ => Err(()),
        }
    }
}

impl pallet_referenda::Config for Runtime {
    type RuntimeCall = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_referenda::weights::SubstrateWeight<Runtime>;
    type Scheduler = Scheduler;
    type Currency = Balances;
    type SubmitOrigin = EnsureSigned<AccountId>;
    /// Gives the deposits back.
    type CancelOrigin = RootOrSafety;
    /// Takes the deposits.
    type KillOrigin = EnsureRoot<AccountId>;
    type Slash = ToTreasury;
    type Votes = Balance;
    type Tally = pallet_conviction_voting::TallyOf<Runtime>;
    type SubmissionDeposit = SubmissionDeposit;
    type MaxQueued = ConstU32<64>;
    type UndecidingTimeout = UndecidedPeriod;
    type AlarmInterval = ConstU32<1>;
    type Tracks = Tracks;
    type Preimages = Preimage;
    type BlockNumberProvider = System;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_fall_but_not_to_nothing_and_haste_wants_more_agreement() {
        for rules in [&ROOT, &TREASURER, &SAFETY] {
            assert!(
                rules.approval.0 >= rules.approval.1
                    && rules.approval.1 > Perbill::from_percent(50)
            );
            assert!(
                rules.support.0 >= rules.support.1 && rules.support.1 >= Perbill::from_percent(5)
            );
        }
        assert!(SAFETY.approval.1 > ROOT.approval.1);
    }
}
