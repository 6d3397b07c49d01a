//! The model to serve: the built-in one or a GGUF file.

use std::path::{Path, PathBuf};

use mica_engine::{GgufError, GgufFile, LoadError, embedded};
use mica_primitives::{ModelId, ModelManifest};

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be used.
    #[error("cannot serve {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GgufError,
    },
    /// The model in the program cannot be used.
    #[error("the built-in model is damaged: install the program again")]
    BuiltIn(#[source] GgufError),
    /// It has no manifest.
    #[error("the model cannot be named")]
    Manifest(#[source] LoadError),
}

/// An opened model, of which any range of layers can be loaded.
pub(crate) struct ModelSource {
    /// The file.
    pub file: GgufFile,
    /// What the registry calls it.
    pub manifest: ModelManifest,
    /// Its name on chain.
    pub id: ModelId,
}

impl ModelSource {
    /// Opens the GGUF file at `path`, or the model that is built into the program.
    ///
    /// # Errors
    /// If the file cannot be read, is no GGUF file, or holds a model that this program cannot run.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, ModelError> {
        let file = match path {
            Some(path) => {
                let refused = |source| ModelError::File { path: path.to_owned(), source };
                GgufFile::open(path).map_err(refused)?
            }
            None => GgufFile::from_bytes(embedded::TINY_Q8_0).map_err(ModelError::BuiltIn)?,
        };
        let manifest = file.manifest().map_err(ModelError::Manifest)?;
        Ok(Self { id: manifest.id(), manifest, file })
    }
}
