//! Watches the chain: tells the session actor about blocks and channels.
//!
//! News come from the events of finalized blocks. As long as none of these was missed, what is
//! known of a channel is what the chain says, and an opening need not read it again; after a gap
//! every channel is read. Only what is final counts: a channel that a fork takes back pays nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use mica_chain::{Head, MicaEvent, ReadError};
use mica_host::lock;
use mica_primitives::{BlockNumber, ChannelId};
use mica_protocol::{
    channel::ChannelFacts,
    limits::{MAX_LEDGERS, OPENING_DEADLINE_MS},
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::context::WorkerContext;

/// Pause before a lost subscription is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// Followed channels with what the newest finalized block says of them; nothing if that is to be
/// read yet.
type FollowedChannels = BTreeMap<ChannelId, Option<ChannelFacts>>;

/// Reads channels for the session actor and follows the chain.
#[derive(Clone)]
pub(crate) struct Watcher {
    context: WorkerContext,
    followed: Arc<Mutex<FollowedChannels>>,
    /// Newest finalized block.
    block: watch::Sender<BlockNumber>,
}

impl Watcher {
    /// Follows `channels` and tells the number of each finalized block through `block`.
    pub(crate) fn new(
        context: WorkerContext,
        block: watch::Sender<BlockNumber>,
        channels: impl IntoIterator<Item = ChannelId>,
    ) -> Self {
        let followed = channels.into_iter().map(|channel| (channel, None)).collect();
        Self { context, followed: Arc::new(Mutex::new(followed)), block }
    }

    /// Answers the session actor's questions, each in a task of its own, as many at once as the
    /// protocol has openings.
    pub(crate) async fn answer(self, mut questions: mpsc::Receiver<ChannelId>, tasks: TaskTracker) {
        while let Some(Some(channel)) =
            self.context.stop.run_until_cancelled(questions.recv()).await
        {
            let watcher = self.clone();
            tasks.spawn(async move {
                let read = watcher.newest(channel);
                let deadline = Duration::from_millis(OPENING_DEADLINE_MS);
                let facts = watcher
                    .context
                    .stop
                    .run_until_cancelled(tokio::time::timeout(deadline, read))
                    .await;
                let facts = match facts {
                    Some(Ok(Ok(facts))) => facts,
                    Some(Ok(Err(error))) => {
                        tracing::warn!(%channel, %error, "a channel could not be read");
                        None
                    }
                    Some(Err(_)) | None => None,
                };
                if facts.is_some() {
                    watcher.follow(channel);
                }
                // A closed session actor has no use for the answer.
                let _ = watcher.context.sessions.channel(channel, facts.clone()).await;
                // News that were told in between must have the last word.
                let news = watcher
                    .known(channel)
                    .filter(|news| facts.as_ref().is_some_and(|facts| facts != news));
                if news.is_some() {
                    let _ = watcher.context.sessions.channel(channel, news).await;
                }
            });
        }
    }

    /// Follows finalized blocks until the worker stops.
    pub(crate) async fn run(self) {
        while !self.context.stop.is_cancelled() {
            let ended = self.context.stop.run_until_cancelled(self.follow_heads()).await;
            self.followed().values_mut().for_each(|facts| *facts = None);
            if let Some(Err(error)) = ended {
                tracing::warn!(%error, "the chain cannot be followed for the moment");
            }
            let _ = self.context.stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
        }
    }

    /// Adds a channel to those that are followed.
    pub(crate) fn follow(&self, channel: ChannelId) {
        let mut followed = self.followed();
        if followed.len() < MAX_LEDGERS {
            // What is known stays; what is new is read with the next block, because this one may
            // have been heard already.
            followed.entry(channel).or_default();
        }
    }

    async fn follow_heads(&self) -> Result<(), ReadError> {
        let mut heads = self.context.chain.finalized_heads().await?;
        let mut last = None;
        while let Some(head) = heads.next().await {
            let head = head?;
            let is_next = last
                .replace(head.number)
                .is_some_and(|last: BlockNumber| last.checked_add(1) == Some(head.number));
            let is_behind = head.number < *self.block.borrow();
            // A channel that another chain does not know, or that a node that is behind does not
            // know yet, is not closed.
            let is_other = !is_next && !self.context.origin.holds().await?;
            if is_behind || is_other {
                last = None;
                continue;
            }
            let channels = if is_next {
                self.touched(head).await?
            } else {
                self.followed().keys().copied().collect()
            };
            for channel in channels {
                self.refresh(channel, head).await?;
            }
            // Last, so that whoever acts on a new block acts on what it says.
            self.block
                .send_if_modified(|block| std::mem::replace(block, head.number) != head.number);
        }
        Ok(())
    }

    /// Followed channels that this block's events name, and those of which nothing is known yet.
    async fn touched(&self, head: Head) -> Result<BTreeSet<ChannelId>, ReadError> {
        if self.followed().is_empty() {
            return Ok(BTreeSet::new());
        }
        let events = self.context.chain.at(head).events().await?;
        let named = events.iter().filter_map(|event| match event.event {
            Some(
                MicaEvent::ToppedUp { channel, .. }
                | MicaEvent::Redeemed { channel, .. }
                | MicaEvent::CloseRequested { channel, .. }
                | MicaEvent::Extended { channel, .. }
                | MicaEvent::Closed { channel, .. },
            ) => Some(channel),
            _ => None,
        });
        let named: BTreeSet<ChannelId> = named.collect();
        let followed = self.followed();
        Ok(followed
            .iter()
            .filter(|(channel, facts)| facts.is_none() || named.contains(channel))
            .map(|(channel, _)| *channel)
            .collect())
    }

    /// Tells the session actor what this block says of a followed channel; one that is gone is
    /// forgotten.
    async fn refresh(&self, channel: ChannelId, head: Head) -> Result<(), ReadError> {
        let facts = self.read(channel, head).await?;
        let gone = facts.is_none();
        match &facts {
            Some(_) => self.followed().insert(channel, facts.clone()),
            None => self.followed().remove(&channel),
        };
        // A closed session actor means that the worker is stopping.
        let _ = self.context.sessions.channel(channel, facts).await;
        if gone {
            let _ = self.context.sessions.forget(channel).await;
        }
        Ok(())
    }

    /// What the newest final block says: from memory if that is the block that was followed last.
    async fn newest(&self, channel: ChannelId) -> Result<Option<ChannelFacts>, ReadError> {
        let newest = self.context.chain.finalized().await?;
        let known = self.known(channel).filter(|_| *self.block.borrow() == newest.number);
        if known.is_some() { Ok(known) } else { self.read_when_final(channel).await }
    }

    /// What is known of a followed channel.
    fn known(&self, channel: ChannelId) -> Option<ChannelFacts> {
        self.followed().get(&channel).cloned().flatten()
    }

    /// Reads a channel; if only a block that is not final has it, waits for finality.
    async fn read_when_final(&self, channel: ChannelId) -> Result<Option<ChannelFacts>, ReadError> {
        let mut block = self.block.subscribe();
        loop {
            let head = self.context.chain.finalized().await?;
            if let Some(facts) = self.read(channel, head).await? {
                return Ok(Some(facts));
            }
            if self.read(channel, self.context.chain.best().await?).await?.is_none()
                || block.changed().await.is_err()
            {
                return Ok(None);
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
