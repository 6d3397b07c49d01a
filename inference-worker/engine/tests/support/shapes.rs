//! Models of every architecture with random weights: the names, shapes and metadata of the
//! converters of llama.cpp.

use mica_engine::arch::ALL;

use super::{Meta, Writer, blocks, blocks::F32};

/// What Granite multiplies embeddings by.
const EMBEDDING_SCALE: f32 = 12.0;

/// The architectures that the engine can run: a new one is in every test that goes through these.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|architecture| architecture.name)
}

/// What a model is made of.
#[derive(Clone, Debug)]
pub struct Shape {
    pub architecture: &'static str,
    pub layers: u64,
    pub hidden: u64,
    pub heads: u64,
    pub kv_heads: u64,
    pub head_size: u64,
    pub feed_forward: u64,
    pub vocabulary: u64,
    /// Experts and how many of them a position uses.
    pub experts: Option<(u64, u64)>,
    /// Whether the head shares the embedding's matrix.
    pub tied: bool,
    /// Whether the file brings factors for its rotations, as Llama 3.1 and later do.
    pub rope_factors: bool,
    pub rope_base: f32,
    /// Whether the weights are the same on every CPU: made of whole numbers and operations that all
    /// of them round alike.
    pub portable: bool,
}

impl Shape {
    /// A small model of an architecture: two layers, width 256.
    pub fn small(architecture: &'static str) -> Self {
        Self {
            architecture,
            layers: 2,
            hidden: 256,
            heads: 8,
            kv_heads: 2,
            // Heads of these together are wider than the hidden state.
            head_size: match architecture {
                "qwen3" | "qwen3moe" | "gemma3" | "gpt-oss" => 64,
                _ => 32,
            },
            feed_forward: 512,
            vocabulary: 320,
            experts: matches!(architecture, "granitemoe" | "qwen3moe" | "gpt-oss")
                .then_some((8, 3)),
            tied: architecture.starts_with("granite") || architecture == "gemma3",
            rope_factors: false,
            rope_base: match architecture {
                "gpt-oss" => 150_000.0,
                name if name.starts_with("qwen") || name == "gemma3" => 1_000_000.0,
                _ => 10_000.0,
            },
            portable: false,
        }
    }

    fn random(&self, count: usize, seed: u64) -> Box<dyn Iterator<Item = f32>> {
        if self.portable { Box::new(sums(count, seed)) } else { Box::new(normal(count, seed)) }
    }

    /// A model whose matrices have the type that `kind` gives for a name such as
    /// `blk.0.attn_q.weight`. `salt` picks the weights.
    pub fn write(&self, salt: u64, kind: impl Fn(&str) -> u32) -> Writer {
        let mut writer = self.metadata();
        for (index, (name, shape)) in self.tensors().into_iter().enumerate() {
            let count = shape.iter().product::<u64>() as usize;
            let seed = salt.wrapping_mul(31).wrapping_add(index as u64);
            let (values, kind) = match shape.as_slice() {
                _ if is_vector(&name, &shape) => (self.vector(&name, count, seed), F32),
                [.., columns] => {
                    let scale = self.scale(&name, *columns);
                    let kind = if name.contains("ffn_gate_inp") { F32 } else { kind(&name) };
                    (self.random(count, seed).map(|x| scale * x).collect(), kind)
                }
                [] => panic!("a tensor without dimensions"),
            };
            writer.tensor(&name, &shape, kind, blocks::quantise(&values, kind));
        }
        writer
    }

    /// The same for models of real size: blocks are drawn from a few thousand, in time that writing
    /// takes anyway. `kind` also gets the length of the rows, of which not every format can make
    /// whole blocks.
    pub fn write_large(&self, kind: impl Fn(&str, u64) -> u32) -> Writer {
        let mut writer = self.metadata();
        for (index, (name, shape)) in self.tensors().into_iter().enumerate() {
            let (Some(&columns), count) = (shape.last(), shape.iter().product::<u64>() as usize)
            else {
                continue;
            };
            if is_vector(&name, &shape) || name.contains("ffn_gate_inp") {
                let values = self.vector(&name, count, index as u64);
                writer.tensor(&name, &shape, F32, blocks::quantise(&values, F32));
                continue;
            }
            let kind = kind(&name, columns);
            let (_, elements, bytes) = blocks::format(kind);
            let scale = self.scale(&name, columns);
            let values: Vec<f32> =
                self.random(1021 * elements, index as u64).map(|x| scale * x).collect();
            let pool = blocks::quantise(&values, kind);
            let content = pool.iter().copied().cycle().take(count / elements * bytes).collect();
            writer.tensor(&name, &shape, kind, content);
        }
        writer
    }

    /// Names and shapes, rows first, in the order of the layers.
    fn tensors(&self) -> Vec<(String, Vec<u64>)> {
        let mut tensors = Vec::new();
        let mut add = |name: String, shape: &[u64]| tensors.push((name, shape.to_vec()));
        let (queries, keys) = (self.heads * self.head_size, self.kv_heads * self.head_size);
        add("token_embd.weight".to_owned(), &[self.vocabulary, self.hidden]);
        for layer in 0..self.layers {
            let mut part = |name: &str, shape: &[u64]| add(format!("blk.{layer}.{name}"), shape);
            part("attn_norm.weight", &[self.hidden]);
            if self.architecture == "phi3" {
                part("attn_qkv.weight", &[queries + 2 * keys, self.hidden]);
            } else {
                part("attn_q.weight", &[queries, self.hidden]);
                part("attn_k.weight", &[keys, self.hidden]);
                part("attn_v.weight", &[keys, self.hidden]);
            }
            if matches!(self.architecture, "qwen2" | "gpt-oss") {
                part("attn_q.bias", &[queries]);
                part("attn_k.bias", &[keys]);
                part("attn_v.bias", &[keys]);
            }
            if matches!(self.architecture, "qwen3" | "qwen3moe" | "gemma3") {
                part("attn_q_norm.weight", &[self.head_size]);
                part("attn_k_norm.weight", &[self.head_size]);
            }
            part("attn_output.weight", &[self.hidden, queries]);
            match self.architecture {
                "gpt-oss" => {
                    part("attn_output.bias", &[self.hidden]);
                    part("attn_sinks.weight", &[self.heads]);
                    part("post_attention_norm.weight", &[self.hidden]);
                }
                "gemma3" => {
                    part("post_attention_norm.weight", &[self.hidden]);
                    part("ffn_norm.weight", &[self.hidden]);
                    part("post_ffw_norm.weight", &[self.hidden]);
                }
                _ => part("ffn_norm.weight", &[self.hidden]),
            }
            if let Some((experts, _)) = self.experts {
                part("ffn_gate_inp.weight", &[experts, self.hidden]);
                part("ffn_gate_exps.weight", &[experts, self.feed_forward, self.hidden]);
                part("ffn_up_exps.weight", &[experts, self.feed_forward, self.hidden]);
                part("ffn_down_exps.weight", &[experts, self.hidden, self.feed_forward]);
                if self.architecture == "gpt-oss" {
                    part("ffn_gate_inp.bias", &[experts]);
                    part("ffn_gate_exps.bias", &[experts, self.feed_forward]);
                    part("ffn_up_exps.bias", &[experts, self.feed_forward]);
                    part("ffn_down_exps.bias", &[experts, self.hidden]);
                }
            } else if self.architecture == "phi3" {
                part("ffn_up.weight", &[2 * self.feed_forward, self.hidden]);
                part("ffn_down.weight", &[self.hidden, self.feed_forward]);
            } else {
                part("ffn_gate.weight", &[self.feed_forward, self.hidden]);
                part("ffn_up.weight", &[self.feed_forward, self.hidden]);
                part("ffn_down.weight", &[self.hidden, self.feed_forward]);
            }
        }
        add("output_norm.weight".to_owned(), &[self.hidden]);
        if !self.tied {
            add("output.weight".to_owned(), &[self.vocabulary, self.hidden]);
        }
        if self.rope_factors {
            if self.architecture == "phi3" {
                add("rope_factors_long.weight".to_owned(), &[self.head_size / 2]);
                add("rope_factors_short.weight".to_owned(), &[self.head_size / 2]);
            } else {
                add("rope_freqs.weight".to_owned(), &[self.head_size / 2]);
            }
        }
        tensors
    }

    /// Rows of about unit length make products of about unit size, so that attention and experts
    /// have something to decide.
    fn scale(&self, name: &str, columns: u64) -> f32 {
        match name {
            "token_embd.weight" if self.architecture.starts_with("granite") => {
                1.0 / EMBEDDING_SCALE
            }
            "token_embd.weight" if self.architecture == "gemma3" => {
                1.0 / (self.hidden as f32).sqrt()
            }
            "token_embd.weight" => 1.0,
            // Scores that are some units apart: where two are as near as rounding, little depends
            // on which one is chosen last.
            name if name.contains("ffn_gate_inp") && self.architecture != "granitemoe" => {
                3.0 / (columns as f32).sqrt()
            }
            _ => 1.5 / (columns as f32).sqrt(),
        }
    }

    /// Weights of norms lie around 1, biases around 0 (Qwen 2's are large), factors of rotations
    /// from 1 up: Llama 3.1 slows its slow rotations only; these slow all but two, so that a short
    /// prompt shows it.
    fn vector(&self, name: &str, count: usize, seed: u64) -> Vec<f32> {
        match name {
            // Never used: another model would come of it.
            "rope_factors_long.weight" => vec![100.0; count],
            "rope_freqs.weight" | "rope_factors_short.weight" => (0..count)
                .map(|pair| if pair < 2 { 1.0 } else { 2.0 + pair as f32 * 0.5 })
                .collect(),
            // Those of experts are as small as what they are added to.
            name if name.ends_with(".bias") && name.contains("ffn") => {
                self.random(count, seed).map(|x| 0.6 * x).collect()
            }
            name if name.ends_with(".bias") || name.contains("attn_sinks") => {
                self.random(count, seed).collect()
            }
            name if name.contains("ffn_gate_inp") => {
                let scale = self.scale(name, self.hidden);
                self.random(count, seed).map(|x| scale * x).collect()
            }
            _ => self.random(count, seed).map(|x| 1.0 + 0.25 * x).collect(),
        }
    }

    fn metadata(&self) -> Writer {
        let mut writer = Writer::default();
        writer.set("general.architecture", self.architecture).set("general.name", "random");
        let mut set = |key: &str, value: Meta| {
            writer.set(&format!("{}.{key}", self.architecture), value);
        };
        set("block_count", Meta::U32(self.layers as u32));
        set("context_length", Meta::U32(256));
        set("embedding_length", Meta::U32(self.hidden as u32));
        set("feed_forward_length", Meta::U32(self.feed_forward as u32));
        set("attention.head_count", Meta::U32(self.heads as u32));
        set("attention.head_count_kv", Meta::U32(self.kv_heads as u32));
        set("attention.layer_norm_rms_epsilon", Meta::F32(1e-5));
        set("rope.freq_base", Meta::F32(self.rope_base));
        if self.head_size != self.hidden / self.heads {
            set("attention.key_length", Meta::U32(self.head_size as u32));
            set("attention.value_length", Meta::U32(self.head_size as u32));
        }
        if self.architecture.starts_with("granite") {
            // Granite 3.1 has 12, 0.22, 1/64 and 6. With random weights its layers would hardly
            // count, and attention would look everywhere alike.
            set("embedding_scale", Meta::F32(EMBEDDING_SCALE));
            set("residual_scale", Meta::F32(0.5));
            set("attention.scale", Meta::F32(0.4));
            set("logit_scale", Meta::F32(6.0));
        }
        match self.architecture {
            "gemma3" => {
                // Of two layers one sees everything, the other less than a short prompt.
                set("attention.sliding_window", Meta::U32(5));
                set("attention.sliding_window_pattern", Meta::U32(2));
            }
            "gpt-oss" => {
                set("attention.sliding_window", Meta::U32(4));
                set("expert_feed_forward_length", Meta::U32(self.feed_forward as u32));
                set("rope.scaling.type", "yarn".into());
                set("rope.scaling.factor", Meta::F32(32.0));
                set("rope.scaling.original_context_length", Meta::U32(4096));
            }
            "qwen3moe" => {
                set("expert_feed_forward_length", Meta::U32(self.feed_forward as u32));
            }
            "phi3" if self.rope_factors => {
                set("rope.scaling.original_context_length", Meta::U32(512));
                set("rope.scaling.attn_factor", Meta::F32(1.19));
            }
            _ => {}
        }
        if let Some((experts, used)) = self.experts {
            set("expert_count", Meta::U32(experts as u32));
            set("expert_used_count", Meta::U32(used as u32));
        }
        writer
    }
}

/// Whether a tensor is a vector or several of them.
fn is_vector(name: &str, shape: &[u64]) -> bool {
    shape.len() == 1 || name.ends_with(".bias")
}

/// 64 bits for a place in a stream.
fn bits(at: u64, seed: u64) -> u64 {
    let mut x = at.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(1);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Nearly normally distributed values: sums of four uniform ones, each of variance 1/12.
fn sums(count: usize, seed: u64) -> impl Iterator<Item = f32> {
    (0..count as u64).map(move |at| {
        let sum: u64 = (0..4).map(|part| bits(at, seed) >> (16 * part) & 0xffff).sum();
        ((sum as f64 / 65_536.0 - 2.0) * 1.732_050_807_568_877_2) as f32
    })
}

/// Normally distributed values, by Box and Muller's method over a counter.
pub fn normal(count: usize, seed: u64) -> impl Iterator<Item = f32> {
    let uniform = move |at: u64| (bits(at, seed) >> 11) as f64 / (1u64 << 53) as f64;
    (0..count as u64).map(move |at| {
        let radius = (-2.0 * (1.0 - uniform(2 * at)).ln()).sqrt();
        (radius * (std::f64::consts::TAU * uniform(2 * at + 1)).cos()) as f32
    })
}
