//! Runs a contiguous range of layers of a GGUF model, to the bit the same on every CPU.
//!
//! The modules follow a prompt: a [`gguf`] file is opened and checked, and its [`config`] is read
//! according to its architecture ([`arch`]); text passes the [`chat`] template and the
//! [`tokenizer`]; the tensors of a layer range become a [`model`], whose `forward` fills a
//! [`cache`] and gives hidden rows or logits; the [`sampler`] picks the next token, and says how
//! likely it was. Modules import only from modules above them in the list below.
//!
//! ```no_run
//! use mica_engine::{GgufFile, Input, LayerRange, Model, Output, Threads, Want, embedded};
//! let file = GgufFile::from_bytes(embedded::TINY_Q8_0)?;
//! let model = Model::load(&file, LayerRange { first: 0, end: 8 }, Threads::new(2))?;
//! let mut cache = model.new_cache(64)?;
//! if let Output::Logits(logits) = model.forward(&mut cache, Input::Tokens(&[1, 300]), Want::LastLogits)? {
//!     println!("{} logits", logits.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Architecture invariant: this crate knows no network and no chain. The arithmetic is all in
//! `mica-kernels`; here it is only arranged and shared out to threads, each of which owns whole
//! output rows, so the number of threads cannot change a byte. `unsafe` occurs in two places: the
//! thread pool's borrowed closures, and the advice to back weights with huge pages.

#![warn(unreachable_pub)]

// A file, and what it says of its model.
pub mod gguf;

pub mod embedded;

pub mod arch;

pub mod error;

pub mod config;

// Text to tokens and back.
pub mod tokenizer;

pub mod chat;

// Tokens through the layers, and the next token.
pub mod memory;

pub mod threads;

mod manifest;

pub mod cache;

pub mod fit;

pub mod model;

pub mod sampler;

// How well and how fast all of it works.
pub mod perplexity;

pub mod speed;

pub use cache::{KvCache, KvPool};
pub use chat::{ChatMessage, ChatTemplate, GenerationPrompt, TemplateError};
pub use config::{Experts, ModelConfig, Rope, Scaling};
pub use error::{ForwardError, LoadError};
pub use gguf::{GgufError, GgufFile, TensorView};
pub use mica_kernels::Isa;
pub use mica_primitives::{LayerRange, ModelManifest};
pub use model::{BatchItem, Input, Model, Output, Want};
pub use sampler::{Likelihood, Sampler, log_probabilities};
pub use threads::Threads;
pub use tokenizer::{Bos, PromptText, Special, StreamDecoder, Tokenizer, TokenizerError};
