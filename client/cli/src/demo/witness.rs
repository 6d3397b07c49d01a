//! Watches the chain from the first block to the last and keeps the events that prove what
//! happened.

use std::collections::BTreeMap;
use std::time::Duration;

use mica_chain::{Chain, Head, MicaEvent, ReadError};
use mica_primitives::BlockNumber;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::DemoError;

/// Longest wait for a block that another read has shown already.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before a lost subscription is opened again.
const RETRY: Duration = Duration::from_millis(200);

/// What was seen, by height. A block that was replaced is replaced here too.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    blocks: BTreeMap<BlockNumber, (Head, Vec<MicaEvent>)>,
}

impl Seen {
    /// The block at this height.
    pub(super) fn head(&self, number: BlockNumber) -> Option<Head> {
        self.blocks.get(&number).map(|(head, _)| *head)
    }

    /// Every known event with its block, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = (BlockNumber, &MicaEvent)> {
        self.blocks
            .iter()
            .flat_map(|(number, (_, events))| events.iter().map(|event| (*number, event)))
    }
}

/// The watching task.
pub(super) struct Witness {
    seen: watch::Receiver<Seen>,
    first: BlockNumber,
    stop: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Witness {
    /// Begins to watch; returns with the first block that is watched.
    ///
    /// # Errors
    /// [`DemoError`] if the chain cannot be followed.
    pub(super) async fn begin(chain: &Chain) -> Result<(Self, BlockNumber), DemoError> {
        let (sender, mut seen) = watch::channel(Seen::default());
        let stop = CancellationToken::new();
        let (chain, stopped) = (chain.clone(), stop.clone());
        let task = tokio::spawn(async move {
            while !stopped.is_cancelled() {
                if let Err(error) = follow(&chain, &sender).await {
                    tracing::debug!(%error, "the chain cannot be followed for the moment");
                }
                tokio::time::sleep(RETRY).await;
            }
        });
        let wait = seen.wait_for(|seen| !seen.blocks.is_empty());
        let first = match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Ok(seen)) => seen.blocks.keys().next().copied().unwrap_or(0),
            _ => return Err(DemoError::Missed(0)),
        };
        Ok((Self { seen, first, stop, _task: AbortOnDropHandle::new(task) }, first))
    }

    /// Everything up to block `last`, without a gap.
    ///
    /// # Errors
    /// [`DemoError::Missed`] names a block that was not seen.
    pub(super) async fn until(mut self, last: BlockNumber) -> Result<Seen, DemoError> {
        let wait = self.seen.wait_for(|seen| seen.blocks.contains_key(&last));
        let seen = match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Ok(seen)) => seen.clone(),
            _ => return Err(DemoError::Missed(last)),
        };
        self.stop.cancel();
        match (self.first..=last).find(|number| !seen.blocks.contains_key(number)) {
            Some(missed) => Err(DemoError::Missed(missed)),
            None => Ok(seen),
        }
    }
}

async fn follow(chain: &Chain, sender: &watch::Sender<Seen>) -> Result<(), ReadError> {
    let mut heads = chain.best_heads().await?;
    while let Some(head) = heads.next().await {
        let head = head?;
        let events =
            chain.at(head).events().await?.into_iter().filter_map(|event| event.event).collect();
        sender.send_modify(|seen| {
            // A shorter branch replaced by a longer one leaves nothing above it.
            seen.blocks.split_off(&head.number);
            seen.blocks.insert(head.number, (head, events));
        });
    }
    Ok(())
}
