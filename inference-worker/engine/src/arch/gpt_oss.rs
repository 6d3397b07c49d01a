//! gpt-oss: a mixture of experts with biases everywhere, heads with sinks, and every other layer
//! with a window.

use super::{Activation, Architecture, Biases, FeedForward, PLAIN, Pairs, Windows};

pub(super) const GPT_OSS: Architecture = Architecture {
    name: "gpt-oss",
    pairs: Pairs::Halves,
    biases: Biases::All,
    feed_forward: FeedForward::Experts { width: "expert_feed_forward_length" },
    activation: Activation::ClampedSwiglu,
    feed_forward_norm: "post_attention_norm.weight",
    sinks: true,
    windows: Windows::AllBut { period: 2, local_rope_base: None },
    ..PLAIN
};
