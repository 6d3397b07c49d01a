//! One session of a question: lanes are leased, the session is driven, and what it leaves is
//! settled.

use std::ops::ControlFlow;

use mica_protocol::{
    SessionId,
    probability::LogProbabilities,
    session::{EndIds, StopReason},
};
use rand::{RngCore, rngs::OsRng};

use super::{
    Answer, AskError, Asker, Event, Listener, Offer, Question, SessionStart, reader::Reader,
    subscribe, unless_broken,
};
use crate::channels::{Lease, NoticeFilter};
use crate::market::ModelSnapshot;
use crate::model::LocalModel;
use crate::router::Subscription;
use crate::session::{self, Ended, SessionDraft, SessionError, SessionIo, TokenSink};

impl Asker {
    /// One session, on the lanes that are free now.
    pub(super) async fn attempt(
        &self,
        model: &LocalModel,
        snapshot: &ModelSnapshot,
        offer: &Offer,
        question: &Question,
        start: &SessionStart,
        listener: &mut dyn Listener,
    ) -> Result<Answer, AskError> {
        let end_ids = EndIds::try_from(model.end_ids()).map_err(|_| SessionError::EndIds)?;
        let mut lease = self.lease(offer, start, listener).await?;
        let (opened, channels) = (lease.submitted.take(), lease.channels.clone());
        if start.shows_channels {
            let block = opened.as_ref().map(|submitted| submitted.block.number);
            if let Err(error) = unless_broken(listener.on(Event::ChannelsReady(block))) {
                self.pool.give_up(lease);
                return Err(error.into());
            }
        }
        let mut session = SessionId([0; 32]);
        OsRng.fill_bytes(&mut session.0);
        let subscription = match self.subscribe_to(session, offer) {
            Ok(subscription) => subscription,
            Err(error) => {
                self.pool.give_up(lease);
                return Err(error);
            }
        };
        let draft = SessionDraft {
            session,
            genesis: self.payer.chain.genesis_hash(),
            snapshot,
            path: &offer.path,
            hubs: &offer.hubs,
            prompt: &question.prompt,
            max_new_tokens: offer.max_new_tokens,
            sampling: question.sampling,
            end_ids,
            logprobs: question.logprobs,
            spending_limit: question.terms.max_total.unwrap_or(offer.cost()),
        };
        let mut sink = AnswerSink {
            asker: self,
            reader: Reader::new(model.tokenizer()),
            listener,
            has_begun: false,
        };
        let io = SessionIo {
            subscription,
            store: &self.store,
            first: start.first.clone(),
            block: start.block,
            interrupt: &start.interrupt,
            sink: &mut sink,
        };
        let Ended { outcome, claim, records } = session::drive(io, &draft, lease).await;
        let fees = self.pool.settle(claim, records);
        let outcome = outcome.inspect_err(|_| self.pool.carry_fees(fees))?;
        if outcome.report.failure.is_some() {
            // The channel may be gone or changed: the chain knows.
            self.pool.mark_stale();
        }
        let (path, text) = (offer.path.clone(), sink.reader.into_text());
        let (failed, earlier) = (Vec::new(), 0);
        Ok(Answer { path, opened, fees, channels, text, outcome, failed, earlier })
    }

    /// Lanes for every stage of the path.
    async fn lease(
        &self,
        offer: &Offer,
        start: &SessionStart,
        listener: &mut dyn Listener,
    ) -> Result<Lease, AskError> {
        if start.shows_channels {
            unless_broken(listener.on(Event::PreparingChannels))?;
        }
        // What was sent to the chain is waited for unless everything is to stop at once: a session
        // that is only to finish ends as it begins.
        let lease = self.pool.lease(&offer.needs, &start.interrupt.stop).await;
        self.report_notices(NoticeFilter::WithoutRecovered);
        Ok(lease.map_err(SessionError::from)?.ok_or(SessionError::Interrupted)?)
    }

    fn subscribe_to(&self, session: SessionId, offer: &Offer) -> Result<Subscription, AskError> {
        let subscription = subscribe(&self.router)?;
        let workers = offer.path.stages.iter().map(|stage| stage.worker.record.peer);
        let hubs = offer.hubs.iter().flatten().map(|hub| hub.peer);
        subscription.listen(Some(session), workers.chain(hubs));
        Ok(subscription)
    }
}

/// Turns the tokens of one answer into text, and tells the listener of both.
struct AnswerSink<'a> {
    asker: &'a Asker,
    reader: Reader<'a>,
    listener: &'a mut dyn Listener,
    has_begun: bool,
}

impl TokenSink for AnswerSink<'_> {
    fn token(
        &mut self,
        id: u32,
        likely: Option<LogProbabilities>,
        stop: Option<StopReason>,
    ) -> ControlFlow<()> {
        if !std::mem::replace(&mut self.has_begun, true) {
            // Before the first word of the answer.
            self.asker.report_notices(NoticeFilter::All);
        }
        let (piece, tokens) = self.reader.push(id, likely, stop);
        let mut wants_end = false;
        for token in tokens {
            wants_end |= self.listener.on(Event::Token(token)).is_break();
        }
        if !piece.is_empty() {
            wants_end |= self.listener.on(Event::Text(&piece)).is_break();
        }
        if stop.is_some() {
            let _ = self.listener.on(Event::End);
        }
        if wants_end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
