//! What names a model: hashes over its weights, its tokenizer and the arithmetic.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use candle_core::quantized::gguf_file::Value;
use mica_kernels::{BLOCK, KERNEL_VERSION, LANES, TILE};
use mica_primitives::{Hash32, ModelManifest};

use crate::{
    config::ModelConfig,
    error::LoadError,
    gguf::{GgufFile, head::short_name},
    threads::Threads,
};

/// Context strings of the hashes.
const WEIGHTS_CONTEXT: &str = "mica/weights/v1";
const TOKENIZER_CONTEXT: &str = "mica/tokenizer/v1";
const PROFILE_CONTEXT: &str = "mica/profile/v1";

/// Bytes of a tensor that are read and hashed at once.
const HASHED_AT_ONCE: usize = 1 << 20;

impl GgufFile {
    /// Shape of the model in the file.
    ///
    /// # Errors
    /// [`LoadError`] if it is not one that we can run.
    pub fn config(&self) -> Result<ModelConfig, LoadError> {
        ModelConfig::read(self)
    }

    /// The manifest under which the model is registered. Hashes the whole file, less than a second
    /// per gigabyte.
    ///
    /// # Errors
    /// [`LoadError`] if the model is not one that we can run or if a name is too long for the
    /// manifest.
    pub fn manifest(&self) -> Result<ModelManifest, LoadError> {
        self.manifest_with(&self.tensor_hashes()?)
    }

    /// blake3 of every tensor's bytes, in the file's order, on as many threads as can run at once.
    ///
    /// # Errors
    /// [`LoadError::File`] if a tensor cannot be read.
    pub fn tensor_hashes(&self) -> Result<Vec<Hash32>, LoadError> {
        contents(self)
    }

    /// The manifest if these are the hashes of the tensors, in the file's order; no tensor is read.
    ///
    /// # Errors
    /// As [`GgufFile::manifest`]; [`LoadError::Hashes`] if there is not one hash for each tensor.
    pub fn manifest_with(&self, hashes: &[Hash32]) -> Result<ModelManifest, LoadError> {
        let tensors = self.tensors().count();
        if hashes.len() != tensors {
            return Err(LoadError::Hashes { found: hashes.len(), tensors });
        }
        let config = self.config()?;
        let too_long = |key: &str| LoadError::config(key, "it is too long for a manifest".into());
        let weights_root = weights_root(self, hashes);
        Ok(ModelManifest {
            name: short_name(&config.name)
                .as_bytes()
                .to_vec()
                .try_into()
                .map_err(|_| too_long("general.name"))?,
            architecture: config
                .architecture
                .into_bytes()
                .try_into()
                .map_err(|_| too_long("general.architecture"))?,
            quantisation: config
                .quantisation
                .into_bytes()
                .try_into()
                .map_err(|_| too_long("quantisation"))?,
            layers: config.layers,
            // Widths and counts were bounded when the configuration was read.
            hidden: config.hidden as u32,
            vocabulary: config.vocabulary as u32,
            context: config.context as u32,
            weights_root,
            tokenizer_hash: tokenizer_hash(self),
            profile: profile(self, &weights_root),
        })
    }
}

/// Over (name, type, shape, blake3 of the bytes) of every tensor, in the file's order.
fn weights_root(file: &GgufFile, contents: &[Hash32]) -> Hash32 {
    let mut hasher = blake3::Hasher::new_derive_key(WEIGHTS_CONTEXT);
    for (tensor, content) in file.tensors().zip(contents) {
        text(&mut hasher, tensor.name);
        text(&mut hasher, &format!("{:?}", tensor.dtype));
        number(&mut hasher, tensor.shape.len() as u64);
        for &dimension in tensor.shape {
            number(&mut hasher, dimension as u64);
        }
        hasher.update(content);
    }
    *hasher.finalize().as_bytes()
}

fn contents(file: &GgufFile) -> Result<Vec<Hash32>, LoadError> {
    let tensors: Vec<_> = file.tensors().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut piece, mut hashes) = (vec![0; HASHED_AT_ONCE], Vec::new());
        while let Some(tensor) = tensors.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut content = blake3::Hasher::new();
            for start in (0..tensor.size_bytes()).step_by(HASHED_AT_ONCE) {
                let piece = &mut piece[..HASHED_AT_ONCE.min(tensor.size_bytes() - start)];
                tensor.read_at(start, piece)?;
                content.update(piece);
            }
            hashes.push((tensor.name, *content.finalize().as_bytes()));
        }
        Ok::<_, LoadError>(hashes)
    };
    let hashed = std::thread::scope(|scope| {
        let others: Vec<_> = (1..Threads::available().count()).map(|_| scope.spawn(work)).collect();
        let mut all = work()?;
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, LoadError>(all)
    })?;
    let by_name: HashMap<&str, Hash32> = hashed.into_iter().collect();
    // Names are unique in a file.
    Ok(tensors.iter().filter_map(|tensor| by_name.get(tensor.name).copied()).collect())
}

/// Over every metadata entry that begins with `tokenizer.`, in the order of their keys.
fn tokenizer_hash(file: &GgufFile) -> Hash32 {
    entries(file, TOKENIZER_CONTEXT, |key| key.starts_with("tokenizer."))
}

/// Over everything that fixes the bytes of a computation: weights, the numbers of the architecture,
/// version and sizes of the kernels.
fn profile(file: &GgufFile, weights_root: &Hash32) -> Hash32 {
    let architecture = file.string("general.architecture").unwrap_or_default();
    let numbers = entries(file, PROFILE_CONTEXT, |key| {
        key.strip_prefix(architecture).is_some_and(|rest| rest.starts_with('.'))
    });
    let mut hasher = blake3::Hasher::new_derive_key(PROFILE_CONTEXT);
    hasher.update(weights_root);
    hasher.update(&numbers);
    for value in [KERNEL_VERSION as usize, BLOCK, LANES, TILE] {
        number(&mut hasher, value as u64);
    }
    *hasher.finalize().as_bytes()
}

fn entries(file: &GgufFile, context: &str, wanted: impl Fn(&str) -> bool) -> Hash32 {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for (key, value) in file.entries() {
        if wanted(key) {
            text(&mut hasher, key);
            hash_value(&mut hasher, value);
        }
    }
    *hasher.finalize().as_bytes()
}

fn text(hasher: &mut blake3::Hasher, text: &str) {
    number(hasher, text.len() as u64);
    hasher.update(text.as_bytes());
}

fn number(hasher: &mut blake3::Hasher, number: u64) {
    hasher.update(&number.to_le_bytes());
}

/// The kind of a value, then its bytes as GGUF writes them.
fn hash_value(hasher: &mut blake3::Hasher, value: &Value) {
    match value {
        Value::U8(value) => hasher.update(&[0]).update(&value.to_le_bytes()),
        Value::I8(value) => hasher.update(&[1]).update(&value.to_le_bytes()),
        Value::U16(value) => hasher.update(&[2]).update(&value.to_le_bytes()),
        Value::I16(value) => hasher.update(&[3]).update(&value.to_le_bytes()),
        Value::U32(value) => hasher.update(&[4]).update(&value.to_le_bytes()),
        Value::I32(value) => hasher.update(&[5]).update(&value.to_le_bytes()),
        Value::F32(value) => hasher.update(&[6]).update(&value.to_le_bytes()),
        Value::Bool(value) => hasher.update(&[7, u8::from(*value)]),
        Value::U64(value) => hasher.update(&[10]).update(&value.to_le_bytes()),
        Value::I64(value) => hasher.update(&[11]).update(&value.to_le_bytes()),
        Value::F64(value) => hasher.update(&[12]).update(&value.to_le_bytes()),
        Value::String(value) => {
            hasher.update(&[8]);
            text(hasher, value);
            hasher
        }
        Value::Array(values) => {
            hasher.update(&[9]);
            number(hasher, values.len() as u64);
            values.iter().for_each(|value| hash_value(hasher, value));
            hasher
        }
    };
}
