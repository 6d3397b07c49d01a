//! Turns promises into money when it pays to.
//!
//! A voucher is redeemed when its session is over and it brings more than it costs by some margin,
//! and whenever waiting would lose it and it brings more than its fee: before it expires, and while
//! its channel is closing. A lane in use is left alone otherwise, because each redeem costs a fee
//! and a later one pays for both. A channel that its payer wants closed, and that owes nothing any
//! more, is closed at once.
//!
//! Redeems and closes run side by side: a window may be too short to wait for one after the other.
//! A redeem is followed until its block is final, and one that the node has dropped is sent again.
//! The session actor goes by final blocks only, so a payment that a fork takes back was never
//! noted.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mica_chain::{Call, MicaEvent, SubmitError, Submitted, Until, amount};
use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, Redeem};
use mica_protocol::{channel::ChannelFacts, limits::EXPIRY_MARGIN_BLOCKS, stage::SessionEnd};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    context::WorkerContext,
    request::{DoneChannel, DueLane},
};
use crate::report::Event;

/// A voucher that brings less than this many times the fee waits for more.
const FEES: Balance = 2;
/// Blocks until a lane that was redeemed, or whose redeem failed, is tried again: by then final
/// blocks have told.
const RETRY_BLOCKS: BlockNumber = 25;
/// Longest pause between two checks of all lanes.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Most redeems at once.
const MAX_IN_FLIGHT: usize = 64;
/// Longest wait for a redeem: one of which nothing is known by then is sent again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// When a lane is redeemed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Policy {
    /// Least gain for which a lane out of use is redeemed.
    pub minimum: Balance,
    /// What a redeem costs; 0 if that is not known, so that nothing is lost over it.
    pub fee: Balance,
    /// Whether lanes in use are redeemed as well: at the end, and when nothing can be written down
    /// any more.
    pub everything: bool,
}

impl Policy {
    /// Whether `lane` is to be redeemed when the market's clock says `now`.
    pub(crate) fn is_due(&self, lane: &DueLane, now: BlockNumber) -> bool {
        lane.gain > 0
            && ((would_be_lost(lane, now) && lane.gain > self.fee)
                || (lane.gain >= self.minimum && (self.everything || !lane.busy)))
    }
}

type LaneKey = (ChannelId, LaneId);

/// What became of a redeem.
struct Outcome {
    lane: LaneKey,
    promised: Balance,
    result: Result<Submitted, SubmitError>,
}

/// What was sent last for a lane.
#[derive(Clone, Copy, Debug)]
struct Sent {
    promised: Balance,
    /// Block of the best chain in which it may be sent again.
    again: BlockNumber,
    /// The block that shows it paid, if that was not final: until it is, nothing else tells what is
    /// still owed, and sending it again only costs a fee.
    paid_in: Option<BlockNumber>,
}

impl Sent {
    /// Whether a promise on the lane may be redeemed at these heights; one that is more than was
    /// sent `at_once` if so asked.
    fn may_follow(&self, promised: Balance, at_once: bool, heights: Reached) -> bool {
        let is_more = promised > self.promised;
        let is_told = self.paid_in.is_none_or(|block| heights.finalized > block);
        (is_more && at_once) || (heights.best >= self.again && (is_more || is_told))
    }
}

/// How far the chain is.
#[derive(Clone, Copy, Debug)]
struct Reached {
    best: BlockNumber,
    finalized: BlockNumber,
    /// The market's clock as of the best block.
    clock: BlockNumber,
}

/// The redeeming task.
pub(crate) struct Redeemer {
    context: WorkerContext,
    /// Redeems that are under way.
    in_flight: JoinSet<Outcome>,
    /// Their lanes.
    under_way: BTreeMap<LaneKey, Balance>,
    /// What was sent last for each lane that still owes something or was redeemed a moment ago.
    submitted: BTreeMap<LaneKey, Sent>,
    /// Closes that are under way.
    closes: JoinSet<(ChannelId, Result<Submitted, SubmitError>)>,
    /// Channels that were closed here, and the block in which that may be tried again; none while
    /// it is under way.
    closed: BTreeMap<ChannelId, Option<BlockNumber>>,
    /// What a redeem cost when it was last asked; 0 if it was not.
    fee: Balance,
}

impl Redeemer {
    /// One that has submitted nothing yet.
    pub(crate) fn new(context: WorkerContext) -> Self {
        Self {
            context,
            in_flight: JoinSet::new(),
            under_way: BTreeMap::new(),
            submitted: BTreeMap::new(),
            closes: JoinSet::new(),
            closed: BTreeMap::new(),
            fee: 0,
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
            self.redeem_due(false).await;
            self.close_finished_channels().await;
            tokio::select! {
                () = stop.cancelled() => {}
                Some(done) = self.in_flight.join_next() => self.done(done.ok()).await,
                Some(done) = self.closes.join_next() => self.close_done(done.ok()),
                // Nobody answers without the session actor.
                end = ended.recv() => if end.is_none() { break },
                changed = self.context.block.changed() => if changed.is_err() { break },
                changed = self.context.best.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
        self.redeem_due(true).await;
        while let Some(done) = self.in_flight.join_next().await {
            self.done(done.ok()).await;
        }
        while let Some(done) = self.closes.join_next().await {
            self.close_done(done.ok());
        }
    }

    /// Begins to redeem every lane that is due.
    async fn redeem_due(&mut self, everything: bool) {
        // Before the lanes are asked for, so that these are no older than the final block.
        let reached = Reached {
            best: *self.context.best.borrow(),
            finalized: *self.context.block.borrow(),
            clock: *self.context.clock.borrow(),
        };
        let (Ok(lanes), Ok(totals)) =
            (self.context.sessions.due().await, self.context.sessions.totals().await)
        else {
            return;
        };
        // Nothing is sent for a lane that owes nothing.
        let owing: BTreeSet<LaneKey> = lanes.iter().map(|lane| key(&lane.redeem)).collect();
        self.submitted.retain(|lane, sent| reached.best < sent.again || owing.contains(lane));
        let everything = everything || totals.refusing.is_some();
        let open: Vec<_> =
            lanes.into_iter().filter(|lane| self.may_submit(lane, reached, everything)).collect();
        let Some(first) = open.first() else { return };
        if !self.node_is_ready().await {
            return;
        }
        let policy = self.policy(&first.redeem, everything).await;
        let mut due: Vec<_> =
            open.into_iter().filter(|lane| policy.is_due(lane, reached.clock)).collect();
        most_urgent_first(&mut due, reached.clock);
        let room = MAX_IN_FLIGHT.saturating_sub(self.in_flight.len());
        due.into_iter().take(room).for_each(|lane| self.redeem(lane.redeem));
    }

    /// Begins to close channels whose payers asked for it and that owe nothing any more that is
    /// worth its fee, or whose payers have signed what they owe: the payer has its deposit back at
    /// once instead of after the window, and the session actor forgets the channel. Nothing waits
    /// for it: redeems have no time to lose.
    async fn close_finished_channels(&mut self) {
        let Ok(done) = self.context.sessions.done(self.fee).await else { return };
        let block = *self.context.block.borrow();
        let is_done = |channel: &ChannelId| done.iter().any(|done| done.channel() == *channel);
        self.closed.retain(|channel, again| again.is_none() || is_done(channel));
        // What an account's proxy may do does not include it.
        let is_proxy = self.context.signer.is_proxy();
        let may_close = |done: &DoneChannel| {
            if is_proxy && matches!(done, DoneChannel::Agreed(_)) {
                return false;
            }
            let again = self.closed.get(&done.channel());
            again.is_none_or(|again| again.is_some_and(|again| block >= again))
        };
        let room = MAX_IN_FLIGHT.saturating_sub(self.closes.len());
        let due: Vec<_> = done.into_iter().filter(may_close).take(room).collect();
        if due.is_empty() || !self.node_is_ready().await {
            return;
        }
        for done in due {
            let channel = done.channel();
            self.closed.insert(channel, None);
            let (chain, signer) = (self.context.chain.clone(), self.context.signer.clone());
            self.closes.spawn(async move {
                let (call, until) = (done.call(), Until::InBlock);
                let result =
                    chain.submit_watched(&signer, call, until, PATIENCE, &mut |_| {}).await;
                (channel, result)
            });
        }
    }

    /// Tells what became of a close, and when it may be tried again.
    fn close_done(&mut self, outcome: Option<(ChannelId, Result<Submitted, SubmitError>)>) {
        // A task that panicked has no name: its channel is closed after a restart.
        let Some((channel, result)) = outcome else { return };
        let block = *self.context.block.borrow();
        self.closed.insert(channel, Some(block.saturating_add(RETRY_BLOCKS)));
        match result {
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

    /// Whether the node follows the chain of the promises and knows as much of it as was seen: else
    /// it may take for open what is closed, and what is sent only costs its fee.
    async fn node_is_ready(&self) -> bool {
        let seen = *self.context.block.borrow();
        self.context.origin.holds().await.unwrap_or(false)
            && self.context.chain.finalized().await.is_ok_and(|head| head.number >= seen)
    }

    /// Whether this promise is not under way, and was not redeemed, or so long ago that final
    /// blocks would have told. What a lane in use promises grows all the time: it is not redeemed
    /// with every tick.
    fn may_submit(&self, lane: &DueLane, reached: Reached, everything: bool) -> bool {
        let key = key(&lane.redeem);
        let promised = lane.redeem.promised().unwrap_or(0);
        let at_once = everything || !lane.busy;
        !self.under_way.contains_key(&key)
            && self
                .submitted
                .get(&key)
                .is_none_or(|sent| sent.may_follow(promised, at_once, reached))
    }

    async fn policy(&mut self, redeem: &Redeem, everything: bool) -> Policy {
        let call = Call::Redeem(Box::new(redeem.clone()));
        let fee = self.context.chain.estimate_fee(&self.context.signer, &call).await.ok();
        self.fee = fee.unwrap_or(self.fee);
        let minimum = match self.context.config.market.redeem_minimum {
            Some(minimum) => minimum.max(1),
            // Without an answer nothing is redeemed that can wait.
            None => fee.map_or(Balance::MAX, |fee| fee.saturating_mul(FEES).max(1)),
        };
        Policy { minimum, fee: self.fee, everything }
    }

    fn redeem(&mut self, redeem: Redeem) {
        let lane = key(&redeem);
        let promised = redeem.promised().unwrap_or(0);
        self.under_way.insert(lane, promised);
        let (chain, signer) = (self.context.chain.clone(), self.context.signer.clone());
        self.in_flight.spawn(async move {
            let call = Call::Redeem(Box::new(redeem));
            let result =
                chain.submit_watched(&signer, call, Until::Finalized, PATIENCE, &mut |_| {}).await;
            Outcome { lane, promised, result }
        });
    }

    /// Tells what became of a redeem, and when its lane may be tried again.
    async fn done(&mut self, outcome: Option<Outcome>) {
        // A task that panicked has no name: its lane is tried again after a restart.
        let Some(Outcome { lane: (channel, lane), promised, result }) = outcome else { return };
        self.under_way.remove(&(channel, lane));
        let again = may_try_again(&result, *self.context.best.borrow());
        let sent = Sent { promised, again, paid_in: paid_in(&result) };
        match result {
            Ok(submitted) => {
                self.report(&submitted);
                self.confirm(channel, &submitted).await;
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
            // It is done, and final blocks will tell.
            Err(SubmitError::NotFinal { .. }) => {}
            Err(error) => self.warn(&format!(
                "lane {lane} of channel {channel} was not redeemed and will be tried again: \
                 {error}"
            )),
        }
        self.submitted.insert((channel, lane), sent);
    }

    fn report(&self, submitted: &Submitted) {
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
    }

    /// When nobody follows the chain any more, the session actor hears of the payment here: it
    /// tells what stays unredeemed. The block is final.
    async fn confirm(&self, channel: ChannelId, submitted: &Submitted) {
        if !self.context.stop.is_cancelled() {
            return;
        }
        if let Ok(Some(found)) = self.context.chain.at(submitted.block).channel(channel).await {
            let facts = ChannelFacts::new(channel, &found);
            let _ = self.context.sessions.channel(channel, Some(facts)).await;
        }
    }

    /// Tells of an extrinsic that brought nothing.
    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
        self.context.reporter.emit(&Event::Warning { text: text.to_owned() });
    }
}

/// Whether waiting would lose what the lane promises.
const fn would_be_lost(lane: &DueLane, block: BlockNumber) -> bool {
    let expires = lane.redeem.voucher.expires;
    lane.ends.is_some() || expires < block.saturating_add(EXPIRY_MARGIN_BLOCKS)
}

/// Puts what waiting would lose first, and of that what brings most: only so many are redeemed at
/// once, and a window may be over before it is the others' turn.
fn most_urgent_first(due: &mut [DueLane], block: BlockNumber) {
    due.sort_by_key(|lane| Reverse((would_be_lost(lane, block), lane.gain)));
}

const fn key(redeem: &Redeem) -> LaneKey {
    (redeem.voucher.channel, redeem.voucher.lane)
}

/// The block in which a lane may be redeemed again: what is done or has failed is left to final
/// blocks to tell of, and what the node has lost is sent with the next one.
fn may_try_again(result: &Result<Submitted, SubmitError>, block: BlockNumber) -> BlockNumber {
    let is_lost = matches!(
        result,
        Err(SubmitError::Unknown { .. } | SubmitError::Expired { .. } | SubmitError::Read(_))
    );
    block.saturating_add(if is_lost { 1 } else { RETRY_BLOCKS })
}

/// The block that shows a promise paid, if final blocks have yet to tell of it: the one that paid
/// it, or one in which there was nothing to pay any more.
fn paid_in(result: &Result<Submitted, SubmitError>) -> Option<BlockNumber> {
    match result {
        Err(SubmitError::NotFinal { block, .. }) => Some(*block),
        Err(SubmitError::Failed { failure, block, .. })
            if failure.is("Channels", "NothingToPay") =>
        {
            Some(*block)
        }
        _ => None,
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
            lock: None,
            bounty: 0,
        };
        let redeem = Redeem { voucher, signature: [0; 64], tick: None, preimage: None };
        DueLane { redeem, gain, busy, ends }
    }

    const POLICY: Policy = Policy { minimum: 10, fee: 4, everything: false };

    #[test]
    fn a_finished_lane_is_redeemed_when_it_pays() {
        assert!(POLICY.is_due(&lane(10, false, None, 10_000), 5));
        assert!(!POLICY.is_due(&lane(9, false, None, 10_000), 5));
        assert!(!POLICY.is_due(&lane(1_000, true, None, 10_000), 5));
        assert!(Policy { everything: true, ..POLICY }.is_due(&lane(10, true, None, 10_000), 5));
    }

    #[test]
    fn what_would_be_lost_is_redeemed_if_it_brings_more_than_the_fee() {
        assert!(POLICY.is_due(&lane(5, true, Some(50), 10_000), 5));
        assert!(POLICY.is_due(&lane(5, true, None, 5 + EXPIRY_MARGIN_BLOCKS - 1), 5));
        assert!(!POLICY.is_due(&lane(5, true, None, 5 + EXPIRY_MARGIN_BLOCKS), 5));
        assert!(!POLICY.is_due(&lane(0, false, Some(50), 5), 5));
    }

    /// Attack: close channels that bring little more than the fee, so that the window of one that
    /// brings much is over before it is its turn.
    #[test]
    fn what_would_be_lost_comes_first_and_of_that_what_brings_most() {
        let mut due = [
            lane(900, false, None, 10_000),
            lane(5, false, Some(50), 10_000),
            lane(70, false, Some(50), 10_000),
            lane(6, true, None, 5),
        ];
        most_urgent_first(&mut due, 5);
        assert_eq!(due.map(|lane| lane.gain), [70, 6, 5, 900]);
    }

    #[test]
    fn what_the_node_has_lost_is_sent_again_with_the_next_block() {
        let (what, reason) = ("redeem".to_owned(), "dropped".to_owned());
        let lost = SubmitError::Unknown { what: what.clone(), extrinsic: [0; 32], last: 9, reason };
        assert_eq!(may_try_again(&Err(lost), 5), 6);
        let expired = SubmitError::Expired { what: what.clone(), last: 9 };
        assert_eq!(may_try_again(&Err(expired), 5), 6);
        let done = SubmitError::NotFinal { what, block: 4, extrinsic: [0; 32], fee: 1 };
        assert_eq!(may_try_again(&Err(done), 5), 5 + RETRY_BLOCKS);
    }

    #[test]
    fn what_is_paid_in_a_block_that_is_not_final_is_not_sent_again_before_it_is() {
        let what = "redeem".to_owned();
        let done = SubmitError::NotFinal { what, block: 4, extrinsic: [0; 32], fee: 1 };
        let paid_in = paid_in(&Err(done));
        assert_eq!(paid_in, Some(4));
        let sent = Sent { promised: 10, again: 30, paid_in };
        let at = |best, finalized| Reached { best, finalized, clock: best };
        assert!(!sent.may_follow(10, true, at(5_000, 3)), "finality stands still");
        assert!(!sent.may_follow(10, true, at(5_000, 4)), "nothing has told yet");
        assert!(sent.may_follow(10, true, at(30, 5)), "a fork took it back");
        assert!(!sent.may_follow(10, true, at(29, 5)));
        assert!(sent.may_follow(11, true, at(6, 3)), "more was promised");
        // Of a lane in use, not with every tick.
        assert!(!sent.may_follow(11, false, at(29, 3)));
        assert!(sent.may_follow(11, false, at(30, 3)));
        let lost = Sent { paid_in: None, ..sent };
        assert!(lost.may_follow(10, true, at(30, 3)), "no block has it");
    }

    /// Attack: close thousands of channels that owe a trifle each.
    #[test]
    fn nobody_is_made_to_redeem_at_a_loss() {
        assert!(!POLICY.is_due(&lane(4, false, Some(50), 10_000), 5));
        assert!(!POLICY.is_due(&lane(4, false, None, 6), 5));
        // Without an answer on the fee nothing is lost over it.
        assert!(Policy { fee: 0, ..POLICY }.is_due(&lane(1, false, Some(50), 10_000), 5));
    }
}
