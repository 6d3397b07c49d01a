//! What distinguishes the architectures: one small file each, everything else is shared.
//!
//! A new architecture is a file with a description and a line in [`ALL`], as long as its blocks are
//! made of the parts named here. Names of keys and tensors are those of the GGUF specification and
//! of llama.cpp's converter.

mod granite;
mod granitemoe;
mod llama;
mod qwen2;
mod qwen3;

/// The architectures that we can run.
pub const ALL: &[&Architecture] =
    &[&llama::LLAMA, &qwen2::QWEN2, &qwen3::QWEN3, &granite::GRANITE, &granitemoe::GRANITEMOE];

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
    Experts,
}

/// Whether the metadata names constants by which embedding, scores, residuals and logits are
/// scaled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scales {
    /// It does not; scores are scaled by `1/√head_size`.
    Usual,
    /// It may.
    InMetadata,
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
    /// Whether there are scales.
    pub scales: Scales,
}

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
        const ALWAYS: [&str; 6] = [
            "attn_norm.weight",
            "attn_q.weight",
            "attn_k.weight",
            "attn_v.weight",
            "attn_output.weight",
            "ffn_norm.weight",
        ];
        const DENSE: [&str; 3] = ["ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"];
        const EXPERTS: [&str; 4] = [
            "ffn_gate_inp.weight",
            "ffn_gate_exps.weight",
            "ffn_up_exps.weight",
            "ffn_down_exps.weight",
        ];
        // Written by old converters, computed anew by every reader.
        const IGNORED: [&str; 2] = ["attn_rot_embd", "attn_rope_freqs"];
        let feed_forward: &[&str] = match self.feed_forward {
            FeedForward::Dense => &DENSE,
            FeedForward::Experts => &EXPERTS,
        };
        let biases: &[&str] = match self.biases {
            Biases::None => &[],
            Biases::QueryKeyValue => &["attn_q.bias", "attn_k.bias", "attn_v.bias"],
        };
        let head_norms: &[&str] = match self.head_norms {
            HeadNorms::None => &[],
            HeadNorms::QueryKey => &["attn_q_norm.weight", "attn_k_norm.weight"],
        };
        [&ALWAYS, feed_forward, biases, head_norms, &IGNORED]
            .iter()
            .any(|names| names.contains(&name))
    }
}
