//! One file per command: what its command line takes, and a `run` that does it.

pub mod bench;
pub mod completions;
pub mod generate;
pub mod init;
pub mod market;
pub mod run;
pub mod status;
pub mod tokenize;
