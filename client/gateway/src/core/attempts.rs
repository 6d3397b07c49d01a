//! How a request becomes a session, and what happens when a worker fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mica_chain::AccountId;
use mica_payer::ask::{Answer, AskError, Offer, Question, SessionStart};
use mica_payer::interrupt::Interrupt;
use mica_payer::session::{Quotes, SessionError};
use mica_primitives::Balance;
use mica_protocol::{FaultCode, payer::SessionFailure, session::StopReason};

use super::{
    Core,
    error::{GatewayError, Kind},
    generation::{GenerationEvent, broken_off},
    market::MarketSnapshot,
    names::LoadedModel,
    piece_sender::PieceSender,
    report::{Cost, Report},
    request::Caller,
    spending::Reservation,
};

/// How often a request is tried before its first token: once more with fresh quotes.
const ATTEMPTS: usize = 2;

/// A request and what has become of it so far.
pub(super) struct RunningRequest {
    pub(super) model: Arc<LoadedModel>,
    pub(super) snapshot: Arc<MarketSnapshot>,
    pub(super) question: Question,
    pub(super) caller: Caller,
    pub(super) pieces: PieceSender,
    pub(super) interrupt: Interrupt,
    pub(super) arrived: Instant,
    /// What failed attempts have cost.
    pub(super) earlier: Cost,
    /// Workers that failed it.
    pub(super) failed: BTreeSet<AccountId>,
}

/// What came of one attempt.
enum Attempt {
    /// It is over.
    Ended(GenerationEvent),
    /// It failed before its first token, and these quotes may be why.
    Retry(Arc<Quotes>, GatewayError),
    /// It has not begun: there is no path, or no money for it.
    NoPath(GatewayError),
}

impl From<GatewayError> for Attempt {
    fn from(error: GatewayError) -> Self {
        Self::Ended(GenerationEvent::Failed(error))
    }
}

/// A path with the money set aside for it.
struct Funded {
    offer: Offer,
    quotes: Arc<Quotes>,
    /// Most base units that the session can cost.
    cost: Balance,
    reservation: Reservation,
}

impl Core {
    /// Answers a request, as often as it takes; the last event goes to the reader.
    pub(super) async fn run(&self, mut request: RunningRequest) {
        let ready = Instant::now();
        let mut before: Option<(Arc<Quotes>, GatewayError)> = None;
        for attempt in 1..=ATTEMPTS {
            let refused = before.as_ref().map(|(quotes, _)| quotes);
            match (self.attempt(&mut request, ready, refused).await, before.take()) {
                // The worker that failed is not asked again, and there is no path without it.
                (Attempt::NoPath(again), Some((_, first))) => {
                    let message = format!("{first}; without that worker: {again}");
                    // Where the first attempt was paid, no kind may say that nothing was spent.
                    let kind = if request.earlier.paid == 0 { again.kind } else { first.kind };
                    let error = GatewayError { message, kind, ..again };
                    return request.pieces.end(GenerationEvent::Failed(error));
                }
                (Attempt::NoPath(error), None) => {
                    return request.pieces.end(GenerationEvent::Failed(error));
                }
                (Attempt::Ended(event), _) => return request.pieces.end(event),
                (Attempt::Retry(_, error), _) if attempt == ATTEMPTS => {
                    return request.pieces.end(GenerationEvent::Failed(error));
                }
                (Attempt::Retry(quotes, error), _) => {
                    before = Some((quotes, error));
                    request.pieces.restart();
                }
            }
        }
    }

    async fn attempt(
        &self,
        request: &mut RunningRequest,
        ready: Instant,
        refused: Option<&Arc<Quotes>>,
    ) -> Attempt {
        let snapshot = request.snapshot.clone();
        let Some(model_snapshot) = snapshot.model(request.model.local.id()) else {
            return broken_off().into();
        };
        let (asker, funded) = match (self.asker(), self.fund(request, refused).await) {
            (Ok(asker), Ok(funded)) => (asker, funded),
            (Err(error), _) => return error.into(),
            (_, Err(error)) => return Attempt::NoPath(error),
        };
        let Funded { offer, quotes, cost, reservation } = funded;
        let start = SessionStart {
            block: snapshot.block,
            first: vec![reservation.change()],
            interrupt: request.interrupt.clone(),
            shows_channels: false,
            most: self.most(request),
        };
        let (model, question) = (&request.model.local, &request.question);
        let answer =
            asker.answer(model, model_snapshot, offer, question, start, &mut request.pieces).await;
        // Quotes and channels: everything before the session.
        let before = answer.as_ref().map_or(Duration::ZERO, |answer| {
            ready.elapsed().saturating_sub(answer.outcome.elapsed)
        });
        let spent = match &answer {
            Ok(answer) => answer.outcome.report.paid().saturating_add(answer.fees),
            Err(error) => unknown_spending(error, cost, &request.interrupt),
        };
        if let Err(error) = tokio::task::block_in_place(|| reservation.settle(spent)) {
            tracing::error!(%error, "what a request cost was not written down; its cap counts for it");
        }
        match answer {
            Ok(answer) => self.conclude(request, answer, quotes, before),
            Err(error) => {
                self.metrics.failure(0);
                GatewayError::from(error).into()
            }
        }
    }

    /// Most base units that this attempt may cost by the caps of one request.
    fn most(&self, request: &RunningRequest) -> Option<Balance> {
        let RunningRequest { caller, earlier, .. } = request;
        let own = self.spending.caps().request;
        let caps = [caller.terms.max_total, caller.budget.caps.request, own];
        let most = caps.into_iter().flatten().min()?;
        Some(most.saturating_sub(earlier.paid.saturating_add(earlier.fees)))
    }

    /// Chooses a path and sets its money aside.
    async fn fund(
        &self,
        request: &RunningRequest,
        refused: Option<&Arc<Quotes>>,
    ) -> Result<Funded, GatewayError> {
        let RunningRequest { model, snapshot, question, failed, .. } = request;
        let offer = self.offer(model, snapshot, question, failed, refused);
        let (offer, quotes) = tokio::select! {
            offered = offer => offered?,
            () = request.interrupt.finish.cancelled() => return Err(broken_off()),
        };
        let cost = offer.cost();
        // A first attempt that failed may have been paid: the caps are for both together.
        let earlier = request.earlier.paid.saturating_add(request.earlier.fees);
        let sum = cost.saturating_add(earlier);
        if let Some(limit) = request.caller.terms.max_total.filter(|limit| *limit < sum) {
            return Err(over_total(sum, limit));
        }
        let reservation = self.spending.reserve(&request.caller.budget, cost, earlier)?;
        Ok(Funded { offer, quotes, cost, reservation })
    }

    /// An answer is whole when its last token came, even if a worker then failed to confirm its
    /// account.
    fn conclude(
        &self,
        request: &mut RunningRequest,
        answer: Answer,
        quotes: Arc<Quotes>,
        before: Duration,
    ) -> Attempt {
        let report = &answer.outcome.report;
        let is_stopped = request.pieces.is_stopped();
        if !is_stopped && let (Some(failure), None) = (report.failure.clone(), report.stop) {
            return self.fail(request, &answer, failure, quotes);
        }
        if report.stop == Some(StopReason::Asked) && !is_stopped {
            // The reader is gone, or the gateway is stopping: half an answer must not look whole.
            self.metrics.failure(report.paid());
            return broken_off().into();
        }
        request.pieces.flush();
        let prompt = std::mem::take(&mut request.question.prompt);
        let mut report = Report::new(
            prompt,
            &answer,
            request.pieces.is_stopped(),
            before,
            request.arrived.elapsed(),
        );
        // The attempt before was counted when it failed.
        self.metrics.answer(&report);
        report.cost.paid = report.cost.paid.saturating_add(request.earlier.paid);
        report.cost.fees = report.cost.fees.saturating_add(request.earlier.fees);
        Attempt::Ended(GenerationEvent::Done(Box::new(report)))
    }

    /// A worker failed the session: another attempt helps if nothing was passed on yet.
    fn fail(
        &self,
        request: &mut RunningRequest,
        answer: &Answer,
        failure: SessionFailure,
        quotes: Arc<Quotes>,
    ) -> Attempt {
        let paid = answer.outcome.report.paid();
        self.metrics.failure(paid);
        request.earlier.paid = request.earlier.paid.saturating_add(paid);
        request.earlier.fees = request.earlier.fees.saturating_add(answer.fees);
        request.failed.extend(answer.failed.iter().copied());
        let is_final = request.pieces.is_begun()
            || request.interrupt.finish.is_cancelled()
            || matches!(
                failure.code,
                FaultCode::Cancelled | FaultCode::LimitReached | FaultCode::BadLimits
            );
        let error: GatewayError = SessionError::Failed { failure, paid }.into();
        if is_final { error.into() } else { Attempt::Retry(quotes, error) }
    }
}

fn over_total(cost: Balance, limit: Balance) -> GatewayError {
    let format = mica_chain::amount::format;
    let message = format!(
        "this request may cost {} and its own limit is {}: ask for fewer tokens, or send a \
         larger x-mica-max-total",
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
