//! One file per command: what its command line takes, and a `run` that does it.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod hand_over;
pub(crate) mod init;
pub(crate) mod life;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod market;
pub(crate) mod model;
pub(crate) mod perplexity;
mod progress;
pub(crate) mod run;
mod signals;
pub(crate) mod status;
mod text;
pub(crate) mod tokenize;
pub(crate) mod watch;
