//! A range of a model's layers, ready to compute.

mod error;
mod forward;
mod weights;

pub use error::{ForwardError, LoadError};

use mica_kernels::Isa;
use mica_primitives::LayerRange;

use crate::{cache, cache::KvCache, config::ModelConfig, gguf::GgufFile, threads::Pool, threads::Threads};
use weights::Weights;

/// What enters a step: one row per position.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Token ids, into a range with layer 0.
    Tokens(&'a [u32]),
    /// Hidden states `[rows, hidden]`, into any other range.
    Hidden(&'a [f32]),
}

/// What the caller wants of a range that holds the last layer. Other ranges always give their hidden states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Only the cache, for chunks of a prompt but its last.
    Nothing,
    /// The logits after the last row.
    LastLogits,
}

/// What leaves a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Hidden states `[rows, hidden]`, for the next range.
    Hidden(Vec<f32>),
    /// Logits `[vocabulary]` after the last row.
    Logits(Vec<f32>),
    /// Nothing was wanted.
    Nothing,
}

/// Layers `range` of a model, with the embedding if it starts at 0 and the head if it ends at the last.
///
/// Shared between sessions; calls from several threads take turns at every product.
pub struct Model {
    config: ModelConfig,
    range: LayerRange,
    weights: Weights,
    /// Rotations per position, `[rotated / 2]`.
    frequencies: Vec<f64>,
    pool: Pool,
    isa: Isa,
}

impl Model {
    /// Loads the tensors of `range` and nothing else, and starts the threads.
    ///
    /// # Errors
    /// [`LoadError`] if the architecture or a tensor type is not supported, if the range is not one of this model, or if
    /// metadata and tensors contradict each other.
    pub fn load(file: &GgufFile, range: LayerRange, threads: Threads) -> Result<Self, LoadError> {
        Self::load_for(file, range, threads, Isa::best())
    }

    /// As [`Model::load`], with a given instruction set; every one gives the same bytes.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_for(file: &GgufFile, range: LayerRange, threads: Threads, isa: Isa) -> Result<Self, LoadError> {
        let config = ModelConfig::read(file)?;
        if !range.is_valid_for(config.layers) {
            return Err(LoadError::Range { range, layers: config.layers });
        }
        let weights = Weights::load(file, &config, range)?;
        let frequencies = weights::frequencies(file, &config)?;
        let pool = Pool::new(threads).map_err(LoadError::Threads)?;
        Ok(Self { config, range, weights, frequencies, pool, isa })
    }

    /// Shape of the whole model.
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The layers held.
    pub const fn range(&self) -> LayerRange {
        self.range
    }

    /// Bytes of weights in memory.
    pub fn weight_bytes(&self) -> usize {
        self.weights.bytes()
    }

    /// The instruction set in use, by name.
    pub const fn isa_name(&self) -> &'static str {
        self.isa.name()
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Whether the range holds layer 0, so that steps take tokens.
    pub const fn takes_tokens(&self) -> bool {
        self.range.first == 0
    }

    /// Whether the range holds the last layer, so that steps give logits.
    pub const fn gives_logits(&self) -> bool {
        self.range.end == self.config.layers
    }

    /// Bytes of cache per position of a session.
    pub const fn cache_bytes_per_position(&self) -> usize {
        cache::bytes_per_position(self.range.len() as usize, self.config.kv_heads, self.config.head_size)
    }

    /// An empty cache for a session of at most `max_positions` positions.
    ///
    /// # Errors
    /// [`ForwardError::Context`] if the model's context is shorter.
    pub fn new_cache(&self, max_positions: usize) -> Result<KvCache, ForwardError> {
        self.new_cache_for(self.range, max_positions)
    }

    /// The same for a session that needs only `layers` of the range: a path may enter a worker's range late or leave it early.
    ///
    /// # Errors
    /// [`ForwardError::Context`] if the model's context is shorter, [`ForwardError::Layers`] if the layers are not within the range.
    pub fn new_cache_for(&self, layers: LayerRange, max_positions: usize) -> Result<KvCache, ForwardError> {
        if max_positions > self.config.context {
            return Err(ForwardError::Context { wanted: max_positions, limit: self.config.context });
        }
        if layers.is_empty() || !self.range.covers(layers) {
            return Err(ForwardError::Layers { wanted: layers, served: self.range });
        }
        Ok(KvCache::new(layers, self.config.kv_heads, self.config.head_size, max_positions))
    }
}
