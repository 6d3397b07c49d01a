//! Brings what is missing, from all sources at once.
//!
//! A peer that sends wrong bytes is told of and asked no more, and so is a plain source that did.
//! Whoever is silent or breaks off is tried again a few times. What is verified stays, whatever
//! happens then.

mod head;
mod plain;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::{join, join_all};
use mica_host::lock;
use mica_primitives::ModelId;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    bits::Bits,
    peer::{Asking, Peer, PeerError},
    protocol::{Request, WINDOW},
    spec::Spec,
    store::{Held, Store, StoreError},
    work::{Next, Work, blocking},
};

pub use head::describe;

/// How often a source is tried that gave nothing since.
const ATTEMPTS: u32 = 4;
/// Pause before it is tried again, the first time; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often is told how far it is.
const PROGRESS: Duration = Duration::from_millis(500);
/// Pause between two looks whether another process has ended its fetch.
const TURN: Duration = Duration::from_millis(500);

/// How far a fetch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes that are there and verified.
    pub done: u64,
    /// Bytes that there will be.
    pub total: u64,
    /// Sources that are asked.
    pub sources: usize,
}

/// What a fetch came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fetched {
    /// Verified bytes that were written.
    pub bytes: u64,
    /// Bytes that came over the network or from other files.
    pub received: u64,
    /// Sources that sent wrong bytes.
    pub liars: Vec<String>,
}

/// Why something is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody to ask.
    #[error(
        "nobody is known who has it: no worker that serves the model is online, and no source is named; add one with `mica-worker model add`"
    )]
    NoSource,
    /// Nobody has the head.
    #[error("nobody gave the head of model {id}: {}", told(.reasons))]
    Head {
        /// The model.
        id: ModelId,
        /// What each said.
        reasons: Vec<(String, String)>,
    },
    /// Tensors are missing.
    #[error("{} tensors could not be fetched, {first} among them: {}; what was fetched is kept, try again later or name another source", .missing, told(.reasons))]
    Missing {
        /// How many.
        missing: usize,
        /// Name of one.
        first: String,
        /// What each source said.
        reasons: Vec<(String, String)>,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn told(reasons: &[(String, String)]) -> String {
    let one = |(who, why): &(String, String)| format!("{who}: {why}");
    let mut text = reasons.iter().take(4).map(one).collect::<Vec<_>>().join("; ");
    if reasons.len() > 4 {
        text.push_str(&format!("; and {} others", reasons.len() - 4));
    }
    text
}

/// What all sources of one fetch share.
struct Sharing {
    work: Arc<Work>,
    received: AtomicU64,
    asked: AtomicUsize,
    /// Who sent wrong bytes.
    liars: Mutex<Vec<String>>,
}

/// How a source ended.
struct End {
    name: String,
    reason: Option<String>,
    /// What nobody else could do better.
    disk: Option<StoreError>,
}

/// Brings the tensors `wanted` of a model that are missing, from peers and other places. Those who
/// call at once, in whatever process, take turns.
///
/// # Errors
/// [`FetchError`]; what was verified until then is kept.
pub async fn fetch(
    store: &Store,
    held: &Arc<Held>,
    wanted: &[usize],
    peers: &[Arc<dyn Peer>],
    places: &[Spec],
    on_progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Fetched, FetchError> {
    let mut is_told = false;
    let write_lock = loop {
        let held = held.clone();
        match blocking(move || held.lock_for_writing()).await? {
            Some(lock) => break lock,
            // Another process fetches, perhaps what is wanted here.
            None => {
                if !is_told {
                    tracing::info!("another process fetches this model: it is waited for");
                }
                is_told = true;
                sleep(TURN).await;
            }
        }
    };
    {
        let (held, wanted) = (held.clone(), wanted.to_vec());
        blocking(move || held.finish_complete(&wanted)).await?;
    }
    if wanted.iter().all(|&tensor| held.is_whole(tensor)) {
        return Ok(Fetched::default());
    }
    if peers.is_empty() && places.is_empty() {
        return Err(FetchError::NoSource);
    }
    let total: u64 = wanted.iter().map(|&tensor| held.blob(tensor).bytes).sum();
    let lacking = held.lacking(wanted);
    store.check_room(lacking)?;
    let work = Arc::new(Work::new(held.clone(), wanted, write_lock));
    let (received, asked, liars) = (AtomicU64::new(0), AtomicUsize::new(0), Mutex::default());
    let sharing = Sharing { work, received, asked, liars };
    let progress = || Progress {
        done: (total - lacking + sharing.work.written.load(Ordering::Relaxed)).min(total),
        total,
        sources: sharing.asked.load(Ordering::Relaxed),
    };
    let telling = async {
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            on_progress(progress());
        }
    };
    let from_peers = peers.iter().map(|peer| sharing.ask_peer(peer.as_ref()));
    let (last, first): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.comes_whole());
    let from_places = first.into_iter().map(|place| sharing.ask_place(place, store.root()));
    let all = async {
        let (mut ends, others) = join(join_all(from_peers), join_all(from_places)).await;
        ends.extend(others);
        for place in last {
            if sharing.work.missing().is_empty() {
                break;
            }
            ends.push(sharing.ask_place(place, store.root()).await);
        }
        ends
    };
    let mut ends = tokio::select! {
        // What everybody said is known if all have ended.
        biased;
        ends = all => ends,
        // Whoever is silent or slow is not waited for when everything is here.
        () = sharing.work.done() => Vec::new(),
        never = telling => never,
    };
    on_progress(progress());
    let missing = sharing.work.missing();
    if let Some(&first) = missing.first() {
        if let Some(error) = ends.iter_mut().find_map(|end| end.disk.take()) {
            return Err(error.into());
        }
        let first = held.file().tensors().nth(first).map_or("one", |tensor| tensor.name).to_owned();
        let reasons = ends
            .into_iter()
            .map(|end| (end.name, end.reason.unwrap_or_else(|| "it has no more of them".into())))
            .collect();
        return Err(FetchError::Missing { missing: missing.len(), first, reasons });
    }
    Ok(Fetched {
        bytes: sharing.work.written.load(Ordering::Relaxed),
        received: sharing.received.load(Ordering::Relaxed),
        liars: lock(&sharing.liars).clone(),
    })
}

impl Sharing {
    /// Pieces from a peer, until there is nothing more that it has.
    async fn ask_peer(&self, peer: &dyn Peer) -> End {
        let mut end = End { name: peer.name(), reason: None, disk: None };
        let mut attempts = 0;
        self.asked.fetch_add(1, Ordering::Relaxed);
        loop {
            let mut came = 0;
            let error = match self.session(peer, &mut came).await {
                Ok(()) => break,
                Err(Broken::Peer(error)) => error,
                Err(Broken::Store(error)) => {
                    end.reason = Some(error.to_string());
                    end.disk = Some(error);
                    break;
                }
            };
            tracing::info!(peer = peer.name(), %error, came, "a peer gave no more weights");
            end.reason = Some(error.to_string());
            if matches!(error, PeerError::Lied) {
                peer.lied();
                lock(&self.liars).push(peer.name());
                break;
            }
            attempts = if came > 0 { 1 } else { attempts + 1 };
            if !error.is_passing() || attempts >= ATTEMPTS || self.work.missing().is_empty() {
                break;
            }
            sleep(FIRST_PAUSE * (1 << attempts)).await;
        }
        self.asked.fetch_sub(1, Ordering::Relaxed);
        end
    }

    /// One stream to a peer. What was asked for and did not come is given back.
    async fn session(&self, peer: &dyn Peer, came: &mut usize) -> Result<(), Broken> {
        let held = &self.work.held;
        let mut asking = Asking::open(peer).await?;
        let has = asking.held(held.id(), held.index().tensors.len()).await?;
        let mut under_way: VecDeque<(usize, u32)> = VecDeque::new();
        let outcome = self.converse(&mut asking, has, &mut under_way, came).await;
        for (tensor, piece) in under_way {
            self.work.give_back(tensor, piece);
        }
        self.received.fetch_add(asking.received, Ordering::Relaxed);
        outcome
    }

    async fn converse(
        &self,
        asking: &mut Asking,
        mut has: Bits,
        under_way: &mut VecDeque<(usize, u32)>,
        came: &mut usize,
    ) -> Result<(), Broken> {
        loop {
            while under_way.len() < WINDOW
                && let Next::Take((tensor, piece)) = self.work.piece(&has)
            {
                under_way.push_back((tensor, piece));
                let hash = self.work.held.blob(tensor).hash;
                asking.ask(&Request::Piece { hash, piece }).await?;
            }
            if under_way.is_empty() {
                let Some((tensor, piece)) = self.work.wait_for(|| self.work.piece(&has)).await
                else {
                    return Ok(());
                };
                under_way.push_back((tensor, piece));
                let hash = self.work.held.blob(tensor).hash;
                asking.ask(&Request::Piece { hash, piece }).await?;
            }
            let Some(&(tensor, piece)) = under_way.front() else { continue };
            let blob = self.work.held.blob(tensor);
            let bytes = match asking.piece(&blob.hash, blob.bytes, piece).await {
                // It has lost this one since it said what it has.
                Err(PeerError::Absent) => {
                    has.remove(tensor);
                    under_way.pop_front();
                    self.work.give_back(tensor, piece);
                    continue;
                }
                read => read?,
            };
            self.received.fetch_add(std::mem::take(&mut asking.received), Ordering::Relaxed);
            under_way.pop_front();
            *came += 1;
            self.work.put(tensor, piece, bytes).await.map_err(Broken::Store)?;
        }
    }
}

/// What ends a stream to a peer.
enum Broken {
    Peer(PeerError),
    Store(StoreError),
}

impl From<PeerError> for Broken {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

#[cfg(test)]
mod tests;
