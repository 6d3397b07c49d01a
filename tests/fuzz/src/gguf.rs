//! A model file.

#[path = "../../../inference-worker/engine/fuzz/read.rs"]
#[allow(unreachable_pub, reason = "the engine's own test includes it too")]
mod read;

/// Everything in the engine that reads a model file reads it.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let reached = read::everything(bytes) as u64;
    // Files of different lengths in words went different ways through the header.
    reached * 1_000 + (bytes.len() as u64 / 512)
}
