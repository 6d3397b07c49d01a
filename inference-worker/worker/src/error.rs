//! Why a command of `mica-worker` has failed.

use thiserror::Error;

use crate::{
    commands::{
        bench::BenchError, generate::GenerateError, hand_over::HandOverError, init::InitError,
        market::MarketError, perplexity::PerplexityError, run::RunError, status::StatusError,
        tokenize::TokenizeError, watch::WatchError,
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
    /// `hand-over`.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// `run`.
    #[error(transparent)]
    Run(#[from] RunError),
    /// `watch`.
    #[error(transparent)]
    Watch(#[from] WatchError),
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
    /// `perplexity`.
    #[error(transparent)]
    Perplexity(#[from] PerplexityError),
    /// `bench`.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// `completions`: standard output takes no more.
    #[error(transparent)]
    Completions(std::io::Error),
}
