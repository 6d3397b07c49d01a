//! Models that are known by a short name.

use mica_primitives::Hash32;
use serde::Deserialize;

use crate::spec::{Spec, SpecError};

/// What is built into the program.
const BUILT_IN: &str = include_str!("catalogue.toml");

/// A model that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it is called on the command line.
    pub name: String,
    /// What it calls itself.
    pub title: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// Number of layers.
    pub layers: u16,
    /// Size of its file.
    pub bytes: u64,
    /// sha256 of its file, in hex, as its publisher names it.
    pub sha256: String,
    /// `weights_root` of its manifest: it is this model, whoever gives the bytes.
    pub weights: Hash32,
    /// Where it may be had.
    pub sources: Vec<Spec>,
}

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogueError {
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    #[error("{0} is not 32 bytes in hex")]
    Hash(String),
    #[error(transparent)]
    Spec(#[from] SpecError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    title: String,
    licence: String,
    layers: u16,
    bytes: u64,
    sha256: String,
    weights: String,
    sources: Vec<String>,
}

impl Catalogue {
    /// The one that is built in.
    pub fn built_in() -> Self {
        // A test reads it; a program that was built with another one would have none.
        Self::parse(BUILT_IN).unwrap_or(Self { entries: Vec::new() })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, CatalogueError> {
        let file: File = toml::from_str(text)?;
        let hash = |text: &str| -> Result<Hash32, CatalogueError> {
            let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| CatalogueError::Hash(text.to_owned()))
        };
        let entry = |written: Written| {
            hash(&written.sha256)?;
            Ok::<_, CatalogueError>(Entry {
                weights: hash(&written.weights)?,
                sources: written
                    .sources
                    .iter()
                    .map(|text| text.parse())
                    .collect::<Result<_, _>>()?,
                name: written.name,
                title: written.title,
                licence: written.licence,
                layers: written.layers,
                bytes: written.bytes,
                sha256: written.sha256,
            })
        };
        Ok(Self { entries: file.model.into_iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// Every model.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The model of that name.
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// The model with these weights.
    pub fn with_weights(&self, weights: &Hash32) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.weights == *weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_that_is_built_in_is_whole() {
        let catalogue = Catalogue::parse(BUILT_IN).expect("the catalogue");
        let smollm2 = catalogue.named("SmolLM2").expect("it is there");
        assert_eq!(smollm2.layers, 30);
        for entry in catalogue.entries() {
            assert!(!entry.sources.is_empty() && !entry.licence.is_empty(), "{}", entry.name);
            assert_ne!(entry.weights, [0; 32], "{}", entry.name);
            assert_eq!(catalogue.with_weights(&entry.weights), Some(entry), "named twice");
        }
        assert_eq!(Catalogue::built_in(), catalogue);
    }

    #[test]
    fn a_misspelt_catalogue_is_refused() {
        for (right, wrong) in
            [("licence", "license"), ("\"pypi:", "\"hf:"), ("layers = 30", "layers = -1")]
        {
            assert!(Catalogue::parse(&BUILT_IN.replace(right, wrong)).is_err(), "{wrong}");
        }
    }
}
