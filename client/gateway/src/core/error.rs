//! How a request can fail, before a front end gives the failure a status and a shape.

use mica_chain::SubmitError;
use mica_market::routing::RouteError;
use mica_payer::{
    ask::AskError, channels::ChannelError, market::MarketError, model::ModelError,
    preview::PreviewError, session::SessionError, store::StoreError,
};
use mica_protocol::{FaultCode, channel::LeaseError, payer::PlanError};

/// Kind of failure; it decides the status that a front end gives.
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
    /// A body that does not say that it is JSON.
    MediaType,
    /// Too many wrong keys.
    Throttled,
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

/// Most bytes of a message.
const MAX_MESSAGE_BYTES: usize = 4096;

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
    /// Seconds after which the same request may be answered, if that is known.
    pub retry_after_seconds: Option<u64>,
}

impl GatewayError {
    /// Of `kind`, with a message for people.
    /// What strangers said may stand in it: it is bounded, and has no controls.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = mica_text::shown(&message.into(), MAX_MESSAGE_BYTES);
        Self { kind, message, field: None, retry_after_seconds: None }
    }

    /// The same, when it is known that nothing changes for so many seconds.
    #[must_use]
    pub fn until(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// A field of the request that is wrong.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Kind::Invalid, message) }
    }
}

impl From<ModelError> for GatewayError {
    fn from(error: ModelError) -> Self {
        Self::new(Kind::Invalid, error.to_string())
    }
}

impl From<AskError> for GatewayError {
    fn from(error: AskError) -> Self {
        Self::new(kind(&error), error.to_string())
    }
}

impl From<SessionError> for GatewayError {
    fn from(error: SessionError) -> Self {
        AskError::from(error).into()
    }
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Internal, error.to_string())
    }
}

/// The one table from a payer's errors to kinds.
fn kind(error: &AskError) -> Kind {
    match error {
        AskError::Market(MarketError::Route { source: RouteError::OverLimits { .. }, .. }) => {
            Kind::Payment
        }
        AskError::Market(MarketError::Route { source: RouteError::Alpha(_), .. }) => Kind::Invalid,
        AskError::Session(error) => of_session(error),
        AskError::NoOtherPath { first, .. } => kind(first),
        AskError::Preview(PreviewError::Fee(error)) => of_submission(error),
        _ => Kind::Unavailable,
    }
}

fn of_session(error: &SessionError) -> Kind {
    match error {
        SessionError::Network(_) | SessionError::Send(_) => Kind::Worker,
        SessionError::Lease(LeaseError::Deposit { .. }) => Kind::Payment,
        SessionError::Plan(PlanError::Limit { .. } | PlanError::Lane { .. }) => Kind::Payment,
        SessionError::Plan(_) | SessionError::EndIds => Kind::Invalid,
        SessionError::Channel(error) => of_channel(error),
        SessionError::Store(_) => Kind::Internal,
        SessionError::Failed { failure, .. } => match failure.code {
            FaultCode::BadLimits => Kind::Invalid,
            FaultCode::Overspend | FaultCode::TooLittle | FaultCode::LimitReached => Kind::Payment,
            FaultCode::Cancelled => Kind::Unavailable,
            _ => Kind::Worker,
        },
        _ => Kind::Unavailable,
    }
}

fn of_channel(error: &ChannelError) -> Kind {
    match error {
        ChannelError::NoFunds(_) => Kind::Payment,
        ChannelError::Unknown(_) => Kind::Invalid,
        ChannelError::Submit(error) => of_submission(error),
        ChannelError::Store(_) => Kind::Internal,
        _ => Kind::Unavailable,
    }
}

/// An extrinsic that is not final yet is on its way: the same request works when it is.
fn of_submission(error: &SubmitError) -> Kind {
    match error {
        SubmitError::NoFunds { .. } => Kind::Payment,
        SubmitError::Failed { failure, .. } if failure.pallet == "Token" => Kind::Payment,
        SubmitError::UnknownCall { .. } => Kind::Worker,
        _ => Kind::Unavailable,
    }
}
