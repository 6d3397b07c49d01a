//! Qwen 3, mixture of experts: Qwen 3 with a router in every block.

use super::{Architecture, FeedForward, HeadNorms, PLAIN, Pairs};

pub(super) const QWEN3MOE: Architecture = Architecture {
    name: "qwen3moe",
    pairs: Pairs::Halves,
    head_norms: HeadNorms::QueryKey,
    feed_forward: FeedForward::Experts { width: "expert_feed_forward_length" },
    ..PLAIN
};
