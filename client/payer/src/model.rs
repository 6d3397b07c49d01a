//! The model as the payer needs it: tokenizer, chat template and name, read from a GGUF file, from
//! the one built in, or from a head that workers gave.

use std::{path::Path, sync::Arc};

use mica_engine::{
    Bos, ChatMessage, ChatTemplate, GenerationPrompt, GgufError, GgufFile, LoadError, PromptText,
    Special, TemplateError, Tokenizer, TokenizerError, embedded,
};
use mica_primitives::{ModelId, ModelManifest};
use mica_weights::Held;

/// Why a model's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Not a GGUF file that we can read.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A model that the engine cannot run.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No usable tokenizer in it.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// No usable chat template in it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Not the model that was asked for.
    #[error(
        "the model file is {found}, and the model asked for is {wanted}: pass its own file with \
         --model-file"
    )]
    Differs {
        /// Id of the file.
        found: ModelId,
        /// Id asked for.
        wanted: String,
    },
    /// A prompt without any token.
    #[error("the prompt is empty: ask something")]
    EmptyPrompt,
    /// Prompt and answer are longer than the model's context.
    #[error(
        "the prompt has {prompt} tokens and the model's context holds {context}: shorten the \
         prompt"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Positions of the context.
        context: u32,
    },
}

/// A model's tokenizer and chat template.
pub struct LocalModel {
    file: Arc<GgufFile>,
    id: ModelId,
    manifest: ModelManifest,
    tokenizer: Tokenizer,
}

impl LocalModel {
    /// From a GGUF file, or the model built in.
    ///
    /// # Errors
    /// [`ModelError`] if the file is not a model that we can talk to.
    pub fn open(path: Option<&Path>) -> Result<Self, ModelError> {
        let file = match path {
            Some(path) => GgufFile::open(path)?,
            None => GgufFile::from_bytes(embedded::TINY_Q8_0)?,
        };
        let manifest = file.manifest()?;
        let tokenizer = Tokenizer::from_gguf(&file)?;
        Ok(Self { id: manifest.id(), file: Arc::new(file), manifest, tokenizer })
    }

    /// From a head that was fetched.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] if it has no tokenizer that we know.
    pub(crate) fn of_held(held: &Held) -> Result<Self, ModelError> {
        let (file, manifest) = (held.file().clone(), held.manifest().clone());
        Ok(Self { id: held.id(), tokenizer: Tokenizer::from_gguf(&file)?, file, manifest })
    }

    /// Its name on chain.
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// What it is.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// The file. Of one that is a head alone, tensors cannot be read.
    pub fn file(&self) -> &GgufFile {
        &self.file
    }

    /// Turns ids into text.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Ids that end an answer.
    pub fn end_ids(&self) -> Vec<u32> {
        self.tokenizer.ends().to_vec()
    }

    /// Renders the chat template over `messages` and tokenises it. What the messages say is text:
    /// no control token comes of it.
    ///
    /// # Errors
    /// [`ModelError::Template`], [`ModelError::Tokenizer`], [`ModelError::EmptyPrompt`],
    /// [`ModelError::TooLong`].
    pub fn chat(&self, messages: &[ChatMessage]) -> Result<Vec<u32>, ModelError> {
        let template = ChatTemplate::from_gguf(&self.file)?;
        self.prompt(&template.prompt(messages, GenerationPrompt::Add, &self.tokenizer)?)
    }

    /// Tokenises a prompt that is already rendered.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`], [`ModelError::EmptyPrompt`], [`ModelError::TooLong`].
    pub fn prompt(&self, prompt: &PromptText) -> Result<Vec<u32>, ModelError> {
        self.fitting(self.tokenizer.encode_prompt(prompt, Bos::Model)?)
    }

    /// Tokenises `text` as it is: the names of control tokens in it become those tokens.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`], [`ModelError::EmptyPrompt`], [`ModelError::TooLong`].
    pub fn raw(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.fitting(self.tokenizer.encode(text, Special::Parse, Bos::Model)?)
    }

    /// The ids, if they leave room for an answer.
    ///
    /// # Errors
    /// [`ModelError::EmptyPrompt`], [`ModelError::TooLong`].
    pub fn fitting(&self, ids: Vec<u32>) -> Result<Vec<u32>, ModelError> {
        match ids.len() {
            0 => Err(ModelError::EmptyPrompt),
            prompt if prompt >= self.manifest.context as usize => {
                Err(ModelError::TooLong { prompt, context: self.manifest.context })
            }
            _ => Ok(ids),
        }
    }
}
