//! What is asked, by whom, and how the answer is to be generated.

use std::collections::BTreeMap;
use std::sync::Arc;

use mica_engine::{ChatMessage, PromptText};
use mica_payer::Terms;

use super::{
    error::{GatewayError, Kind},
    names::LoadedModel,
    spending::Budget,
};

/// A request for an answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the model, as the client wrote it.
    pub model: String,
    /// The prompt.
    pub prompt: Prompt,
    /// How the answer is generated.
    pub options: Options,
    /// Who asks, and under which limits.
    pub caller: Caller,
}

/// Who asks, and under which limits.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose money.
    pub budget: Budget,
    /// Which path is taken, and what this request may cost, as the client itself wishes.
    pub terms: Terms,
    /// Names that mean something else for this caller.
    pub models: Arc<BTreeMap<String, String>>,
    /// Id of the request.
    pub id: String,
}

/// Forms of a prompt.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// A conversation, rendered with the model's own template; `context` is token ids that come
    /// before it.
    Chat {
        /// Token ids of an earlier conversation.
        context: Vec<u32>,
        /// The messages.
        messages: Vec<ChatMessage>,
    },
    /// A template of the request's own, rendered.
    Rendered(PromptText),
    /// A text as it is: the names of control tokens in it become those tokens.
    Raw(String),
    /// Token ids as they are.
    Tokens(Vec<u32>),
}

/// How the answer is generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Most tokens; nothing for the configured number.
    pub max_tokens: Option<u32>,
    /// 0 always takes the most likely token.
    pub temperature: f32,
    /// Draw from this many most likely tokens; 0 for all.
    pub top_k: u32,
    /// Draw from the most likely tokens with this much probability together.
    pub top_p: f32,
    /// Seed of the draws; drawn at random if there is none.
    pub seed: Option<u64>,
    /// Strings that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Whether tokens come with log probabilities, and with those of how many most likely ones; see
    /// [`mica_payer::ask::Question::logprobs`].
    pub logprobs: Option<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_tokens: None,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            seed: None,
            stop: Vec::new(),
            logprobs: None,
        }
    }
}

impl Prompt {
    /// The prompt in the model's token ids.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is empty, longer than the model's context, or holds unknown ids.
    pub(crate) fn tokens(&self, model: &LoadedModel) -> Result<Vec<u32>, GatewayError> {
        let local = &model.local;
        match self {
            Self::Chat { context, messages } if context.is_empty() => Ok(local.chat(messages)?),
            Self::Chat { context, messages } => {
                let mut ids = context.clone();
                ids.extend(local.chat(messages)?);
                checked(model, ids)
            }
            Self::Rendered(prompt) => Ok(local.prompt(prompt)?),
            Self::Raw(text) => Ok(local.raw(text)?),
            Self::Tokens(ids) => checked(model, ids.clone()),
        }
    }
}

/// Ids that clients bring along must be the model's.
fn checked(model: &LoadedModel, ids: Vec<u32>) -> Result<Vec<u32>, GatewayError> {
    let vocabulary = model.local.tokenizer().vocabulary();
    if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
        let message = format!("{id} is no token of this model, which has {vocabulary}");
        return Err(GatewayError::new(Kind::Invalid, message));
    }
    Ok(model.local.fitting(ids)?)
}
