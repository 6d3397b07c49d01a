//! Files of text that commands take.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mica_engine::tokenizer::MAX_TEXT_BYTES;

/// Why a file is no text that can be encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too long.
    #[error(
        "{} has {size} bytes, more than the {MAX_TEXT_BYTES} that are encoded at once; cut it",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// It is no text.
    #[error("cannot read {} as UTF-8 text", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The text in a file.
///
/// # Errors
/// If it cannot be read, is longer than what is encoded at once, or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, TextError> {
    let owned = || path.to_owned();
    let size =
        fs::metadata(path).map_err(|source| TextError::Read { path: owned(), source })?.len();
    if size > MAX_TEXT_BYTES as u64 {
        return Err(TextError::TooLong { path: owned(), size });
    }
    fs::read_to_string(path).map_err(|source| TextError::NoText { path: owned(), source })
}
