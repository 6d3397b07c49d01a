//! The gateway's front end: JSON over HTTP, and no money.
//!
//! A request passes the modules in this order: `server` takes the connection under bounds;
//! `routes` has one table of all paths; `middleware` stands around each of them and asks `host` and
//! `cors` whether a web page may, `content_type` what the body is, and `auth`, with `throttle`, who
//! asks under which limits; a route of `ollama`,
//! `openai`, `workflow` or `operations` takes `fields` out of the `body` and hands them to
//! the core; `report` and `response` give the answer or the error its shape.

mod server;

mod tls;

mod routes;

mod middleware;

mod host;

mod cors;

mod content_type;

mod auth;

mod throttle;

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

use crate::{config::Config, core::Core, keys::KeyRing};
use state::AppState;

pub use tls::{Tls, TlsError};

/// Serves both APIs from `core` until `stop`, then lets running requests end; over TLS where there
/// is `tls`.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    keys: KeyRing,
    tls: Option<Tls>,
    core: Arc<Core>,
    stop: CancellationToken,
) {
    let state = Arc::new(AppState::new(config, keys, core));
    server::serve(listener, routes::router(state.clone()), &state.config, tls, stop).await;
}
