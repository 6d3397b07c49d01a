//! `pallet_mica_timing`: which table of durations the chain runs by, and the durations as the other
//! pallets take them.

use frame_support::parameter_types;
use mica_primitives::BlockNumber;
use pallet_mica_timing::Timing as Table;
use sp_staking::{EraIndex, SessionIndex};

use crate::{
    Runtime, Timing,
    constants::durations::{DRILL, Durations, PUBLIC, TEST},
};

impl pallet_mica_timing::Config for Runtime {}

/// The chain's durations.
pub fn durations() -> &'static Durations {
    match Timing::timing() {
        Table::Test => &TEST,
        Table::Public => &PUBLIC,
        Table::Drill => &DRILL,
    }
}

parameter_types! {
    pub SessionSlots: u64 = durations().session_slots;
    pub SessionsPerEra: SessionIndex = durations().sessions_per_era;
    pub BondingEras: EraIndex = durations().bonding_eras;
    pub SlashDeferEras: EraIndex = durations().slash_defer_eras;
    /// Slots, and at the same time most blocks, for which an equivocation can be reported.
    pub ReportLongevity: u64 = durations().bonding_slots();
    /// Sets that a report may refer to: one per session while bonds are locked.
    pub BondingSessions: u64 = durations().bonding_sessions();

    pub IdleAfterMissedSlots: u32 = durations().idle_after_missed_slots;
    pub StallBound: BlockNumber = durations().stall_bound;

    pub WorkerUnbonding: BlockNumber = durations().worker_unbonding;
    pub LongestClose: BlockNumber = durations().longest_close();
    pub LongestDispute: BlockNumber = durations().longest_dispute();
    pub MinChannelWindow: BlockNumber = durations().min_channel_window;
    pub MaxChannelWindow: BlockNumber = durations().max_channel_window;
    pub ProposalPeriod: BlockNumber = durations().proposal_period;
    pub AnswerPeriod: BlockNumber = durations().answer_period;
    pub AuditWindow: BlockNumber = durations().audit_window;

    pub UndecidedPeriod: BlockNumber = durations().undecided;
    pub VoteLock: BlockNumber = durations().vote_lock;
    pub SpendPeriod: BlockNumber = durations().spend_period;
    pub PayoutPeriod: BlockNumber = durations().payout_period;

    pub SafeModeDuration: BlockNumber = durations().safe_mode;
    pub SafeModeDepositPeriod: Option<BlockNumber> = Some(durations().safe_mode_deposit);
}
