//! `mica gateway`: programs that speak to Ollama or to OpenAI pay the swarm's workers without
//! knowing it.
//!
//! A request passes the modules in this order: [`server`] takes the connection under bounds,
//! [`admit`] finds out who asks and under which limits, a route of [`ollama`] or [`openai`] reads
//! its shape, and [`core`] answers it: name → model ([`names`]), the market as it was a moment ago
//! ([`market`]), a place in the queue, money set aside ([`spending`]), and a session of
//! [`mica_payer::ask::Asker`]. The routes know JSON and no money; the core knows money and no JSON.
//!
//! Another front end needs [`Core::generate`] alone: a model's name, a prompt, options and a
//! [`Caller`] go in; pieces of text and a [`Report`] with measured durations come out; dropping the
//! [`Generation`] stops the session and the spending.
//!
//! Limits: everything in [`Config`] that counts something; see `gateway/gateway.toml`.
#![forbid(unsafe_code)]

pub mod admit;
pub mod body;
pub mod config;
pub mod core;
pub mod error;
pub mod fields;
pub mod market;
pub mod metrics;
pub mod names;
pub mod ollama;
pub mod openai;
pub mod report;
pub mod routes;
pub mod sampling;
pub mod server;
pub mod spending;
pub mod stops;
pub mod workflows;

pub use admit::Caller;
pub use config::Config;
pub use core::{Core, Event, Generation, Options, Piece, Prompt, Request};
pub use error::{GatewayError, Kind};
pub use report::{Finish, Report};
