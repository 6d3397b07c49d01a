//! What is done when a worker does not take a session for its lane's or channel's sake: another
//! lane at once, within the same question.
//!
//! It happens to a payer that has died and come back (its worker still holds the lane of the dead
//! session), to one whose database is older than its promises, and after a power cut at either
//! side. Nothing was computed until then, and nothing promised but what was prepaid for room at the
//! stages that did accept: the question's sums count it.
//!
//! A worker may lie, so each question takes a bounded number of retries: every one costs a round
//! trip, and at most that prepayment. A lane that is given up for good is one whose receipts differ,
//! so a liar wears out a channel to itself; that costs it its own customers.

use std::sync::Arc;

use mica_primitives::{ChannelId, LaneId};
use mica_protocol::FaultCode;

use crate::channels::{ChannelPool, LaneGuard};
use crate::session::Outcome;
use crate::store::StoreError;

/// Most retries of one question.
const MAX_RETRIES: usize = 6;

/// The retries of one question. Lanes that were refused come back when this goes.
#[derive(Default)]
pub(super) struct LaneRetries {
    taken: usize,
    /// Whether the chain was asked again for the sake of a channel.
    has_asked: bool,
    excluded: Vec<LaneGuard>,
}

/// What may help against a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Remedy {
    /// Another lane of the channel.
    OtherLane,
    /// Another lane, and never this one again.
    Retire,
    /// What the worker showed counts now: there may be another lane, or the deposit may be raised.
    Count,
    /// The chain may know better: the channel is closed, or the chain another one.
    AskChain,
}

impl Remedy {
    const fn of(code: FaultCode) -> Option<Self> {
        match code {
            FaultCode::LaneBusy | FaultCode::StaleVoucher => Some(Self::OtherLane),
            FaultCode::ReceiptsDiffer => Some(Self::Retire),
            FaultCode::Overspend => Some(Self::Count),
            FaultCode::UnknownChannel | FaultCode::ChannelClosing => Some(Self::AskChain),
            _ => None,
        }
    }
}

impl LaneRetries {
    /// Whether another try may succeed; what speaks against the old one is done then.
    ///
    /// # Errors
    /// [`StoreError`] if what was learnt is not on disk.
    pub(super) fn may_retry(
        &mut self,
        pool: &Arc<ChannelPool>,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let report = &outcome.report;
        let Some(failure) = &report.failure else { return Ok(false) };
        // A worker that has accepted is another matter, and so is one that failed otherwise than by
        // refusing.
        if outcome.to_ready.is_some()
            || Remedy::of(failure.code).is_none()
            || self.taken == MAX_RETRIES
        {
            return Ok(false);
        }
        let refused = report.stages.iter().filter_map(|stage| {
            let remedy = Remedy::of(stage.refused?)?;
            Some((remedy, stage.channel, stage.lane, stage.record.receipts.count()))
        });
        let refused: Vec<(Remedy, ChannelId, LaneId, u64)> = refused.collect();
        let asks = refused.iter().any(|(remedy, ..)| *remedy == Remedy::AskChain);
        let is_hopeless = |remedy: Remedy| match remedy {
            Remedy::Count => outcome.adopted == 0,
            Remedy::AskChain => self.has_asked,
            Remedy::OtherLane | Remedy::Retire => false,
        };
        if refused.is_empty() || refused.iter().any(|(remedy, ..)| is_hopeless(*remedy)) {
            return Ok(false);
        }
        tracing::debug!(code = %failure.code, text = failure.text, "a worker did not take a lane: another one is tried");
        self.taken += 1;
        self.has_asked |= asks;
        for (remedy, channel, lane, receipts) in &refused {
            // A lane without receipts has none that could differ: the worker has some, and shows
            // the voucher that says so, or it lies.
            if *remedy == Remedy::Retire && *receipts > 0 {
                pool.retire(*channel, *lane)?;
            }
        }
        let lanes = refused
            .iter()
            .filter(|(remedy, ..)| matches!(remedy, Remedy::OtherLane | Remedy::Retire));
        self.excluded.push(
            pool.exclude_lanes(lanes.map(|(_, channel, lane, _)| (*channel, *lane)).collect()),
        );
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_that_another_lane_or_the_chain_can_mend_lead_on() {
        let mended: Vec<FaultCode> =
            FaultCode::ALL.iter().copied().filter(|code| Remedy::of(*code).is_some()).collect();
        let expected = [
            FaultCode::UnknownChannel,
            FaultCode::ChannelClosing,
            FaultCode::StaleVoucher,
            FaultCode::Overspend,
            FaultCode::LaneBusy,
            FaultCode::ReceiptsDiffer,
        ];
        assert_eq!(mended, expected);
    }
}
