//! The numbers that describe a model, read from the metadata and checked against each other.

use mica_primitives::{LayerRange, layers::MAX_LAYERS};

use crate::{gguf::GgufFile, model::LoadError};

/// The architectures that we can run.
pub const ARCHITECTURES: &[&str] = &["llama"];

/// Largest width of anything: keeps products of sizes far from overflow.
const MAX_WIDTH: u64 = 1 << 18;
/// Largest vocabulary.
const MAX_VOCABULARY: u64 = 1 << 20;
/// Largest context: rotation angles are exact up to 2²⁰ positions.
const MAX_CONTEXT: u64 = 1 << 20;

/// Shape of a model.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelConfig {
    /// `general.architecture`.
    pub architecture: String,
    /// `general.name`, or the architecture if the file has none.
    pub name: String,
    /// Type of the layers' matrices, as `F32`, `F16`, `Q8_0` or `Q4_0`.
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
    /// Inner width of the feed-forward block.
    pub feed_forward: usize,
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
}

impl ModelConfig {
    /// All layers of the model.
    pub const fn all_layers(&self) -> LayerRange {
        LayerRange { first: 0, end: self.layers }
    }

    pub(crate) fn read(file: &GgufFile) -> Result<Self, LoadError> {
        let architecture = file.string("general.architecture").ok_or_else(|| LoadError::missing("general.architecture"))?;
        if !ARCHITECTURES.contains(&architecture) {
            return Err(LoadError::Architecture { found: architecture.to_owned() });
        }
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
        let quantisation =
            file.tensor("blk.0.attn_q.weight").ok_or_else(|| LoadError::TensorMissing { name: "blk.0.attn_q.weight".into() })?;
        let config = Self {
            architecture: architecture.to_owned(),
            name: file.string("general.name").unwrap_or(architecture).to_owned(),
            quantisation: format!("{:?}", quantisation.dtype),
            layers,
            hidden,
            heads,
            kv_heads: optional("attention.head_count_kv", MAX_WIDTH, heads)?,
            head_size,
            rotated: optional("rope.dimension_count", MAX_WIDTH, head_size)?,
            feed_forward: number("feed_forward_length", MAX_WIDTH)?,
            vocabulary,
            context: number("context_length", u64::MAX)?.min(MAX_CONTEXT as usize),
            rope_base: file.float(&key("rope.freq_base")).unwrap_or(10_000.0),
            rope_scale: rope_scale(file, architecture)?,
            norm_epsilon: file
                .float(&key("attention.layer_norm_rms_epsilon"))
                .ok_or_else(|| LoadError::missing("attention.layer_norm_rms_epsilon"))? as f32,
        };
        config.check(file, architecture)?;
        Ok(config)
    }

    fn check(&self, file: &GgufFile, architecture: &str) -> Result<(), LoadError> {
        let key = |name: &str| format!("{architecture}.{name}");
        let is = |name: &str, good: bool, reason: &str| {
            if good { Ok(()) } else { Err(LoadError::config(&key(name), reason.to_owned())) }
        };
        is("attention.head_count_kv", self.heads.is_multiple_of(self.kv_heads), "it does not divide head_count")?;
        is("attention.head_count", self.heads * self.head_size <= MAX_WIDTH as usize, "heads are too wide")?;
        let value_size = file.integer(&key("attention.value_length")).unwrap_or(self.head_size as u64);
        is("attention.value_length", value_size == self.head_size as u64, "values and keys of different sizes are not supported")?;
        is("rope.dimension_count", self.rotated.is_multiple_of(2) && self.rotated <= self.head_size, "not an even part of a head")?;
        is("rope.freq_base", self.rope_base >= 1.0 && self.rope_base <= 1.0e12, "not in 1..=1e12")?;
        is("attention.layer_norm_rms_epsilon", self.norm_epsilon > 0.0 && self.norm_epsilon < 1.0, "not between 0 and 1")?;
        let experts = file.integer(&key("expert_count")).unwrap_or(0);
        is("expert_count", experts == 0, "mixtures of experts are not supported; use a dense Llama model")?;
        Ok(())
    }
}

fn vocabulary(file: &GgufFile, hidden: usize) -> Result<usize, LoadError> {
    let name = "token_embd.weight";
    let embedding = file.tensor(name).ok_or_else(|| LoadError::TensorMissing { name: name.into() })?;
    match *embedding.shape {
        [rows, columns] if columns == hidden && rows as u64 <= MAX_VOCABULARY => Ok(rows),
        _ => Err(LoadError::TensorShape { name: name.into(), found: embedding.shape.to_vec(), expected: vec![0, hidden] }),
    }
}

fn rope_scale(file: &GgufFile, architecture: &str) -> Result<f64, LoadError> {
    let key = format!("{architecture}.rope.scaling.type");
    match file.string(&key) {
        None | Some("none") => Ok(1.0),
        Some("linear") => {
            let factor = file.float(&format!("{architecture}.rope.scaling.factor")).unwrap_or(1.0);
            if factor >= 1.0 { Ok(factor) } else { Err(LoadError::config(&key, "its factor is below 1".into())) }
        }
        Some(other) => Err(LoadError::config(&key, format!("`{other}` is not supported (none and linear are)"))),
    }
}
