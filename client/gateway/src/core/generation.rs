//! An answer while it is generated: its events, and the handle that reads them.

use std::sync::Arc;
use std::time::Duration;

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
    /// After how much silence it says that it is still there; never without.
    pub(super) heartbeat: Option<Duration>,
    /// Whether it began in silence: the first thing it says is then that it is there.
    pub(super) is_silent: bool,
    pub(super) events: PacedEvents<GenerationEvent>,
    pub(super) _stop: DropGuard,
}

impl Generation {
    /// Waits for the first event, so that what fails before it fails here, or for a heartbeat.
    ///
    /// # Errors
    /// [`GatewayError`] of a session that failed before it gave anything.
    pub(super) async fn begun(mut self) -> Result<Self, GatewayError> {
        let Some(first) = within(self.heartbeat, self.events.peek()).await else {
            self.is_silent = true;
            return Ok(self);
        };
        match first {
            Some(GenerationEvent::Failed(error)) => Err(error.clone()),
            Some(_) => Ok(self),
            None => Err(broken_off()),
        }
    }

    /// What is to be written next, at least one event; the last are [`GenerationEvent::Done`] and
    /// [`GenerationEvent::Failed`]. Nothing if a heartbeat passed in silence.
    pub async fn batch(&mut self) -> Option<Vec<GenerationEvent>> {
        if std::mem::take(&mut self.is_silent) {
            return None;
        }
        let batch = within(self.heartbeat, self.events.batch()).await?;
        Some(if batch.is_empty() { vec![GenerationEvent::Failed(broken_off())] } else { batch })
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

/// Nothing if `patience` is over before.
async fn within<T>(patience: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match patience {
        Some(patience) => tokio::time::timeout(patience, work).await.ok(),
        None => Some(work.await),
    }
}

/// The end of a session whose reader is gone; also what is said when a part of the program is
/// missing that must be there.
pub(crate) fn broken_off() -> GatewayError {
    GatewayError::new(Kind::Unavailable, "the request was ended before it was answered: try again")
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn silence_is_told_once_a_heartbeat_and_nothing_is_lost_by_it() {
        let (sender, receiver) = mpsc::channel(4);
        let mut events = PacedEvents::new(receiver, CancellationToken::new(), Duration::ZERO);
        let heartbeat = Some(Duration::from_millis(5));
        assert!(within(heartbeat, events.peek()).await.is_none(), "it begins without a piece");
        assert!(within(heartbeat, events.batch()).await.is_none(), "and is still there");
        sender.send(GenerationEvent::Failed(broken_off())).await.expect("room");
        assert_eq!(within(heartbeat, events.batch()).await.map(|batch| batch.len()), Some(1));
    }
}
