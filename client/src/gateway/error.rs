//! What a request can fail with, before it is given the shape of the API that was used.

use axum::http::StatusCode;
use mica_market::routing::RouteError;
use mica_protocol::{FaultCode, payer::PlanError};

use crate::{
    error::{CommandError, ErrorClass},
    market::MarketError,
    model::ModelError,
    session::SessionError,
};

/// Kind of failure; fixes the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be understood or asks for what does not exist.
    Invalid,
    /// No key, or a wrong one.
    Unauthorized,
    /// A cap is hit, or the wallet is empty.
    Payment,
    /// A web page that may not spend this wallet's money.
    Forbidden,
    /// No such model or route.
    NotFound,
    /// The route takes other methods.
    Method,
    /// The client was too slow with its request.
    Slow,
    /// More bytes than allowed.
    TooLarge,
    /// The queue is full or the wait was too long.
    Busy,
    /// The API has it, this gateway does not.
    NotOffered,
    /// A worker failed.
    Worker,
    /// No path, no chain, or a locked wallet.
    Unavailable,
    /// Everything else.
    Internal,
}

/// Why a request is refused or broke off.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct GatewayError {
    /// What kind.
    pub kind: Kind,
    /// What happened and what helps.
    pub message: String,
    /// The field of the request that is wrong.
    pub field: Option<String>,
}

impl GatewayError {
    /// Of `kind`, with a message for people.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None }
    }

    /// A field of the request that is wrong.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Kind::Invalid, message) }
    }

    /// The HTTP status. Ollama's clients know a full queue as 503, OpenAI's as 429; see
    /// `is_openai`.
    pub fn status(&self, is_openai: bool) -> StatusCode {
        match self.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Payment => StatusCode::PAYMENT_REQUIRED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Slow => StatusCode::REQUEST_TIMEOUT,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Busy if is_openai => StatusCode::TOO_MANY_REQUESTS,
            Kind::Busy | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::NotOffered => StatusCode::NOT_IMPLEMENTED,
            Kind::Worker => StatusCode::BAD_GATEWAY,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<ModelError> for GatewayError {
    fn from(error: ModelError) -> Self {
        Self::new(Kind::Invalid, error.to_string())
    }
}

impl From<CommandError> for GatewayError {
    fn from(error: CommandError) -> Self {
        Self::new(kind(&error), error.to_string())
    }
}

fn kind(error: &CommandError) -> Kind {
    match error {
        CommandError::Market(MarketError::Route {
            source: RouteError::OverLimits { .. }, ..
        }) => Kind::Payment,
        CommandError::Market(MarketError::Route { source: RouteError::Alpha(_), .. }) => {
            Kind::Invalid
        }
        CommandError::Session(SessionError::Failed { failure, .. })
            if failure.code == FaultCode::BadLimits =>
        {
            Kind::Invalid
        }
        CommandError::Session(SessionError::Plan(PlanError::Spec(_))) => Kind::Invalid,
        _ => match error.class() {
            ErrorClass::Usage | ErrorClass::Model => Kind::Invalid,
            ErrorClass::Funds => Kind::Payment,
            ErrorClass::Worker | ErrorClass::Receipt | ErrorClass::Version => Kind::Worker,
            ErrorClass::Market
            | ErrorClass::Node
            | ErrorClass::Refused
            | ErrorClass::Interrupted => Kind::Unavailable,
            // The channels are on their way: the same request works when they are final.
            ErrorClass::NotFinal | ErrorClass::Unknown => Kind::Unavailable,
            _ => Kind::Internal,
        },
    }
}
