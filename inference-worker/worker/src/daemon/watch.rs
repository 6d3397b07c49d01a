//! Watches the chain: tells the session actor about blocks and channels.
//!
//! News come from the events of final blocks and of the best chain, and the node is asked again
//! every few seconds in case a subscription has died without a word. As long as no final block was
//! missed, what is known of a channel is what the chain says, and an opening need not read it
//! again; after a gap every channel is read. Deposits and payments count when they are final; a
//! request to close counts as soon as any block has it.
//!
//! **Nothing is served that is not followed.** A channel is followed from the moment its opening is
//! looked at until its ledger is gone; an opening for which there is no room is refused.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use mica_chain::{Head, MicaEvent, ReadError};
use mica_host::lock;
use mica_primitives::{BlockNumber, ChannelId};
use mica_protocol::{
    channel::ChannelFacts,
    limits::{MAX_OPENINGS, OPENING_DEADLINE_MS},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::task::TaskTracker;

use super::{
    context::WorkerContext,
    followed::{Best, FollowedChannels, merge},
};

/// Pause before a lost subscription is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two looks at the node, whatever its subscriptions say.
const POLL_INTERVAL: Duration = Duration::from_secs(15);
/// Channels that are read at once.
const READS: usize = 16;
/// Blocks by which a subscription may be behind the node before it counts as dead.
const LATE_BLOCKS: BlockNumber = 2;

/// The newest heights, told to whoever waits for them.
pub(super) struct Heights {
    /// Newest final block.
    pub(super) finalized: watch::Sender<BlockNumber>,
    /// Newest block of the best chain.
    pub(super) best: watch::Sender<BlockNumber>,
    /// The market's clock as of that block.
    pub(super) clock: watch::Sender<BlockNumber>,
}

/// Reads channels for the session actor and follows the chain.
#[derive(Clone)]
pub(crate) struct Watcher {
    context: WorkerContext,
    followed: Arc<Mutex<FollowedChannels>>,
    heights: Arc<Heights>,
}

/// The last blocks that were looked at.
#[derive(Default)]
struct Seen {
    finalized: Option<BlockNumber>,
    best: Option<BlockNumber>,
    /// Newest final block that others were told of.
    told: Option<BlockNumber>,
}

impl Seen {
    /// Notes that blocks may have been missed. What others were told stays.
    const fn miss(&mut self) {
        (self.finalized, self.best) = (None, None);
    }

    /// Whether others are to be told of this final block. The first one is news whatever its
    /// number, because nothing was read before; the one that a new subscription begins with is
    /// none, because it does not show that the chain moves.
    fn is_news(&mut self, number: BlockNumber) -> bool {
        let is_news = self.told.is_none_or(|told| number > told);
        if is_news {
            self.told = Some(number);
        }
        is_news
    }
}

impl Watcher {
    /// Follows `channels` and tells the numbers of blocks through `heights`.
    pub(super) fn new(
        context: WorkerContext,
        heights: Heights,
        channels: impl IntoIterator<Item = ChannelId>,
    ) -> Self {
        let followed = Arc::new(Mutex::new(FollowedChannels::new(channels)));
        Self { context, followed, heights: Arc::new(heights) }
    }

    /// Answers the session actor's questions, each in a task of its own, as many at once as the
    /// protocol has openings: one that is withdrawn makes room for another before its question is
    /// answered.
    pub(crate) async fn answer(self, mut questions: mpsc::Receiver<ChannelId>, tasks: TaskTracker) {
        let room = Arc::new(Semaphore::new(MAX_OPENINGS));
        let stop = self.context.stop.clone();
        while let Some(Some(channel)) = stop.run_until_cancelled(questions.recv()).await {
            let place = stop.run_until_cancelled(room.clone().acquire_owned()).await;
            let Some(Ok(place)) = place else { return };
            if !self.followed().begin_opening(channel) {
                tracing::warn!(%channel, "too many channels are followed: the opening is refused");
                // A closed session actor has no use for the answer, here and below.
                let _ = self.context.sessions.not_followed(channel).await;
                continue;
            }
            let watcher = self.clone();
            tasks.spawn(async move {
                let stop = watcher.context.stop.clone();
                let _ = stop.run_until_cancelled(watcher.answer_one(channel)).await;
                let has_ledger = watcher.context.sessions.has_ledger(channel).await;
                let has_ledger = has_ledger.unwrap_or(false);
                watcher.followed().end_opening(channel, has_ledger);
                drop(place);
            });
        }
    }

    /// A node that cannot be asked is no answer: the opening runs into its deadline, and sessions
    /// of the channel go on.
    async fn answer_one(&self, channel: ChannelId) {
        let deadline = Duration::from_millis(OPENING_DEADLINE_MS);
        let facts = match tokio::time::timeout(deadline, self.newest(channel)).await {
            Ok(Ok(facts)) => facts,
            Ok(Err(error)) => {
                tracing::warn!(%channel, %error, "a channel could not be read");
                return;
            }
            Err(_) => {
                tracing::warn!(%channel, "the node took too long to read a channel");
                return;
            }
        };
        let _ = self.context.sessions.channel(channel, facts.clone()).await;
        // News that were told in between must have the last word.
        let news = self.followed().news(channel).filter(|news| *news != facts);
        if let Some(news) = news {
            let _ = self.context.sessions.channel(channel, news).await;
        }
    }

    /// Follows the chain until the worker stops.
    pub(crate) async fn run(self) {
        let mut seen = Seen::default();
        while !self.context.stop.is_cancelled() {
            let ended = self.context.stop.run_until_cancelled(self.follow_heads(&mut seen)).await;
            self.followed().forget_facts();
            seen.miss();
            if let Some(Err(error)) = ended {
                tracing::warn!(%error, "the chain cannot be followed for the moment");
            }
            let _ = self.context.stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
        }
    }

    async fn follow_heads(&self, seen: &mut Seen) -> Result<(), ReadError> {
        let mut finals = self.context.chain.finalized_heads().await?;
        let mut bests = self.context.chain.best_heads().await?;
        let mut poll = tokio::time::interval_at(Instant::now() + POLL_INTERVAL, POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                head = finals.next() => match head {
                    Some(head) => self.final_block(head?, seen).await?,
                    None => return Ok(()),
                },
                head = bests.next() => match head {
                    Some(head) => self.best_block(head?, seen).await?,
                    None => return Ok(()),
                },
                _ = poll.tick() => self.poll(seen).await?,
            }
        }
    }

    /// Asks the node what its subscriptions should have told, and drops what nobody needs.
    async fn poll(&self, seen: &mut Seen) -> Result<(), ReadError> {
        if let Ok(ledgers) = self.context.sessions.ledgers().await {
            self.followed().retain(&ledgers);
        }
        let head = self.context.chain.finalized().await?;
        if seen.finalized.is_none_or(|last| head.number > last.saturating_add(LATE_BLOCKS)) {
            self.final_block(head, seen).await?;
        }
        // All of them: the best chain may have changed to a fork whose blocks nobody told of.
        seen.best = None;
        let head = self.context.chain.best().await?;
        self.best_block(head, seen).await
    }

    async fn final_block(&self, head: Head, seen: &mut Seen) -> Result<(), ReadError> {
        let is_next = is_next(seen.finalized.replace(head.number), head.number);
        let is_behind = head.number < *self.context.block.borrow();
        // A channel that another chain does not know, or that a node that is behind does not know
        // yet, is not closed.
        let is_other = !is_next && !self.context.origin.holds().await?;
        if is_behind || is_other {
            seen.finalized = None;
            return Ok(());
        }
        let channels = match is_next {
            true => {
                let named = self.named(head).await?;
                self.followed().pick(|id, facts| facts.is_none() || named.contains(id))
            }
            false => self.followed().pick(|_, _| true),
        };
        for (channel, facts) in self.read_all(channels, head).await? {
            self.refresh(channel, head, facts).await;
        }
        if seen.is_news(head.number) {
            let _ = self.context.sessions.block_final().await;
            // Last, so that whoever acts on a new block acts on what it says.
            self.heights.finalized.send_modify(|block| *block = head.number);
        }
        Ok(())
    }

    /// Looks at the end of channels that this block names, and of all after a gap.
    async fn best_block(&self, head: Head, seen: &mut Seen) -> Result<(), ReadError> {
        let is_next = is_next(seen.best.replace(head.number), head.number);
        let is_behind = head.number < *self.context.block.borrow();
        let is_other = !is_next && !self.context.origin.holds().await?;
        if is_behind || is_other {
            seen.best = None;
            return Ok(());
        }
        let channels = match is_next {
            true => {
                let named = self.named(head).await?;
                self.followed().pick(|id, _| named.contains(id))
            }
            false => self.followed().pick(|_, _| true),
        };
        let mut changed = BTreeSet::new();
        for (channel, facts) in self.read_all(channels, head).await? {
            let best = best_of(facts.as_ref());
            let mut followed = self.followed();
            let before = followed.news(channel);
            followed.set_best(channel, best);
            if followed.news(channel) != before {
                changed.insert(channel);
            }
        }
        let clock = self.context.chain.at(head).clock().await?.now;
        self.heights.clock.send_replace(clock);
        self.heights
            .best
            .send_if_modified(|block| std::mem::replace(block, head.number) != head.number);
        // What is left of a window changes with every block, and with it what may be lent.
        changed.extend(self.followed().closing());
        for channel in changed {
            self.tell(channel).await;
        }
        Ok(())
    }

    /// Channels that the block's events name.
    async fn named(&self, head: Head) -> Result<BTreeSet<ChannelId>, ReadError> {
        if self.followed().is_empty() {
            return Ok(BTreeSet::new());
        }
        let events = self.context.chain.at(head).events().await?;
        let named = events.iter().filter_map(|event| named_by(event.event.as_ref()?));
        Ok(named.collect())
    }

    /// Tells the session actor what this final block says of a followed channel; one that is gone
    /// is forgotten.
    async fn refresh(&self, channel: ChannelId, head: Head, facts: Option<ChannelFacts>) {
        let is_gone = facts.is_none();
        {
            // Asked and noted at once: an opening may end in between.
            let mut followed = self.followed();
            let is_awaited = is_gone && followed.is_awaited(channel);
            if is_awaited || followed.knows_newer(channel, head.number) {
                return;
            }
            followed.set_final(channel, head.number, facts);
        }
        if is_gone {
            // A closed session actor means that the worker is stopping.
            let _ = self.context.sessions.channel(channel, None).await;
            let _ = self.context.sessions.forget(channel).await;
        } else {
            self.tell(channel).await;
        }
    }

    async fn tell(&self, channel: ChannelId) {
        let news = self.followed().news(channel);
        if let Some(facts) = news {
            let _ = self.context.sessions.channel(channel, facts).await;
        }
    }

    /// What the newest final block says, with what the newest of all says of the end: from memory
    /// if that final block is the one that was followed last.
    async fn newest(&self, channel: ChannelId) -> Result<Option<ChannelFacts>, ReadError> {
        let newest = self.context.chain.finalized().await?;
        if *self.context.block.borrow() == newest.number
            && let Some(news) = self.followed().news(channel)
        {
            return Ok(news);
        }
        self.read_when_final(channel, newest).await
    }

    /// Reads a channel in the final block `head`; if only a block that is not final has it, waits
    /// for finality. The newest block is asked first: if that has no such channel, which costs one
    /// call of the runtime, a name that somebody made up costs no second one.
    async fn read_when_final(
        &self,
        channel: ChannelId,
        mut head: Head,
    ) -> Result<Option<ChannelFacts>, ReadError> {
        let mut block = self.context.block.clone();
        loop {
            let seen = *block.borrow_and_update();
            if head.number < seen {
                head = self.context.chain.finalized().await?;
            }
            // A node that is behind knows nothing of what came after.
            if head.number >= seen {
                let newest = self.context.chain.best().await?;
                let best = best_of(self.read(channel, newest).await?.as_ref());
                self.followed().set_best(channel, best);
                if best == Best::Gone {
                    return Ok(None);
                }
                if let Some(facts) = self.read(channel, head).await? {
                    self.followed().note_seen(channel, head.number);
                    return Ok(merge(facts, best));
                }
            }
            if block.changed().await.is_err() {
                return Ok(None);
            }
            head = self.context.chain.finalized().await?;
        }
    }

    /// What the block says of these channels, [`READS`] read at once: however many are followed and
    /// however far away the node is, the next block must not wait for them for long.
    async fn read_all(
        &self,
        channels: Vec<ChannelId>,
        head: Head,
    ) -> Result<Vec<(ChannelId, Option<ChannelFacts>)>, ReadError> {
        let (mut reads, mut found) = (JoinSet::new(), Vec::with_capacity(channels.len()));
        let mut channels = channels.into_iter();
        loop {
            for channel in channels.by_ref().take(READS - reads.len()) {
                let watcher = self.clone();
                reads.spawn(async move { (channel, watcher.read(channel, head).await) });
            }
            match reads.join_next().await {
                Some(Ok((channel, read))) => found.push((channel, read?)),
                Some(Err(error)) => {
                    let (what, reason) = ("a channel".to_owned(), error.to_string());
                    return Err(ReadError::Node { what, reason });
                }
                None => return Ok(found),
            }
        }
    }

    async fn read(
        &self,
        channel: ChannelId,
        head: Head,
    ) -> Result<Option<ChannelFacts>, ReadError> {
        let found = self.context.chain.at(head).channel(channel).await?;
        Ok(found
            .filter(|found| found.payee == self.context.signer.account())
            .map(|found| ChannelFacts::new(channel, &found)))
    }

    fn followed(&self) -> MutexGuard<'_, FollowedChannels> {
        // One entry is changed at a time.
        lock(&self.followed)
    }
}

/// The channel that an event is about, if it changes what is known of it.
pub(crate) const fn named_by(event: &MicaEvent) -> Option<ChannelId> {
    match event {
        MicaEvent::ToppedUp { channel, .. }
        | MicaEvent::Redeemed { channel, .. }
        | MicaEvent::CloseRequested { channel, .. }
        | MicaEvent::Extended { channel, .. }
        | MicaEvent::Closed { channel, .. } => Some(*channel),
        _ => None,
    }
}

fn is_next(last: Option<BlockNumber>, number: BlockNumber) -> bool {
    last.is_some_and(|last| last.checked_add(1) == Some(number))
}

/// What a reading at the newest block says of the end.
fn best_of(facts: Option<&ChannelFacts>) -> Best {
    facts.map_or(Best::Gone, |facts| Best::Open(facts.ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worker may start while finality stands still, and its subscriptions may be lost then.
    #[test]
    fn the_first_final_block_is_news_and_the_same_one_again_is_not() {
        let mut seen = Seen::default();
        assert!(seen.is_news(7), "nothing was read before");
        assert!(!seen.is_news(7));
        seen.miss();
        assert!(!seen.is_news(7), "a new subscription begins with it");
        assert!(!seen.is_news(6) && seen.is_news(9));
    }
}
