//! Granite 3, mixture of experts: Granite with a router in every block.

use super::{Architecture, FeedForward, PLAIN, Scales};

pub(super) const GRANITEMOE: Architecture = Architecture {
    name: "granitemoe",
    feed_forward: FeedForward::Experts { width: "feed_forward_length" },
    scales: Scales::InMetadata,
    ..PLAIN
};
