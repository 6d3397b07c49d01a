//! A model that nobody has hashed yet, read once from its beginning to its end: hashed as it
//! streams, with the tensors kept that are wanted.

use std::{fs::File, io::Write, path::PathBuf, time::Duration};

use mica_engine::{GgufFile, LoadError};
use tokio::time::sleep;

use crate::{
    fetch::Progress,
    index::Index,
    source::{self, Opened, READ_BYTES, SourceError},
    store::{Held, Store, StoreError},
    work::blocking,
};

/// How often a source that broke off is read on from where it was, without a byte in between.
const ATTEMPTS: u32 = 5;
/// Pause before that, the first time; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Why a model cannot be made of a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WholeError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is no model that we can run.
    #[error("{name} cannot be used: {source}")]
    Load {
        /// The source.
        name: String,
        /// Why.
        source: LoadError,
    },
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads all of `opened`, and keeps the model's head and those tensors that `wanted` chooses when
/// the header is known.
///
/// # Errors
/// [`WholeError`]; nothing is kept then.
pub async fn read_whole(
    store: &Store,
    opened: &Opened,
    wanted: impl FnOnce(&GgufFile) -> Result<Vec<usize>, LoadError>,
    on_progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Held, WholeError> {
    let load = |source| WholeError::Load { name: opened.name().to_owned(), source };
    let mut reader = opened.read(0).await?;
    let (file, beginning) = source::header(&mut reader, opened).await?;
    // Before gigabytes are read of what cannot run.
    file.config().map_err(load)?;
    let kept = wanted(&file).map_err(load)?;
    // First, because it removes what killed processes left.
    let folder = store.unfinished()?;
    let sizes = file.tensors().enumerate().filter(|(number, _)| kept.contains(number));
    store.check_room(sizes.map(|(_, tensor)| tensor.size_bytes() as u64).sum())?;
    let mut order: Vec<_> = file
        .tensors()
        .enumerate()
        .map(|(number, tensor)| (tensor.start(), tensor.size_bytes() as u64, number))
        .collect();
    order.sort_unstable();
    let mut input = Input { opened, reader, beginning, at: 0 };
    let mut hashes = vec![[0; 32]; order.len()];
    let mut buffer = vec![0; READ_BYTES];
    for (start, bytes, number) in order {
        input.skip_to(start, &mut buffer).await?;
        let path = kept.contains(&number).then(|| folder.path().join(number.to_string()));
        let mut sink = Sink::new(path)?;
        let mut left = bytes;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = input.next(&mut buffer[..most]).await?;
            left -= read as u64;
            let piece = buffer[..read].to_vec();
            sink = blocking(move || sink.take(&piece)).await?;
            on_progress(Progress { done: input.at, total: opened.size(), sources: 1 });
        }
        hashes[number] = blocking(move || sink.end()).await?;
    }
    let manifest = file.manifest_with(&hashes).map_err(load)?;
    let (index, head) = Index::with_hashes(&file, &hashes);
    let (store, id) = (store.clone(), manifest.id());
    let keep = move || {
        let held = store.keep(id, &index, &head)?;
        for number in kept {
            if !held.is_whole(number) {
                held.adopt(number, &folder.path().join(number.to_string()))?;
            }
        }
        Ok(held)
    };
    Ok(blocking(keep).await?)
}

/// What was read for the header, then the rest.
struct Input<'a> {
    opened: &'a Opened,
    reader: source::Reader,
    beginning: Vec<u8>,
    at: u64,
}

impl Input<'_> {
    async fn next(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let from = usize::try_from(self.at).ok().and_then(|at| self.beginning.get(at..));
        let read = match from.filter(|rest| !rest.is_empty()) {
            Some(rest) => {
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                length
            }
            None => self.read(buffer).await?,
        };
        self.at += read as u64;
        Ok(read)
    }

    /// The next bytes of the source; from where it was, if it breaks off.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut attempts = 0;
        let mut outcome = source::next(&mut self.reader, buffer, self.opened.name()).await;
        loop {
            let error = match outcome {
                Err(error) if error.is_passing() && attempts < ATTEMPTS => error,
                outcome => return outcome,
            };
            tracing::info!(%error, at = self.at, "the source is read on from where it broke off");
            sleep(FIRST_PAUSE * (1 << attempts)).await;
            attempts += 1;
            outcome = match self.opened.read(self.at).await {
                Ok(reader) => {
                    self.reader = reader;
                    source::next(&mut self.reader, buffer, self.opened.name()).await
                }
                Err(error) => Err(error),
            };
        }
    }

    async fn skip_to(&mut self, start: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        while self.at < start {
            let most = buffer.len().min(usize::try_from(start - self.at).unwrap_or(usize::MAX));
            self.next(&mut buffer[..most]).await?;
        }
        Ok(())
    }
}

/// One tensor, hashed and perhaps written.
struct Sink {
    hasher: blake3::Hasher,
    file: Option<(PathBuf, File)>,
}

impl Sink {
    fn new(path: Option<PathBuf>) -> Result<Self, StoreError> {
        let open = |path: PathBuf| match File::create_new(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(StoreError::Io { action: "write", path, source }),
        };
        Ok(Self { hasher: blake3::Hasher::new(), file: path.map(open).transpose()? })
    }

    fn take(mut self, bytes: &[u8]) -> Result<Self, StoreError> {
        self.hasher.update(bytes);
        if let Some((path, mut file)) = self.file.as_ref().map(|(path, file)| (path, file)) {
            let failed = |source| StoreError::Io { action: "write", path: path.clone(), source };
            file.write_all(bytes).map_err(failed)?;
        }
        Ok(self)
    }

    fn end(self) -> Result<[u8; 32], StoreError> {
        if let Some((path, file)) = self.file {
            let failed = |source| StoreError::Io { action: "write", path, source };
            file.sync_all().map_err(failed)?;
        }
        Ok(*self.hasher.finalize().as_bytes())
    }
}
