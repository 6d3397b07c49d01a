//! The worker: serves a range of layers of one model, for money.
//!
//! The modules follow a worker's life: [`cli`] and [`commands`] read the command line; `config` and
//! `keys` are made by `init` in a `data_dir`; `run` opens the `store`, loads the `model` into the
//! `engine` thread, registers with the chain and serves: see `daemon`. `pricing` and `migration`
//! follow the market. `report` tells people and programs what happens. [`Error`] is why a command
//! failed, [`exit`] its code.
//!
//! **Architecture invariants.** Inference runs on its own thread, never on the async runtime.
//! Whatever changes a session or its money goes through one place, the daemon's session actor,
//! which writes it down before it acts on it. The rules of a session are in `mica-protocol`, the
//! mathematics of prices and ranges in `mica-market`, the chain in `mica-chain`, peers in
//! `mica-net`; this crate connects them.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod cli;
pub mod commands;

mod config;

mod data_dir;

mod keys;

mod store;

mod model;

mod engine;

mod daemon;

mod pricing;

mod migration;

mod report;

mod error;

pub mod exit;

pub use error::Error;
