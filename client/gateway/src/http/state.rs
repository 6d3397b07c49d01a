//! What all routes share.

use std::sync::Arc;

use axum::body::Body;

use super::{body::BodyReader, fields::Fields, metrics::RequestCounts};
use crate::{
    config::Config,
    core::{Core, GatewayError},
};

/// What all routes share.
pub(super) struct AppState {
    pub(super) config: Config,
    pub(super) core: Arc<Core>,
    pub(super) requests: RequestCounts,
    bodies: BodyReader,
}

impl AppState {
    pub(super) fn new(config: Config, core: Arc<Core>) -> Self {
        let (requests, bodies) = (RequestCounts::default(), BodyReader::default());
        Self { config, core, requests, bodies }
    }

    /// The fields of a request's body.
    ///
    /// # Errors
    /// [`GatewayError`] says what is wrong with it.
    pub(super) async fn fields(&self, body: Body) -> Result<Fields, GatewayError> {
        self.bodies.fields(&self.config, body).await
    }
}
