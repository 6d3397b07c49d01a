//! The tensors of a layer range, from the file into the kernels' layouts.

use candle_core::quantized::{GgmlDType, QTensor};
use mica_kernels::{Matrix, embedding, rope};
use mica_primitives::LayerRange;

use super::{ForwardError, LoadError};
use crate::{config::ModelConfig, gguf::GgufFile};

/// One transformer block.
pub(super) struct Layer {
    pub attention_norm: Vec<f32>,
    pub query: Matrix,
    pub key: Matrix,
    pub value: Matrix,
    pub attention_output: Matrix,
    pub feed_forward_norm: Vec<f32>,
    pub gate: Matrix,
    pub up: Matrix,
    pub down: Matrix,
}

impl Layer {
    fn bytes(&self) -> usize {
        let matrices = [&self.query, &self.key, &self.value, &self.attention_output, &self.gate, &self.up, &self.down];
        let norms = size_of_val(&*self.attention_norm) + size_of_val(&*self.feed_forward_norm);
        matrices.iter().map(|matrix| matrix.bytes()).sum::<usize>() + norms
    }
}

/// What comes after the last layer.
pub(super) struct Head {
    pub norm: Vec<f32>,
    pub output: Matrix,
}

/// All tensors of a range.
pub(super) struct Weights {
    /// `[vocabulary, hidden]` as in the file; with layer 0 only.
    embedding: Option<QTensor>,
    pub layers: Vec<Layer>,
    /// With the last layer only.
    pub head: Option<Head>,
}

impl Weights {
    pub fn load(file: &GgufFile, config: &ModelConfig, range: LayerRange) -> Result<Self, LoadError> {
        check_names(file, range)?;
        let (vocabulary, hidden) = (config.vocabulary, config.hidden);
        let embedding = match range.first {
            0 => Some(tensor(file, "token_embd.weight", &[vocabulary, hidden])?),
            _ => None,
        };
        let layers = range.layers().map(|layer| load_layer(file, config, layer)).collect::<Result<_, _>>()?;
        let head = if range.end == config.layers {
            // Without a matrix of its own the head shares the embedding's.
            let name = if file.tensor("output.weight").is_some() { "output.weight" } else { "token_embd.weight" };
            Some(Head { norm: vector(file, "output_norm.weight", hidden)?, output: matrix(file, name, vocabulary, hidden)? })
        } else {
            None
        };
        Ok(Self { embedding, layers, head })
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let embedding = self.embedding.as_ref().map_or(0, QTensor::storage_size_in_bytes);
        let head = self.head.as_ref().map_or(0, |head| head.output.bytes() + size_of_val(&*head.norm));
        embedding + head + self.layers.iter().map(Layer::bytes).sum::<usize>()
    }

    /// The embeddings of `tokens`, `[tokens, hidden]`; every id below the vocabulary.
    pub fn embed(&self, tokens: &[u32], hidden: usize) -> Result<Vec<f32>, ForwardError> {
        let Some(embedding) = &self.embedding else {
            return Err(ForwardError::Embedding { reason: "this range has none".into() });
        };
        let data = embedding.data().map_err(|error| ForwardError::Embedding { reason: error.to_string() })?;
        let dtype = embedding.dtype();
        let row_bytes = hidden / dtype.block_size() * dtype.type_size();
        let mut rows = vec![0.0; tokens.len() * hidden];
        for (out, &token) in rows.chunks_exact_mut(hidden).zip(tokens) {
            let row = &data[token as usize * row_bytes..][..row_bytes];
            match dtype {
                GgmlDType::F32 => embedding::f32_row(row, out),
                GgmlDType::F16 => embedding::f16_row(row, out),
                GgmlDType::Q8_0 => embedding::q8_0_row(row, out),
                GgmlDType::Q4_0 => embedding::q4_0_row(row, out),
                other => return Err(ForwardError::Embedding { reason: format!("its type {other:?} is not supported") }),
            }
        }
        Ok(rows)
    }
}

/// Per-position rotations of the pairs: plain, scaled, or divided by the factors that the file brings along.
pub(super) fn frequencies(file: &GgufFile, config: &ModelConfig) -> Result<Vec<f64>, LoadError> {
    let pairs = config.rotated / 2;
    let factors = match file.tensor("rope_freqs.weight") {
        Some(_) => vector(file, "rope_freqs.weight", pairs)?,
        None => vec![1.0; pairs],
    };
    if factors.iter().any(|&factor| !factor.is_normal() || factor < 0.0) {
        return Err(LoadError::config("rope_freqs.weight", "a factor is not positive".into()));
    }
    let frequency =
        |(pair, &factor)| rope::frequency(config.rope_base, pair, config.rotated) / (config.rope_scale * f64::from(factor));
    Ok(factors.iter().enumerate().map(frequency).collect())
}

const LAYER_TENSORS: [&str; 9] = [
    "attn_norm.weight",
    "attn_q.weight",
    "attn_k.weight",
    "attn_v.weight",
    "attn_output.weight",
    "ffn_norm.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
];

/// Refuses tensors that we would have to leave out of the computation.
fn check_names(file: &GgufFile, range: LayerRange) -> Result<(), LoadError> {
    for tensor in file.tensors() {
        let known = match tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, name)) => {
                let ours = layer.parse::<u16>().is_ok_and(|layer| range.contains(layer));
                !ours || LAYER_TENSORS.contains(&name) || name == "attn_rot_embd" || name == "attn_rope_freqs"
            }
            None => matches!(tensor.name, "token_embd.weight" | "output_norm.weight" | "output.weight" | "rope_freqs.weight"),
        };
        if !known {
            return Err(LoadError::TensorUnknown { name: tensor.name.to_owned() });
        }
    }
    Ok(())
}

fn load_layer(file: &GgufFile, config: &ModelConfig, layer: u16) -> Result<Layer, LoadError> {
    let (hidden, inner) = (config.hidden, config.feed_forward);
    let (queries, keys) = (config.heads * config.head_size, config.kv_heads * config.head_size);
    let name = |part: &str| format!("blk.{layer}.{part}.weight");
    Ok(Layer {
        attention_norm: vector(file, &name("attn_norm"), hidden)?,
        query: matrix(file, &name("attn_q"), queries, hidden)?,
        key: matrix(file, &name("attn_k"), keys, hidden)?,
        value: matrix(file, &name("attn_v"), keys, hidden)?,
        attention_output: matrix(file, &name("attn_output"), hidden, queries)?,
        feed_forward_norm: vector(file, &name("ffn_norm"), hidden)?,
        gate: matrix(file, &name("ffn_gate"), inner, hidden)?,
        up: matrix(file, &name("ffn_up"), inner, hidden)?,
        down: matrix(file, &name("ffn_down"), hidden, inner)?,
    })
}

/// A tensor of that shape and of a type that we have kernels for, in candle's storage.
fn tensor(file: &GgufFile, name: &str, shape: &[usize]) -> Result<QTensor, LoadError> {
    let view = file.tensor(name).ok_or_else(|| LoadError::TensorMissing { name: name.to_owned() })?;
    if view.shape != shape {
        return Err(LoadError::TensorShape { name: name.to_owned(), found: view.shape.to_vec(), expected: shape.to_vec() });
    }
    if !matches!(view.dtype, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::Q8_0 | GgmlDType::Q4_0) {
        return Err(LoadError::Quantisation { tensor: name.to_owned(), found: format!("{:?}", view.dtype) });
    }
    view.to_qtensor().map_err(|source| LoadError::Tensor { name: name.to_owned(), source })
}

fn matrix(file: &GgufFile, name: &str, rows: usize, columns: usize) -> Result<Matrix, LoadError> {
    let tensor = tensor(file, name, &[rows, columns])?;
    let data = tensor.data().map_err(|source| LoadError::Tensor { name: name.to_owned(), source })?;
    let matrix = match tensor.dtype() {
        GgmlDType::F32 => Matrix::f32(rows, columns, &data),
        GgmlDType::F16 => Matrix::f16(rows, columns, &data),
        GgmlDType::Q8_0 => Matrix::q8_0(rows, columns, &data),
        GgmlDType::Q4_0 => Matrix::q4_0(rows, columns, &data),
        _ => None,
    };
    matrix.ok_or_else(|| LoadError::TensorShape { name: name.to_owned(), found: vec![data.len()], expected: vec![rows, columns] })
}

/// A vector of F32, such as a norm's weights.
fn vector(file: &GgufFile, name: &str, length: usize) -> Result<Vec<f32>, LoadError> {
    let tensor = tensor(file, name, &[length])?;
    if tensor.dtype() != GgmlDType::F32 {
        return Err(LoadError::Quantisation {
            tensor: name.to_owned(),
            found: format!("{:?}, but a vector must be F32", tensor.dtype()),
        });
    }
    let data = tensor.data().map_err(|source| LoadError::Tensor { name: name.to_owned(), source })?;
    let mut values = vec![0.0; length];
    embedding::f32_row(&data, &mut values);
    Ok(values)
}
