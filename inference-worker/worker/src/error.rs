//! Why a command of `mica-worker` has failed.

use thiserror::Error;

use crate::{
    commands::{
        backup::BackupError, bench::BenchError, config::ConfigCommandError, doctor::DoctorError,
        generate::GenerateError, hand_over::HandOverError, init::InitError, life::LifeError,
        logs::LogsError, market::MarketError, model::ModelsError, perplexity::PerplexityError,
        run::RunError, status::StatusError, tokenize::TokenizeError, watch::WatchError,
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
    /// `man`.
    #[error(transparent)]
    Man(#[from] crate::commands::man::ManError),
    /// `init`.
    #[error(transparent)]
    Init(#[from] InitError),
    /// `hand-over`.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// `backup` and `restore`.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// `logs`.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// `config`.
    #[error(transparent)]
    Config(#[from] ConfigCommandError),
    /// `doctor`.
    #[error(transparent)]
    Doctor(#[from] DoctorError),
    /// `leave`, `withdraw` and `stake`.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// `run` and `register`.
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
    /// `model`.
    #[error(transparent)]
    Model(#[from] ModelsError),
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
