//! Why a command of `mica-worker` has failed.

use std::{error::Error as StdError, fmt::Write as _};

use thiserror::Error;

use crate::{
    commands::{
        bench::BenchError, generate::GenerateError, init::InitError, market::MarketError,
        run::RunError, status::StatusError, tokenize::TokenizeError,
    },
    data_dir::FolderError,
};

/// A command's failure. `exit` has the code of each.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no folder to work in.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system gives no threads.
    #[error(transparent)]
    Runtime(std::io::Error),
    /// `init`.
    #[error(transparent)]
    Init(#[from] InitError),
    /// `run`.
    #[error(transparent)]
    Run(#[from] RunError),
    /// `status`.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// `market`.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// `generate`.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// `tokenize`.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// `bench`.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// `completions`: standard output takes no more.
    #[error(transparent)]
    Completions(std::io::Error),
}

/// An error and all that caused it, in one line.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("layers 0..3 cannot be served")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_cause_is_named_once_and_in_order() {
        let outer = Outer(std::io::Error::other("no memory"));
        assert_eq!(with_causes(&outer), "layers 0..3 cannot be served: no memory");
    }
}
