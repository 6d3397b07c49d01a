//! Where the demo's model comes from: what is built in, a file, or the catalogue.

use std::path::{Path, PathBuf};

use mica_weights::{Catalogue, Entry};

/// Why there is no such model.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no file '{text}', and no model of that name: name a GGUF file, or one of the \
     catalogue ({known})"
)]
pub struct UnknownModel {
    /// What was given.
    text: String,
    /// Names of the catalogue.
    known: String,
}

/// Where the model comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The program.
    BuiltIn,
    /// A GGUF file, which payer and workers read.
    File(PathBuf),
    /// The catalogue: a seed has all of it, the workers fetch their layers from the seed, and the
    /// payer gets the head from the workers.
    Catalogue(Box<Entry>),
}

impl Source {
    /// What `text` means: a path, or a name of the catalogue. Without it what is built in.
    ///
    /// # Errors
    /// [`UnknownModel`].
    pub(super) fn of(text: Option<&str>) -> Result<Self, UnknownModel> {
        let Some(text) = text else { return Ok(Self::BuiltIn) };
        let path = PathBuf::from(text);
        if path.is_file() {
            return Ok(Self::File(path));
        }
        let catalogue = Catalogue::built_in();
        match catalogue.named(text) {
            Some(entry) => Ok(Self::Catalogue(Box::new(entry.clone()))),
            None => {
                let names: Vec<&str> =
                    catalogue.entries().iter().map(|entry| entry.name.as_str()).collect();
                Err(UnknownModel { text: text.to_owned(), known: names.join(", ") })
            }
        }
    }

    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::BuiltIn | Self::Catalogue(_) => None,
        }
    }

    /// The catalogue's entry, if it is one.
    pub(super) fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Catalogue(entry) => Some(entry),
            Self::BuiltIn | Self::File(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_as_it_is_and_an_unknown_name_is_refused_with_those_there_are() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("any.gguf");
        std::fs::write(&path, b"GGUF").expect("written");
        let source = Source::of(path.to_str()).expect("the file");
        assert!(source.file() == Some(&path) && source.entry().is_none());
        let source = Source::of(Some("smollm2")).expect("of the catalogue");
        assert_eq!(source.entry().map(|entry| entry.layers), Some(30));
        assert!(matches!(Source::of(None), Ok(Source::BuiltIn)));
        let error = Source::of(Some("llama9")).expect_err("unknown").to_string();
        assert!(error.contains("llama9") && error.contains("smollm2"), "{error}");
    }
}
