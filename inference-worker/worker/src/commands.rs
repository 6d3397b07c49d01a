//! One file per command: what its command line takes, and a `run` that does it.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod generate;
pub(crate) mod hand_over;
pub(crate) mod init;
pub(crate) mod market;
pub(crate) mod perplexity;
mod progress;
pub(crate) mod run;
mod signals;
pub(crate) mod status;
mod text;
pub(crate) mod tokenize;
pub(crate) mod watch;
