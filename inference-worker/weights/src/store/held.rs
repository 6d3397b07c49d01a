//! One model of the store.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use mica_engine::{GgufFile, LayerRange, ModelManifest};
use mica_host::{files::replace_private, lock};
use mica_primitives::ModelId;

use super::{
    LOCK, MAX_SOURCES_BYTES, SOURCES, StoreError, bytes_in,
    part::{Place, Prefix},
};
use crate::{
    bits::Bits,
    index::{Blob, Index},
    tree,
};

/// A model whose head is here, and those of its tensors that are.
pub struct Held {
    id: ModelId,
    folder: PathBuf,
    index: Index,
    head: Vec<u8>,
    manifest: ModelManifest,
    file: Arc<GgufFile>,
    /// Tensors that are whole.
    whole: Mutex<Bits>,
}

/// The right to write to a model's folder; one process at a time has it.
pub(crate) struct WriteLock(#[expect(dead_code, reason = "closing it lets go of the lock")] File);

impl Held {
    pub(super) fn open(
        id: ModelId,
        folder: PathBuf,
        index: Index,
        head: Vec<u8>,
    ) -> Result<Self, StoreError> {
        let (file, manifest) =
            index.open_as(id, &head, |tensor| Place::new(&folder, tensor).whole)?;
        let mut whole = Bits::none(index.tensors.len());
        for (number, blob) in index.tensors.iter().enumerate() {
            if Place::new(&folder, number).is_whole(blob) {
                whole.insert(number);
            }
        }
        let (file, whole) = (Arc::new(file), Mutex::new(whole));
        Ok(Self { id, folder, index, head, manifest, file, whole })
    }

    /// Its id.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// What it is.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Hashes and sizes of its parts.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The head's bytes.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The model as the engine opens it; only tensors that are here can be read.
    pub fn file(&self) -> &Arc<GgufFile> {
        &self.file
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn place(&self, tensor: usize) -> Place {
        Place::new(&self.folder, tensor)
    }

    /// Whether a tensor is here in full.
    pub fn is_whole(&self, tensor: usize) -> bool {
        lock(&self.whole).contains(tensor)
    }

    pub(crate) fn whole(&self) -> Bits {
        lock(&self.whole).clone()
    }

    /// Tensors and bytes that are here in full.
    pub fn held(&self) -> (usize, u64) {
        let whole = lock(&self.whole);
        let bytes = self.index.tensors.iter().enumerate();
        let bytes = bytes.filter(|(tensor, _)| whole.contains(*tensor)).map(|(_, blob)| blob.bytes);
        (whole.len(), bytes.sum())
    }

    /// Bytes of all tensors, here or not.
    pub fn weight_bytes(&self) -> u64 {
        self.index.tensors.iter().map(|blob| blob.bytes).fold(0, u64::saturating_add)
    }

    /// Bytes that its files take on disk.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        bytes_in(&self.folder)
    }

    /// Layers whose tensors are all here, without embedding and head.
    pub fn layers(&self) -> Vec<LayerRange> {
        let mut runs: Vec<LayerRange> = Vec::new();
        for layer in 0..self.manifest.layers {
            let prefix = format!("blk.{layer}.");
            let mut tensors = self.file.tensors().enumerate();
            let is_here = !tensors
                .any(|(number, tensor)| tensor.name.starts_with(&prefix) && !self.is_whole(number));
            match runs.last_mut() {
                Some(run) if is_here && run.end == layer => run.end = layer + 1,
                _ if is_here => runs.push(LayerRange { first: layer, end: layer + 1 }),
                _ => {}
            }
        }
        runs
    }

    /// Of the tensors that `range` is loaded from, those that are not here in full.
    ///
    /// # Errors
    /// [`StoreError::Load`] if the model has no such layers.
    pub fn missing(&self, range: LayerRange) -> Result<Vec<usize>, StoreError> {
        let whole = lock(&self.whole);
        let needed = self.file.tensors_of(range)?;
        Ok(needed.into_iter().filter(|&tensor| !whole.contains(tensor)).collect())
    }

    /// Bytes that these tensors still lack.
    pub(crate) fn lacking(&self, tensors: &[usize]) -> u64 {
        let lacking = |&tensor: &usize| -> u64 {
            let blob = self.index.tensors[tensor];
            let pieces = self.missing_pieces(tensor).into_iter();
            pieces.map(|piece| tree::span(blob.bytes, piece).1 as u64).sum()
        };
        tensors.iter().map(lacking).sum()
    }

    /// Pieces that a tensor lacks, in order.
    pub(crate) fn missing_pieces(&self, tensor: usize) -> Vec<u32> {
        if self.is_whole(tensor) {
            return Vec::new();
        }
        let blob = &self.index.tensors[tensor];
        let found = self.place(tensor).pieces(blob);
        (0..tree::pieces(blob.bytes)).filter(|&piece| !found.contains(piece as usize)).collect()
    }

    pub(crate) fn blob(&self, tensor: usize) -> Blob {
        self.index.tensors[tensor]
    }

    /// Writes a verified piece.
    pub(crate) fn put(&self, tensor: usize, piece: u32, bytes: &[u8]) -> Result<(), StoreError> {
        self.place(tensor).put(&self.index.tensors[tensor], piece, bytes)
    }

    /// Hashes a tensor of which all pieces are here, and gives it its name; false if it is not what
    /// it should be.
    pub(crate) fn finish(&self, tensor: usize) -> Result<bool, StoreError> {
        let is_good = self.place(tensor).finish(&self.index.tensors[tensor])?;
        if is_good {
            self.note_whole(tensor);
        }
        Ok(is_good)
    }

    /// Gives those of `tensors` their names of which all pieces are here: whoever fetched the last
    /// one was killed before. What is not what it should be is left to be fetched again.
    pub(crate) fn finish_complete(&self, tensors: &[usize]) -> Result<(), StoreError> {
        for &tensor in tensors {
            if !self.is_whole(tensor) && self.missing_pieces(tensor).is_empty() {
                self.finish(tensor)?;
            }
        }
        Ok(())
    }

    /// Continues a tensor from a source that knows no trees.
    pub(crate) fn prefix(&self, tensor: usize) -> Result<Prefix, StoreError> {
        self.place(tensor).prefix(self.index.tensors[tensor])
    }

    /// A tensor has got its name.
    pub(crate) fn note_whole(&self, tensor: usize) {
        lock(&self.whole).insert(tensor);
    }

    /// Takes over a file with all of a tensor, which was hashed as it was written.
    pub(crate) fn adopt(&self, tensor: usize, file: &Path) -> Result<(), StoreError> {
        let place = self.place(tensor);
        fs::rename(file, &place.whole).map_err(StoreError::io("name", &place.whole))?;
        place.forget()?;
        self.note_whole(tensor);
        Ok(())
    }

    /// Removes every tensor but those that `range` is loaded from. Returns the bytes of those that
    /// were whole.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process fetches this model; [`StoreError`]; what is left is
    /// good.
    pub fn keep_only(&self, range: LayerRange) -> Result<u64, StoreError> {
        // What is being written must not go under the writer's hands.
        let _lock = self.lock_for_writing()?.ok_or_else(|| StoreError::Busy(self.id))?;
        let (needed, mut freed) = (self.file.tensors_of(range)?, 0u64);
        let mut kept = Bits::none(self.index.tensors.len());
        for (tensor, blob) in self.index.tensors.iter().enumerate() {
            let is_whole = self.is_whole(tensor);
            if needed.contains(&tensor) {
                if is_whole {
                    kept.insert(tensor);
                }
                continue;
            }
            self.place(tensor).remove()?;
            freed = freed.saturating_add(if is_whole { blob.bytes } else { 0 });
        }
        *lock(&self.whole) = kept;
        Ok(freed)
    }

    /// Hashes every tensor that is here and removes those that are not what they should be. Returns
    /// their numbers. `on_bytes` is told of bytes as they were hashed.
    ///
    /// # Errors
    /// [`StoreError`] if one cannot be read.
    pub fn verify(&self, mut on_bytes: impl FnMut(u64)) -> Result<Vec<usize>, StoreError> {
        let (mut damaged, mut sound) = (Vec::new(), Bits::none(self.index.tensors.len()));
        for (tensor, blob) in self.index.tensors.iter().enumerate() {
            if !self.is_whole(tensor) {
                continue;
            }
            let place = self.place(tensor);
            if place.hash()?.as_bytes() == &blob.hash {
                sound.insert(tensor);
            } else {
                place.remove()?;
                damaged.push(tensor);
            }
            on_bytes(blob.bytes);
        }
        *lock(&self.whole) = sound;
        Ok(damaged)
    }

    /// Where it was had from.
    pub fn sources(&self) -> Vec<String> {
        let list = super::read(&self.folder.join(SOURCES), MAX_SOURCES_BYTES).unwrap_or_default();
        String::from_utf8_lossy(&list).lines().map(str::to_owned).collect()
    }

    /// Remembers where it may be had from.
    ///
    /// # Errors
    /// [`StoreError`] if that cannot be written.
    pub fn add_source(&self, source: &str) -> Result<(), StoreError> {
        let mut sources = self.sources();
        if sources.iter().any(|known| known == source) || source.contains('\n') {
            return Ok(());
        }
        sources.push(source.to_owned());
        Ok(replace_private(&self.folder.join(SOURCES), (sources.join("\n") + "\n").as_bytes())?)
    }

    /// Takes the right to write to this model, and looks again at what is there; nothing if another
    /// process has it.
    pub(crate) fn lock_for_writing(&self) -> Result<Option<WriteLock>, StoreError> {
        let path = self.folder.join(LOCK);
        let file = File::create(&path).map_err(StoreError::io("write", &path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
            Ok(()) => {}
        }
        let mut whole = Bits::none(self.index.tensors.len());
        for (number, blob) in self.index.tensors.iter().enumerate() {
            if self.place(number).is_whole(blob) {
                whole.insert(number);
            }
        }
        *lock(&self.whole) = whole;
        Ok(Some(WriteLock(file)))
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("id", &self.id).finish_non_exhaustive()
    }
}
