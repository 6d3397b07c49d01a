//! Metadata of an architecture by the part of their key that comes after its name.

use crate::{error::LoadError, gguf::GgufFile};

#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub file: &'a GgufFile,
    pub architecture: &'a str,
}

impl Keys<'_> {
    /// The whole key.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A number in `1..=limit` that has to be there.
    pub(super) fn number(&self, name: &str, limit: u64) -> Result<usize, LoadError> {
        let key = self.key(name);
        let found = self.file.integer(&key).ok_or_else(|| LoadError::missing(&key))?;
        if (1..=limit).contains(&found) {
            Ok(found as usize)
        } else {
            Err(LoadError::config(&key, format!("{found} is not in 1..={limit}")))
        }
    }

    /// The same, or `default` if it is not there.
    pub(super) fn optional(
        &self,
        name: &str,
        limit: u64,
        default: usize,
    ) -> Result<usize, LoadError> {
        match self.file.metadata(&self.key(name)) {
            None => Ok(default),
            Some(_) => self.number(name, limit),
        }
    }

    /// A positive constant; 0 stands for none, as converters write it.
    pub(super) fn scale(&self, name: &str) -> Result<Option<f32>, LoadError> {
        let key = self.key(name);
        let Some(value) = self.file.metadata(&key) else { return Ok(None) };
        match self.file.float(&key).map(|value| value as f32) {
            Some(0.0) => Ok(None),
            Some(scale) if scale.is_normal() && scale > 0.0 => Ok(Some(scale)),
            _ => Err(LoadError::config(&key, format!("{value:?} is no positive number"))),
        }
    }

    /// Refuses the metadata under a key.
    pub(super) fn check(&self, name: &str, good: bool, reason: &str) -> Result<(), LoadError> {
        if good { Ok(()) } else { Err(LoadError::config(&self.key(name), reason.to_owned())) }
    }
}
