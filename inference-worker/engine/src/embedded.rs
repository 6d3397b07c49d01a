//! The model that every build carries, so that a fresh installation has something real to run.

/// Mica Tiny with Q8_0 matrices (5.5 million parameters, 8 layers, hidden 256); see
/// `models/README.md`.
pub const TINY_Q8_0: &[u8] = include_bytes!("../models/mica-tiny-q8_0.gguf");
