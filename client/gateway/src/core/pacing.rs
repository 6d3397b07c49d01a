//! The events of an answer on their way to its writer, paced so that fast models do not cost a
//! write per token.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Least time between two writes of one answer, unless it ends; what is generated meanwhile is
/// written together.
///
/// A write keeps the gateway, the system and the client busy for some hundredths of a millisecond,
/// which a model that takes less than one for a token feels. A screen shows a new frame every 8 to
/// 17 ms, so the wait cannot be seen; where a token takes longer, none waits.
pub(crate) const MIN_WRITE_INTERVAL: Duration = Duration::from_millis(8);

/// The receiving end of an answer's events.
pub(crate) struct PacedEvents<E> {
    /// What was taken out already, to be given first.
    first: Option<E>,
    events: mpsc::Receiver<E>,
    /// Cancelled when the last piece of the answer is there.
    over: CancellationToken,
    min_interval: Duration,
    /// When something was last taken out to be written.
    written: Option<Instant>,
}

impl<E> PacedEvents<E> {
    pub(crate) const fn new(
        events: mpsc::Receiver<E>,
        over: CancellationToken,
        min_interval: Duration,
    ) -> Self {
        Self { first: None, events, over, min_interval, written: None }
    }

    /// Waits for the first event and leaves it in its place.
    pub(crate) async fn peek(&mut self) -> Option<&E> {
        if self.first.is_none() {
            self.first = self.events.recv().await;
        }
        self.first.as_ref()
    }

    /// What is to be written next: the first piece at once, others `min_interval` after the write
    /// before, the last at once again. Empty if nothing comes any more.
    pub(crate) async fn batch(&mut self) -> Vec<E> {
        if let Some(wait) =
            self.written.and_then(|written| self.min_interval.checked_sub(written.elapsed()))
        {
            // Not woken by every piece.
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.over.cancelled() => {}
            }
        }
        self.peek().await;
        let batch = self
            .first
            .take()
            .into_iter()
            .chain(std::iter::from_fn(|| self.events.try_recv().ok()))
            .collect();
        self.written = Some(Instant::now());
        batch
    }

    /// Everything, when the last event is there. The queue holds it all until then.
    pub(crate) async fn all(mut self) -> Vec<E> {
        self.over.cancelled().await;
        let mut all = self.first.take().into_iter().collect::<Vec<_>>();
        while let Some(event) = self.events.recv().await {
            all.push(event);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::core::generation::{GenerationEvent, Piece, broken_off};

    fn piece(text: &str) -> GenerationEvent {
        GenerationEvent::Text(Piece { text: text.into(), tokens: vec![] })
    }

    fn texts(events: &[GenerationEvent]) -> Vec<&str> {
        events
            .iter()
            .map(
                |event| {
                    if let GenerationEvent::Text(piece) = event {
                        piece.text.as_str()
                    } else {
                        "end"
                    }
                },
            )
            .collect()
    }

    #[tokio::test]
    async fn pieces_wait_for_their_time_and_the_last_for_nothing() {
        let (sender, receiver) = mpsc::channel(8);
        let (over, never) = (CancellationToken::new(), Duration::from_secs(3600));
        let mut paced = PacedEvents::new(receiver, over.clone(), never);
        let send = |event| sender.try_send(event).expect("room");
        send(piece("a"));
        assert!(paced.peek().await.is_some());
        send(piece("b"));
        let batch = paced.batch().now_or_never().expect("the first ones wait for nothing");
        assert_eq!(texts(&batch), ["a", "b"]);
        send(piece("c"));
        assert!(paced.batch().now_or_never().is_none(), "not yet");
        send(piece("d"));
        over.cancel();
        let batch = paced.batch().now_or_never().expect("the last ones wait for nothing either");
        assert_eq!(texts(&batch), ["c", "d"], "and none is lost by a wait that was given up");
        assert!(paced.batch().now_or_never().is_none(), "nothing is there");
        send(GenerationEvent::Failed(broken_off()));
        drop(sender);
        assert_eq!(texts(&paced.batch().await), ["end"]);
        assert!(paced.batch().await.is_empty());
    }

    #[tokio::test]
    async fn pieces_come_when_their_time_has_come() {
        let (sender, receiver) = mpsc::channel(8);
        let pace = Duration::from_millis(20);
        let mut paced = PacedEvents::new(receiver, CancellationToken::new(), pace);
        sender.try_send(piece("a")).expect("room");
        let begun = Instant::now();
        assert_eq!(texts(&paced.batch().await), ["a"]);
        for text in ["b", "c"] {
            sender.try_send(piece(text)).expect("room");
        }
        assert_eq!(texts(&paced.batch().await), ["b", "c"]);
        assert!(begun.elapsed() >= pace);
    }

    #[tokio::test]
    async fn all_of_an_answer_comes_when_it_ends() {
        let (sender, receiver) = mpsc::channel(8);
        let over = CancellationToken::new();
        let mut paced = PacedEvents::new(receiver, over.clone(), MIN_WRITE_INTERVAL);
        sender.try_send(piece("a")).expect("room");
        assert!(paced.peek().await.is_some());
        sender.try_send(piece("b")).expect("room");
        let all = tokio::spawn(paced.all());
        over.cancel();
        sender.send(GenerationEvent::Failed(broken_off())).await.expect("it listens");
        drop(sender);
        assert_eq!(texts(&all.await.expect("no panic")), ["a", "b", "end"]);
    }
}
