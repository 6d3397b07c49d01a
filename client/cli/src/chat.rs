//! `mica chat`: a conversation with a model, kept by its chat template.
//!
//! Every turn is a paid prompt of its own over the best path of the moment; the whole conversation
//! so far goes with it. The payer's database is open only while a turn is on its way, so that other
//! commands can be used beside a chat.

mod command;
mod conversation;
mod input;

pub(crate) use command::{ChatCommand, Entry, HELP, parse};
pub(crate) use conversation::{Conversation, Spent};
pub(crate) use input::{Input, MAX_TURN_BYTES, Turn};

/// Why a chat cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The terminal failed.
    #[error("the terminal cannot be read: {0}")]
    Terminal(String),
    /// A turn that is too long to be one.
    #[error(
        "a turn of more than {MAX_TURN_BYTES} bytes cannot be said: give the model a part of it"
    )]
    TooLong,
}
