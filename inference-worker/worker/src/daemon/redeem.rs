//! Turns promises into money when it pays to.
//!
//! A voucher is redeemed when its session is over and it brings more than it costs, and whatever it
//! brings when waiting would lose it: before it expires, and while its channel is closing. A lane
//! in use is left alone otherwise, because each redeem costs a fee and a later one pays for both. A
//! channel that its payer wants closed, and that owes nothing any more, is closed at once.

use std::{collections::BTreeMap, time::Duration};

use mica_chain::{Call, MicaEvent, SubmitError, Until, amount};
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, Redeem};
use mica_protocol::{channel::ChannelFacts, limits::EXPIRY_MARGIN_BLOCKS, stage::SessionEnd};
use tokio::sync::mpsc;

use super::{context::WorkerContext, request::DueLane};
use crate::report::Event;

/// A voucher that brings less than this many times the fee waits for more.
const FEES: Balance = 2;
/// Blocks until a lane whose redeem failed is tried again.
const RETRY_BLOCKS: BlockNumber = 25;
/// Longest pause between two checks of all lanes.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// When a lane is redeemed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    /// Least gain for which a lane out of use is redeemed.
    pub minimum: Balance,
    /// Whether lanes in use are redeemed as well: at the end, and when nothing can be written down
    /// any more.
    pub everything: bool,
}

impl Policy {
    /// Whether `lane` is to be redeemed at `block`.
    pub(crate) fn is_due(&self, lane: &DueLane, block: BlockNumber) -> bool {
        let expiring = lane.redeem.voucher.expires < block.saturating_add(EXPIRY_MARGIN_BLOCKS);
        let would_be_lost = lane.ends.is_some() || expiring;
        lane.gain > 0
            && (would_be_lost || (lane.gain >= self.minimum && (self.everything || !lane.busy)))
    }
}

/// The redeeming task.
pub(crate) struct Redeemer {
    context: WorkerContext,
    /// Lanes in hand: what was submitted, and the block in which it may be submitted again.
    submitted: BTreeMap<(ChannelId, LaneId), (Balance, BlockNumber)>,
    /// Channels that were closed here, and the block in which that may be tried again.
    closed: BTreeMap<ChannelId, BlockNumber>,
    /// Channels that a block which was not final yet has paid from, with the number of that block.
    unsure: BTreeMap<ChannelId, BlockNumber>,
}

impl Redeemer {
    /// One that has submitted nothing yet.
    pub(crate) const fn new(context: WorkerContext) -> Self {
        Self {
            context,
            submitted: BTreeMap::new(),
            closed: BTreeMap::new(),
            unsure: BTreeMap::new(),
        }
    }

    /// Redeems until the worker stops, then once more whatever pays.
    pub(crate) async fn run(mut self, mut ended: mpsc::Receiver<SessionEnd>) {
        let stop = self.context.stop.clone();
        // The store's records are as old as the last run: the first block brings what the chain
        // says now.
        if let Some(Err(_)) = stop.run_until_cancelled(self.context.block.changed()).await {
            return;
        }
        while !stop.is_cancelled() {
            self.confirm_payments().await;
            self.redeem_due(false).await;
            self.close_finished_channels().await;
            tokio::select! {
                () = stop.cancelled() => {}
                // Nobody answers without the session actor.
                end = ended.recv() => if end.is_none() { break },
                changed = self.context.block.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
        self.redeem_due(true).await;
    }

    /// Tells the session actor what final blocks say of channels that were paid from ahead of
    /// finality: the block of a redeem may be gone, with the payment in it.
    async fn confirm_payments(&mut self) {
        let block = *self.context.block.borrow();
        let known: Vec<ChannelId> = self
            .unsure
            .iter()
            .filter(|(_, in_block)| block >= **in_block)
            .map(|(id, _)| *id)
            .collect();
        if known.is_empty() || !self.node_is_ready().await {
            return;
        }
        for channel in known {
            let found = match self.context.chain.at_finalized().await {
                // A node that is behind the block says nothing about it.
                Ok(view) if view.number() < block => return,
                Ok(view) => view.channel(channel).await,
                Err(error) => Err(error),
            };
            let Ok(found) = found else { return };
            // One that is closed is told by whoever follows the chain.
            if let Some(found) = found {
                let _ = self
                    .context
                    .sessions
                    .channel(channel, Some(ChannelFacts::new(channel, &found)))
                    .await;
            }
            self.unsure.remove(&channel);
        }
    }

    /// Redeems every lane that is due.
    async fn redeem_due(&mut self, everything: bool) {
        let (Ok(lanes), Ok(totals)) =
            (self.context.sessions.due().await, self.context.sessions.totals().await)
        else {
            return;
        };
        let block = *self.context.block.borrow();
        let open: Vec<_> = lanes.into_iter().filter(|lane| self.may_submit(lane, block)).collect();
        let Some(first) = open.first() else { return };
        if !self.node_is_ready().await {
            return;
        }
        let minimum = self.minimum(&first.redeem).await;
        let policy = Policy { minimum, everything: everything || totals.refusing.is_some() };
        for lane in open.into_iter().filter(|lane| policy.is_due(lane, block)) {
            self.redeem(lane.redeem, block).await;
        }
    }

    /// Closes channels whose payers asked for it and that owe nothing any more: the payer has its
    /// deposit back at once instead of after the window, and the session actor forgets the channel.
    async fn close_finished_channels(&mut self) {
        let Ok(done) = self.context.sessions.done().await else { return };
        let block = *self.context.block.borrow();
        self.closed.retain(|channel, _| done.contains(channel));
        let is_due =
            |channel: &ChannelId| self.closed.get(channel).is_none_or(|again| block >= *again);
        if !done.iter().any(is_due) || !self.node_is_ready().await {
            return;
        }
        for channel in done {
            if self.closed.get(&channel).is_some_and(|again| block < *again) {
                continue;
            }
            self.closed.insert(channel, block.saturating_add(RETRY_BLOCKS));
            match self
                .context
                .chain
                .submit(&self.context.signer, Call::Close(channel), Until::InBlock)
                .await
            {
                Ok(submitted) => self
                    .context
                    .reporter
                    .emit(&Event::ChannelClosed { channel, block: submitted.block.number }),
                // Its window was over and its payer was faster.
                Err(SubmitError::Failed { fee: 0, .. }) => {}
                Err(error @ SubmitError::Failed { .. }) => {
                    self.warn(&format!("channel {channel} was closed already: {error}"))
                }
                Err(error) => {
                    tracing::warn!(%channel, %error, "a channel was not closed and will be tried again")
                }
            }
        }
    }

    /// Whether the node follows the chain of the promises and knows as much of it as was seen: else
    /// it may take for open what is closed, and what is sent only costs its fee.
    async fn node_is_ready(&self) -> bool {
        let seen = *self.context.block.borrow();
        self.context.origin.holds().await.unwrap_or(false)
            && self.context.chain.finalized().await.is_ok_and(|head| head.number >= seen)
    }

    /// Whether this promise was not submitted yet, or so long ago that it is tried again.
    fn may_submit(&self, lane: &DueLane, block: BlockNumber) -> bool {
        let voucher = &lane.redeem.voucher;
        let promised = lane.redeem.promised().unwrap_or(0);
        self.submitted
            .get(&(voucher.channel, voucher.lane))
            .is_none_or(|(last, again)| promised > *last || block >= *again)
    }

    async fn minimum(&self, redeem: &Redeem) -> Balance {
        match self.context.config.market.redeem_minimum {
            Some(minimum) => minimum.max(1),
            None => {
                let fee = self
                    .context
                    .chain
                    .estimate_fee(&self.context.signer, &Call::Redeem(redeem.clone()))
                    .await;
                // Without an answer nothing is redeemed that can wait.
                fee.map_or(Balance::MAX, |fee| fee.saturating_mul(FEES).max(1))
            }
        }
    }

    async fn redeem(&mut self, redeem: Redeem, block: BlockNumber) {
        let (channel, lane) = (redeem.voucher.channel, redeem.voucher.lane);
        let promised = redeem.promised().unwrap_or(0);
        self.submitted.insert((channel, lane), (promised, block.saturating_add(RETRY_BLOCKS)));
        match self
            .context
            .chain
            .submit(&self.context.signer, Call::Redeem(redeem), Until::InBlock)
            .await
        {
            Ok(submitted) => {
                for event in submitted.known() {
                    if let MicaEvent::Redeemed { channel, lane, seq, paid, receipts, .. } = *event {
                        let (fee, block) = (submitted.fee, submitted.block.number);
                        self.context.reporter.emit(&Event::Redeemed {
                            channel,
                            lane,
                            seq,
                            paid,
                            receipts,
                            fee,
                            block,
                        });
                    }
                }
                // Ahead of finality, so that the lane is not submitted again; finalized blocks have
                // the last word.
                self.unsure.insert(channel, submitted.block.number);
                if let Ok(Some(found)) =
                    self.context.chain.at(submitted.block).channel(channel).await
                {
                    let _ = self
                        .context
                        .sessions
                        .channel(channel, Some(ChannelFacts::new(channel, &found)))
                        .await;
                }
            }
            Err(SubmitError::Failed { failure, fee, .. })
                if failure.is("Channels", "NothingToPay") =>
            {
                if fee > 0 {
                    self.warn(&format!(
                        "lane {lane} of channel {channel} was paid already: a fee of {} is lost",
                        amount::format(fee)
                    ));
                }
            }
            Err(error) => self.warn(&format!(
                "lane {lane} of channel {channel} was not redeemed and will be tried again: \
                 {error}"
            )),
        }
    }

    /// Tells of an extrinsic that brought nothing.
    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
        self.context.reporter.emit(&Event::Warning { text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_primitives::Voucher;

    fn lane(gain: Balance, busy: bool, ends: Option<BlockNumber>, expires: BlockNumber) -> DueLane {
        let voucher = Voucher {
            channel: ChannelId([1; 32]),
            lane: 0,
            seq: 1,
            cumulative: gain,
            receipts_root: [0; 32],
            receipts: 0,
            expires,
            tick: None,
        };
        DueLane { redeem: Redeem { voucher, signature: [0; 64], tick: None }, gain, busy, ends }
    }

    #[test]
    fn a_finished_lane_is_redeemed_when_it_pays() {
        let policy = Policy { minimum: 10, everything: false };
        assert!(policy.is_due(&lane(10, false, None, 10_000), 5));
        assert!(!policy.is_due(&lane(9, false, None, 10_000), 5));
        assert!(!policy.is_due(&lane(1_000, true, None, 10_000), 5));
        assert!(Policy { everything: true, ..policy }.is_due(&lane(10, true, None, 10_000), 5));
    }

    #[test]
    fn what_would_be_lost_is_redeemed_whatever_it_brings() {
        let policy = Policy { minimum: 10, everything: false };
        assert!(policy.is_due(&lane(1, true, Some(50), 10_000), 5));
        assert!(policy.is_due(&lane(1, true, None, 5 + EXPIRY_MARGIN_BLOCKS - 1), 5));
        assert!(!policy.is_due(&lane(1, true, None, 5 + EXPIRY_MARGIN_BLOCKS), 5));
        assert!(!policy.is_due(&lane(0, false, Some(50), 5), 5));
    }
}
