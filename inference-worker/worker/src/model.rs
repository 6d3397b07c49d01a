//! The model to serve: the built-in one, a GGUF file, or one of which the needed part is fetched.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use mica_engine::{GgufError, GgufFile, LoadError, embedded};
use mica_primitives::{Hash32, ModelId, ModelManifest};
use mica_weights::{Held, Shelf, Spec, SpecError};

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

/// What an operator names as the model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Choice {
    /// Nothing: the one in the program.
    BuiltIn,
    /// A file with all of it.
    File(PathBuf),
    /// A name of the catalogue, of the store or of the chain, an id, or a place.
    Named(String),
}

impl Choice {
    /// What `text` names. What looks like a path is one.
    ///
    /// # Errors
    /// [`SpecError`] if it begins like a place and is none.
    pub(crate) fn of(text: Option<&str>) -> Result<Self, SpecError> {
        let Some(text) = text else { return Ok(Self::BuiltIn) };
        if Spec::has_scheme(text) {
            let spec: Spec = text.parse()?;
            return Ok(match spec.as_file() {
                Some(path) => Self::File(path.to_owned()),
                None => Self::Named(text.to_owned()),
            });
        }
        let path = Path::new(text);
        let is_path = path.components().count() > 1
            || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
            || path.is_file();
        Ok(if is_path { Self::File(path.to_owned()) } else { Self::Named(text.to_owned()) })
    }
}

/// An opened model, of which any range of layers can be loaded.
pub(crate) struct ModelSource {
    /// The file, or what stands for it.
    pub file: Arc<GgufFile>,
    /// What the registry calls it.
    pub manifest: ModelManifest,
    /// Its name on chain.
    pub id: ModelId,
    /// Where its weights are.
    pub weights: Whereabouts,
}

/// Where a model's weights are.
pub(crate) enum Whereabouts {
    /// All of them in the file, with these hashes.
    InFile(Vec<Hash32>),
    /// Those that were fetched, in the store.
    Fetched(Arc<Held>),
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
        // Before gigabytes are hashed of what cannot run.
        file.config().map_err(ModelError::Manifest)?;
        let hashes = file.tensor_hashes().map_err(ModelError::Manifest)?;
        let manifest = file.manifest_with(&hashes).map_err(ModelError::Manifest)?;
        let (id, weights) = (manifest.id(), Whereabouts::InFile(hashes));
        Ok(Self { id, manifest, file: Arc::new(file), weights })
    }

    /// A model in the store.
    pub(crate) fn fetched(held: Held) -> Self {
        let (id, manifest, file) = (held.id(), held.manifest().clone(), held.file().clone());
        Self { id, manifest, file, weights: Whereabouts::Fetched(Arc::new(held)) }
    }

    /// What others may have of it.
    pub(crate) fn shelf(&self) -> Shelf {
        let shelf = Shelf::default();
        match &self.weights {
            Whereabouts::InFile(hashes) => shelf.put_file(self.id, &self.file, hashes),
            Whereabouts::Fetched(held) => shelf.put(held),
        }
        shelf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_names_are_told_apart() {
        let of = |text: &str| Choice::of(Some(text)).expect(text);
        assert_eq!(Choice::of(None).expect("nothing"), Choice::BuiltIn);
        for path in ["/a/b", "./b", "b.gguf", "b.GGUF", "folder/b"] {
            assert_eq!(of(path), Choice::File(path.into()), "{path}");
        }
        assert_eq!(of("file:/a/b.gguf"), Choice::File("/a/b.gguf".into()));
        for name in ["smollm2", "0x0123456789abcdef", "https://a.org/b.gguf", "hf:a/b/c.gguf"] {
            assert_eq!(of(name), Choice::Named(name.into()), "{name}");
        }
        assert!(Choice::of(Some("hf:a")).is_err());
    }
}
