//! Granite 3, mixture of experts: Granite with a router in every block.

use super::{Architecture, Biases, FeedForward, HeadNorms, Pairs, Scales};

pub(super) const GRANITEMOE: Architecture = Architecture {
    name: "granitemoe",
    pairs: Pairs::Neighbours,
    biases: Biases::None,
    head_norms: HeadNorms::None,
    feed_forward: FeedForward::Experts,
    scales: Scales::InMetadata,
};
