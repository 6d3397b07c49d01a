//! The numbers that describe a model, read from the metadata and checked against each other.

use mica_primitives::{LayerRange, layers::MAX_LAYERS};

use crate::{
    arch::{Architecture, FeedForward, Scales},
    error::LoadError,
    gguf::GgufFile,
};

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
    /// Base of the rotary embedding.
    pub rope_base: f64,
    /// Positions are divided by this (linear scaling); 1 for none.
    pub rope_scale: f64,
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
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str, limit: u64| {
            let key = key(name);
            let found = file.integer(&key).ok_or_else(|| LoadError::missing(&key))?;
            if (1..=limit).contains(&found) {
                Ok(found as usize)
            } else {
                Err(LoadError::config(&key, format!("{found} is not in 1..={limit}")))
            }
        };
        let optional = |name: &str, limit: u64, default: usize| match file.metadata(&key(name)) {
            None => Ok(default),
            Some(_) => number(name, limit),
        };
        let layers = number("block_count", MAX_LAYERS.into())? as u16;
        let hidden = number("embedding_length", MAX_WIDTH)?;
        let heads = number("attention.head_count", MAX_WIDTH)?;
        let head_size = optional("attention.key_length", MAX_WIDTH, hidden / heads)?;
        let vocabulary = vocabulary(file, hidden)?;
        let experts = match description.feed_forward {
            FeedForward::Dense => None,
            FeedForward::Experts => Some(Experts {
                count: number("expert_count", MAX_EXPERTS)?,
                used: number("expert_used_count", MAX_EXPERTS)?,
            }),
        };
        let scale = |name: &str| match description.scales {
            Scales::Usual => Ok(None),
            Scales::InMetadata => scale(file, &key(name)),
        };
        let quantisation = file
            .tensor("blk.0.attn_q.weight")
            .ok_or_else(|| LoadError::TensorMissing { name: "blk.0.attn_q.weight".into() })?;
        let config = Self {
            architecture: architecture.to_owned(),
            name: file.string("general.name").unwrap_or(architecture).to_owned(),
            quantisation: quantisation.dtype.name().to_owned(),
            layers,
            hidden,
            heads,
            kv_heads: optional("attention.head_count_kv", MAX_WIDTH, heads)?,
            head_size,
            rotated: optional("rope.dimension_count", MAX_WIDTH, head_size)?,
            feed_forward: number("feed_forward_length", MAX_WIDTH)?,
            experts,
            vocabulary,
            context: number("context_length", u64::MAX)?.min(MAX_CONTEXT as usize),
            rope_base: file.float(&key("rope.freq_base")).unwrap_or(10_000.0),
            rope_scale: rope_scale(file, architecture)?,
            norm_epsilon: file
                .float(&key("attention.layer_norm_rms_epsilon"))
                .ok_or_else(|| LoadError::missing("attention.layer_norm_rms_epsilon"))?
                as f32,
            embedding_scale: scale("embedding_scale")?.unwrap_or(1.0),
            attention_scale: scale("attention.scale")?,
            residual_scale: scale("residual_scale")?.unwrap_or(1.0),
            logit_scale: scale("logit_scale")?.unwrap_or(1.0),
            description,
        };
        config.check(file, architecture)?;
        Ok(config)
    }

    fn check(&self, file: &GgufFile, architecture: &str) -> Result<(), LoadError> {
        let key = |name: &str| format!("{architecture}.{name}");
        let is = |name: &str, good: bool, reason: &str| {
            if good { Ok(()) } else { Err(LoadError::config(&key(name), reason.to_owned())) }
        };
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
            file.integer(&key("attention.value_length")).unwrap_or(self.head_size as u64);
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
        is("rope.freq_base", self.rope_base >= 1.0 && self.rope_base <= 1.0e12, "not in 1..=1e12")?;
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
                let experts = file.integer(&key("expert_count")).unwrap_or(0);
                is(
                    "expert_count",
                    experts == 0,
                    "mixtures of experts are not supported in this architecture; use a dense model",
                )?;
            }
        }
        let rotates = file.boolean(&key("rope.scaling.finetuned")).unwrap_or(true)
            || self.description.scales == Scales::Usual;
        is("rope.scaling.finetuned", rotates, "models without rotary embedding are not supported")
    }
}

/// A positive constant; 0 stands for none, as converters write it.
fn scale(file: &GgufFile, key: &str) -> Result<Option<f32>, LoadError> {
    let Some(value) = file.metadata(key) else { return Ok(None) };
    match file.float(key).map(|value| value as f32) {
        Some(0.0) => Ok(None),
        Some(scale) if scale.is_normal() && scale > 0.0 => Ok(Some(scale)),
        _ => Err(LoadError::config(key, format!("{value:?} is no positive number"))),
    }
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

fn rope_scale(file: &GgufFile, architecture: &str) -> Result<f64, LoadError> {
    let key = format!("{architecture}.rope.scaling.type");
    match file.string(&key) {
        None | Some("none") => Ok(1.0),
        Some("linear") => {
            let factor = file.float(&format!("{architecture}.rope.scaling.factor")).unwrap_or(1.0);
            if factor >= 1.0 {
                Ok(factor)
            } else {
                Err(LoadError::config(&key, "its factor is below 1".into()))
            }
        }
        Some(other) => Err(LoadError::config(
            &key,
            format!("`{other}` is not supported (none and linear are)"),
        )),
    }
}
