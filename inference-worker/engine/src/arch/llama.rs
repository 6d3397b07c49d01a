//! Llama 1 to 3 and those built like it: TinyLlama, SmolLM2, and Mistral, whose window of its first
//! version is left out as llama.cpp leaves it out. Converters reorder the rows of queries and keys
//! so that the rotated pairs lie side by side. Llama 3.1 and later bring factors for the rotations
//! (`rope_freqs.weight`).

use super::{Architecture, PLAIN};

pub(super) const LLAMA: Architecture = PLAIN;
