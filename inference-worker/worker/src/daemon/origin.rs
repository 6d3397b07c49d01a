//! Whether the node still follows the chain that the worker's records are of.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use eyre::Result;
use mica_chain::{Chain, ChainOrigin, ReadError};
use tokio_util::sync::CancellationToken;

use crate::{
    data_dir::DataDir,
    exit::{ExitKind, Failure},
    report::{Event, Reporter},
    store::{ChainMark, Store, put_aside, take_back},
};

/// Pause between two looks at a node that is behind.
const LOOK: Duration = Duration::from_secs(3);

/// The chain's beginning as it was when the worker started, shared by all tasks that act on what
/// the chain says.
#[derive(Clone)]
pub struct Origin {
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
    pub fn new(chain: Chain, known: ChainOrigin) -> Self {
        let known = Known { origin: known, is_away: false };
        Self { chain, known: Arc::new(Mutex::new(known)), changed: CancellationToken::new() }
    }

    /// Where the chain begins, as far as it is known.
    pub fn known(&self) -> ChainOrigin {
        self.lock().origin
    }

    /// Whether the node was on a chain of another network when [`Self::holds`] was last asked.
    pub fn is_away(&self) -> bool {
        self.lock().is_away
    }

    /// Whether the node still follows it. If it follows one that was started anew,
    /// [`Self::changed`] is told; one of another network is only somebody's mistake, and passes.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn holds(&self) -> Result<bool, ReadError> {
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
    pub fn changed(&self) -> &CancellationToken {
        &self.changed
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // One field is changed at a time.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store, ready for the chain that the node follows: with the records of that chain. Those of
/// one that was started anew since are put aside, and those that were put aside come back with
/// their chain.
///
/// A node that is only behind tells nothing about the records: it is waited for. Nothing if `stop`
/// came first.
///
/// # Errors
/// [`ExitKind::Usage`] if the records are of another network; if the node or the store cannot be
/// read, or the store's files cannot be moved.
pub async fn settle(
    store: Store,
    folder: &DataDir,
    chain: &Chain,
    reporter: Reporter,
    stop: &CancellationToken,
) -> Result<Option<(Store, Origin)>> {
    let (mut store, mut was_told) = (store, false);
    let (origin, height) = loop {
        let (origin, height) = (chain.origin().await?, chain.finalized().await?.number);
        store = of_this_chain(store, folder, chain.url(), &origin, reporter)?;
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
                    reporter.tell(&Event::Warning { text });
                }
                if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
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
fn of_this_chain(
    store: Store,
    folder: &DataDir,
    url: &str,
    origin: &ChainOrigin,
    reporter: Reporter,
) -> Result<Store> {
    let mut store = store;
    let lanes = store.lanes()?.len();
    let other = store.mark()?.filter(|mark| mark.origin().differs_from(origin));
    if let Some(mark) = other.filter(|mark| mark.genesis != origin.genesis) {
        if lanes > 0 {
            let text = format!(
                "the records of {lanes} lanes in {} are of another network than the one of the \
                 node at {url} (its genesis block is 0x{}, theirs 0x{}): correct --node-url, or \
                 use another --data-dir for this network",
                folder.path().display(),
                hex::encode(origin.genesis),
                hex::encode(mark.genesis)
            );
            return Err(Failure::new(ExitKind::Usage, text).into());
        }
        // Nothing to lose: it becomes the store of this network.
        store.put_mark(ChainMark::new(*origin, 0))?;
    } else if let Some(mark) = other {
        let (fresh, place) = put_aside(store, folder, &mark)?;
        store = fresh;
        reporter.tell(&Event::ChainChanged { lanes, aside: place.display().to_string() });
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
        reporter.tell(&Event::Warning { text });
    }
    Ok(store)
}
