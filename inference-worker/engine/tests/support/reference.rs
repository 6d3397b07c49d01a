//! The models' mathematics once more: plain loops over f64, nothing of the kernels, nothing
//! quantised but the weights.
//!
//! Written from the published definitions: `modeling_llama.py`, `modeling_qwen2.py`,
//! `modeling_qwen3.py`, `modeling_qwen3_moe.py`, `modeling_granite.py`, `modeling_granitemoe.py`,
//! `modeling_gemma3.py`, `modeling_phi3.py`, `modeling_gpt_oss.py` in Hugging Face's transformers,
//! with facts about GGUF files from llama.cpp: its converters permute the queries and keys of Llama
//! and Granite so that neighbours are rotated together, where others' rotate halves;
//! `rope_freqs.weight` divides the frequencies, as does `rope_factors_short.weight`; Gemma's norms
//! have their 1 added; and the bounds of YaRN's ramp are whole numbers for every model.

use std::{cell::Cell, collections::HashMap};

use super::{
    Meta, Writer,
    blocks::{
        BF16, F16, F32, IQ4_NL, IQ4_VALUES, IQ4_XS, MXFP4, MXFP4_VALUES, Q2_K, Q3_K, Q4_0, Q4_1,
        Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, format,
    },
};

/// Which elements of a head are rotated together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pairs {
    /// `2i` and `2i + 1`.
    Neighbours,
    /// `i` and `i + half`.
    Halves,
}

/// A model ready to compute. Fields are public so that a test can make it compute something else.
pub struct Reference {
    metadata: HashMap<String, Meta>,
    tensors: HashMap<String, (Vec<usize>, Vec<f64>)>,
    architecture: String,
    pub pairs: Pairs,
    /// Whether the chosen experts are the best ones, or the worst.
    pub best_experts: bool,
    /// How near an expert's score was to being chosen instead of another, at the nearest.
    pub nearest_choice: Cell<f64>,
}

impl Reference {
    pub fn new(writer: &Writer) -> Self {
        let metadata: HashMap<String, Meta> = writer.metadata.iter().cloned().collect();
        let Some(Meta::Text(architecture)) = metadata.get("general.architecture").cloned() else {
            panic!("no architecture")
        };
        let tensors = writer.tensors.iter().map(|tensor| {
            let shape = tensor.shape.iter().map(|&n| n as usize).collect();
            (tensor.name.clone(), (shape, dequantise(&tensor.bytes, tensor.kind)))
        });
        let pairs = match &*architecture {
            "llama" | "granite" | "granitemoe" => Pairs::Neighbours,
            _ => Pairs::Halves,
        };
        Self {
            metadata,
            tensors: tensors.collect(),
            architecture,
            pairs,
            best_experts: true,
            nearest_choice: Cell::new(f64::MAX),
        }
    }

    fn number(&self, key: &str) -> Option<f64> {
        match self.metadata.get(&format!("{}.{key}", self.architecture))? {
            Meta::U32(value) => Some(f64::from(*value)),
            Meta::F32(value) => Some(f64::from(*value)),
            _ => panic!("{key} is no number"),
        }
    }

    fn size(&self, key: &str) -> usize {
        self.number(key).unwrap_or_else(|| panic!("no {key}")) as usize
    }

    fn vector(&self, name: &str) -> Option<&[f64]> {
        self.tensors.get(name).map(|(_, values)| values.as_slice())
    }

    /// Matrix `index` of a stack times a vector, plus the bias if there is one.
    fn product(&self, name: &str, index: usize, x: &[f64]) -> Vec<f64> {
        let (shape, values) =
            self.tensors.get(&format!("{name}.weight")).unwrap_or_else(|| panic!("no {name}"));
        let rows = shape[shape.len() - 2];
        let stacked = &values[index * rows * x.len()..][..rows * x.len()];
        let mut out: Vec<f64> = stacked
            .chunks_exact(x.len())
            .map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum())
            .collect();
        if let Some(bias) = self.vector(&format!("{name}.bias")) {
            out.iter_mut().zip(&bias[index * rows..]).for_each(|(y, b)| *y += b);
        }
        out
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let weights = self.vector(&format!("{name}.weight")).unwrap_or_else(|| panic!("no {name}"));
        let epsilon = self.number("attention.layer_norm_rms_epsilon").expect("an epsilon");
        let square = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        x.iter().zip(weights).map(|(v, w)| v / (square + epsilon).sqrt() * w).collect()
    }

    /// Normalises each head where the model has norms for that, then rotates it.
    fn heads(&self, norm: &str, layer: usize, values: &mut [f64], size: usize, position: usize) {
        let magnitude = self.magnitude();
        for head in values.chunks_exact_mut(size) {
            if self.vector(&format!("{norm}.weight")).is_some() {
                head.copy_from_slice(&self.norm(norm, head));
            }
            for pair in 0..size / 2 {
                let frequency = self.frequency(layer, pair, size);
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                let (sin, cos) = (sin * magnitude, cos * magnitude);
                let (a, b) = match self.pairs {
                    Pairs::Neighbours => (2 * pair, 2 * pair + 1),
                    Pairs::Halves => (pair, pair + size / 2),
                };
                (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
            }
        }
    }

    fn is_yarn(&self) -> bool {
        let key = format!("{}.rope.scaling.type", self.architecture);
        matches!(self.metadata.get(&key), Some(Meta::Text(kind)) if kind == "yarn")
    }

    fn magnitude(&self) -> f64 {
        let factor = self.number("rope.scaling.factor").unwrap_or(1.0);
        let yarn = if self.is_yarn() { 0.1 * factor.ln() + 1.0 } else { 1.0 };
        yarn * self.number("rope.scaling.attn_factor").unwrap_or(1.0)
    }

    fn frequency(&self, layer: usize, pair: usize, size: usize) -> f64 {
        let power = |base: f64| base.powf(-2.0 * pair as f64 / size as f64);
        if self.architecture == "gemma3" && self.window(layer).is_some() {
            return power(self.number("rope.freq_base_swa").unwrap_or(10_000.0));
        }
        let base = self.number("rope.freq_base").unwrap_or(10_000.0);
        let factors =
            self.vector("rope_freqs.weight").or_else(|| self.vector("rope_factors_short.weight"));
        let plain = power(base) / factors.map_or(1.0, |factors| factors[pair]);
        let factor = self.number("rope.scaling.factor").unwrap_or(1.0);
        if !self.is_yarn() {
            return plain / factor;
        }
        let context = self.number("rope.scaling.original_context_length").expect("a context");
        let dimension = |turns: f64| {
            size as f64 * (context / (turns * std::f64::consts::TAU)).ln() / (2.0 * base.ln())
        };
        let (low, high) = (dimension(32.0).floor().max(0.0), dimension(1.0).ceil());
        let ramp = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        plain / factor * ramp + plain * (1.0 - ramp)
    }

    /// Positions that a layer sees, if not all.
    fn window(&self, layer: usize) -> Option<usize> {
        let (period, window) = match &*self.architecture {
            "gemma3" => (6, self.number("attention.sliding_window")?),
            "gpt-oss" => (2, self.number("attention.sliding_window")?),
            _ => return None,
        };
        let period = self.number("attention.sliding_window_pattern").unwrap_or(f64::from(period));
        (!(layer + 1).is_multiple_of(period as usize)).then_some(window as usize)
    }

    /// The second half of a block's gate.
    fn gated(&self, gate: f64, up: f64) -> f64 {
        match &*self.architecture {
            "gemma3" => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (gate + 0.044715 * gate.powi(3));
                0.5 * gate * (1.0 + inner.tanh()) * up
            }
            "gpt-oss" => {
                let (gate, up) = (gate.min(7.0), up.clamp(-7.0, 7.0));
                gate / (1.0 + (-1.702 * gate).exp()) * (up + 1.0)
            }
            _ => gate / (1.0 + (-gate).exp()) * up,
        }
    }

    /// What half of a block gives, normed where the model does that.
    fn behind(&self, norm: &str, out: Vec<f64>) -> Vec<f64> {
        if self.architecture == "gemma3" { self.norm(norm, &out) } else { out }
    }

    /// Queries, keys and values.
    fn attention_inputs(
        &self,
        layer: usize,
        x: &[f64],
        queries: usize,
        keys: usize,
    ) -> [Vec<f64>; 3] {
        let name = |part: &str| format!("blk.{layer}.{part}");
        if !self.tensors.contains_key(&format!("{}.weight", name("attn_qkv"))) {
            return ["attn_q", "attn_k", "attn_v"].map(|part| self.product(&name(part), 0, x));
        }
        let all = self.product(&name("attn_qkv"), 0, x);
        let (query, rest) = all.split_at(queries);
        let (key, value) = rest.split_at(keys);
        [query.to_vec(), key.to_vec(), value.to_vec()]
    }

    fn feed_forward(&self, layer: usize, x: &[f64]) -> Vec<f64> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let block = |suffix: &str, index: usize| {
            let mut up = self.product(&name(&format!("ffn_up{suffix}")), index, x);
            let gate = if self.architecture == "phi3" {
                let other = up.split_off(up.len() / 2);
                std::mem::replace(&mut up, other)
            } else {
                self.product(&name(&format!("ffn_gate{suffix}")), index, x)
            };
            let inner: Vec<f64> = gate.iter().zip(&up).map(|(&g, &u)| self.gated(g, u)).collect();
            self.product(&name(&format!("ffn_down{suffix}")), index, &inner)
        };
        let Some(used) = self.number("expert_used_count") else { return block("", 0) };
        let scores = self.product(&name("ffn_gate_inp"), 0, x);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // A stable sort: of equal scores the lowest number first.
        order.sort_by(|&a, &b| {
            if self.best_experts {
                scores[b].total_cmp(&scores[a])
            } else {
                scores[a].total_cmp(&scores[b])
            }
        });
        let (chosen, others) = order.split_at(used as usize);
        if let (Some(&last), Some(&next)) = (chosen.last(), others.first()) {
            self.nearest_choice
                .set((scores[last] - scores[next]).abs().min(self.nearest_choice.get()));
        }
        let weights = softmax(&chosen.iter().map(|&expert| scores[expert]).collect::<Vec<_>>());
        let mut out = vec![0.0; x.len()];
        for (&expert, weight) in chosen.iter().zip(weights) {
            out.iter_mut().zip(block("_exps", expert)).for_each(|(y, v)| *y += weight * v);
        }
        out
    }

    /// Logits after the last token.
    pub fn logits(&self, tokens: &[u32]) -> Vec<f64> {
        let (hidden, heads) = (self.size("embedding_length"), self.size("attention.head_count"));
        let head_size =
            self.number("attention.key_length").map_or(hidden / heads, |size| size as usize);
        let group = heads / self.size("attention.head_count_kv");
        let scale = self.number("attention.scale").unwrap_or(1.0 / (head_size as f64).sqrt());
        let residual = self.number("residual_scale").unwrap_or(1.0);
        let embedding = self.vector("token_embd.weight").expect("an embedding");
        let embedding_scale = match &*self.architecture {
            "gemma3" => (hidden as f64).sqrt(),
            _ => self.number("embedding_scale").unwrap_or(1.0),
        };
        let second_norm =
            if self.architecture == "gpt-oss" { "post_attention_norm" } else { "ffn_norm" };
        let embed = |&token: &u32| {
            embedding[token as usize * hidden..][..hidden]
                .iter()
                .map(|x| x * embedding_scale)
                .collect()
        };
        let mut rows: Vec<Vec<f64>> = tokens.iter().map(embed).collect();
        for layer in 0..self.size("block_count") {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            for (position, row) in rows.iter_mut().enumerate() {
                let x = self.norm(&name("attn_norm"), row);
                let (queries, kv_width) = (heads * head_size, heads / group * head_size);
                let [mut query, mut key, value] =
                    self.attention_inputs(layer, &x, queries, kv_width);
                self.heads(&name("attn_q_norm"), layer, &mut query, head_size, position);
                self.heads(&name("attn_k_norm"), layer, &mut key, head_size, position);
                keys.push(key);
                values.push(value);
                let first =
                    self.window(layer).map_or(0, |window| (position + 1).saturating_sub(window));
                let sinks = self.vector(&name("attn_sinks.weight"));
                let mut attended = Vec::new();
                for (head, query) in query.chunks_exact(head_size).enumerate() {
                    let part = head / group * head_size..(head / group + 1) * head_size;
                    let score = |key: &Vec<f64>| {
                        scale
                            * query.iter().zip(&key[part.clone()]).map(|(a, b)| a * b).sum::<f64>()
                    };
                    let mut scores: Vec<f64> = keys[first..].iter().map(score).collect();
                    // The sink comes last and has no value.
                    scores.extend(sinks.map(|sinks| sinks[head]));
                    let weights = softmax(&scores);
                    let mut out = vec![0.0; head_size];
                    for (value, weight) in values[first..].iter().zip(weights) {
                        out.iter_mut()
                            .zip(&value[part.clone()])
                            .for_each(|(y, v)| *y += weight * v);
                    }
                    attended.extend(out);
                }
                let out = self.product(&name("attn_output"), 0, &attended);
                let out = self.behind(&name("post_attention_norm"), out);
                row.iter_mut().zip(out).for_each(|(x, y)| *x += residual * y);
                let out = self.feed_forward(layer, &self.norm(&name(second_norm), row));
                let out = self.behind(&name("post_ffw_norm"), out);
                row.iter_mut().zip(out).for_each(|(x, y)| *x += residual * y);
            }
        }
        let last = self.norm("output_norm", rows.last().expect("a token"));
        let head = if self.tensors.contains_key("output.weight") { "output" } else { "token_embd" };
        let logit_scale = self.number("logit_scale").unwrap_or(1.0);
        self.product(head, 0, &last).into_iter().map(|logit| logit / logit_scale).collect()
    }
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}

/// IEEE half precision.
fn half(bytes: &[u8]) -> f64 {
    let bits = u16::from_le_bytes([bytes[0], bytes[1]]);
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f64.powi(-14),
        31 => panic!("an infinity or NaN among the weights"),
        exponent => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The values that blocks stand for: the definitions of `dequantize_row_*` in ggml, element by
/// element.
pub fn dequantise(bytes: &[u8], kind: u32) -> Vec<f64> {
    let (_, elements, size) = format(kind);
    let element = |block: &[u8], i: usize| -> f64 {
        // Blocks of 32: element i is in the low half of a byte, i + 16 in its high half.
        let nibble = |at: usize| f64::from(block[at + i % 16] >> (4 * (i / 16)) & 15);
        let fifth = |at: usize| f64::from(block[at + i / 8] >> (i % 8) & 1) * 16.0;
        match kind {
            F32 => f64::from(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
            F16 => half(block),
            BF16 => {
                f64::from(f32::from_bits(u32::from(u16::from_le_bytes([block[0], block[1]])) << 16))
            }
            Q8_0 => half(block) * f64::from(block[2 + i] as i8),
            Q4_0 => half(block) * (nibble(2) - 8.0),
            Q4_1 => half(block) * nibble(4) + half(&block[2..]),
            Q5_0 => half(block) * (nibble(6) + fifth(2) - 16.0),
            Q5_1 => half(block) * (nibble(8) + fifth(4)) + half(&block[2..]),
            Q4_K | Q5_K => nested(block, kind, i),
            Q6_K => q6_k(block, i),
            Q2_K => {
                half(&block[80..]) * f64::from(block[i / 16] & 15) * two_bits(&block[16..], i)
                    - half(&block[82..]) * f64::from(block[i / 16] >> 4)
            }
            Q3_K => q3_k(block, i),
            IQ4_NL => half(block) * f64::from(IQ4_VALUES[nibble(2) as usize]),
            IQ4_XS => iq4_xs(block, i),
            MXFP4 => {
                2f64.powi(i32::from(block[0]) - 128) * f64::from(MXFP4_VALUES[nibble(1) as usize])
            }
            other => panic!("no format {other}"),
        }
    };
    bytes
        .chunks_exact(size)
        .flat_map(|block| (0..elements).map(move |i| element(block, i)))
        .collect()
}

fn nested(block: &[u8], kind: u32, i: usize) -> f64 {
    let (part, column) = (i / 32, i % 32);
    let packed = &block[4..16];
    let (scale, minimum) = match part {
        0..4 => (packed[part] & 63, packed[part + 4] & 63),
        _ => (
            packed[part + 4] & 15 | packed[part - 4] >> 6 << 4,
            packed[part + 4] >> 4 | packed[part] >> 6 << 4,
        ),
    };
    let levels = if kind == Q5_K { 48 } else { 16 };
    let mut level = block[levels + part / 2 * 32 + column] >> (4 * (part % 2)) & 15;
    if kind == Q5_K {
        level += (block[16 + column] >> part & 1) * 16;
    }
    half(block) * f64::from(scale) * f64::from(level) - half(&block[2..]) * f64::from(minimum)
}

fn q6_k(block: &[u8], i: usize) -> f64 {
    // Two halves of 128; in each, four quarters of 32 share the bytes of the high bits.
    let (base, quarter, column) = (i / 128, i % 128 / 32, i % 32);
    let low = block[64 * base + 32 * (quarter % 2) + column] >> (4 * (quarter / 2)) & 15;
    let high = block[128 + 32 * base + column] >> (2 * quarter) & 3;
    let scale = block[192 + i / 16] as i8;
    half(&block[208..]) * f64::from(scale) * (f64::from(low | high << 4) - 32.0)
}

/// Integers of 2 bits: two halves of 128, in each four quarters of 32 share the bytes.
fn two_bits(bytes: &[u8], i: usize) -> f64 {
    f64::from(bytes[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3)
}

fn q3_k(block: &[u8], i: usize) -> f64 {
    let third = f64::from(block[i % 32] >> (i / 32) & 1) * 4.0;
    let (packed, part) = (&block[96..], i / 16);
    let low = if part < 8 { packed[part] & 15 } else { packed[part - 8] >> 4 };
    let high = packed[8 + part % 4] >> (2 * (part / 4)) & 3;
    let scale = f64::from(low | high << 4) - 32.0;
    half(&block[108..]) * scale * (two_bits(&block[32..], i) + third - 4.0)
}

fn iq4_xs(block: &[u8], i: usize) -> f64 {
    let (part, column) = (i / 32, i % 32);
    let low = block[4 + part / 2] >> (4 * (part % 2)) & 15;
    let high = block[2 + part / 4] >> (2 * (part % 4)) & 3;
    let nibble = block[8 + 16 * part + column % 16] >> (4 * (column / 16)) & 15;
    let scale = f64::from(low | high << 4) - 32.0;
    half(block) * scale * f64::from(IQ4_VALUES[usize::from(nibble)])
}
