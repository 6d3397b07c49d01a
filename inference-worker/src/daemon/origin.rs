//! Whether the node still follows the chain that the worker's records are of.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eyre::Result;
use mica_chain::{Chain, ChainOrigin, ReadError};
use tokio_util::sync::CancellationToken;

use crate::{
    data_dir::DataDir,
    report::{Event, Reporter},
    store::{ChainMark, Store, put_aside},
};

/// Pause between two looks at a node that is behind.
const LOOK: Duration = Duration::from_secs(3);

/// The chain's beginning as it was when the worker started, shared by all tasks that act on what the chain says.
#[derive(Clone)]
pub struct Origin {
    chain: Chain,
    known: Arc<Mutex<ChainOrigin>>,
    changed: CancellationToken,
}

impl Origin {
    /// The chain that the node follows now.
    pub fn new(chain: Chain, known: ChainOrigin) -> Self {
        Self { chain, known: Arc::new(Mutex::new(known)), changed: CancellationToken::new() }
    }

    /// Where the chain begins, as far as it is known.
    pub fn known(&self) -> ChainOrigin {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the node still follows it. If not, [`Self::changed`] is told.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn holds(&self) -> Result<bool, ReadError> {
        let now = self.chain.origin().await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.differs_from(&now) {
            self.changed.cancel();
            return Ok(false);
        }
        // Not known while the chain was very young.
        known.first_block = known.first_block.or(now.first_block);
        Ok(!self.changed.is_cancelled())
    }

    /// Cancelled when the node follows another chain.
    pub fn changed(&self) -> &CancellationToken {
        &self.changed
    }
}

/// The store, ready for the chain that the node follows: with its records if they are of that chain, else empty, the old ones put aside.
///
/// A node that is only behind tells nothing about the records: it is waited for. Nothing if `stop` came first.
///
/// # Errors
/// If the node or the store cannot be read, or the store's files cannot be moved.
pub async fn settle(
    store: Store,
    folder: &DataDir,
    chain: &Chain,
    reporter: Reporter,
    stop: &CancellationToken,
) -> Result<Option<(Store, Origin)>> {
    let mut store = store;
    let stored = store.mark()?;
    let mut was_told = false;
    let (origin, height) = loop {
        let (origin, height) = (chain.origin().await?, chain.finalized().await?.number);
        match stored {
            Some(mark) if mark.origin().differs_from(&origin) => {
                let lanes = store.lanes()?.len();
                let (fresh, place) = put_aside(store, folder, &mark)?;
                store = fresh;
                reporter.tell(&Event::ChainChanged { lanes, aside: place.display().to_string() });
                break (origin, height);
            }
            Some(mark) if height < mark.height => {
                if !std::mem::replace(&mut was_told, true) {
                    let text = format!(
                        "the node at {} knows {height} final blocks, and this worker has seen {}: waiting until it has caught up; if it \
                         does not, name another with --node-url",
                        chain.url(),
                        mark.height
                    );
                    tracing::warn!("{text}");
                    reporter.tell(&Event::Warning { text });
                }
                if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
                    return Ok(None);
                }
            }
            Some(mark) => break (ChainOrigin { first_block: origin.first_block.or(mark.first_block), ..origin }, height),
            None => break (origin, height),
        }
    };
    store.put_mark(ChainMark::new(origin, height))?;
    store.flush()?;
    Ok(Some((store, Origin::new(chain.clone(), origin))))
}
