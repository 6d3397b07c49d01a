//! An answer while it is generated: its events, and the handle that reads them.

use std::sync::Arc;

use mica_payer::ask::ScoredToken;
use tokio_util::sync::DropGuard;

use super::{
    error::{GatewayError, Kind},
    names::LoadedModel,
    pacing::PacedEvents,
    report::Report,
};

/// A piece of the answer, or all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// The tokens that end in it, if log probabilities were asked for. A token of which a stop
    /// string cuts off a part is left out.
    pub tokens: Vec<ScoredToken>,
}

/// What comes of a request.
#[derive(Clone, Debug)]
pub enum GenerationEvent {
    /// A piece of the answer.
    Text(Piece),
    /// The end.
    Done(Box<Report>),
    /// It broke off.
    Failed(GatewayError),
}

/// An answer that is being generated. Dropping it ends the session at the next token.
pub struct Generation {
    /// The model that answers.
    pub model: Arc<LoadedModel>,
    /// Whether its tokens come with log probabilities.
    pub is_scored: bool,
    events: PacedEvents<GenerationEvent>,
    _stop: DropGuard,
}

impl Generation {
    /// Waits for the first event, so that what fails before it fails here.
    ///
    /// # Errors
    /// [`GatewayError`] of a session that failed before it gave anything.
    pub(crate) async fn begun(
        model: Arc<LoadedModel>,
        is_scored: bool,
        mut events: PacedEvents<GenerationEvent>,
        stop: DropGuard,
    ) -> Result<Self, GatewayError> {
        match events.peek().await {
            Some(GenerationEvent::Failed(error)) => Err(error.clone()),
            Some(_) => Ok(Self { model, is_scored, events, _stop: stop }),
            None => Err(broken_off()),
        }
    }

    /// What is to be written next, at least one event; the last are [`GenerationEvent::Done`] and
    /// [`GenerationEvent::Failed`].
    pub async fn batch(&mut self) -> Vec<GenerationEvent> {
        let batch = self.events.batch().await;
        if batch.is_empty() { vec![GenerationEvent::Failed(broken_off())] } else { batch }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// [`GatewayError`] if it broke off.
    pub async fn finish(self) -> Result<(Piece, Report), GatewayError> {
        let mut whole = Piece::default();
        for event in self.events.all().await {
            match event {
                GenerationEvent::Text(piece) => {
                    whole.text.push_str(&piece.text);
                    whole.tokens.extend(piece.tokens);
                }
                GenerationEvent::Done(report) => return Ok((whole, *report)),
                GenerationEvent::Failed(error) => return Err(error),
            }
        }
        Err(broken_off())
    }
}

/// The end of a session whose reader is gone; also what is said when a part of the program is
/// missing that must be there.
pub(crate) fn broken_off() -> GatewayError {
    GatewayError::new(Kind::Unavailable, "the request was ended before it was answered: try again")
}
