//! Phi 3, 3.5 and 4: queries, keys and values in one tensor, gate and up in another. Models for
//! long contexts bring two sets of factors for the rotations; we use the short ones and so sessions
//! of at most the original context. Their window is left out as llama.cpp leaves it out.

use super::{Architecture, PLAIN, Pairs};

pub(super) const PHI3: Architecture =
    Architecture { name: "phi3", pairs: Pairs::Halves, fused: true, ..PLAIN };
