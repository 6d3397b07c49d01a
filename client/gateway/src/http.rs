//! The gateway's front end: JSON over HTTP, and no money.
//!
//! A request passes the modules in this order: `server` takes the connection under bounds;
//! `routes` has one table of all paths; `middleware` stands around each of them and asks
//! `auth` who asks under which limits and `cors` whether a web page may; a route of `ollama`,
//! `openai`, `workflow` or `operations` takes `fields` out of the `body` and hands them to
//! the core; `report` and `response` give the answer or the error its shape.

mod server;

mod routes;

mod middleware;

mod auth;

mod cors;

mod state;

mod body;

mod fields;

mod sampling;

mod ollama;

mod openai;

mod workflow;

mod operations;

mod metrics;

mod report;

mod response;

mod reading;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use reading::{BodyOf, read_body};

use crate::{config::Config, core::Core};
use state::AppState;

/// Serves both APIs from `core` until `stop`, then lets running requests end.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    core: Arc<Core>,
    stop: CancellationToken,
) {
    let state = Arc::new(AppState::new(config, core));
    server::serve(listener, routes::router(state.clone()), &state.config, stop).await;
}
