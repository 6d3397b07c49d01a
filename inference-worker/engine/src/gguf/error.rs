//! What can be wrong with a model file.

use std::path::PathBuf;

/// Why a file cannot be used as a GGUF file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; check the path and its permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The first four bytes are not `GGUF`.
    #[error(
        "this is not a GGUF file (it starts with {found:02x?}); give a file that ends in .gguf, \
         or convert the model first"
    )]
    Magic {
        /// First bytes, at most four.
        found: Vec<u8>,
    },
    /// Version 1, a future version, or a big-endian file.
    #[error(
        "GGUF version {found} is not supported (2 and 3, little-endian, are); convert the model \
         again with a current converter"
    )]
    Version {
        /// The version field as read.
        found: u32,
    },
    /// The file ends inside the named part.
    #[error("the file ends at byte {size}, inside {part}; it is cut off, download it again")]
    Truncated {
        /// Size of the file.
        size: u64,
        /// What was being read.
        part: String,
    },
    /// A count, length or number beyond what any model needs.
    #[error(
        "{part} is {found}, more than the {limit} that are allowed; the file is damaged or not a \
         model, download it again"
    )]
    TooLarge {
        /// What was being read.
        part: String,
        /// The number in the file.
        found: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// Something that the format does not allow.
    #[error("{part} is malformed: {reason}; the file is damaged, download it again")]
    Malformed {
        /// What was being read.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One of the files that a model was split into, without the others beside it.
    #[error(transparent)]
    Part(#[from] Box<PartError>),
    /// The file is not the one any more that was opened.
    #[error(
        "{path} was changed while it was open; do not write to model files in use: put the new \
         file beside the old one, rename it over the old one, and start again"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Bytes were asked for that a tensor does not have.
    #[error(
        "a read beyond the {bytes} bytes of tensor `{tensor}`; this is a mistake of the program \
         that reads"
    )]
    Outside {
        /// The tensor.
        tensor: String,
        /// Its size.
        bytes: usize,
    },
    /// candle's parser refused what passed our own checks.
    #[error("the GGUF parser refused the file: {0}; download it again")]
    Parser(#[source] candle_core::Error),
}

/// A part of a model that cannot be opened together with the others.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} is part {number} of {count} of a model, and {reason}; put all parts into one folder \
     under the names that they were split under, or merge them with `llama-gguf-split --merge \
     {first} {merged}` and give {merged}"
)]
pub struct PartError {
    /// The file.
    pub path: PathBuf,
    /// Its number, from 1.
    pub number: u64,
    /// Number of parts.
    pub count: u64,
    /// Why the parts cannot be opened together.
    pub reason: String,
    /// Name of the first part.
    pub first: String,
    /// Name for the whole.
    pub merged: String,
}
