//! The numbers that describe a model, read from the metadata and checked against each other.

mod keys;
mod rope;
mod window;

pub use rope::{Rope, Scaling};

use mica_kernels::math;
use mica_primitives::{LayerRange, layers::MAX_LAYERS};

use crate::{
    arch::{Architecture, FeedForward, Scales},
    error::LoadError,
    gguf::GgufFile,
};
use keys::Keys;

/// Largest width of anything: keeps products of sizes far from overflow.
const MAX_WIDTH: u64 = 1 << 18;
/// Largest vocabulary.
const MAX_VOCABULARY: u64 = 1 << 20;
/// Largest context: rotation angles are exact up to 2²⁰ positions.
const MAX_CONTEXT: u64 = 1 << 20;

/// Most experts of a block.
const MAX_EXPERTS: u64 = 1 << 10;

/// Experts of a mixture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Experts {
    /// Experts of a block.
    pub count: usize,
    /// Experts that each position passes; at most `count`.
    pub used: usize,
}

/// Shape of a model.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelConfig {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`, or the architecture if the file has none.
    pub name: String,
    /// Type of the first layer's query matrix, as GGML names it; most of the other matrices have
    /// the same.
    pub quantisation: String,
    /// Number of transformer blocks.
    pub layers: u16,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_size: usize,
    /// Elements of a head that are rotated; even.
    pub rotated: usize,
    /// Inner width of the feed-forward block, of one expert in a mixture.
    pub feed_forward: usize,
    /// Experts, if the feed-forward block is a mixture.
    pub experts: Option<Experts>,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Most positions of a session.
    pub context: usize,
    /// Rotations.
    pub rope: Rope,
    /// Positions that each layer sees at most, its own the last; `None` for all.
    pub windows: Vec<Option<usize>>,
    /// Added to the mean square in norms.
    pub norm_epsilon: f32,
    /// Embeddings are multiplied by this; 1 for most.
    pub embedding_scale: f32,
    /// Scores of attention are multiplied by this; `None` for `1/√head_size`.
    pub attention_scale: Option<f32>,
    /// What a block adds to the hidden state is multiplied by this before; 1 for most.
    pub residual_scale: f32,
    /// Logits are divided by this; 1 for most.
    pub logit_scale: f32,
    pub(crate) description: &'static Architecture,
}

impl ModelConfig {
    /// All layers of the model.
    pub const fn all_layers(&self) -> LayerRange {
        LayerRange { first: 0, end: self.layers }
    }

    pub(crate) fn read(file: &GgufFile) -> Result<Self, LoadError> {
        let architecture = file
            .string("general.architecture")
            .ok_or_else(|| LoadError::missing("general.architecture"))?;
        let description = Architecture::named(architecture)
            .ok_or_else(|| LoadError::Architecture { found: architecture.to_owned() })?;
        let keys = Keys { file, architecture };
        let layers = keys.number("block_count", MAX_LAYERS.into())? as u16;
        let hidden = keys.number("embedding_length", MAX_WIDTH)?;
        let heads = keys.number("attention.head_count", MAX_WIDTH)?;
        let head_size = keys.optional("attention.key_length", MAX_WIDTH, hidden / heads)?;
        let (width, experts) = match description.feed_forward {
            FeedForward::Dense => ("feed_forward_length", None),
            FeedForward::Experts { width } => {
                let count = keys.number("expert_count", MAX_EXPERTS)?;
                (
                    width,
                    Some(Experts { count, used: keys.number("expert_used_count", MAX_EXPERTS)? }),
                )
            }
        };
        let scale = |name: &str| match description.scales {
            Scales::Usual | Scales::Gemma => Ok(None),
            Scales::InMetadata => keys.scale(name),
        };
        let is_gemma = description.scales == Scales::Gemma;
        let gemma_embedding = is_gemma.then(|| math::sqrt(hidden as f32));
        // The only Gemma of that many layers.
        let gemma_attention =
            (is_gemma && layers == 62).then(|| 1.0 / math::sqrt((hidden / heads) as f32));
        let config = Self {
            architecture: architecture.to_owned(),
            name: file.string("general.name").unwrap_or(architecture).to_owned(),
            quantisation: quantisation(file)?,
            layers,
            hidden,
            heads,
            kv_heads: keys.optional("attention.head_count_kv", MAX_WIDTH, heads)?,
            head_size,
            rotated: keys.optional("rope.dimension_count", MAX_WIDTH, head_size)?,
            feed_forward: keys.number(width, MAX_WIDTH)?,
            experts,
            vocabulary: vocabulary(file, hidden)?,
            context: context(&keys)?,
            rope: Rope::read(&keys, description)?,
            windows: window::read(&keys, description, layers)?,
            norm_epsilon: file
                .float(&keys.key("attention.layer_norm_rms_epsilon"))
                .ok_or_else(|| LoadError::missing("attention.layer_norm_rms_epsilon"))?
                as f32,
            embedding_scale: scale("embedding_scale")?.or(gemma_embedding).unwrap_or(1.0),
            attention_scale: scale("attention.scale")?.or(gemma_attention),
            residual_scale: scale("residual_scale")?.unwrap_or(1.0),
            logit_scale: scale("logit_scale")?.unwrap_or(1.0),
            description,
        };
        config.check(&keys)?;
        Ok(config)
    }

    fn check(&self, keys: &Keys<'_>) -> Result<(), LoadError> {
        let file = keys.file;
        let is = |name: &str, good: bool, reason: &str| keys.check(name, good, reason);
        is(
            "attention.head_count_kv",
            self.heads.is_multiple_of(self.kv_heads),
            "it does not divide head_count",
        )?;
        is(
            "attention.head_count",
            self.heads * self.head_size <= MAX_WIDTH as usize,
            "heads are too wide",
        )?;
        let value_size =
            file.integer(&keys.key("attention.value_length")).unwrap_or(self.head_size as u64);
        is(
            "attention.value_length",
            value_size == self.head_size as u64,
            "values and keys of different sizes are not supported",
        )?;
        is(
            "rope.dimension_count",
            self.rotated.is_multiple_of(2) && self.rotated <= self.head_size,
            "not an even part of a head",
        )?;
        is(
            "attention.layer_norm_rms_epsilon",
            self.norm_epsilon > 0.0 && self.norm_epsilon < 1.0,
            "not between 0 and 1",
        )?;
        match self.experts {
            Some(Experts { count, used }) => {
                is("expert_used_count", used <= count, "it is more than expert_count")?
            }
            None => {
                let experts = file.integer(&keys.key("expert_count")).unwrap_or(0);
                is(
                    "expert_count",
                    experts == 0,
                    "mixtures of experts are not supported in this architecture; use a dense model",
                )?;
            }
        }
        let rotates = file.boolean(&keys.key("rope.scaling.finetuned")).unwrap_or(true)
            || self.description.scales != Scales::InMetadata;
        is("rope.scaling.finetuned", rotates, "models without rotary embedding are not supported")
    }
}

/// Most positions of a session. Models with two sets of factors for their rotations are computed
/// with the short ones, which are for the original context.
fn context(keys: &Keys<'_>) -> Result<usize, LoadError> {
    let whole = keys.number("context_length", u64::MAX)?.min(MAX_CONTEXT as usize);
    match keys.file.tensor("rope_factors_short.weight") {
        None => Ok(whole),
        Some(_) => {
            Ok(keys.optional("rope.scaling.original_context_length", u64::MAX, whole)?.min(whole))
        }
    }
}

/// GGML's name of the type of the first layer's queries.
fn quantisation(file: &GgufFile) -> Result<String, LoadError> {
    let own = "blk.0.attn_q.weight";
    file.tensor(own)
        .or_else(|| file.tensor("blk.0.attn_qkv.weight"))
        .map(|tensor| tensor.dtype.name().to_owned())
        .ok_or_else(|| LoadError::TensorMissing { name: own.into() })
}

fn vocabulary(file: &GgufFile, hidden: usize) -> Result<usize, LoadError> {
    let name = "token_embd.weight";
    let embedding =
        file.tensor(name).ok_or_else(|| LoadError::TensorMissing { name: name.into() })?;
    match *embedding.shape {
        [rows, columns] if columns == hidden && rows as u64 <= MAX_VOCABULARY => Ok(rows),
        _ => Err(LoadError::TensorShape {
            name: name.into(),
            found: embedding.shape.to_vec(),
            expected: vec![0, hidden],
        }),
    }
}
