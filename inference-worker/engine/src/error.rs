//! What can go wrong when a model is loaded or computed.

use mica_primitives::LayerRange;

use crate::{arch::Architecture, gguf::GgufError};

/// Why a file's model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// An architecture that we have no code for.
    #[error("the architecture `{found}` is not supported; supported: {}", Architecture::names())]
    Architecture {
        /// `general.architecture`.
        found: String,
    },
    /// A vector of a type that matrices have.
    #[error(
        "tensor `{tensor}` is {found}, but vectors must be F32; quantise the model again with \
         llama-quantize, which leaves them alone"
    )]
    Quantisation {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A metadata key is absent.
    #[error(
        "the file has no metadata `{key}`, which the architecture needs; convert the model again \
         with a current converter"
    )]
    MetadataMissing {
        /// The key, as far as it is known.
        key: String,
    },
    /// A metadata value makes no sense or is not supported.
    #[error("metadata `{key}`: {reason}")]
    Metadata {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor is absent.
    #[error("the file has no tensor `{name}`; it is incomplete, download it again")]
    TensorMissing {
        /// Its name.
        name: String,
    },
    /// A tensor has another shape than the metadata says.
    #[error(
        "tensor `{name}` has the shape {found:?}, the metadata says {expected:?}; the file is \
         damaged"
    )]
    TensorShape {
        /// Its name.
        name: String,
        /// Shape in the file, rows first.
        found: Vec<usize>,
        /// Shape that the metadata asks for; 0 stands for any.
        expected: Vec<usize>,
    },
    /// A tensor that the architecture does not have: leaving it out would give wrong answers.
    #[error(
        "tensor `{name}` is not part of a plain {architecture} model, so that computing without \
         it would be wrong; use another model"
    )]
    TensorUnknown {
        /// Its name.
        name: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// A weight that is no number.
    #[error("tensor `{name}` holds a NaN or an infinity; the file is damaged, download it again")]
    NotFinite {
        /// Its name.
        name: String,
    },
    /// The layer range is not one of this model.
    #[error(
        "layers {range} are not part of the model, which has {layers}; ask for a range inside [0, \
         {layers})"
    )]
    Range {
        /// What was asked for.
        range: LayerRange,
        /// Layers of the model.
        layers: u16,
    },
    /// The weights do not fit into what memory is left.
    #[error(
        "layers {range} need {} MB and the system has {} MB left; serve fewer layers (--layers), free memory, or take a model with smaller weights",
        .needed >> 20, .available >> 20
    )]
    Memory {
        /// What was asked for.
        range: LayerRange,
        /// Bytes that loading takes.
        needed: u64,
        /// Bytes that the system has left.
        available: u64,
    },
    /// Not one hash for each tensor.
    #[error("{found} hashes for {tensors} tensors; they are of another model")]
    Hashes {
        /// Hashes given.
        found: usize,
        /// Tensors of the model.
        tensors: usize,
    },
    /// The file cannot be read any more.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The system gives no more threads.
    #[error("cannot start threads: {0}; use fewer with --threads")]
    Threads(#[source] std::io::Error),
}

impl LoadError {
    pub(crate) fn missing(key: &str) -> Self {
        Self::MetadataMissing { key: key.to_owned() }
    }

    pub(crate) fn config(key: &str, reason: String) -> Self {
        Self::Metadata { key: key.to_owned(), reason }
    }
}

/// Why a step was not computed. The cache is as it was before the step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The step has no rows.
    #[error("a step needs at least one row")]
    Empty,
    /// Tokens into a later range, or hidden states into the first.
    #[error("layers starting at {first} take {takes}; send them that")]
    WrongInput {
        /// First layer of the range.
        first: u16,
        /// What it takes.
        takes: &'static str,
    },
    /// The values are not whole rows.
    #[error("{values} values are not whole rows of {hidden}")]
    RaggedRows {
        /// Number of values.
        values: usize,
        /// Width of a row.
        hidden: usize,
    },
    /// A token id outside the vocabulary.
    #[error(
        "token {token} is outside the vocabulary of {vocabulary}; tokenise with this model's own \
         tokenizer"
    )]
    Token {
        /// The id.
        token: u32,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// The session would grow beyond its cache.
    #[error(
        "the session holds {held} of {limit} positions and cannot take {rows} more; start a \
         session with a larger bound"
    )]
    CacheFull {
        /// Positions held.
        held: usize,
        /// Rows of the step.
        rows: usize,
        /// Bound of the cache.
        limit: usize,
    },
    /// A cache longer than the model's context.
    #[error(
        "{wanted} positions are more than the model's context of {limit}; ask for at most {limit}"
    )]
    Context {
        /// What was asked for.
        wanted: usize,
        /// The model's context.
        limit: usize,
    },
    /// The pool of pages for keys and values is in use by other sessions.
    #[error(
        "the session's cache needs {wanted} bytes and {free} of {budget} are free; end another \
         session, ask for fewer positions or give the model more memory"
    )]
    CacheBudget {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes free.
        free: usize,
        /// Bytes for all sessions together.
        budget: usize,
    },
    /// A session asks for layers that are not loaded.
    #[error(
        "layers {wanted} are not within {served}, which is loaded; ask for layers of this range"
    )]
    Layers {
        /// Asked for.
        wanted: LayerRange,
        /// Loaded.
        served: LayerRange,
    },
    /// The cache was made by another model or range.
    #[error(
        "the cache belongs to another model or layer range; make one with this model's new_cache"
    )]
    ForeignCache,
    /// A NaN or an infinity came in or out: an error, never a value.
    #[error("the {where_} hold a NaN or an infinity; the input or the model file is damaged")]
    NotFinite {
        /// Where it was seen.
        where_: &'static str,
    },
}
