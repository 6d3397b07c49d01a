//! The ways to a model that a command can choose from.

use super::{Api, Direct, Generate, GenerateError, Server, StepReply, StepRequest};
use mica_payer::interrupt::Interrupt;
use mica_payer::session::SessionError;

/// A way to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrontEndKind {
    /// This process pays the workers itself.
    Direct,
    /// A server that speaks Ollama's API.
    Ollama,
    /// A server that speaks OpenAI's API.
    Openai,
}

impl FrontEndKind {
    /// Its name on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Ollama => "ollama",
            Self::Openai => "openai",
        }
    }

    /// The API that a server must speak for it.
    pub const fn api(self) -> Option<Api> {
        match self {
            Self::Direct => None,
            Self::Ollama => Some(Api::Ollama),
            Self::Openai => Some(Api::OpenAi),
        }
    }
}

/// A way to a model, ready to use.
pub enum FrontEnd {
    /// This process pays the workers itself.
    Direct(Box<Direct>),
    /// A server does. Ctrl-C ends the exchange, so that the server stops too.
    Server(Server, Interrupt),
}

impl FrontEnd {
    /// Names of the models that it can reach.
    ///
    /// # Errors
    /// [`GenerateError`] if the chain or the server does not answer.
    pub async fn models(&self) -> Result<Vec<String>, GenerateError> {
        match self {
            Self::Direct(direct) => Ok(direct.served_models().await?),
            Self::Server(server, _) => Ok(server.models().await?),
        }
    }
}

impl FrontEnd {
    /// Ends what it shares among requests: an extrinsic that was sent is waited for, but not for
    /// long.
    pub async fn stop(&self) {
        if let Self::Direct(direct) = self {
            direct.asker.stop().await;
        }
    }
}

impl Generate for FrontEnd {
    type Error = GenerateError;

    async fn generate(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
        match self {
            Self::Direct(direct) => direct.generate(request).await,
            Self::Server(server, interrupt) => tokio::select! {
                reply = server.generate(request) => reply,
                () = interrupt.finish.cancelled() => Err(SessionError::Interrupted.into()),
            },
        }
    }
}
