//! How a request becomes a session, and what is done when a worker fails it.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mica_primitives::Balance;
use mica_protocol::{FaultCode, session::StopReason};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::{Core, Event, Piece, broken_off};
use crate::{
    admit::Caller,
    error::{GatewayError, Kind},
    market::MarketSnapshot,
    names::LoadedModel,
    report::{Cost, Report},
    stops::Stops,
};
use mica_payer::ask::{
    Answer, AskError, Event as Happened, Listener, Question, ScoredToken, SessionStart,
};
use mica_payer::interrupt::Interrupt;
use mica_payer::session::{Quotes, SessionError};

/// How often a request is tried before its first token: once more with fresh quotes.
const ATTEMPTS: usize = 2;

/// A request and what has become of it so far.
pub(super) struct Job {
    pub model: Arc<LoadedModel>,
    pub snapshot: Arc<MarketSnapshot>,
    pub question: Question,
    pub caller: Caller,
    pub relay: Relay,
    pub interrupt: Interrupt,
    pub arrived: Instant,
    /// What an attempt cost that failed.
    pub earlier: Cost,
}

enum Attempt {
    /// It is over.
    Ended(Event),
    /// It failed before its first token, and these quotes may be why.
    Again(Arc<Quotes>, GatewayError),
}

/// Passes pieces on to whoever reads them.
pub(super) struct Relay {
    stops: Stops,
    events: mpsc::Sender<Event>,
    is_begun: bool,
    /// Bytes of text that were passed on.
    sent: usize,
    /// Tokens whose text was not passed on yet; no more than an answer has.
    waiting: VecDeque<ScoredToken>,
    /// Dropped when the last piece was passed on.
    open: Option<DropGuard>,
}

impl Relay {
    pub(super) const fn new(stops: Stops, events: mpsc::Sender<Event>, open: DropGuard) -> Self {
        Self { stops, events, is_begun: false, sent: 0, waiting: VecDeque::new(), open: Some(open) }
    }

    fn send(&mut self, text: String) {
        self.sent += text.len();
        let shown = self.waiting.iter().take_while(|token| token.end_bytes <= self.sent).count();
        let tokens: Vec<ScoredToken> = self.waiting.drain(..shown).collect();
        if !text.is_empty() || !tokens.is_empty() {
            self.is_begun = true;
            // The queue holds all that a session can give; it refuses only when nobody reads any
            // more.
            let _ = self.events.try_send(Event::Text(Piece { text, tokens }));
        }
    }

    /// Another attempt begins, of an answer of which nothing was passed on.
    fn restart(&mut self) {
        self.stops.restart();
        self.waiting.clear();
    }

    fn flush(&mut self) {
        let rest = self.stops.finish();
        self.send(rest);
        self.open = None;
    }
}

impl Relay {
    fn text(&mut self, piece: &str) -> ControlFlow<()> {
        let piece = self.stops.push(piece);
        self.send(piece);
        if self.stops.is_found() {
            self.open = None;
        }
        if self.stops.is_found() || self.events.is_closed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Listener for Relay {
    fn on(&mut self, event: Happened<'_>) -> ControlFlow<()> {
        match event {
            Happened::Token(token) => self.waiting.push_back(token),
            Happened::Text(piece) => return self.text(piece),
            Happened::End => self.flush(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Core {
    /// Answers a request, as often as it takes; the last event goes to whoever reads.
    pub(super) async fn run(&self, mut job: Job) {
        let ready = Instant::now();
        let mut refused = None;
        for attempt in 1..=ATTEMPTS {
            match self.attempt(&mut job, ready, refused.as_ref()).await {
                Attempt::Ended(event) => {
                    // Nobody may be listening any more.
                    let _ = job.relay.events.try_send(event);
                    return;
                }
                Attempt::Again(quotes, error) => {
                    if attempt == ATTEMPTS {
                        let _ = job.relay.events.try_send(Event::Failed(error));
                        return;
                    }
                    refused = Some(quotes);
                    job.relay.restart();
                }
            }
        }
    }

    async fn attempt(
        &self,
        job: &mut Job,
        ready: Instant,
        refused: Option<&Arc<Quotes>>,
    ) -> Attempt {
        let failed = |error: GatewayError| Attempt::Ended(Event::Failed(error));
        let offered = tokio::select! {
            offered = self.offer(&job.model, &job.snapshot, &job.question, refused) => offered,
            () = job.interrupt.finish.cancelled() => return failed(broken_off()),
        };
        let ((offer, quotes), asker) = match (offered, self.asker()) {
            (Ok(offered), Ok(asker)) => (offered, asker),
            (Err(error), _) | (_, Err(error)) => return failed(error),
        };
        let Some(model_snapshot) = job.snapshot.model(job.model.local.id()) else {
            return failed(broken_off());
        };
        let cost = offer.cost();
        // A first attempt that failed may have been paid: the caps are for both together.
        let earlier = job.earlier.paid.saturating_add(job.earlier.fees);
        let sum = cost.saturating_add(earlier);
        if let Some(limit) = job.caller.terms.max_total.filter(|limit| *limit < sum) {
            return failed(over_total(sum, limit));
        }
        let reservation = match self.spending.reserve(&job.caller.budget, cost, earlier) {
            Ok(reservation) => reservation,
            Err(error) => return failed(error),
        };
        let start = SessionStart {
            block: job.snapshot.block,
            first: vec![reservation.change()],
            interrupt: job.interrupt.clone(),
            shows_channels: false,
        };
        let answer = asker
            .answer(&job.model.local, model_snapshot, offer, &job.question, start, &mut job.relay)
            .await;
        // Quotes and channels: everything before the session.
        let before = answer.as_ref().map_or(Duration::ZERO, |answer| {
            ready.elapsed().saturating_sub(answer.outcome.elapsed)
        });
        let spent = match &answer {
            Ok(answer) => answer.outcome.report.paid().saturating_add(answer.fees),
            Err(error) => unknown_spending(error, cost, &job.interrupt),
        };
        if let Err(error) = tokio::task::block_in_place(|| reservation.settle(spent)) {
            tracing::error!(%error, "what a request cost was not written down; its cap counts for it");
        }
        match answer {
            Ok(answer) => self.conclude(job, answer, quotes, before),
            Err(error) => {
                self.metrics.failure(0);
                failed(error.into())
            }
        }
    }

    /// An answer is whole when its last token came, even if a worker then failed to confirm its
    /// account.
    fn conclude(
        &self,
        job: &mut Job,
        answer: Answer,
        quotes: Arc<Quotes>,
        before: Duration,
    ) -> Attempt {
        let report = &answer.outcome.report;
        if !job.relay.stops.is_found()
            && let (Some(failure), None) = (report.failure.clone(), report.stop)
        {
            let paid = report.paid();
            self.metrics.failure(paid);
            job.earlier.paid = job.earlier.paid.saturating_add(paid);
            job.earlier.fees = job.earlier.fees.saturating_add(answer.fees);
            let code = failure.code;
            let error: GatewayError = SessionError::Failed { failure, paid }.into();
            let is_final = job.relay.is_begun
                || job.interrupt.finish.is_cancelled()
                || matches!(
                    code,
                    FaultCode::Cancelled | FaultCode::LimitReached | FaultCode::BadLimits
                );
            return if is_final {
                Attempt::Ended(Event::Failed(error))
            } else {
                Attempt::Again(quotes, error)
            };
        }
        if report.stop == Some(StopReason::Asked) && !job.relay.stops.is_found() {
            // The reader is gone, or the gateway is stopping: half an answer must not look whole.
            self.metrics.failure(report.paid());
            return Attempt::Ended(Event::Failed(broken_off()));
        }
        job.relay.flush();
        let prompt = std::mem::take(&mut job.question.prompt);
        let mut report =
            Report::new(prompt, &answer, job.relay.stops.is_found(), before, job.arrived.elapsed());
        // The attempt before was counted when it failed.
        self.metrics.answer(&report);
        report.cost.paid = report.cost.paid.saturating_add(job.earlier.paid);
        report.cost.fees = report.cost.fees.saturating_add(job.earlier.fees);
        Attempt::Ended(Event::Done(Box::new(report)))
    }
}

fn over_total(cost: Balance, limit: Balance) -> GatewayError {
    let format = mica_chain::amount::format;
    let message = format!(
        "this request may cost {} and its own limit is {}: ask for fewer tokens",
        format(cost),
        format(limit)
    );
    GatewayError::new(Kind::Payment, message)
}

/// What counts as spent when the session gave no account: nothing where nothing can have been
/// promised, else all of it.
fn unknown_spending(error: &AskError, cost: Balance, interrupt: &Interrupt) -> Balance {
    match error {
        AskError::Session(SessionError::Store(_) | SessionError::Lease(_)) => cost,
        // A session that ran is only broken off at once; one that was to begin ends earlier.
        AskError::Session(SessionError::Interrupted) if interrupt.stop.is_cancelled() => cost,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use mica_payer::ask::Likelihood;

    /// What is passed on of these tokens, each with the text that it completes, and its end in
    /// bytes.
    fn passed(stops: &[&str], tokens: &[(&str, usize)]) -> Vec<(String, Vec<usize>)> {
        let (sender, mut events) = mpsc::channel(tokens.len() + 4);
        let mut relay = Relay::new(
            Stops::new(stops.iter().map(|stop| (*stop).to_owned()).collect()),
            sender,
            CancellationToken::new().drop_guard(),
        );
        for (text, end_bytes) in tokens {
            let drawn = Likelihood { text: (*text).to_owned(), bytes: None, log_probability: -0.5 };
            let _ = relay.on(Happened::Token(ScoredToken {
                drawn,
                top: Vec::new(),
                first_char: 0,
                end_bytes: *end_bytes,
            }));
            if !text.is_empty() && relay.text(text).is_break() {
                break;
            }
        }
        relay.flush();
        let mut pieces = Vec::new();
        while let Ok(Event::Text(Piece { text, tokens })) = events.try_recv() {
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
        let relay = || {
            let (sender, events) = mpsc::channel(4);
            let over = CancellationToken::new();
            (
                Relay::new(Stops::new(vec!["xyz".into()]), sender, over.clone().drop_guard()),
                events,
                over,
            )
        };
        let (mut ended, mut events, over) = relay();
        assert!(ended.text("ax").is_continue() && !over.is_cancelled());
        let _ = ended.on(Happened::End);
        assert!(over.is_cancelled());
        let pieces: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert!(
            matches!(&pieces[..], [Event::Text(first), Event::Text(last)] if first.text == "a" && last.text == "x"),
            "{pieces:?}"
        );
        let (mut stopped, _events, over) = relay();
        assert!(stopped.text("a").is_continue() && !over.is_cancelled());
        assert!(
            stopped.text("xyz").is_break() && over.is_cancelled(),
            "nothing is shown after a stop string"
        );
        let (failed, _events, over) = relay();
        drop(failed);
        assert!(over.is_cancelled());
    }

    #[test]
    fn a_second_attempt_has_nothing_of_the_first() {
        let (sender, mut events) = mpsc::channel(4);
        let mut relay = Relay::new(
            Stops::new(vec!["xyz".into()]),
            sender,
            CancellationToken::new().drop_guard(),
        );
        let drawn = Likelihood { text: "x".into(), bytes: None, log_probability: -0.5 };
        let _ = relay.on(Happened::Token(ScoredToken {
            drawn,
            top: Vec::new(),
            first_char: 0,
            end_bytes: 1,
        }));
        assert!(relay.text("x").is_continue() && !relay.is_begun);
        relay.restart();
        assert!(relay.text("yz").is_continue());
        let Ok(Event::Text(piece)) = events.try_recv() else { panic!("no piece") };
        assert_eq!(piece, Piece { text: "yz".into(), tokens: vec![] });
    }
}
