//! What the engine answers becomes the next stage's step or a token, and receipts.

use mica_primitives::Leaf;

use super::{Phase, RunningJob, SessionContext, StageSession};
use crate::{
    FaultCode,
    channel::Durability,
    messages::{Message, Payload, SessionReceipt, Step, Token},
    receipts::sign_leaf,
    session::StopReason,
    stage::{ComputeResult, Computed, Drawn, StageOutput, refusal::Refusal},
};

impl StageSession {
    /// The engine's answer. One that nobody waits for any more is ignored.
    pub(in crate::stage) fn computed(
        &mut self,
        computed: Computed,
        context: &mut SessionContext<'_>,
    ) {
        let Some(job) = self.job.filter(|job| job.first_position == computed.first_position) else {
            return;
        };
        self.job = None;
        self.since_ms = context.now.ms;
        let leaves = match (computed.result, self.agreed.is_last()) {
            (ComputeResult::Hidden(bytes), false) => self.hidden_computed(job, bytes, context),
            (ComputeResult::Sampled(drawn), true) if drawn.is_some() == job.sample => {
                self.drawn(job, drawn, context)
            }
            (ComputeResult::Failed(text), _) => Err(Refusal::new(FaultCode::ComputeFailed, text)),
            _ => Err(Refusal::new(
                FaultCode::ComputeFailed,
                "the engine answered something else than was asked",
            )),
        };
        let receipts = leaves.and_then(|leaves| {
            leaves.into_iter().try_for_each(|leaf| self.give_receipt(leaf, context))
        });
        match (receipts, self.phase) {
            (Err(refusal), _) => self.fail(refusal, context),
            (Ok(()), Phase::Finishing(fault)) => self.settle(fault, context),
            (Ok(()), _) => self.advance(context),
        }
    }

    fn hidden_computed(
        &mut self,
        job: RunningJob,
        bytes: Vec<u8>,
        context: &mut SessionContext<'_>,
    ) -> Result<Vec<Leaf>, Refusal> {
        let payload = Payload::Hidden(bytes);
        let steps = payload.steps(job.rows, self.agreed.hidden).map_err(|error| {
            Refusal::new(FaultCode::ComputeFailed, format!("the engine's rows do not fit: {error}"))
        })?;
        self.computed += u32::from(job.rows);
        let leaves = self.writer.output_hidden(job.rows, &payload.wire_bytes());
        if let (Phase::Working, Some(next)) = (self.phase, self.agreed.next.as_ref()) {
            let (mut first_position, end) = (job.first_position, self.computed);
            for (rows, payload) in steps {
                let sample = job.sample && first_position + u32::from(rows) == end;
                let step =
                    Step { session: self.agreed.session, first_position, rows, sample, payload };
                self.send(next.peer, Message::Step(step), context);
                first_position += u32::from(rows);
            }
        }
        Ok(leaves)
    }

    fn drawn(
        &mut self,
        job: RunningJob,
        drawn: Option<Drawn>,
        context: &mut SessionContext<'_>,
    ) -> Result<Vec<Leaf>, Refusal> {
        if let Some(drawn) = &drawn {
            self.check_drawn(drawn)?;
        }
        self.computed += u32::from(job.rows);
        let leaves = self.writer.output_sampled(job.rows, drawn.as_ref().map(|drawn| drawn.id));
        let Some(Drawn { id, log_probabilities }) = drawn else { return Ok(leaves) };
        self.drawn += 1;
        let stop = self.stop_reason(id);
        // The first stage computes on the id alone.
        let token = Token {
            session: self.agreed.session,
            position: self.computed,
            id,
            stop,
            log_probabilities: None,
        };
        self.ring_ended = token.stop.is_some();
        if !self.agreed.is_alone() {
            self.send(self.agreed.first.peer, Message::Token(token.clone()), context);
        }
        self.send(
            self.agreed.payer,
            Message::Token(Token { log_probabilities, ..token.clone() }),
            context,
        );
        if self.agreed.is_alone() && self.phase == Phase::Working {
            self.feed(&token, context);
        }
        Ok(leaves)
    }

    fn check_drawn(&self, drawn: &Drawn) -> Result<(), Refusal> {
        let failed = |text: String| Refusal::new(FaultCode::ComputeFailed, text);
        if drawn.id >= self.agreed.vocabulary {
            return Err(failed(format!("the engine drew token {}", drawn.id)));
        }
        match (&drawn.log_probabilities, self.agreed.spec.logprobs) {
            (None, None) => Ok(()),
            (Some(found), Some(asked)) => found
                .check(drawn.id, asked)
                .map_err(|text| failed(format!("the engine erred: {text}"))),
            _ => Err(failed(
                "the engine said how likely the token was without being asked, or did not"
                    .to_owned(),
            )),
        }
    }

    fn stop_reason(&self, id: u32) -> Option<StopReason> {
        let spec = &self.agreed.spec;
        if spec.end_ids.contains(&id) {
            Some(StopReason::EndId)
        } else if self.drawn >= spec.max_new_tokens {
            Some(StopReason::MaxNewTokens)
        } else if self.computed >= spec.max_positions {
            Some(StopReason::MaxPositions)
        } else if self.stop_asked {
            Some(StopReason::Asked)
        } else {
            None
        }
    }

    pub(super) fn give_receipt(
        &mut self,
        leaf: Leaf,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        let receipt = sign_leaf(leaf, context.identity.key(), context.identity.genesis());
        let (channel, lane) = (self.agreed.channel, self.agreed.lane);
        let index = context
            .ledger
            .push_receipt(lane, leaf.hash())
            .map_err(|error| Refusal::of_money(&error, None))?;
        self.receipted = leaf.first_position + leaf.positions;
        self.persist(Durability::Process, context);
        context.out.push(StageOutput::Receipt { channel, lane, index, receipt });
        self.send(self.agreed.payer, Message::Receipt(SessionReceipt { receipt }), context);
        Ok(())
    }
}
