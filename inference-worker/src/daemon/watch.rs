//! Watches the chain: tells the desk about blocks and channels.
//!
//! News come from the events of finalized blocks; every so often all channels of interest are read anyway, because a node that was
//! away may have skipped some. Only what is final counts: a channel that a fork takes back pays nobody.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mica_chain::{AccountId, Chain, Head, MicaEvent, ReadError};
use mica_primitives::{BlockNumber, ChannelId};
use mica_protocol::{
    channel::ChannelFacts,
    limits::{MAX_LEDGERS, OPENING_DEADLINE_MS},
};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::handle::DeskHandle;

/// Finalized blocks after which every channel is read again.
const POLL_BLOCKS: BlockNumber = 20;
/// Pause before a lost subscription is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// The channels whose news the desk needs.
pub type Interest = Arc<Mutex<BTreeSet<ChannelId>>>;

/// Reads channels for the desk and follows the chain.
#[derive(Clone)]
pub struct Watcher {
    /// The chain.
    pub chain: Chain,
    /// The worker's account: only channels that pay it count.
    pub account: AccountId,
    /// The desk.
    pub desk: DeskHandle,
    /// Channels to follow.
    pub interest: Interest,
    /// Newest finalized block.
    pub block: watch::Sender<BlockNumber>,
    /// Ends everything.
    pub stop: CancellationToken,
}

impl Watcher {
    /// Answers the desk's questions, each in a task of its own, as many at once as the protocol has openings.
    pub async fn answer(self, mut questions: mpsc::Receiver<ChannelId>, tasks: TaskTracker) {
        while let Some(Some(channel)) = self.stop.run_until_cancelled(questions.recv()).await {
            let watcher = self.clone();
            tasks.spawn(async move {
                let read = watcher.read_when_final(channel);
                let deadline = Duration::from_millis(OPENING_DEADLINE_MS);
                let facts = watcher.stop.run_until_cancelled(tokio::time::timeout(deadline, read)).await;
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
                // A closed desk has no use for the answer.
                let _ = watcher.desk.channel(channel, facts).await;
            });
        }
    }

    /// Follows finalized blocks until the worker stops.
    pub async fn run(self) {
        while !self.stop.is_cancelled() {
            if let Some(Err(error)) = self.stop.run_until_cancelled(self.follow_heads()).await {
                tracing::warn!(%error, "the chain cannot be followed for the moment");
            }
            let _ = self.stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
        }
    }

    /// Adds a channel to those that are followed.
    pub fn follow(&self, channel: ChannelId) {
        let mut interest = self.interest.lock().unwrap_or_else(PoisonError::into_inner);
        if interest.len() < MAX_LEDGERS {
            interest.insert(channel);
        }
    }

    async fn follow_heads(&self) -> Result<(), ReadError> {
        let mut heads = self.chain.finalized_heads().await?;
        let mut next_poll = 0;
        while let Some(head) = heads.next().await {
            let head = head?;
            let channels = if head.number >= next_poll {
                next_poll = head.number.saturating_add(POLL_BLOCKS);
                self.all()
            } else {
                self.touched(head).await?
            };
            for channel in channels {
                self.refresh(channel, head).await?;
            }
            // Last, so that whoever acts on a new block acts on what it says.
            self.block.send_if_modified(|block| std::mem::replace(block, head.number) != head.number);
        }
        Ok(())
    }

    /// Channels of interest that this block's events name.
    async fn touched(&self, head: Head) -> Result<BTreeSet<ChannelId>, ReadError> {
        let interest = self.all();
        if interest.is_empty() {
            return Ok(interest);
        }
        let events = self.chain.at(head).events().await?;
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
        Ok(named.filter(|channel| interest.contains(channel)).collect())
    }

    /// Tells the desk what this block says of a followed channel; one that is gone is forgotten.
    async fn refresh(&self, channel: ChannelId, head: Head) -> Result<(), ReadError> {
        let facts = self.read(channel, head).await?;
        let gone = facts.is_none();
        // A closed desk means that the worker is stopping.
        let _ = self.desk.channel(channel, facts).await;
        if gone {
            self.interest.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
            let _ = self.desk.forget(channel).await;
        }
        Ok(())
    }

    /// Reads a channel; if only a block that is not final has it, waits for finality.
    async fn read_when_final(&self, channel: ChannelId) -> Result<Option<ChannelFacts>, ReadError> {
        let mut block = self.block.subscribe();
        loop {
            let head = self.chain.finalized().await?;
            if let Some(facts) = self.read(channel, head).await? {
                return Ok(Some(facts));
            }
            if self.read(channel, self.chain.best().await?).await?.is_none() || block.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn read(&self, channel: ChannelId, head: Head) -> Result<Option<ChannelFacts>, ReadError> {
        let found = self.chain.at(head).channel(channel).await?;
        Ok(found.filter(|found| found.payee == self.account).map(|found| ChannelFacts::new(channel, &found)))
    }

    fn all(&self) -> BTreeSet<ChannelId> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
