//! What happens while a question is answered, for whoever shows it.

use std::ops::ControlFlow;

use mica_primitives::BlockNumber;

use super::ScoredToken;
use crate::market::{ChosenPath, Quotes};

/// Something that happened, in this order: quotes, path, channels, tokens and text, the end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The live workers are asked what they charge.
    AskingForQuotes,
    /// They have answered, or were given up.
    Quoted(&'a Quotes),
    /// The path, before it is used.
    Path(&'a ChosenPath),
    /// Channels to the path's workers are opened or topped up where that is needed.
    PreparingChannels,
    /// All channels are good for the session. The block of the extrinsic, if one was sent.
    ChannelsReady(Option<BlockNumber>),
    /// A token of the answer with its log probabilities, if the question asked: before the piece
    /// of text in which it ends.
    Token(ScoredToken),
    /// A piece of the answer: whole characters.
    Text(&'a str),
    /// There is no answer, or no more of it: the error follows.
    Failed,
    /// The last piece was given; what follows is only the account of the session.
    End,
}

/// Who is told what happens.
pub trait Listener: Send {
    /// Takes note of `event`. `Break` ends the question: with
    /// [`SessionError::Interrupted`](crate::session::SessionError) before a session begins, after
    /// that with the next token. After [`Event::End`] and [`Event::Failed`] it has no effect.
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(Event<'_>) -> ControlFlow<()> + Send> Listener for F {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}
