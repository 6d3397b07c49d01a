//! Answers peers that want weights, from models on a shelf, and no faster than the operator says.
//!
//! Limits: [`ServeLimits`]; one request at a time per stream; a stream without a request for a
//! minute is closed, and so is one that was silent for some seconds or has had its turn when all
//! places are taken: nobody keeps others out by holding them. The tree of a tensor is made when it
//! is first asked for, one at a time, by reading all of it; if it is not what its hash says, the
//! tensor is not served.

use std::{
    collections::HashMap,
    io::{self, Read},
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use bao_tree::io::sync::ReadAt;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use mica_engine::GgufFile;
use mica_host::lock;
use mica_net::WeightsStreams;
use mica_primitives::{Hash32, ModelId, PublicKey};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    bits::Bits,
    index::Index,
    protocol::{self, MAX_REQUEST_BYTES, Reply, Request},
    store::Held,
    tree::Tree,
};

/// Longest wait for the next request, and for a peer to take a reply.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for the next request while all places are taken.
const CROWDED_PATIENCE: Duration = Duration::from_secs(5);
/// How long a stream lasts while all places are taken.
const TURN: Duration = Duration::from_secs(60);
/// Most models on a shelf.
const MAX_MODELS: usize = 64;
/// What a peer may take at once after it was silent.
const BURST: Duration = Duration::from_secs(1);

/// What peers may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServeLimits {
    /// Bytes per second, to all together; one peer gets half of it at most.
    pub bytes_per_second: u64,
    /// Streams at once.
    pub streams: usize,
    /// Streams of one peer at once.
    pub streams_per_peer: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self { bytes_per_second: 32 << 20, streams: 32, streams_per_peer: 4 }
    }
}

/// The models that are served. Cloning shares it.
#[derive(Clone, Default)]
pub struct Shelf {
    models: Arc<RwLock<HashMap<ModelId, Arc<Shelved>>>>,
}

struct Shelved {
    index: Index,
    head: Vec<u8>,
    file: Arc<GgufFile>,
    /// Of a model in the store; all tensors of another are there.
    held: Option<Arc<Held>>,
    numbers: HashMap<Hash32, Part>,
    /// Nothing for a part that is not any more what it was: it is not read again.
    trees: Mutex<HashMap<Part, Option<Arc<Tree>>>>,
    hashing: Arc<Semaphore>,
}

/// What has a hash of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Head,
    Tensor(usize),
}

impl Shelf {
    /// Puts a model in the store on the shelf.
    pub fn put(&self, held: &Arc<Held>) {
        let (index, head) = (held.index().clone(), held.head().to_vec());
        self.insert(held.id(), Shelved::new(index, head, held.file().clone(), Some(held.clone())));
    }

    /// Puts an opened file's model on the shelf; `hashes` are those of its tensors.
    pub fn put_file(&self, id: ModelId, file: &Arc<GgufFile>, hashes: &[Hash32]) {
        let (index, head) = Index::with_hashes(file, hashes);
        self.insert(id, Shelved::new(index, head, file.clone(), None));
    }

    fn insert(&self, id: ModelId, shelved: Shelved) {
        let mut models = self.models.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if models.len() < MAX_MODELS || models.contains_key(&id) {
            models.insert(id, Arc::new(shelved));
        }
    }

    fn model(&self, id: &ModelId) -> Option<Arc<Shelved>> {
        self.models.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(id).cloned()
    }

    fn of_hash(&self, hash: &Hash32) -> Option<(Arc<Shelved>, Part)> {
        let models = self.models.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = models.values().find_map(|model| Some((model, *model.numbers.get(hash)?)));
        found.map(|(model, part)| (model.clone(), part))
    }

    async fn answer(&self, request: Request) -> Reply {
        let answer = match request {
            Request::Index(id) => self.model(&id).map(|model| Reply::Index(model.index.to_bytes())),
            Request::Held(id) => {
                self.model(&id).map(|model| Reply::Held(model.whole().as_bytes().to_vec()))
            }
            Request::Piece { hash, piece } => match self.of_hash(&hash) {
                Some((model, part)) => model.piece(part, piece).await.map(Reply::Piece),
                None => None,
            },
        };
        answer.unwrap_or(Reply::Absent)
    }
}

impl Shelved {
    fn new(index: Index, head: Vec<u8>, file: Arc<GgufFile>, held: Option<Arc<Held>>) -> Self {
        let tensors = index.tensors.iter().enumerate();
        let mut numbers: HashMap<_, _> =
            tensors.map(|(number, blob)| (blob.hash, Part::Tensor(number))).collect();
        numbers.insert(index.head.hash, Part::Head);
        let (trees, hashing) = (Mutex::default(), Arc::new(Semaphore::new(1)));
        Self { index, head, file, held, numbers, trees, hashing }
    }

    fn whole(&self) -> Bits {
        match &self.held {
            Some(held) => held.whole(),
            None => {
                let mut all = Bits::none(self.index.tensors.len());
                (0..self.index.tensors.len()).for_each(|tensor| all.insert(tensor));
                all
            }
        }
    }

    /// A piece, encoded; nothing if it is not here, or not any more what it was.
    async fn piece(self: Arc<Self>, part: Part, piece: u32) -> Option<Vec<u8>> {
        let blob = match part {
            Part::Head => self.index.head,
            Part::Tensor(tensor) => self.index.tensors[tensor],
        };
        if piece >= crate::tree::pieces(blob.bytes) {
            return None;
        }
        if let (Part::Tensor(tensor), Some(held)) = (part, &self.held)
            && !held.is_whole(tensor)
        {
            return None;
        }
        let known = lock(&self.trees).get(&part).cloned();
        let tree = match known {
            Some(tree) => tree?,
            None => {
                // Reading all of a tensor: one at a time.
                let _turn = self.hashing.clone().acquire_owned().await.ok()?;
                let again = lock(&self.trees).get(&part).cloned();
                match again {
                    Some(tree) => tree?,
                    None => self.clone().grow(part, blob.bytes, blob.hash).await?,
                }
            }
        };
        let encode = move || tree.encode(piece, &Data { model: &self, part });
        let encoded = tokio::task::spawn_blocking(encode).await.ok()?;
        encoded.inspect_err(|error| tracing::warn!(%error, "a tensor is not served")).ok()
    }

    /// Reads a part and keeps its tree.
    async fn grow(self: Arc<Self>, part: Part, bytes: u64, hash: Hash32) -> Option<Arc<Tree>> {
        let grow = move || {
            let data = Data { model: &self, part };
            let tree = Tree::of(bytes, Positioned { data: &data, at: 0, bytes })?;
            if tree.root() != hash {
                lock(&self.trees).insert(part, None);
                return Err(io::Error::other("it is not any more what it was when it was fetched"));
            }
            let tree = Arc::new(tree);
            lock(&self.trees).insert(part, Some(tree.clone()));
            Ok(tree)
        };
        let grown = tokio::task::spawn_blocking(grow).await.ok()?;
        grown.inspect_err(|error| tracing::warn!(%error, "a tensor is not served")).ok()
    }
}

/// The bytes of a part.
struct Data<'a> {
    model: &'a Shelved,
    part: Part,
}

impl ReadAt for Data<'_> {
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self.part {
            Part::Head => self.model.head.as_slice().read_at(at, buffer),
            Part::Tensor(number) => {
                let tensor = self.model.file.tensors().nth(number);
                let tensor = tensor.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                let at = usize::try_from(at).map_err(io::Error::other)?;
                let length = buffer.len().min(tensor.size_bytes().saturating_sub(at));
                tensor.read_at(at, &mut buffer[..length]).map_err(io::Error::other)?;
                Ok(length)
            }
        }
    }
}

/// The same from the beginning on.
struct Positioned<'a> {
    data: &'a Data<'a>,
    at: u64,
    bytes: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        if length == 0 {
            return Ok(0);
        }
        let read = self.data.read_at(self.at, &mut buffer[..length])?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Bytes per second.
#[derive(Clone)]
struct Throttle {
    rate: f64,
    /// When everything that was taken will have been earned.
    paid_until: Arc<Mutex<Instant>>,
}

impl Throttle {
    fn new(bytes_per_second: u64) -> Self {
        let paid_until = Arc::new(Mutex::new(Instant::now()));
        Self { rate: bytes_per_second.max(1) as f64, paid_until }
    }

    /// Waits until so many bytes may be sent.
    async fn take(&self, bytes: usize) {
        let wait = self.charge(bytes, Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    /// Counts bytes that are wanted `now`. Returns how long they must wait.
    fn charge(&self, bytes: usize, now: Instant) -> Duration {
        let mut until = lock(&self.paid_until);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        *until = (*until).max(earliest) + Duration::from_secs_f64(bytes as f64 / self.rate);
        until.saturating_duration_since(now)
    }
}

/// What one peer takes.
#[derive(Clone)]
struct Guest {
    streams: Arc<Semaphore>,
    throttle: Throttle,
}

/// Answers the streams that peers open until `stop` is cancelled.
pub async fn serve(
    mut streams: WeightsStreams,
    shelf: Shelf,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let all = Arc::new(Semaphore::new(limits.streams));
    let throttle = Throttle::new(limits.bytes_per_second);
    let mut guests: HashMap<PublicKey, Guest> = HashMap::new();
    let tasks = TaskTracker::new();
    while let Some(Some((peer, stream))) = stop.run_until_cancelled(streams.next()).await {
        guests.retain(|_, guest| guest.streams.available_permits() < limits.streams_per_peer);
        let guest = guests.entry(peer).or_insert_with(|| Guest {
            streams: Arc::new(Semaphore::new(limits.streams_per_peer)),
            throttle: Throttle::new(limits.bytes_per_second / 2),
        });
        // Whoever finds no place is closed, and comes again or goes to somebody else.
        let (Ok(own), Ok(place)) =
            (guest.streams.clone().try_acquire_owned(), all.clone().try_acquire_owned())
        else {
            continue;
        };
        let (shelf, stop, all) = (shelf.clone(), stop.clone(), all.clone());
        let throttles = [guest.throttle.clone(), throttle.clone()];
        tasks.spawn(async move {
            let _places: [OwnedSemaphorePermit; 2] = [own, place];
            if let Some(Err(error)) =
                stop.run_until_cancelled(converse(stream, &shelf, &throttles, &all)).await
            {
                tracing::debug!(%error, "a peer that fetched weights is gone");
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Answers one stream until it ends, or until it has had its turn and others want its place.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shelf: &Shelf,
    throttles: &[Throttle],
    places: &Semaphore,
) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let begin = Instant::now();
    loop {
        if begin.elapsed() >= TURN && places.available_permits() == 0 {
            return stream.close().await;
        }
        let Some(request) = next_request(&mut stream, places).await? else {
            return stream.close().await;
        };
        let reply = shelf.answer(request).await;
        let bytes = match &reply {
            Reply::Index(bytes) | Reply::Held(bytes) | Reply::Piece(bytes) => bytes.len(),
            Reply::Absent => 0,
        };
        for throttle in throttles {
            throttle.take(bytes + 64).await;
        }
        let writing = async {
            protocol::write(&mut stream, &reply).await?;
            stream.flush().await
        };
        timeout(PATIENCE, writing).await.map_err(late)??;
    }
}

/// The next request; nothing at the end.
///
/// # Errors
/// If it does not come in time, which is shorter while all places are taken, or is none.
async fn next_request(
    stream: &mut (impl AsyncRead + Unpin),
    places: &Semaphore,
) -> io::Result<Option<Request>> {
    let mut reading = std::pin::pin!(protocol::read::<Request>(stream, MAX_REQUEST_BYTES));
    let begin = Instant::now();
    loop {
        match timeout(CROWDED_PATIENCE, &mut reading).await {
            Ok(request) => return request,
            Err(_) if places.available_permits() > 0 && begin.elapsed() < PATIENCE => {}
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
