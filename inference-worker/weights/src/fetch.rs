//! Brings what is missing, from all sources at once.
//!
//! A peer that sends wrong bytes is told of and asked no more, and so is a plain source that did.
//! Whoever is silent or breaks off is tried again a few times. What is verified stays, whatever
//! happens then.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use mica_engine::{GgufError, GgufFile};
use mica_primitives::ModelId;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    index::{Index, IndexError},
    peer::{Asking, Peer, PeerError},
    protocol::{Request, WINDOW},
    source::{self, Opened, READ_BYTES, Reader, SourceError},
    spec::Spec,
    store::{Held, Store, StoreError},
    work::{Next, Work, blocking},
};

/// How often a source is tried that gave nothing since.
const ATTEMPTS: u32 = 4;
/// Pause before it is tried again, the first time; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often is told how far it is.
const PROGRESS: Duration = Duration::from_millis(500);
/// What lies between two tensors is read rather than asked for anew up to so many bytes.
const WORTH_READING: u64 = 1 << 20;
/// Pause between two looks whether another process has ended its fetch.
const TURN: Duration = Duration::from_millis(500);
/// Bytes of a source that are read at first to find its header.
const FIRST_HEADER_BYTES: usize = 1 << 20;

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

/// Why a source that knows no trees gives no more.
#[derive(Debug, thiserror::Error)]
enum PlainError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("it is no model: {0}")]
    Gguf(#[from] GgufError),
    #[error("it is another model")]
    Other,
    #[error("it sent wrong bytes and is asked no more")]
    Lied,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches the head of model `id` from the first of `peers` that has it, and keeps it. `on_bytes`
/// is told of bytes as they come.
///
/// # Errors
/// [`FetchError::Head`] with what each of them said.
pub async fn describe(
    store: &Store,
    id: ModelId,
    peers: &[Arc<dyn Peer>],
    mut on_bytes: impl FnMut(u64),
) -> Result<Held, FetchError> {
    if peers.is_empty() {
        return Err(FetchError::NoSource);
    }
    let mut reasons = Vec::new();
    for peer in peers {
        let described = head_of(peer.as_ref(), id, &mut on_bytes).await;
        let error = match described {
            Ok((index, head)) => {
                let kept = {
                    let store = store.clone();
                    blocking(move || store.keep(id, &index, &head)).await
                };
                match kept {
                    Ok(held) => return Ok(held),
                    // It made up index and head together.
                    Err(StoreError::Index(
                        IndexError::Other { .. } | IndexError::Contradiction,
                    )) => PeerError::Lied,
                    Err(StoreError::Index(error)) => {
                        // Not even the truth could be opened here: nobody is to blame.
                        reasons.push((peer.name(), error.to_string()));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => error,
        };
        if matches!(error, PeerError::Lied) {
            peer.lied();
        }
        tracing::info!(peer = peer.name(), %error, "a peer did not give a model's head");
        reasons.push((peer.name(), error.to_string()));
    }
    Err(FetchError::Head { id, reasons })
}

async fn head_of(
    peer: &dyn Peer,
    id: ModelId,
    on_bytes: impl FnMut(u64),
) -> Result<(Index, Vec<u8>), PeerError> {
    let mut asking = Asking::open(peer).await?;
    let index = asking.index(id).await?;
    let head = asking.blob(&index.head, on_bytes).await?;
    Ok((index, head))
}

/// What all sources of one fetch share.
struct Sharing {
    work: Arc<Work>,
    received: AtomicU64,
    asked: AtomicUsize,
}

/// How a source ended.
struct End {
    name: String,
    reason: Option<String>,
    is_liar: bool,
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
    let _lock = loop {
        let held = held.clone();
        match blocking(move || held.lock_for_writing()).await? {
            Some(lock) => break lock,
            // Another process fetches, perhaps what is wanted here.
            None => sleep(TURN).await,
        }
    };
    let total: u64 = wanted.iter().map(|&tensor| held.blob(tensor).bytes).sum();
    let lacking = held.lacking(wanted);
    let work = Arc::new(Work::new(held.clone(), wanted));
    if work.missing().is_empty() {
        return Ok(Fetched::default());
    }
    if peers.is_empty() && places.is_empty() {
        return Err(FetchError::NoSource);
    }
    store.check_room(lacking)?;
    let sharing = Sharing { work, received: AtomicU64::new(0), asked: AtomicUsize::new(0) };
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
    let from_peers = peers.iter().map(|peer| sharing.from_peer(peer.as_ref()));
    let from_places = places.iter().map(|place| sharing.from_place(place, store.root()));
    let all = async { futures::future::join(join_all(from_peers), join_all(from_places)).await };
    let (mut ends, others) = tokio::select! {
        ends = all => ends,
        never = telling => never,
    };
    ends.extend(others);
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
        liars: ends.into_iter().filter(|end| end.is_liar).map(|end| end.name).collect(),
    })
}

impl Sharing {
    /// Pieces from a peer, until there is nothing more that it has.
    async fn from_peer(&self, peer: &dyn Peer) -> End {
        let mut end = End { name: peer.name(), reason: None, is_liar: false, disk: None };
        let mut attempts = 0;
        self.asked.fetch_add(1, Ordering::Relaxed);
        loop {
            let before = self.received.load(Ordering::Relaxed);
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
            tracing::info!(peer = peer.name(), %error, before, "a peer gave no more weights");
            end.reason = Some(error.to_string());
            if matches!(error, PeerError::Lied) {
                peer.lied();
                end.is_liar = true;
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
        let outcome = self.converse(&mut asking, &has, &mut under_way, came).await;
        for (tensor, piece) in under_way {
            self.work.give_back(tensor, piece);
        }
        self.received.fetch_add(asking.received, Ordering::Relaxed);
        outcome
    }

    async fn converse(
        &self,
        asking: &mut Asking,
        has: &crate::bits::Bits,
        under_way: &mut VecDeque<(usize, u32)>,
        came: &mut usize,
    ) -> Result<(), Broken> {
        loop {
            while under_way.len() < WINDOW
                && let Next::Take((tensor, piece)) = self.work.piece(has)
            {
                under_way.push_back((tensor, piece));
                let hash = self.work.held.blob(tensor).hash;
                asking.ask(&Request::Piece { hash, piece }).await?;
            }
            if under_way.is_empty() {
                let Some((tensor, piece)) = self.work.wait_for(|| self.work.piece(has)).await
                else {
                    return Ok(());
                };
                under_way.push_back((tensor, piece));
                let hash = self.work.held.blob(tensor).hash;
                asking.ask(&Request::Piece { hash, piece }).await?;
            }
            let Some(&(tensor, piece)) = under_way.front() else { continue };
            let blob = self.work.held.blob(tensor);
            let bytes = asking.piece(&blob.hash, blob.bytes, piece).await?;
            under_way.pop_front();
            *came += 1;
            self.work.put(tensor, piece, bytes).await.map_err(Broken::Store)?;
        }
    }

    /// Whole tensors from a source that knows no trees.
    async fn from_place(&self, spec: &Spec, scratch: &Path) -> End {
        let mut end = End { name: spec.to_string(), reason: None, is_liar: false, disk: None };
        let mut attempts = 0;
        self.asked.fetch_add(1, Ordering::Relaxed);
        loop {
            let before = self.received.load(Ordering::Relaxed);
            let error = match self.read_place(spec, scratch).await {
                Ok(()) => break,
                Err(error) => error,
            };
            tracing::info!(source = %spec, %error, "a source gave no more weights");
            end.reason = Some(error.to_string());
            let came = self.received.load(Ordering::Relaxed) > before;
            attempts = if came { 1 } else { attempts + 1 };
            match error {
                PlainError::Source(error) if error.is_passing() && attempts < ATTEMPTS => {
                    if self.work.missing().is_empty() {
                        break;
                    }
                    sleep(FIRST_PAUSE * (1 << attempts)).await;
                }
                PlainError::Store(error) => {
                    end.disk = Some(error);
                    break;
                }
                PlainError::Lied => {
                    end.is_liar = true;
                    break;
                }
                _ => break,
            }
        }
        self.asked.fetch_sub(1, Ordering::Relaxed);
        end
    }

    async fn read_place(&self, spec: &Spec, scratch: &Path) -> Result<(), PlainError> {
        let opened = Opened::find(spec, scratch).await?;
        let (file, _) = header(&opened).await?;
        let starts = starts(&file, self.work.held.file())?;
        let mut open: Option<(Reader, u64)> = None;
        loop {
            let at = open.as_ref().map_or(0, |(_, at)| *at);
            let key = |tensor: usize| (starts[tensor] < at, starts[tensor]);
            let Some(tensor) = self.work.wait_for(|| self.work.tensor(key)).await else {
                return Ok(());
            };
            let read = self.read_tensor(&opened, tensor, starts[tensor], open.take()).await;
            self.work.end_tensor(tensor, matches!(read, Ok((_, true))));
            match read? {
                (reader, true) => open = Some(reader),
                (_, false) => return Err(PlainError::Lied),
            }
        }
    }

    /// One tensor, and where the reader is then. False if it is not what it should be.
    async fn read_tensor(
        &self,
        opened: &Opened,
        tensor: usize,
        start: u64,
        open: Option<(Reader, u64)>,
    ) -> Result<((Reader, u64), bool), PlainError> {
        let work = self.work.clone();
        let mut prefix = blocking(move || work.held.prefix(tensor)).await?;
        let from = start + prefix.len();
        let had = prefix.len();
        let mut reader = match open {
            Some((mut reader, at))
                if at <= from && (from - at <= WORTH_READING || !opened.has_parts()) =>
            {
                source::skip(&mut reader, from - at, opened.name()).await?;
                reader
            }
            _ => opened.read(from).await?,
        };
        let mut buffer = vec![0; READ_BYTES];
        while prefix.missing() > 0 {
            let most = buffer.len().min(usize::try_from(prefix.missing()).unwrap_or(usize::MAX));
            let read = source::next(&mut reader, &mut buffer[..most], opened.name()).await?;
            self.received.fetch_add(read as u64, Ordering::Relaxed);
            let bytes = buffer[..read].to_vec();
            prefix = blocking(move || {
                prefix.append(&bytes)?;
                Ok(prefix)
            })
            .await?;
        }
        let end = start + prefix.len();
        let is_good = blocking(move || prefix.finish()).await?;
        if is_good {
            self.work.written.fetch_add(end - start, Ordering::Relaxed);
        } else if had > 0 {
            // What was there before may have come from somebody else: once more, all from here.
            tracing::info!(source = opened.name(), "a tensor is fetched again from its beginning");
            return Box::pin(self.read_tensor(opened, tensor, start, None)).await;
        }
        Ok(((reader, end), is_good))
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

/// Reads a source's header; also returns the bytes that were read for it.
async fn header(opened: &Opened) -> Result<(GgufFile, Vec<u8>), PlainError> {
    let mut reader = opened.read(0).await?;
    let mut bytes = Vec::new();
    let mut wanted = FIRST_HEADER_BYTES as u64;
    loop {
        let (held, end) = (bytes.len(), wanted.min(opened.size()) as usize);
        bytes.resize(end, 0);
        let mut at = held;
        while at < end {
            at += source::next(&mut reader, &mut bytes[at..], opened.name()).await?;
        }
        if let Some(file) = GgufFile::from_beginning(&bytes, opened.size())? {
            return Ok((file, bytes));
        }
        wanted *= 2;
    }
}

/// Where each tensor of `model` begins in `file`.
fn starts(file: &GgufFile, model: &GgufFile) -> Result<Vec<u64>, PlainError> {
    let start = |wanted: mica_engine::TensorView<'_>| {
        let found = file.tensor(wanted.name).filter(|found| {
            found.dtype == wanted.dtype
                && found.shape == wanted.shape
                && found.size_bytes() == wanted.size_bytes()
        });
        found.map(|found| found.start()).ok_or(PlainError::Other)
    };
    model.tensors().map(start).collect()
}

#[cfg(test)]
mod tests;
