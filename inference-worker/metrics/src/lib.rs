//! What a program counts, in Prometheus' text format: [`Text`] writes it, [`serve`] answers `GET
//! /metrics` with it on an address of the operator's.
//!
//! Limits: [`MAX_CONNECTIONS`] at once, one request each, whose head comes and whose answer goes
//! within [`PATIENCE`].
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod server;
mod text;

pub use server::{MAX_CONNECTIONS, PATIENCE, serve};
pub use text::{Kind, Text};
