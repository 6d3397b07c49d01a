//! Whether the node still follows the chain that the worker's records are of.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use mica_chain::{Chain, ChainOrigin, ReadError};
use mica_host::lock;
use mica_primitives::Hash32;
use tokio_util::sync::CancellationToken;

use crate::{
    data_dir::DataDir,
    report::{Event, Reporter},
    store::{ChainMark, Store, StoreError, put_aside, take_back},
};

/// Pause between two checks of a node that is behind.
const POLL_INTERVAL: Duration = Duration::from_secs(3);

/// The chain's beginning as it was when the worker started, shared by all tasks that act on what
/// the chain says.
#[derive(Clone)]
pub(crate) struct Origin {
    chain: Chain,
    known: Arc<Mutex<Known>>,
    changed: CancellationToken,
}

#[derive(Clone, Copy)]
struct Known {
    origin: ChainOrigin,
    /// Whether the node was on a chain of another network when it was last asked.
    is_away: bool,
}

impl Origin {
    /// The chain that the node follows now.
    pub(crate) fn new(chain: Chain, known: ChainOrigin) -> Self {
        let known = Known { origin: known, is_away: false };
        Self { chain, known: Arc::new(Mutex::new(known)), changed: CancellationToken::new() }
    }

    /// Where the chain begins, as far as it is known.
    pub(crate) fn known(&self) -> ChainOrigin {
        self.lock().origin
    }

    /// Whether the node was on a chain of another network when [`Self::holds`] was last asked.
    pub(crate) fn is_away(&self) -> bool {
        self.lock().is_away
    }

    /// Whether the node still follows it. If it follows one that was started anew,
    /// [`Self::changed`] is told; one of another network is only somebody's mistake, and passes.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub(crate) async fn holds(&self) -> Result<bool, ReadError> {
        let now = self.chain.origin().await?;
        let mut known = self.lock();
        known.is_away = known.origin.genesis != now.genesis;
        if known.is_away {
            return Ok(false);
        }
        if known.origin.differs_from(&now) {
            self.changed.cancel();
            return Ok(false);
        }
        // Not known while the chain was very young.
        known.origin.first_block = known.origin.first_block.or(now.first_block);
        Ok(!self.changed.is_cancelled())
    }

    /// Cancelled when the node follows a chain that was started anew.
    pub(crate) fn changed(&self) -> &CancellationToken {
        &self.changed
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // One field is changed at a time.
        lock(&self.known)
    }
}

/// Why the records cannot be used with the chain that the node follows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The node cannot be asked.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be read, or its files not moved.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records are of another network.
    #[error(
        "the records of {lanes} lanes in {} are of another network than the one of the node at \
         {url} (its genesis block is 0x{}, theirs 0x{}): correct --node-url, or use another \
         --data-dir for this network",
        folder.display(), hex::encode(node), hex::encode(records)
    )]
    OtherNetwork {
        /// Lanes with records.
        lanes: usize,
        /// The worker's folder.
        folder: PathBuf,
        /// The node.
        url: String,
        /// Hash of the node's block 0.
        node: Hash32,
        /// Hash of block 0 of the records' chain.
        records: Hash32,
    },
}

/// The store, ready for the chain that the node follows: with the records of that chain. Those of
/// one that was started anew since are put aside, and those that were put aside come back with
/// their chain.
///
/// A node that is only behind tells nothing about the records: it is waited for. Nothing if `stop`
/// came first.
///
/// # Errors
/// [`OriginError::OtherNetwork`] if the records are of another network; others if the node or the
/// store cannot be read, or the store's files cannot be moved.
pub(crate) async fn open_for_chain(
    store: Store,
    folder: &DataDir,
    chain: &Chain,
    reporter: Reporter,
    stop: &CancellationToken,
) -> Result<Option<(Store, Origin)>, OriginError> {
    let (mut store, mut was_told) = (store, false);
    let (origin, height) = loop {
        let (origin, height) = (chain.origin().await?, chain.finalized().await?.number);
        store = with_records_of_chain(store, folder, chain.url(), &origin, reporter)?;
        match store.mark()? {
            Some(mark) if height < mark.height => {
                if !std::mem::replace(&mut was_told, true) {
                    let text = format!(
                        "the node at {} knows {height} final blocks, and this worker has seen {}: \
                         waiting until it has caught up; if it does not, name another with \
                         --node-url",
                        chain.url(),
                        mark.height
                    );
                    tracing::warn!("{text}");
                    reporter.emit(&Event::Warning { text });
                }
                if stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_none() {
                    return Ok(None);
                }
            }
            Some(mark) => {
                break (
                    ChainOrigin { first_block: origin.first_block.or(mark.first_block), ..origin },
                    height,
                );
            }
            None => break (origin, height),
        }
    };
    store.put_mark(ChainMark::new(origin, height))?;
    store.flush()?;
    Ok(Some((store, Origin::new(chain.clone(), origin))))
}

/// The store without records of another chain than `origin`, and with those of this one that were
/// put aside.
fn with_records_of_chain(
    store: Store,
    folder: &DataDir,
    url: &str,
    origin: &ChainOrigin,
    reporter: Reporter,
) -> Result<Store, OriginError> {
    let mut store = store;
    let lanes = store.lanes()?.len();
    let other = store.mark()?.filter(|mark| mark.origin().differs_from(origin));
    if let Some(mark) = other.filter(|mark| mark.genesis != origin.genesis) {
        if lanes > 0 {
            return Err(OriginError::OtherNetwork {
                lanes,
                folder: folder.path().to_owned(),
                url: url.to_owned(),
                node: origin.genesis,
                records: mark.genesis,
            });
        }
        // Nothing to lose: it becomes the store of this network.
        store.put_mark(ChainMark::new(*origin, 0))?;
    } else if let Some(mark) = other {
        let (fresh, place) = put_aside(store, folder, &mark)?;
        store = fresh;
        reporter.emit(&Event::ChainChanged { lanes, aside: place.display().to_string() });
    }
    if !store.lanes()?.is_empty() {
        return Ok(store);
    }
    let (store, place) = take_back(store, folder, origin)?;
    if let Some(place) = place {
        let text = format!(
            "the records of this chain are back, which were put aside in {}",
            place.display()
        );
        reporter.emit(&Event::Warning { text });
    }
    Ok(store)
}
