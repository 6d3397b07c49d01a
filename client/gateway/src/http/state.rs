//! What all routes share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;

use super::{auth::Door, body::BodyReader, fields::Fields, metrics::RequestCounts};
use crate::{
    config::Config,
    core::{Core, GatewayError},
    keys::KeyRing,
};

/// What all routes share.
pub(super) struct AppState {
    pub(super) config: Config,
    pub(super) core: Arc<Core>,
    pub(super) door: Door,
    pub(super) requests: RequestCounts,
    bodies: BodyReader,
}

impl AppState {
    pub(super) fn new(config: Config, keys: KeyRing, core: Arc<Core>) -> Self {
        let (requests, bodies) = (RequestCounts::default(), BodyReader::default());
        Self { config, core, door: Door::new(keys), requests, bodies }
    }

    /// After how much silence an answer says that it is still there; only a stream can.
    pub(super) fn heartbeat(&self, is_streamed: bool) -> Option<Duration> {
        is_streamed.then(|| Duration::from_secs(self.config.heartbeat_seconds))
    }

    /// The fields of a request's body.
    ///
    /// # Errors
    /// [`GatewayError`] says what is wrong with it.
    pub(super) async fn fields(&self, body: Body) -> Result<Fields, GatewayError> {
        self.bodies.fields(&self.config, body).await
    }
}
