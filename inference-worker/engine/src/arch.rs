//! What distinguishes the architectures: one small file each, everything else is shared.
//!
//! A new architecture is a file with a description and a line in [`ALL`], as long as its blocks are
//! made of the parts named here. Names of keys and tensors are those of the GGUF specification and
//! of llama.cpp's converter.

mod gemma3;
mod gpt_oss;
mod granite;
mod granitemoe;
mod llama;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3moe;

/// The architectures that we can run.
pub const ALL: &[&Architecture] = &[
    &llama::LLAMA,
    &qwen2::QWEN2,
    &qwen3::QWEN3,
    &granite::GRANITE,
    &granitemoe::GRANITEMOE,
    &qwen3moe::QWEN3MOE,
    &gemma3::GEMMA3,
    &phi3::PHI3,
    &gpt_oss::GPT_OSS,
];

/// Which elements of a head are rotated together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pairs {
    /// Elements `2i` and `2i + 1`.
    Neighbours,
    /// Elements `i` and `i + rotated/2`, as in GPT-NeoX.
    Halves,
}

/// Which products have a bias, a vector that is added to each of their outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Biases {
    /// None of them.
    None,
    /// Queries, keys and values.
    QueryKeyValue,
    /// These, the output of attention, the router and all of the experts.
    All,
}

/// Which heads are normed by themselves before they are rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadNorms {
    /// None of them.
    None,
    /// Queries and keys, each kind with one vector of weights for all heads.
    QueryKey,
}

/// The second half of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedForward {
    /// One SwiGLU.
    Dense,
    /// A router and many SwiGLUs, of which each position passes the few that the router likes best.
    Experts {
        /// Metadata key of an expert's width, after the architecture's name.
        width: &'static str,
    },
}

/// What the gate of a feed-forward block does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activation {
    /// SwiGLU: silu(gate) · up.
    Silu,
    /// GeGLU: gelu(gate) · up.
    Gelu,
    /// The clamped unit of gpt-oss.
    ClampedSwiglu,
}

/// Where the constants come from by which embedding, scores, residuals and logits are scaled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scales {
    /// There are none; scores are scaled by `1/√head_size`.
    Usual,
    /// The metadata may name them.
    InMetadata,
    /// Embeddings are scaled by the root of their width, and scores as usual but for models of 62
    /// layers, where it is by `1/√(hidden / heads)`.
    Gemma,
}

/// Which layers see only a window of positions, where the metadata names its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Windows {
    /// None of them, whatever the metadata says.
    Never,
    /// All but every one whose number, counted from 1, is a multiple of this; the metadata may say
    /// otherwise. Their rotations have the base `local_rope_base` if it is given, and are not
    /// scaled then.
    AllBut {
        /// Usual distance of the layers that see everything.
        period: usize,
        /// Usual base of the other layers' rotations, where it is not the same.
        local_rope_base: Option<u32>,
    },
}

/// Description of an architecture.
#[derive(PartialEq, Eq, Debug)]
pub struct Architecture {
    /// `general.architecture`, and the prefix of its metadata keys.
    pub name: &'static str,
    /// How heads are rotated.
    pub pairs: Pairs,
    /// Which products have a bias.
    pub biases: Biases,
    /// Which heads have a norm.
    pub head_norms: HeadNorms,
    /// The second half of a block.
    pub feed_forward: FeedForward,
    /// What its gate does.
    pub activation: Activation,
    /// Name of the weights of the norm in front of the second half.
    pub feed_forward_norm: &'static str,
    /// Whether what either half of a block gives is normed before it is added.
    pub norms_behind: bool,
    /// Whether queries, keys and values may be one tensor, and gate and up are one.
    pub fused: bool,
    /// Whether every head has a sink: a score of its own that no position has.
    pub sinks: bool,
    /// Which layers see only a window.
    pub windows: Windows,
    /// Whether there are scales.
    pub scales: Scales,
}

/// Llama: what others are described by their differences from.
const PLAIN: Architecture = Architecture {
    name: "llama",
    pairs: Pairs::Neighbours,
    biases: Biases::None,
    head_norms: HeadNorms::None,
    feed_forward: FeedForward::Dense,
    activation: Activation::Silu,
    feed_forward_norm: "ffn_norm.weight",
    norms_behind: false,
    fused: false,
    sinks: false,
    windows: Windows::Never,
    scales: Scales::Usual,
};

impl Architecture {
    /// The architecture of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|architecture| architecture.name == name)
    }

    /// Names of all, for messages.
    pub(crate) fn names() -> String {
        ALL.iter().map(|architecture| architecture.name).collect::<Vec<_>>().join(", ")
    }

    /// Whether a block of this architecture has a tensor of that name, the part after `blk.N.`.
    pub(crate) fn has_block_tensor(&self, name: &str) -> bool {
        const ALWAYS: [&str; 5] = [
            "attn_norm.weight",
            "attn_q.weight",
            "attn_k.weight",
            "attn_v.weight",
            "attn_output.weight",
        ];
        const DENSE: [&str; 3] = ["ffn_up.weight", "ffn_down.weight", "ffn_gate.weight"];
        const EXPERTS: [&str; 4] = [
            "ffn_gate_inp.weight",
            "ffn_gate_exps.weight",
            "ffn_up_exps.weight",
            "ffn_down_exps.weight",
        ];
        // Written by old converters, computed anew by every reader.
        const IGNORED: [&str; 2] = ["attn_rot_embd", "attn_rope_freqs"];
        let feed_forward: &[&str] = match self.feed_forward {
            // Fused, the gate is in `ffn_up`.
            FeedForward::Dense if self.fused => &DENSE[..2],
            FeedForward::Dense => &DENSE,
            FeedForward::Experts { .. } => &EXPERTS,
        };
        let biases: &[&str] = match self.biases {
            Biases::None => &[],
            Biases::QueryKeyValue => &["attn_q.bias", "attn_k.bias", "attn_v.bias"],
            Biases::All => &[
                "attn_q.bias",
                "attn_k.bias",
                "attn_v.bias",
                "attn_output.bias",
                "ffn_gate_inp.bias",
                "ffn_gate_exps.bias",
                "ffn_up_exps.bias",
                "ffn_down_exps.bias",
            ],
        };
        let head_norms: &[&str] = match self.head_norms {
            HeadNorms::None => &[],
            HeadNorms::QueryKey => &["attn_q_norm.weight", "attn_k_norm.weight"],
        };
        let norms_behind: &[&str] = if self.norms_behind {
            &["post_attention_norm.weight", "post_ffw_norm.weight"]
        } else {
            &[]
        };
        let sinks: &[&str] = if self.sinks { &["attn_sinks.weight"] } else { &[] };
        let fused: &[&str] = if self.fused { &["attn_qkv.weight"] } else { &[] };
        [&ALWAYS, feed_forward, biases, head_norms, norms_behind, sinks, fused, &IGNORED]
            .iter()
            .any(|names| names.contains(&name))
            || name == self.feed_forward_norm
    }
}
