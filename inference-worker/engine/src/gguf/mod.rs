//! GGUF files: opened, checked as a whole, then read by candle's parser.
//!
//! A model file comes from strangers. [`scan`] walks the header with bounds on everything before candle's parser, which trusts
//! lengths more than we do, sees a byte of it; [`file`] holds the bytes and hands out tensors.

pub mod error;
pub mod file;
mod scan;

pub use error::GgufError;
pub use file::GgufFile;
