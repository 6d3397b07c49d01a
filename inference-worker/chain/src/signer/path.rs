//! Derivation paths: how one phrase gives many accounts.

use std::{fmt, str::FromStr};

use subxt_signer::DeriveJunction;
use thiserror::Error;

/// Most steps of a path.
const MAX_STEPS: usize = 32;
/// Most bytes of a path.
const MAX_BYTES: usize = 256;

/// Why a text is no derivation path.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// No slash where one must be, or nothing after it.
    #[error(
        "a derivation path is written as //hard/soft: two slashes before a hard step, one before a soft one, and a name after each"
    )]
    Malformed,
    /// A password of the phrase, which is a secret and no step.
    #[error("a derivation path has no ///password: import the account's own polkadot-js file instead")]
    Password,
    /// Longer than any wallet needs.
    #[error("a derivation path has at most {MAX_STEPS} steps and {MAX_BYTES} bytes")]
    TooLong,
}

/// Steps from the key of a phrase or seed to the key of an account; without steps the key itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DerivationPath {
    text: String,
    pub(super) junctions: Vec<DeriveJunction>,
}

impl DerivationPath {
    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.junctions.is_empty()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for DerivationPath {
    type Err = PathError;

    /// Reads `//hard/soft`; the empty text is the path without steps.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_BYTES {
            return Err(PathError::TooLong);
        }
        let (mut rest, mut junctions) = (text, Vec::new());
        while !rest.is_empty() {
            let (hard, body) = match rest.strip_prefix("//") {
                Some(body) => (true, body),
                None => (false, rest.strip_prefix('/').ok_or(PathError::Malformed)?),
            };
            if body.starts_with('/') {
                return Err(PathError::Password);
            }
            let name = body.split('/').next().unwrap_or_default();
            if name.is_empty() || name.chars().any(|character| character.is_whitespace() || character.is_control()) {
                return Err(PathError::Malformed);
            }
            let junction = DeriveJunction::from(name);
            junctions.push(if hard { junction.harden() } else { junction });
            rest = body.get(name.len()..).unwrap_or_default();
        }
        if junctions.len() > MAX_STEPS {
            return Err(PathError::TooLong);
        }
        Ok(Self { text: text.to_owned(), junctions })
    }
}

impl fmt::Display for DerivationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DerivationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivationPath({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<DerivationPath, PathError> {
        text.parse()
    }

    #[test]
    fn hard_and_soft_steps_are_told_apart() {
        let read = path("//hard/soft//7").expect("a path");
        assert_eq!(read.junctions.iter().map(DeriveJunction::is_hard).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(read.as_str(), "//hard/soft//7");
        assert!(path("").expect("no steps").is_empty());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["hard", "/", "//", "//a/", "//a//", "a/b", "//a b", "//a\n"] {
            assert_eq!(path(text), Err(PathError::Malformed), "{text}");
        }
        for text in ["///secret", "//a///secret"] {
            assert_eq!(path(text), Err(PathError::Password), "{text}");
        }
        assert_eq!(path(&"/a".repeat(33)), Err(PathError::TooLong));
        assert_eq!(path(&format!("/{}", "a".repeat(256))), Err(PathError::TooLong));
    }
}
