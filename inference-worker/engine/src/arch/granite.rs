//! Granite 3, dense: a Llama whose embedding, scores, residuals and logits are scaled by constants.

use super::{Architecture, Biases, FeedForward, HeadNorms, Pairs, Scales};

pub(super) const GRANITE: Architecture = Architecture {
    name: "granite",
    pairs: Pairs::Neighbours,
    biases: Biases::None,
    head_norms: HeadNorms::None,
    feed_forward: FeedForward::Dense,
    scales: Scales::InMetadata,
};
