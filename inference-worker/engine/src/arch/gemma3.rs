//! Gemma 3, its text part: norms before and behind both halves of a block, GeGLU, embeddings scaled
//! by the root of their width, and of six layers five that see only a window, with rotations of
//! their own. Converters have added the 1 to the weights of the norms.

use super::{Activation, Architecture, HeadNorms, PLAIN, Pairs, Scales, Windows};

pub(super) const GEMMA3: Architecture = Architecture {
    name: "gemma3",
    pairs: Pairs::Halves,
    head_norms: HeadNorms::QueryKey,
    activation: Activation::Gelu,
    norms_behind: true,
    windows: Windows::AllBut { period: 6, local_rope_base: Some(10_000) },
    scales: Scales::Gemma,
    ..PLAIN
};
