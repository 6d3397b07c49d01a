//! One step of a workflow: what goes in, what comes out, and who can do it.

use std::future::Future;

use mica_primitives::Balance;
use mica_protocol::session::Sampling;
use serde::Serialize;

use super::http::HttpError;
use mica_chain::ReadError;
use mica_payer::{
    Terms, ask::AskError, market::MarketError, model::ModelError, session::SessionError,
};

/// What one step asks for.
#[derive(Clone, Debug)]
pub struct StepRequest {
    /// Name of the model; `None` takes the only one there is.
    pub model: Option<String>,
    /// The prompt, rendered.
    pub prompt: String,
    /// Text of a system message.
    pub system: Option<String>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// Which path is taken, and what the step may cost.
    pub terms: Terms,
}

/// The six metrics of a step, with Ollama's names. Durations are nanoseconds; a metric that a
/// server leaves out is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// The whole step.
    pub total_duration: u64,
    /// Until the model was ready: quotes, path and channels here, reading its weights elsewhere.
    pub load_duration: u64,
    /// Tokens of the prompt, chat template included.
    pub prompt_eval_count: u64,
    /// Computing the prompt.
    pub prompt_eval_duration: u64,
    /// Tokens of the answer.
    pub eval_count: u64,
    /// Computing the answer.
    pub eval_duration: u64,
}

impl Metrics {
    /// Tokens of the answer per second of computing it; 0 if that took no time.
    pub fn token_per_second(&self) -> f64 {
        if self.eval_duration == 0 {
            0.0
        } else {
            self.eval_count as f64 / self.eval_duration as f64 * 1e9
        }
    }
}

/// What one step gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReply {
    /// The model that answered.
    pub model: String,
    /// Its text.
    pub text: String,
    /// Why it stopped: `stop` or `length`, where it was told.
    pub stop: Option<String>,
    /// What it took.
    pub metrics: Metrics,
    /// Base units paid to workers, where it was told.
    pub cost: Option<Balance>,
    /// Base units of the chain's fees for opening channels.
    pub fees: Balance,
}

/// Anything that turns a prompt into a text and knows what that took.
///
/// The future holds no locks and may be dropped at any time: the step is then abandoned and nothing
/// more is spent on it.
pub trait Generate {
    /// Why a step gives nothing.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Runs one step.
    ///
    /// # Errors
    /// [`Self::Error`]; a reply is always a whole answer.
    fn generate(
        &self,
        request: &StepRequest,
    ) -> impl Future<Output = Result<StepReply, Self::Error>>;
}

/// Why a step gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The step names no model, and there is none to take instead.
    #[error("no model: pass its file with --model-file")]
    NoModel,
    /// The model cannot be used, or not with this prompt.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The network of workers.
    #[error(transparent)]
    Ask(Box<AskError>),
    /// A server.
    #[error(transparent)]
    Server(#[from] HttpError),
}

impl GenerateError {
    /// Whether it was asked to end.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Ask(error) if error.is_interrupted())
    }
}

impl From<AskError> for GenerateError {
    fn from(error: AskError) -> Self {
        Self::Ask(Box::new(error))
    }
}

impl From<ReadError> for GenerateError {
    fn from(error: ReadError) -> Self {
        AskError::from(error).into()
    }
}

impl From<MarketError> for GenerateError {
    fn from(error: MarketError) -> Self {
        AskError::from(error).into()
    }
}

impl From<SessionError> for GenerateError {
    fn from(error: SessionError) -> Self {
        AskError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn a_rate_is_never_infinite() {
        let metrics =
            Metrics { eval_count: 10, eval_duration: 2_000_000_000, ..Metrics::default() };
        assert_eq!(metrics.token_per_second(), 5.0);
        assert_eq!(Metrics { eval_count: 10, ..Metrics::default() }.token_per_second(), 0.0);
    }
}
