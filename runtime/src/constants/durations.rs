//! How long things take: one table for networks on which people try things out, one for networks
//! with money, one for drills. The genesis block of a chain names its table once
//! ([`pallet_mica_timing`]), and all tables are checked at compile time.

use mica_primitives::{BlockNumber, settlement::longest_close};
use sp_staking::{EraIndex, SessionIndex};

use super::{DAYS, HOURS, IDLE_AFTER_MISSED_SLOTS, MINUTES, STALL_BOUND};

/// How long the steps of a referendum take, on one track. Blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackDurations {
    /// From the proposal to the earliest decision, so that voters can read it.
    pub prepare: BlockNumber,
    /// Most blocks to reach the thresholds, which fall meanwhile.
    pub decide: BlockNumber,
    /// For which the thresholds must hold without a break.
    pub confirm: BlockNumber,
    /// From the confirmation to the earliest enactment.
    pub enact: BlockNumber,
}

/// A table of durations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durations {
    /// Slots per epoch. An epoch is a session: validators change between epochs.
    pub session_slots: u64,
    /// Sessions per era: elections and rewards happen between eras.
    pub sessions_per_era: SessionIndex,
    /// Eras that a validator's or a nominator's bond stays locked, and slashable, after unbonding.
    pub bonding_eras: EraIndex,
    /// Eras from an offence to its slash, in which root can cancel it; 0 slashes at once. An
    /// offence that is reported later than that costs nothing.
    pub slash_defer_eras: EraIndex,
    /// Slots of its own that a validator may miss in a row before it is reported and chilled.
    pub idle_after_missed_slots: u32,
    /// Blocks that the best block may be ahead of finality, beside one per validator, before the
    /// market's clock stands still.
    pub stall_bound: BlockNumber,

    /// Blocks from a worker's leaving to the withdrawal of its stake: longer than the longest
    /// window of a channel with its extensions and everything that can follow from the voucher that
    /// comes last.
    pub worker_unbonding: BlockNumber,
    /// Least blocks that a payee has to redeem after its payer asked to close.
    pub min_channel_window: BlockNumber,
    /// Most blocks of such a window. A worker's stake stays on hold for longer, so it is no longer
    /// than a payee's watcher needs.
    pub max_channel_window: BlockNumber,
    /// Blocks in which a worker may accept a proposal.
    pub proposal_period: BlockNumber,
    /// Blocks that a worker has to answer a request on chain, and to claim or dispute when the time
    /// of an agreement is over. Nothing is held against it after an agreement.
    pub answer_period: BlockNumber,
    /// Blocks for which a root of receipts is kept and can be audited.
    pub audit_window: BlockNumber,
    /// Blocks in which an audit that was begun at the last moment is decided.
    pub dispute_period: BlockNumber,

    /// Referenda that may do everything.
    pub root_track: TrackDurations,
    /// Referenda that spend from the treasury.
    pub treasurer_track: TrackDurations,
    /// Referenda that pause the chain or stop another referendum.
    pub safety_track: TrackDurations,
    /// Blocks in which a proposal must get its decision deposit.
    pub undecided: BlockNumber,
    /// Blocks that a vote with the lowest conviction locks its money.
    pub vote_lock: BlockNumber,
    /// Blocks between two payments of the treasury.
    pub spend_period: BlockNumber,
    /// Blocks in which an approved payment can be claimed.
    pub payout_period: BlockNumber,

    /// Blocks that safe mode holds when it is entered, and each time that it is extended.
    pub safe_mode: BlockNumber,
    /// Blocks after which a deposit for safe mode may be taken back.
    pub safe_mode_deposit: BlockNumber,
}

impl Durations {
    /// The longest that a payee has to redeem after its payer asked to close.
    pub const fn longest_close(&self) -> BlockNumber {
        longest_close(self.max_channel_window)
    }

    /// The longest that anything can be held against a worker after its receipts were fixed, with
    /// its stake as the answer.
    pub const fn longest_dispute(&self) -> BlockNumber {
        self.audit_window + self.dispute_period
    }

    /// Slots for which an equivocation can be reported: as long as the offender's bond is locked.
    pub const fn bonding_slots(&self) -> u64 {
        self.bonding_sessions() * self.session_slots
    }

    /// Slots of an era.
    pub const fn era_slots(&self) -> u64 {
        self.sessions_per_era as u64 * self.session_slots
    }

    /// Sessions for which bonds are locked.
    pub const fn bonding_sessions(&self) -> u64 {
        self.bonding_eras as u64 * self.sessions_per_era as u64
    }

    /// Panics unless the durations are in order.
    const fn check(&self) {
        // A worker's stake must outlast the last voucher that can fix its receipts, and every
        // dispute that follows: otherwise a cheat could be gone with its stake before it is caught.
        // The greatest window counts, with all its extensions, not the least.
        assert!(self.worker_unbonding > self.longest_close() + self.longest_dispute());
        assert!(self.longest_close() > self.max_channel_window);
        assert!(self.min_channel_window <= self.max_channel_window);
        // A validator's bond must stay slashable while its equivocation can be reported.
        assert!(self.bonding_eras > 1);
        assert!(self.session_slots > 0 && self.sessions_per_era > 1);
        // One late block is neither idleness nor a stall.
        assert!(self.idle_after_missed_slots > 1 && self.stall_bound > 1);
        // Nobody's bond is free before its slash. The bond of an era's validators is locked at
        // least until the era `bonding_eras` later is planned, one era before that begins.
        assert!(self.slash_defer_eras + 1 < self.bonding_eras);
        // A referendum of root can cancel a slash, however long it takes.
        assert!(
            self.slash_defer_eras == 0
                || self.slash_defer_eras as u64 * self.era_slots()
                    > self.root_track.longest() as u64
        );
        // Who votes for something is bound when it happens.
        assert!(self.vote_lock >= self.root_track.enact);
        assert!(self.vote_lock >= self.treasurer_track.enact);
        assert!(self.vote_lock >= self.safety_track.enact);
        // A pause is decided faster than what it shall stop.
        assert!(self.safety_track.shortest() < self.root_track.shortest());
        assert!(self.safety_track.shortest() < self.treasurer_track.shortest());
        assert!(self.safe_mode < self.safe_mode_deposit);
    }
}

impl TrackDurations {
    /// The fewest blocks from a proposal to its enactment.
    pub const fn shortest(&self) -> BlockNumber {
        self.prepare + self.confirm + self.enact
    }

    /// The most blocks from a proposal with its deposit to its enactment, if it passes and finds a
    /// place.
    pub const fn longest(&self) -> BlockNumber {
        self.prepare + self.decide + self.confirm + self.enact
    }
}

/// For chains without value: short enough to wait for.
pub const TEST: Durations = Durations {
    session_slots: 20,
    sessions_per_era: 6,
    bonding_eras: 28,
    slash_defer_eras: 0,
    idle_after_missed_slots: IDLE_AFTER_MISSED_SLOTS,
    stall_bound: STALL_BOUND,
    worker_unbonding: 90 * MINUTES,
    min_channel_window: MINUTES,
    max_channel_window: HOURS,
    proposal_period: MINUTES,
    answer_period: MINUTES,
    audit_window: 4 * MINUTES,
    dispute_period: 2 * MINUTES,
    root_track: TrackDurations { prepare: 4, decide: 10 * MINUTES, confirm: 4, enact: 4 },
    treasurer_track: TrackDurations { prepare: 4, decide: 10 * MINUTES, confirm: 4, enact: 4 },
    safety_track: TrackDurations { prepare: 1, decide: 5 * MINUTES, confirm: 2, enact: 1 },
    undecided: HOURS,
    vote_lock: MINUTES,
    spend_period: MINUTES,
    payout_period: HOURS,
    safe_mode: 2 * MINUTES,
    safe_mode_deposit: HOURS,
};

/// For drills of what validators and voters go through, elections, idleness, stalls: a test walks
/// through them in minutes. Too impatient for anything else: three slow blocks are called idleness.
pub const DRILL: Durations = Durations {
    session_slots: 6,
    sessions_per_era: 2,
    idle_after_missed_slots: 3,
    stall_bound: 6,
    ..TEST
};

/// For chains with value: long enough to sleep, to notice and to answer.
pub const PUBLIC: Durations = Durations {
    session_slots: (6 * HOURS) as u64,
    sessions_per_era: 4,
    bonding_eras: 28,
    slash_defer_eras: 24,
    idle_after_missed_slots: IDLE_AFTER_MISSED_SLOTS,
    stall_bound: STALL_BOUND,
    worker_unbonding: 14 * DAYS,
    min_channel_window: 6 * HOURS,
    max_channel_window: 7 * DAYS,
    proposal_period: HOURS,
    answer_period: 6 * HOURS,
    audit_window: 3 * DAYS,
    dispute_period: 12 * HOURS,
    root_track: TrackDurations {
        prepare: 2 * HOURS,
        decide: 14 * DAYS,
        confirm: DAYS,
        enact: DAYS,
    },
    treasurer_track: TrackDurations {
        prepare: 2 * HOURS,
        decide: 14 * DAYS,
        confirm: 12 * HOURS,
        enact: DAYS,
    },
    safety_track: TrackDurations {
        prepare: 10 * MINUTES,
        decide: 3 * DAYS,
        confirm: 30 * MINUTES,
        enact: MINUTES,
    },
    undecided: 14 * DAYS,
    vote_lock: 7 * DAYS,
    spend_period: DAYS,
    payout_period: 30 * DAYS,
    safe_mode: 4 * HOURS,
    safe_mode_deposit: 28 * DAYS,
};

const _: () = {
    TEST.check();
    DRILL.check();
    PUBLIC.check();
};
