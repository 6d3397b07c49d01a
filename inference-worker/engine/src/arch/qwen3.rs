//! Qwen 3, dense: heads of a size of their own, each query and key head normed before it is
//! rotated.

use super::{Architecture, Biases, FeedForward, HeadNorms, Pairs, Scales};

pub(super) const QWEN3: Architecture = Architecture {
    name: "qwen3",
    pairs: Pairs::Halves,
    biases: Biases::None,
    head_norms: HeadNorms::QueryKey,
    feed_forward: FeedForward::Dense,
    scales: Scales::Usual,
};
