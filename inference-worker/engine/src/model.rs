//! A range of a model's layers, ready to compute.

mod tensor;

mod weights;

mod scratch;

mod product;

mod experts;

mod block;

mod forward;

pub use forward::BatchItem;

use std::sync::{Mutex, MutexGuard, PoisonError};

use mica_kernels::Isa;
use mica_primitives::LayerRange;

use crate::{
    cache::{self, KvCache, KvPool},
    config::ModelConfig,
    error::{ForwardError, LoadError},
    gguf::GgufFile,
    threads::{Pool, Threads},
};
use scratch::Scratch;
use weights::{Rotations, Weights};

/// What enters a step: one row per position.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Token ids, into a range with layer 0.
    Tokens(&'a [u32]),
    /// Hidden states `[rows, hidden]`, into any other range.
    Hidden(&'a [f32]),
}

/// What the caller wants of a range that holds the last layer. Other ranges always give their
/// hidden states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Only the cache, for chunks of a prompt but its last.
    Nothing,
    /// The logits after the last row.
    LastLogits,
    /// The logits after every row, for judging a text; the caller bounds the rows of a step by the
    /// memory that their logits take.
    EveryLogits,
}

/// What leaves a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Hidden states `[rows, hidden]`, for the next range.
    Hidden(Vec<f32>),
    /// Logits `[vocabulary]` after the last row, or `[rows, vocabulary]` if those of every row were
    /// wanted.
    Logits(Vec<f32>),
    /// Nothing was wanted.
    Nothing,
}

/// Layers `range` of a model, with the embedding if it starts at 0 and the head if it ends at the
/// last.
///
/// Shared between sessions; calls from several threads take turns at every product.
pub struct Model {
    config: ModelConfig,
    range: LayerRange,
    weights: Weights,
    rotations: Rotations,
    pool: Pool,
    kv_pool: KvPool,
    isa: Isa,
    /// Memory of steps that ended, for the next ones.
    scratch: Mutex<Vec<Scratch>>,
}

impl Model {
    /// Loads the tensors of `range` and nothing else, and starts the threads.
    ///
    /// # Errors
    /// [`LoadError`] if the architecture or a tensor type is not supported, if the range is not one
    /// of this model, or if metadata and tensors contradict each other.
    pub fn load(file: &GgufFile, range: LayerRange, threads: Threads) -> Result<Self, LoadError> {
        Self::load_for(file, range, threads, Isa::best())
    }

    /// As [`Model::load`], with a given instruction set; every one gives the same bytes.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_for(
        file: &GgufFile,
        range: LayerRange,
        threads: Threads,
        isa: Isa,
    ) -> Result<Self, LoadError> {
        let config = ModelConfig::read(file)?;
        if !range.is_valid_for(config.layers) {
            return Err(LoadError::Range { range, layers: config.layers });
        }
        let pool = Pool::new(threads).map_err(LoadError::Threads)?;
        let weights = Weights::load(file, &config, range, &pool)?;
        let rotations = weights::rotations(file, &config, &pool)?;
        // After the weights, so that the pool's share is of the memory that they leave.
        let kv_pool = KvPool::new(config.kv_heads, config.head_size);
        Ok(Self {
            config,
            range,
            weights,
            rotations,
            pool,
            kv_pool,
            isa,
            scratch: Mutex::default(),
        })
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

    /// Bytes of cache per position of a session for all layers of the range. Sessions take whole
    /// pages of 64 positions.
    pub const fn cache_bytes_per_position(&self) -> usize {
        cache::bytes_per_position(
            self.range.len() as usize,
            self.config.kv_heads,
            self.config.head_size,
        )
    }

    /// The memory that all sessions' keys and values come from, half of what the system had left
    /// when the model was loaded. Give it another budget before the first session.
    pub const fn kv_pool(&self) -> &KvPool {
        &self.kv_pool
    }

    /// Bytes that a session of at most `max_positions` positions sets aside in the pool.
    pub fn cache_bytes(&self, layers: LayerRange, max_positions: usize) -> usize {
        cache::pages(layers, max_positions).saturating_mul(self.kv_pool.page_bytes())
    }

    /// An empty cache for a session of at most `max_positions` positions. Its memory is set aside
    /// until it is dropped.
    ///
    /// # Errors
    /// [`ForwardError::Context`] if the model's context is shorter, [`ForwardError::CacheBudget`]
    /// if the pool has no room for it.
    pub fn new_cache(&self, max_positions: usize) -> Result<KvCache, ForwardError> {
        self.new_cache_for(self.range, max_positions)
    }

    /// The same for a session that needs only `layers` of the range: a path may enter a worker's
    /// range late or leave it early.
    ///
    /// # Errors
    /// As [`Model::new_cache`], and [`ForwardError::Layers`] if the layers are not within the
    /// range.
    pub fn new_cache_for(
        &self,
        layers: LayerRange,
        max_positions: usize,
    ) -> Result<KvCache, ForwardError> {
        if max_positions > self.config.context {
            return Err(ForwardError::Context {
                wanted: max_positions,
                limit: self.config.context,
            });
        }
        if layers.is_empty() || !self.range.covers(layers) {
            return Err(ForwardError::Layers { wanted: layers, served: self.range });
        }
        KvCache::new(&self.kv_pool, layers, &self.config, max_positions)
    }

    fn lock_scratch(&self) -> MutexGuard<'_, Vec<Scratch>> {
        // Whatever is in it may be used: every operation sets the sizes and values that it reads.
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
