//! The worker: serves a range of layers of one model, for money.
//!
//! The modules follow a worker's life: [`config`] and [`keys`] are made by `init` in a
//! [`data_dir`]; `run` opens the [`store`], loads the [`model`] into the [`engine`] thread,
//! registers with the chain and serves: see [`daemon`]. [`pricing`] and [`migration`] follow the
//! market. [`report`] tells people and programs what happens. [`cli`] and [`commands`] are the
//! command line, [`exit`] its exit codes.
//!
//! **Architecture invariants.** Inference runs on its own thread, never on the async runtime.
//! Whatever changes a session or its money goes through one place, the daemon's desk, which writes
//! it down before it acts on it. The rules of a session are in `mica-protocol`, the mathematics of
//! prices and ranges in `mica-market`, the chain in `mica-chain`, peers in `mica-net`; this crate
//! connects them.
#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod data_dir;
pub mod engine;
pub mod exit;
pub mod keys;
pub mod migration;
pub mod model;
pub mod pricing;
pub mod report;
pub mod store;
