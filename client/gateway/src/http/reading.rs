//! Reading bodies without a server: what a fuzzer gives to every route.

use super::{fields::Fields, ollama, openai, workflow::RunFields};
use crate::core::GatewayError;

/// The route that a body is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyOf {
    /// Ollama's `/api/chat`.
    OllamaChat,
    /// Ollama's `/api/generate`.
    OllamaGenerate,
    /// OpenAI's `/v1/chat/completions`.
    OpenAiChat,
    /// OpenAI's `/v1/completions`.
    OpenAiCompletions,
    /// `/workflow/{name}`.
    Workflow,
}

impl BodyOf {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::OllamaChat,
        Self::OllamaGenerate,
        Self::OpenAiChat,
        Self::OpenAiCompletions,
        Self::Workflow,
    ];
}

/// Reads a body as its route does, before any model or money is looked at.
///
/// # Errors
/// [`GatewayError`], as a client would be told.
pub fn read_body(route: BodyOf, body: &[u8]) -> Result<(), GatewayError> {
    let fields = Fields::parse(body)?;
    match route {
        BodyOf::OllamaChat => drop(ollama::chat::read(fields)?),
        BodyOf::OllamaGenerate => {
            let (_, parts) = ollama::generate::read(fields)?;
            drop(ollama::generate::prompt(parts)?);
        }
        BodyOf::OpenAiChat => drop(openai::chat::read(fields)?),
        BodyOf::OpenAiCompletions => drop(openai::completions::read(fields)?),
        BodyOf::Workflow => drop(RunFields::take(fields)?),
    }
    Ok(())
}
