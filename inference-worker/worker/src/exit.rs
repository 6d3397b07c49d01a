//! Exit codes that scripts and service managers can rely on. Where `mica` has the same kind of
//! failure the code is the same.

use thiserror::Error;

/// Kind of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitKind {
    /// A setting or a flag that cannot work.
    Usage,
    /// The folder is in use, or cannot be read or written.
    Storage,
    /// The account lacks money.
    Funds,
    /// `status`: a worker runs and does not serve.
    Unwell,
    /// Another process runs with the same account and peer key.
    Duplicate,
}

impl ExitKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Usage, Self::Storage, Self::Funds, Self::Unwell, Self::Duplicate];

    /// What failed, in words for the documentation.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Usage => {
                "a flag or setting that cannot work: an address, a port that is taken, a node of \
                 another network than the records are of"
            }
            Self::Storage => {
                "the folder is in use by another process, or cannot be read or written"
            }
            Self::Funds => "the account lacks money for stake or deposit",
            Self::Unwell => "`mica-worker status`: a process runs and does not serve, or not yet",
            Self::Duplicate => "another process runs with this account and peer key",
        }
    }

    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Storage => 11,
            Self::Funds => 14,
            Self::Unwell => 22,
            Self::Duplicate => 23,
        }
    }
}

/// A failure with an exit code of its own.
#[derive(Debug, Error)]
#[error("{text}")]
pub struct Failure {
    /// Its kind.
    pub kind: ExitKind,
    /// What is wrong and what to do about it.
    pub text: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: ExitKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// The exit code of an error; 1 if it has none of its own.
pub fn code_of(error: &eyre::Report) -> u8 {
    error.downcast_ref::<Failure>().map_or(1, |failure| failure.kind.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyre::WrapErr;

    #[test]
    fn a_code_survives_what_is_said_around_it() {
        let failed: eyre::Result<()> = Err(Failure::new(ExitKind::Funds, "has nothing").into());
        assert_eq!(code_of(&failed.wrap_err("registration").expect_err("failed")), 14);
        assert_eq!(code_of(&eyre::eyre!("anything")), 1);
    }
}
