//! Llama 1 to 3 and those built like it: TinyLlama, SmolLM2, Mistral. Converters reorder the rows
//! of queries and keys so that the rotated pairs lie side by side. Llama 3.1 and later bring
//! factors for the rotations (`rope_freqs.weight`).

use super::{Architecture, Biases, FeedForward, HeadNorms, Pairs, Scales};

pub(super) const LLAMA: Architecture = Architecture {
    name: "llama",
    pairs: Pairs::Neighbours,
    biases: Biases::None,
    head_norms: HeadNorms::None,
    feed_forward: FeedForward::Dense,
    scales: Scales::Usual,
};
