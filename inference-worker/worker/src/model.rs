//! The model to serve: the built-in one or a GGUF file.

use std::path::Path;

use eyre::{Context, Result};
use mica_engine::{GgufFile, embedded};
use mica_primitives::{ModelId, ModelManifest};

/// An opened model, of which any range of layers can be loaded.
pub struct ModelSource {
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
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let file = match path {
            Some(path) => {
                GgufFile::open(path).wrap_err_with(|| format!("cannot serve {}", path.display()))?
            }
            None => GgufFile::from_bytes(embedded::TINY_Q8_0)
                .wrap_err("the built-in model is damaged: install the program again")?,
        };
        let manifest = file.manifest().wrap_err("the model cannot be named")?;
        Ok(Self { id: manifest.id(), manifest, file })
    }
}
