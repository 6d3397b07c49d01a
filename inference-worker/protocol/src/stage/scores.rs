//! What accounts left unpaid: who is served one session at a time for a while.
//!
//! A peer key costs nothing, a channel little, so the score is the payer's account's. It counts
//! **mishaps** and keeps the **debt** that they left, base units:
//!
//! * a session that ended with something unpaid: one mishap, and what was unpaid. All that one lost
//!   peer leaves behind at once is one mishap with the sum of it;
//! * a session that ended because its payer sent no step, with nothing paid but the prepayment: one
//!   mishap, and the prepayment once more, for it kept others out. One that waited for another
//!   stage is not its payer's mishap: that stage may have been slow;
//! * a session that ended because of a tick that is not on its chain: one mishap, and the
//!   prepayment once more, for the work of finding that out.
//!
//! A settled session takes back as much debt as it paid, and the mishaps are forgotten when no debt
//! is left: three sessions of 16 stolen positions are made good by 48 paid ones, not by one. A
//! score to which nothing was added for [`SCORE_BLOCKS`] is forgotten too. Scores are kept over
//! restarts, at most [`MAX_SCORES`].

use codec::{Decode, Encode};
use mica_primitives::{Balance, BlockNumber, PublicKey};
use std::collections::BTreeMap;

use super::{SessionEnd, refusal::Refusal};
use crate::{
    FaultCode,
    clock::Now,
    limits::{MAX_SCORES, MAX_UNPAID_SESSIONS, SCORE_BLOCKS, UNPAID_PAUSE_MS},
};

/// An account on chain.
pub(super) type AccountId = [u8; 32];

/// An account's score as it is written to disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ScoreRecord {
    /// The payer's account.
    pub account: [u8; 32],
    /// Mishaps that are not made good.
    pub mishaps: u32,
    /// Base units that they left.
    pub debt: Balance,
    /// Block of the last one.
    pub block: BlockNumber,
}

#[derive(Debug)]
struct Score {
    mishaps: u32,
    debt: Balance,
    block: BlockNumber,
    /// The peer that was lost last, and until when what it left behind ends.
    lost: Option<(PublicKey, u64)>,
    /// No session begins before then, once there were too many mishaps.
    refused_until_ms: u64,
}

/// The scores of all accounts that have one.
#[derive(Debug)]
pub(super) struct Scores(BTreeMap<AccountId, Score>);

impl Scores {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes a score back after a restart. An account with too many mishaps waits anew.
    pub(super) fn restore(&mut self, record: ScoreRecord, now: Now) {
        if record.mishaps == 0 || self.0.len() >= MAX_SCORES {
            return;
        }
        let ScoreRecord { account, mishaps, debt, block } = record;
        let refused_until_ms = now.ms.saturating_add(UNPAID_PAUSE_MS);
        self.0.insert(account, Score { mishaps, debt, block, lost: None, refused_until_ms });
    }

    /// Whether one more session of the account may begin.
    ///
    /// # Errors
    /// [`FaultCode::Underpaid`].
    pub(super) fn check(&self, account: &AccountId, now: Now) -> Result<(), Refusal> {
        let Some(score) = self.0.get(account).filter(|score| score.counts(now)) else {
            return Ok(());
        };
        if score.mishaps < MAX_UNPAID_SESSIONS || now.ms >= score.refused_until_ms {
            return Ok(());
        }
        let seconds = (score.refused_until_ms - now.ms).div_ceil(1_000);
        let text = format!(
            "sessions of this account ended unpaid {} times and {} base units are not made good: \
             the next may begin in {seconds} s",
            score.mishaps, score.debt
        );
        Err(Refusal::new(FaultCode::Underpaid, text))
    }

    /// A session begins. After too many mishaps it is the only one for a while: it may be settled,
    /// and makes some of the debt good.
    pub(super) fn begin(&mut self, account: &AccountId, now: Now) {
        if let Some(score) = self.0.get_mut(account)
            && score.mishaps >= MAX_UNPAID_SESSIONS
        {
            score.refused_until_ms = now.ms.saturating_add(UNPAID_PAUSE_MS);
        }
    }

    /// A session of the account has ended; returns the scores to be written down.
    ///
    /// A program that dies takes all its sessions with it, which is one mishap: they end within
    /// `settle_ms` of each other. Nobody gains by it. A session that begins after the first of them
    /// has ended takes longer than that to end in the same way, so one mishap is never more than
    /// the sessions that one peer may have at once. One that only makes room for the next on its
    /// lane ends sooner, and therefore without that fault: it counts by itself.
    pub(super) fn ended(
        &mut self,
        account: AccountId,
        end: &SessionEnd,
        now: Now,
        settle_ms: u64,
    ) -> Vec<ScoreRecord> {
        let debt = debt(end);
        if debt == 0 {
            return if end.settled { self.make_good(account, end.earned) } else { Vec::new() };
        }
        let mut changed = Vec::new();
        if !self.0.contains_key(&account) {
            changed.extend(self.make_room());
        }
        let score = self.0.entry(account).or_insert(Score {
            mishaps: 0,
            debt: 0,
            block: now.block,
            lost: None,
            refused_until_ms: 0,
        });
        if !score.counts(now) {
            (score.mishaps, score.debt) = (0, 0);
        }
        score.debt = score.debt.saturating_add(debt);
        score.block = now.block;
        let is_lost = end.fault == Some(FaultCode::PeerLost);
        let is_counted = is_lost
            && score.lost.is_some_and(|(payer, until_ms)| payer == end.payer && now.ms < until_ms);
        if !is_counted {
            if is_lost {
                score.lost = Some((end.payer, now.ms.saturating_add(settle_ms)));
            }
            score.mishaps = score.mishaps.saturating_add(1);
            if score.mishaps >= MAX_UNPAID_SESSIONS {
                score.refused_until_ms = now.ms.saturating_add(UNPAID_PAUSE_MS);
            }
        }
        changed.push(score.record(account));
        changed
    }

    /// A settled session takes back as much debt as it paid.
    fn make_good(&mut self, account: AccountId, paid: Balance) -> Vec<ScoreRecord> {
        let Some(score) = self.0.get_mut(&account) else { return Vec::new() };
        score.debt = score.debt.saturating_sub(paid);
        if score.debt == 0 {
            score.mishaps = 0;
        }
        let record = score.record(account);
        if record.mishaps == 0 {
            self.0.remove(&account);
        }
        vec![record]
    }

    /// Drops the score whose last mishap is the oldest, if there are as many as there may be.
    fn make_room(&mut self) -> Option<ScoreRecord> {
        if self.0.len() < MAX_SCORES {
            return None;
        }
        let oldest = self.0.iter().min_by_key(|(_, score)| score.block).map(|(id, _)| *id)?;
        let score = self.0.remove(&oldest)?;
        Some(ScoreRecord { mishaps: 0, debt: 0, ..score.record(oldest) })
    }
}

impl Score {
    /// Whether it is not so old that it is forgotten.
    const fn counts(&self, now: Now) -> bool {
        now.block < self.block.saturating_add(SCORE_BLOCKS)
    }

    const fn record(&self, account: AccountId) -> ScoreRecord {
        ScoreRecord { account, mishaps: self.mishaps, debt: self.debt, block: self.block }
    }
}

/// What a session left, base units; nothing for one that did no harm.
fn debt(end: &SessionEnd) -> Balance {
    let has_idled =
        end.fault == Some(FaultCode::Silent) && end.kept_waiting && end.earned <= end.prepaid;
    let has_cheated = end.fault == Some(FaultCode::BadTick);
    end.unpaid.saturating_add(if has_idled || has_cheated { end.prepaid.max(1) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionId;
    use mica_primitives::ChannelId;

    const UNIT: Balance = 15;
    const ACCOUNT: AccountId = [4; 32];

    fn end(earned: Balance, unpaid: Balance, fault: Option<FaultCode>) -> SessionEnd {
        SessionEnd {
            session: SessionId([1; 32]),
            payer: [2; 32],
            channel: ChannelId([3; 32]),
            lane: 0,
            positions: 0,
            earned,
            prepaid: UNIT,
            unpaid,
            settled: unpaid == 0 && fault.is_none(),
            fault,
            kept_waiting: true,
        }
    }

    fn stolen() -> SessionEnd {
        end(UNIT, 16 * UNIT, Some(FaultCode::CreditExhausted))
    }

    fn at(ms: u64, block: BlockNumber) -> Now {
        Now::new(ms, block)
    }

    /// A session that ended at the start of the clock.
    fn ends(scores: &mut Scores, end: &SessionEnd) -> Option<ScoreRecord> {
        scores.ended(ACCOUNT, end, at(0, 10), 15_000).pop()
    }

    #[test]
    fn one_paid_position_does_not_wash_three_stolen_sessions() {
        let mut scores = Scores::new();
        for mishaps in 1..=3 {
            let kept = ends(&mut scores, &stolen()).expect("written down");
            assert_eq!((kept.mishaps, kept.debt), (mishaps, u128::from(mishaps) * 16 * UNIT));
        }
        let kept = ends(&mut scores, &end(UNIT, 0, None)).expect("written down");
        assert_eq!((kept.mishaps, kept.debt), (3, 47 * UNIT));
        ends(&mut scores, &stolen());
        assert!(scores.check(&ACCOUNT, at(1, 10)).is_err(), "the fourth");
        assert!(scores.check(&[5; 32], at(1, 10)).is_ok(), "another account");
        let kept = ends(&mut scores, &end(63 * UNIT, 0, None)).expect("written down");
        assert_eq!((kept.mishaps, kept.debt), (0, 0), "all of it is made good");
        assert!(scores.check(&ACCOUNT, at(1, 10)).is_ok());
        assert!(scores.0.is_empty());
    }

    #[test]
    fn room_that_was_held_for_nothing_counts_and_a_used_one_does_not() {
        let mut scores = Scores::new();
        let idle = end(UNIT, 0, Some(FaultCode::Silent));
        assert_eq!(ends(&mut scores, &idle).map(|kept| (kept.mishaps, kept.debt)), Some((1, UNIT)));
        let used = end(2 * UNIT, 0, Some(FaultCode::Silent));
        assert_eq!(ends(&mut scores, &used), None);
        let cancelled = end(UNIT, 0, Some(FaultCode::Cancelled));
        assert_eq!(ends(&mut scores, &cancelled), None);
    }

    #[test]
    fn a_session_that_waited_for_another_stage_is_not_its_payers_mishap() {
        let mut scores = Scores::new();
        let idle = end(UNIT, 0, Some(FaultCode::Silent));
        assert_eq!(ends(&mut scores, &SessionEnd { kept_waiting: false, ..idle.clone() }), None);
        let unpaid = SessionEnd { kept_waiting: false, unpaid: UNIT, ..idle };
        let kept = ends(&mut scores, &unpaid).expect("what is unpaid counts whoever is late");
        assert_eq!((kept.mishaps, kept.debt), (1, UNIT));
    }

    #[test]
    fn a_false_tick_counts_though_nothing_is_owed_and_four_of_them_make_a_pause() {
        let mut scores = Scores::new();
        let cheat = end(UNIT, 0, Some(FaultCode::BadTick));
        for mishaps in 1..=MAX_UNPAID_SESSIONS {
            assert!(scores.check(&ACCOUNT, at(1, 10)).is_ok());
            let kept = ends(&mut scores, &cheat).expect("written down");
            assert_eq!((kept.mishaps, kept.debt), (mishaps, u128::from(mishaps) * UNIT));
        }
        assert!(scores.check(&ACCOUNT, at(1, 10)).is_err());
        assert!(scores.check(&ACCOUNT, at(UNPAID_PAUSE_MS, 10)).is_ok(), "one a minute");
    }

    #[test]
    fn a_score_survives_a_restart_and_ages() {
        let mut scores = Scores::new();
        for mishaps in 1..=MAX_UNPAID_SESSIONS {
            let kept = ends(&mut scores, &stolen()).expect("written down");
            assert_eq!(kept.mishaps, mishaps);
        }
        let kept = scores.0[&ACCOUNT].record(ACCOUNT);
        let mut restarted = Scores::new();
        restarted.restore(kept, at(0, 10));
        assert!(restarted.check(&ACCOUNT, at(UNPAID_PAUSE_MS - 1, 10)).is_err());
        assert!(restarted.check(&ACCOUNT, at(UNPAID_PAUSE_MS, 10)).is_ok(), "one a minute");
        restarted.begin(&ACCOUNT, at(UNPAID_PAUSE_MS, 10));
        assert!(restarted.check(&ACCOUNT, at(UNPAID_PAUSE_MS + 1, 10)).is_err());
        let forgotten = 10 + SCORE_BLOCKS;
        assert!(restarted.check(&ACCOUNT, at(UNPAID_PAUSE_MS + 1, forgotten)).is_ok());
        let again = restarted.ended(ACCOUNT, &stolen(), at(UNPAID_PAUSE_MS + 1, forgotten), 15_000);
        assert_eq!(again[0].mishaps, 1, "it begins anew");
        let bytes = kept.encode();
        assert_eq!(ScoreRecord::decode(&mut &bytes[..]), Ok(kept));
    }

    #[test]
    fn the_oldest_score_makes_room_and_is_dropped_from_the_disk() {
        let mut scores = Scores::new();
        let account = |number: usize| {
            let mut account = [0; 32];
            account[..8].copy_from_slice(&(number as u64).to_le_bytes());
            account
        };
        for number in 0..MAX_SCORES {
            let now = at(0, if number == 7 { 1 } else { 2 });
            assert_eq!(scores.ended(account(number), &stolen(), now, 1).len(), 1);
        }
        let changed = scores.ended(account(MAX_SCORES), &stolen(), at(0, 3), 1);
        assert_eq!(changed.len(), 2);
        assert_eq!((changed[0].account, changed[0].mishaps), (account(7), 0));
        assert_eq!(scores.0.len(), MAX_SCORES);
    }
}
