//! GGUF files: opened, checked as a whole, their metadata then read by candle's parser.
//!
//! A model file comes from strangers and may change while it is open. [`scan`] walks the header
//! with bounds on everything before candle's parser, which is more trusting of lengths than we are,
//! sees a byte of it; [`source`] reads, and never maps, so that a file that changes is an error and
//! not undefined behaviour; [`mod@file`] holds the metadata and hands out tensors ([`tensor`]). A
//! model may lie in several files ([`parts`]).

pub mod error;
pub mod file;
pub(crate) mod head;
mod parts;
mod scan;
mod source;
pub mod tensor;
mod tensor_type;

pub use error::GgufError;
pub use file::GgufFile;
pub use tensor::TensorView;
pub use tensor_type::TensorType;
