//! `mica-node`: validator and RPC node of the Mica chain.
//!
//! It is thin on purpose: it authors and imports blocks, votes on finality, keeps the database and
//! answers JSON-RPC. What a block *means* is decided by the Wasm runtime alone, which is part of
//! the chain's state; the node has no native copy of it.
//!
//! **Architecture invariant:** the node knows nothing of models, workers, prices or channels. A
//! client asks the runtime's APIs through `state_call`.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![allow(clippy::result_large_err, reason = "the errors are those of the SDK, and rare")]

mod chain_spec;
mod cli;
mod command;
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mica-node: {error}");
            ExitCode::FAILURE
        }
    }
}
