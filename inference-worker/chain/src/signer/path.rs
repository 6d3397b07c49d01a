//! Derivation paths: how one phrase gives many accounts.
//!
//! A step is a number or text, and wallets differ on which is which. `subkey`
//! (`sp_core::crypto::DeriveJunction`) reads anything that fits into 64 bits as a number, even with
//! a leading plus sign, and everything else as text. polkadot-js reads any run of digits as a
//! number and `0x` with an even number of hexadecimal digits as bytes. A path that they read
//! differently leads to two accounts, one of them empty, so such a path is refused on input.
//! [`DerivationPath::as_subkey`] reads every path as `subkey` does, for paths already in use.

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
        "a derivation path is written as //hard/soft: two slashes before a hard step, one before \
         a soft one, and a name after each"
    )]
    Malformed,
    /// A password of the phrase, which is a secret and no step.
    #[error(
        "a derivation path has no ///password: import the account's own polkadot-js file instead"
    )]
    Password,
    /// A step that wallets read differently.
    #[error(
        "wallets do not agree on the step `{step}`: {why}. Choose another name; for an account \
         that is in use with this path there is --path-as-subkey (`mica wallet import`, \
         `mica-worker init`)"
    )]
    Ambiguous {
        /// The step, without slashes.
        step: String,
        /// Who reads it as what.
        why: &'static str,
    },
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

    /// Reads `//hard/soft` as `subkey` does, steps that other wallets read differently included.
    ///
    /// # Errors
    /// [`PathError`] if it is no path.
    pub fn as_subkey(text: &str) -> Result<Self, PathError> {
        Self::read(text, |_| Ok(()))
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
        Self::read(text, check_step)
    }
}

impl DerivationPath {
    fn read(text: &str, check: impl Fn(&str) -> Result<(), PathError>) -> Result<Self, PathError> {
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
            if name.is_empty()
                || name.chars().any(|character| character.is_whitespace() || character.is_control())
            {
                return Err(PathError::Malformed);
            }
            check(name)?;
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

/// Refuses what `subkey` and polkadot-js read differently.
fn check_step(step: &str) -> Result<(), PathError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_bytes = |digits: &str| {
        digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let why = if is_number(step) && step.parse::<u64>().is_err() {
        "a number above 18446744073709551615 is text to subkey and a number to polkadot-js"
    } else if step.strip_prefix('+').is_some_and(is_number) {
        "a number with a plus sign is a number to subkey and text to polkadot-js"
    } else if step.strip_prefix("0x").is_some_and(is_bytes) {
        "an even number of hexadecimal digits after 0x is text to subkey and bytes to polkadot-js"
    } else {
        return Ok(());
    };
    Err(PathError::Ambiguous { step: step.to_owned(), why })
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
        assert_eq!(
            read.junctions.iter().map(DeriveJunction::is_hard).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert_eq!(read.as_str(), "//hard/soft//7");
        assert!(path("").expect("no steps").is_empty());
    }

    /// What `subkey` and polkadot-js read alike, and what is subkey's alone: `sp-core` is what
    /// subkey is made of.
    #[test]
    fn every_step_is_read_as_sp_core_reads_it() {
        let long = "x".repeat(31);
        let longer = "x".repeat(100);
        let alike = [
            "0",
            "7",
            "007",
            "18446744073709551615",
            "-1",
            "1.5",
            "1e3",
            "0xzz",
            "0X12",
            "0x1",
            "0x123",
            "+",
            "++5",
            "a",
            "Ω≈ç",
            &long,
            &longer,
        ];
        for step in alike.into_iter().chain(["18446744073709551616", "+5", "0x12"]) {
            let ours =
                DerivationPath::as_subkey(&format!("/{step}//{step}")).expect("a path").junctions;
            let theirs = sp_core::crypto::DeriveJunction::from(step);
            assert_eq!(
                (ours[0].inner(), ours[1].inner()),
                (theirs.inner(), theirs.inner()),
                "{step}"
            );
            assert_eq!(path(&format!("/{step}")).is_ok(), alike.contains(&step), "{step}");
        }
        // What polkadot-js makes of the same steps: `client/wallet/tests/polkadot-js/junctions.mjs`
        // says how the file was made.
        for line in
            include_str!("../../../../client/wallet/tests/polkadot-js/junctions.tsv").lines()
        {
            let (step, code) = line.split_once('\t').expect("a step and its code");
            let ours = hex::encode(
                DerivationPath::as_subkey(&format!("/{step}")).expect("a path").junctions[0]
                    .inner(),
            );
            assert_eq!(
                ours == code,
                path(&format!("/{step}")).is_ok(),
                "{step} is taken if and only if both read it alike"
            );
        }
        assert_eq!(
            path("//007").expect("a path").junctions,
            path("//7").expect("a path").junctions
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["hard", "/", "//", "//a/", "//a//", "a/b", "//a b", "//a\n"] {
            assert_eq!(path(text), Err(PathError::Malformed), "{text}");
        }
        for text in ["///secret", "//a///secret"] {
            assert_eq!(path(text), Err(PathError::Password), "{text}");
        }
        for step in [
            "18446744073709551616",
            &"9".repeat(80),
            "+5",
            "+0",
            "0x",
            "0x12",
            "0xABCDEF",
            &format!("0x{}", "ab".repeat(32)),
        ] {
            let text = format!("//a/{step}");
            assert!(
                matches!(path(&text), Err(PathError::Ambiguous { step: found, .. }) if found == step),
                "{text}"
            );
            assert_eq!(DerivationPath::as_subkey(&text).expect("subkey reads it").as_str(), text);
        }
        assert_eq!(path(&"/a".repeat(33)), Err(PathError::TooLong));
        assert_eq!(path(&format!("/{}", "a".repeat(256))), Err(PathError::TooLong));
    }
}
