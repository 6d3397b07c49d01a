//! The pieces of an answer on their way from a session to its reader, up to the first stop string.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use mica_payer::ask::{Event, Listener, ScoredToken};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::{
    generation::{GenerationEvent, Piece},
    stop_strings::StopStrings,
};

/// Passes pieces on to the reader, each with the tokens that end in it.
pub(crate) struct PieceSender {
    stop_strings: StopStrings,
    events: mpsc::Sender<GenerationEvent>,
    is_begun: bool,
    /// Bytes of text that were passed on.
    sent: usize,
    /// Tokens whose text was not passed on yet; no more than an answer has.
    waiting: VecDeque<ScoredToken>,
    /// Dropped when the last piece was passed on.
    open: Option<DropGuard>,
}

impl PieceSender {
    pub(crate) const fn new(
        stop_strings: StopStrings,
        events: mpsc::Sender<GenerationEvent>,
        open: DropGuard,
    ) -> Self {
        Self {
            stop_strings,
            events,
            is_begun: false,
            sent: 0,
            waiting: VecDeque::new(),
            open: Some(open),
        }
    }

    /// Whether a piece was passed on.
    pub(crate) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether a stop string ended the answer.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop_strings.is_found()
    }

    /// Tells the reader, who may be gone, how the request ended.
    pub(crate) fn end(&self, event: GenerationEvent) {
        let _ = self.events.try_send(event);
    }

    fn send(&mut self, text: String) {
        self.sent += text.len();
        let shown = self.waiting.iter().take_while(|token| token.end_bytes <= self.sent).count();
        let tokens: Vec<ScoredToken> = self.waiting.drain(..shown).collect();
        if !text.is_empty() || !tokens.is_empty() {
            self.is_begun = true;
            // The queue holds all that a session can give; it refuses only when nobody reads any
            // more.
            let _ = self.events.try_send(GenerationEvent::Text(Piece { text, tokens }));
        }
    }

    /// Another attempt begins, of an answer of which nothing was passed on.
    pub(crate) fn restart(&mut self) {
        self.stop_strings.restart();
        self.waiting.clear();
    }

    /// Passes on what was held back: the text has ended.
    pub(crate) fn flush(&mut self) {
        let rest = self.stop_strings.finish();
        self.send(rest);
        self.open = None;
    }

    fn text(&mut self, piece: &str) -> ControlFlow<()> {
        let piece = self.stop_strings.push(piece);
        self.send(piece);
        if self.stop_strings.is_found() {
            self.open = None;
        }
        if self.stop_strings.is_found() || self.events.is_closed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Listener for PieceSender {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Token(token) => self.waiting.push_back(token),
            Event::Text(piece) => return self.text(piece),
            Event::End => self.flush(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use mica_payer::ask::Likelihood;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// What is passed on of these tokens, each with the text that it completes, and its end in
    /// bytes.
    fn passed(stops: &[&str], tokens: &[(&str, usize)]) -> Vec<(String, Vec<usize>)> {
        let (sender, mut events) = mpsc::channel(tokens.len() + 4);
        let mut piece_sender = PieceSender::new(
            StopStrings::new(stops.iter().map(|stop| (*stop).to_owned()).collect()),
            sender,
            CancellationToken::new().drop_guard(),
        );
        for (text, end_bytes) in tokens {
            let drawn = Likelihood { text: (*text).to_owned(), bytes: None, log_probability: -0.5 };
            let _ = piece_sender.on(Event::Token(ScoredToken {
                drawn,
                top: Vec::new(),
                first_char: 0,
                end_bytes: *end_bytes,
            }));
            if !text.is_empty() && piece_sender.text(text).is_break() {
                break;
            }
        }
        piece_sender.flush();
        let mut pieces = Vec::new();
        while let Ok(GenerationEvent::Text(Piece { text, tokens })) = events.try_recv() {
            pieces.push((text, tokens.iter().map(|token| token.end_bytes).collect()));
        }
        pieces
    }

    fn piece(text: &str, ends: &[usize]) -> (String, Vec<usize>) {
        (text.to_owned(), ends.to_vec())
    }

    #[test]
    fn tokens_are_passed_on_with_the_text_in_which_they_end() {
        assert_eq!(passed(&[], &[("a", 1), ("bc", 3)]), [piece("a", &[1]), piece("bc", &[3])]);
        let held = passed(&["xyz"], &[("ax", 2), ("y", 3), ("b", 4)]);
        assert_eq!(
            held,
            [piece("a", &[]), piece("xyb", &[2, 3, 4])],
            "what may begin a stop string is held back"
        );
        let unfinished = passed(&["xyz"], &[("a", 1), ("xy", 3)]);
        assert_eq!(unfinished, [piece("a", &[1]), piece("xy", &[3])], "and given at the end");
        assert_eq!(
            passed(&[], &[("a", 1), ("", 1)]),
            [piece("a", &[1]), piece("", &[1])],
            "a token without text"
        );
    }

    #[test]
    fn a_token_that_a_stop_string_cuts_is_not_shown() {
        assert_eq!(
            passed(&["xyz"], &[("a", 1), ("b xy", 5), ("z", 6)]),
            [piece("a", &[1]), piece("b ", &[])]
        );
        assert_eq!(passed(&["xyz"], &[("a", 1), ("xyz", 4), ("c", 5)]), [piece("a", &[1])]);
        assert!(passed(&["xyz"], &[("xyzc", 4)]).is_empty());
    }

    #[test]
    fn the_last_piece_is_known_as_such_before_the_account_comes() {
        let new_sender = || {
            let (sender, events) = mpsc::channel(4);
            let over = CancellationToken::new();
            (
                PieceSender::new(
                    StopStrings::new(vec!["xyz".into()]),
                    sender,
                    over.clone().drop_guard(),
                ),
                events,
                over,
            )
        };
        let (mut ended, mut events, over) = new_sender();
        assert!(ended.text("ax").is_continue() && !over.is_cancelled());
        let _ = ended.on(Event::End);
        assert!(over.is_cancelled());
        let pieces: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert!(
            matches!(&pieces[..], [GenerationEvent::Text(first), GenerationEvent::Text(last)] if first.text == "a" && last.text == "x"),
            "{pieces:?}"
        );
        let (mut stopped, _events, over) = new_sender();
        assert!(stopped.text("a").is_continue() && !over.is_cancelled());
        assert!(
            stopped.text("xyz").is_break() && over.is_cancelled(),
            "nothing is shown after a stop string"
        );
        let (failed, _events, over) = new_sender();
        drop(failed);
        assert!(over.is_cancelled());
    }

    #[test]
    fn a_second_attempt_has_nothing_of_the_first() {
        let (sender, mut events) = mpsc::channel(4);
        let mut piece_sender = PieceSender::new(
            StopStrings::new(vec!["xyz".into()]),
            sender,
            CancellationToken::new().drop_guard(),
        );
        let drawn = Likelihood { text: "x".into(), bytes: None, log_probability: -0.5 };
        let _ = piece_sender.on(Event::Token(ScoredToken {
            drawn,
            top: Vec::new(),
            first_char: 0,
            end_bytes: 1,
        }));
        assert!(piece_sender.text("x").is_continue() && !piece_sender.is_begun());
        piece_sender.restart();
        assert!(piece_sender.text("yz").is_continue());
        let Ok(GenerationEvent::Text(piece)) = events.try_recv() else { panic!("no piece") };
        assert_eq!(piece, Piece { text: "yz".into(), tokens: vec![] });
    }
}
