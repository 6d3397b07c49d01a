//! One session at one stage: steps in, jobs to the engine, steps and tokens out, receipts, money,
//! the account at the end.
//!
//! ```text
//! Working ──Close / fault──▶ Finishing ──job done──▶ Settling ──final voucher / deadline──▶ Ended
//! ```
//! While it works a session has at most one job in the engine. A step is computed only if
//! `computed + rows − paid ≤ credit`; otherwise it is held, in a bounded queue, until money comes
//! or the deadline passes.

use mica_primitives::{Balance, Leaf, PublicKey};
use std::collections::VecDeque;

use super::{
    ComputeJob, ComputeResult, Computed, Drawn, JobOutput, SessionEnd, StageDeadlines,
    StageIdentity, StageOutput, opening::Agreed, refusal::Refusal,
};
use crate::{
    FaultCode,
    channel::{Durability, PayeeLedger, VoucherKind, VoucherRule},
    clock::Now,
    limits::{MAX_HELD_POSITIONS, MAX_JOB_POSITIONS},
    messages::{
        Close, CloseWhen, Closed, Fault, Message, Pay, Payload, Payment, PaymentKind,
        SessionReceipt, Statement, Step, Token,
    },
    receipts::{ReceiptWriter, WriterScope, sign_leaf},
    session::StopReason,
};

/// What a session works with while it handles one input.
pub(super) struct SessionContext<'a> {
    pub(super) identity: &'a StageIdentity,
    pub(super) deadlines: &'a StageDeadlines,
    pub(super) ledger: &'a mut PayeeLedger,
    pub(super) now: Now,
    pub(super) out: &'a mut Vec<StageOutput>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Working,
    /// Closed, but the engine still computes: its answer is the last that counts.
    Finishing(Option<FaultCode>),
    /// Account given; waits for the final voucher.
    Settling(Option<FaultCode>),
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct RunningJob {
    first_position: u32,
    rows: u16,
    sample: bool,
}

/// A session's state at this stage.
#[derive(Debug)]
pub(super) struct StageSession {
    agreed: Agreed,
    /// What the lane promised when the session began.
    base: Balance,
    phase: Phase,
    /// Positions that came in.
    received: u32,
    computed: u32,
    /// Positions that receipts cover.
    receipted: u32,
    held: VecDeque<Step>,
    job: Option<RunningJob>,
    writer: ReceiptWriter,
    /// The prompt is complete: from now on one position per step, each drawing a token.
    decoding: bool,
    /// The last token was drawn.
    ring_ended: bool,
    stop_asked: bool,
    drawn: u32,
    /// When the current wait began.
    since_ms: u64,
}

impl StageSession {
    /// A session whose opening voucher was accepted: the lane promises `base`.
    pub(super) fn new(agreed: Agreed, base: Balance, now: Now) -> Self {
        let scope = WriterScope {
            session: agreed.session,
            lane: agreed.lane,
            layers: agreed.own.range,
            profile: agreed.profile,
        };
        Self {
            agreed,
            base,
            phase: Phase::Working,
            received: 0,
            computed: 0,
            receipted: 0,
            held: VecDeque::new(),
            job: None,
            writer: ReceiptWriter::new(scope),
            decoding: false,
            ring_ended: false,
            stop_asked: false,
            drawn: 0,
            since_ms: now.ms,
        }
    }

    pub(super) const fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    pub(super) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(super) const fn is_settling(&self) -> bool {
        matches!(self.phase, Phase::Settling(_))
    }

    /// When the session gives up waiting.
    pub(super) fn deadline_ms(&self, deadlines: &StageDeadlines) -> u64 {
        let wait_ms = match self.phase {
            Phase::Settling(_) | Phase::Ended => deadlines.settle_ms,
            _ if self.job.is_some() => deadlines.compute_ms,
            _ if !self.held.is_empty() => deadlines.credit_ms,
            _ => deadlines.step_ms,
        };
        self.since_ms.saturating_add(wait_ms)
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, context: &mut SessionContext<'_>) {
        if context.now.ms < self.deadline_ms(context.deadlines) {
            return;
        }
        match self.phase {
            Phase::Ended => {}
            Phase::Settling(fault) => self.end(false, fault, context),
            Phase::Working | Phase::Finishing(_) if self.job.is_some() => {
                // The engine may still answer; nothing waits for it any more, and its positions are
                // not charged.
                self.job = None;
                self.fail(Refusal::new(FaultCode::ComputeLate, "a step took too long"), context);
            }
            Phase::Finishing(fault) => self.settle(fault, context),
            Phase::Working if !self.held.is_empty() => {
                let text = format!(
                    "{} positions computed, {} paid",
                    self.computed,
                    self.paid_positions(context.ledger)
                );
                self.fail(Refusal::new(FaultCode::CreditExhausted, text), context);
            }
            Phase::Working => {
                self.fail(Refusal::new(FaultCode::Silent, "no step came in time"), context)
            }
        }
    }

    /// A message of the session. A refusal goes back to the sender and leaves the session as it is.
    pub(super) fn message(
        &mut self,
        from: PublicKey,
        message: Message,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        match message {
            Message::Step(step) => self.step(from, step, context),
            Message::Token(token) => self.token(from, token, context),
            Message::Pay(pay) => self.pay(from, pay, context),
            Message::Close(close) => self.close(from, close, context),
            Message::Fault(fault) => self.fault(from, &fault, context),
            other => Err(Refusal::new(
                FaultCode::WrongDirection,
                format!("a stage takes no {}", other.kind()),
            )),
        }
    }

    fn step(
        &mut self,
        from: PublicKey,
        step: Step,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if from != self.agreed.previous {
            return Err(Refusal::new(
                FaultCode::WrongPeer,
                "steps come from the stage before, or from the payer",
            ));
        }
        if self.phase != Phase::Working {
            return Ok(());
        }
        match self.check_step(&step) {
            Ok(()) => self.take_step(step, context),
            Err(refusal) => self.fail(refusal, context),
        }
        Ok(())
    }

    fn check_step(&self, step: &Step) -> Result<(), Refusal> {
        let rows = u32::from(step.rows);
        if self.agreed.index == 0 && self.decoding {
            return Err(Refusal::new(
                FaultCode::OutOfOrder,
                "the prompt is complete: tokens come from the last stage",
            ));
        }
        if self.decoding && (rows != 1 || !step.sample) {
            return Err(Refusal::new(
                FaultCode::BadStep,
                "after the prompt a step has one row and draws a token",
            ));
        }
        if step.first_position != self.received {
            let text =
                format!("position {} came and {} is next", step.first_position, self.received);
            return Err(Refusal::new(FaultCode::UnexpectedPosition, text));
        }
        let fits = match self.agreed.index {
            0 => step.payload.check_tokens(step.rows, self.agreed.vocabulary),
            _ => step.payload.check_hidden(step.rows, self.agreed.hidden),
        };
        fits.map_err(|error| Refusal::new(FaultCode::BadStep, error))?;
        let room = if self.decoding {
            self.agreed.spec.max_positions
        } else {
            self.agreed.spec.prompt_positions
        };
        if self.received.saturating_add(rows) > room {
            return Err(Refusal::new(
                FaultCode::BadStep,
                format!("the step passes the {room} positions agreed on"),
            ));
        }
        let held = self.received - self.computed - self.job.map_or(0, |job| u32::from(job.rows));
        if held + rows > MAX_HELD_POSITIONS {
            return Err(Refusal::new(
                FaultCode::QueueFull,
                format!("{held} positions wait here already"),
            ));
        }
        Ok(())
    }

    fn take_step(&mut self, step: Step, context: &mut SessionContext<'_>) {
        if self.held.is_empty() && self.job.is_none() {
            self.since_ms = context.now.ms;
        }
        self.received += u32::from(step.rows);
        self.decoding |= step.sample;
        self.held.push_back(step);
        self.advance(context);
    }

    fn token(
        &mut self,
        from: PublicKey,
        token: Token,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if self.agreed.index != 0 || self.agreed.is_last() || from != self.agreed.last {
            return Err(Refusal::new(
                FaultCode::WrongPeer,
                "tokens come from the last stage and go to the first",
            ));
        }
        if self.phase != Phase::Working {
            return Ok(());
        }
        if !self.decoding || self.ring_ended || token.position != self.received {
            let text =
                format!("token of position {} came and {} is next", token.position, self.received);
            self.fail(Refusal::new(FaultCode::UnexpectedPosition, text), context);
        } else {
            self.feed(&token, context);
        }
        Ok(())
    }

    /// A token that was drawn becomes the next step of stage 0, unless it is the last.
    fn feed(&mut self, token: &Token, context: &mut SessionContext<'_>) {
        if token.stop.is_some() {
            self.ring_ended = true;
            self.since_ms = context.now.ms;
            return;
        }
        let payload = Payload::Tokens(vec![token.id]);
        let fits = payload.check_tokens(1, self.agreed.vocabulary);
        if let Err(error) = fits {
            return self.fail(Refusal::new(FaultCode::BadStep, error), context);
        }
        if self.received >= self.agreed.spec.max_positions {
            return self.fail(
                Refusal::new(FaultCode::BadStep, "the session's positions are used up"),
                context,
            );
        }
        let step = Step {
            session: token.session,
            first_position: self.received,
            rows: 1,
            sample: true,
            payload,
        };
        self.take_step(step, context);
    }

    /// Starts the next job, if there is one and it is covered by money or credit. Steps that wait
    /// are computed together, so that the weights are read once for all of them.
    fn advance(&mut self, context: &mut SessionContext<'_>) {
        if self.phase != Phase::Working || self.job.is_some() {
            return;
        }
        let covered =
            self.paid_positions(context.ledger).saturating_add(self.agreed.credit_positions.into());
        let mut room = u32::try_from(covered.saturating_sub(self.computed.into()))
            .unwrap_or(u32::MAX)
            .min(MAX_JOB_POSITIONS);
        let mut next = || {
            let step = self.held.pop_front_if(|step| u32::from(step.rows) <= room)?;
            room -= u32::from(step.rows);
            Some(step)
        };
        let Some(Step { session, first_position, mut rows, mut sample, mut payload }) = next()
        else {
            return;
        };
        // Each step that draws a token draws it from its own last row.
        while !sample && let Some(more) = next() {
            rows += more.rows;
            sample = more.sample;
            payload.append(more.payload);
        }
        self.writer.input(rows, &payload.wire_bytes());
        let want = match (self.agreed.is_last(), sample) {
            (false, _) => JobOutput::Hidden,
            (true, false) => JobOutput::Nothing,
            (true, true) => JobOutput::Sample {
                sampling: self.agreed.spec.sampling,
                position: first_position + u32::from(rows),
                logprobs: self.agreed.spec.logprobs,
            },
        };
        self.job = Some(RunningJob { first_position, rows, sample });
        self.since_ms = context.now.ms;
        context.out.push(StageOutput::Compute(ComputeJob {
            session,
            first_position,
            rows,
            payload,
            want,
        }));
    }

    /// The engine's answer. One that nobody waits for any more is ignored.
    pub(super) fn computed(&mut self, computed: Computed, context: &mut SessionContext<'_>) {
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

    fn give_receipt(
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

    fn pay(
        &mut self,
        from: PublicKey,
        pay: Pay,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if from != self.agreed.payer {
            return Err(Refusal::new(FaultCode::WrongPeer, "only the payer of a session pays"));
        }
        let (lane, block) = (self.agreed.lane, context.now.block);
        let accepted = match &pay.payment {
            Payment::Tick(proof) => context.ledger.accept_tick(lane, proof, block),
            Payment::Voucher(redeem) => {
                let kind = self.voucher_kind(&pay.payment);
                let rule = VoucherRule { lane, unit: self.agreed.unit, block, kind };
                context.ledger.accept_voucher(redeem, &rule)
            }
        };
        let promised =
            accepted.map_err(|error| Refusal::of_money(&error, context.ledger.held(lane)))?;
        match pay.payment.kind() {
            PaymentKind::Tick => self.persist(Durability::Process, context),
            PaymentKind::Renewal => self.persist(Durability::Disk, context),
            PaymentKind::Final => {
                self.persist(Durability::Disk, context);
                return self.settled(promised, context);
            }
        }
        if self.job.is_none() {
            self.since_ms = context.now.ms;
        }
        self.advance(context);
        Ok(())
    }

    /// The part that a voucher must play now. The final one is only asked for by the account:
    /// before that it would have to be a renewal, and is refused because it carries no tick chain.
    const fn voucher_kind(&self, payment: &Payment) -> VoucherKind {
        match payment.kind() {
            PaymentKind::Final if self.is_settling() => VoucherKind::Final,
            _ => VoucherKind::Renewal,
        }
    }

    fn settled(
        &mut self,
        promised: Balance,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        let owed = self.owed();
        if promised < owed {
            let text = format!("the final voucher promises {promised} and {owed} are owed");
            return Err(Refusal::new(FaultCode::Underpaid, text));
        }
        self.send(
            self.agreed.payer,
            Message::Closed(Closed { session: self.agreed.session, cumulative: promised }),
            context,
        );
        let fault = if let Phase::Settling(fault) = self.phase { fault } else { None };
        self.end(true, fault, context);
        Ok(())
    }

    fn close(
        &mut self,
        from: PublicKey,
        close: Close,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if from != self.agreed.payer {
            return Err(Refusal::new(FaultCode::WrongPeer, "only the payer closes a session"));
        }
        match close.when {
            CloseWhen::AfterNextToken => self.stop_asked = true,
            CloseWhen::Now => self.finish(None, context),
        }
        Ok(())
    }

    /// A peer gave up: the payer's word closes the session, a neighbour that has no such session
    /// breaks the path. Whatever else a neighbour refuses concerns one message and leaves its
    /// session as it was; what ends it, it tells the payer itself.
    fn fault(
        &mut self,
        from: PublicKey,
        fault: &Fault,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if self.phase != Phase::Working || !self.agreed.involves(&from) {
            return Ok(());
        }
        if from == self.agreed.payer {
            self.finish(Some(fault.code()), context);
        } else if !self.ring_ended && fault.code() == FaultCode::UnknownSession {
            // After the last token a neighbour may be gone already: it was closed first.
            self.fail(
                Refusal::new(FaultCode::PeerLost, "a neighbour on the path has ended the session"),
                context,
            );
        }
        Ok(())
    }

    /// A peer is not connected any more.
    pub(super) fn disconnected(&mut self, peer: &PublicKey, context: &mut SessionContext<'_>) {
        if self.phase == Phase::Working
            && !(self.ring_ended && *peer != self.agreed.payer)
            && self.agreed.involves(peer)
        {
            self.fail(
                Refusal::new(FaultCode::PeerLost, "the connection to a peer of the path broke"),
                context,
            );
        }
    }

    /// Tells the payer what went wrong and ends the work.
    pub(super) fn fail(&mut self, refusal: Refusal, context: &mut SessionContext<'_>) {
        let code = refusal.code;
        self.send(self.agreed.payer, Message::Fault(refusal.fault(self.agreed.session)), context);
        self.finish(Some(code), context);
    }

    /// No more work is taken; a running job is waited for, then the account is given.
    fn finish(&mut self, fault: Option<FaultCode>, context: &mut SessionContext<'_>) {
        match self.phase {
            Phase::Working | Phase::Finishing(_) => {
                self.held.clear();
                if self.job.is_some() {
                    self.phase = Phase::Finishing(fault);
                } else {
                    self.settle(fault, context);
                }
            }
            Phase::Settling(_) | Phase::Ended => {}
        }
    }

    fn settle(&mut self, fault: Option<FaultCode>, context: &mut SessionContext<'_>) {
        // Before the flush: a failing flush must not come back here.
        self.phase = Phase::Settling(fault);
        self.since_ms = context.now.ms;
        context.out.push(StageOutput::DropCache { session: self.agreed.session });
        let flushed = self.writer.flush().map_or(Ok(()), |leaf| self.give_receipt(leaf, context));
        if let Err(refusal) = flushed {
            self.send(
                self.agreed.payer,
                Message::Fault(refusal.fault(self.agreed.session)),
                context,
            );
        }
        let receipts = context.ledger.receipts(self.agreed.lane);
        let statement = Statement {
            session: self.agreed.session,
            positions: self.receipted,
            cumulative: self.owed().max(context.ledger.promised(self.agreed.lane)),
            receipts_root: receipts.root(),
            receipts: receipts.count(),
        };
        self.send(self.agreed.payer, Message::Statement(statement), context);
    }

    /// Ends the session without waiting any longer.
    pub(super) fn end(
        &mut self,
        settled: bool,
        fault: Option<FaultCode>,
        context: &mut SessionContext<'_>,
    ) {
        let Agreed { session, payer, channel, lane, .. } = self.agreed;
        let promised = context.ledger.promised(lane);
        self.phase = Phase::Ended;
        context.out.push(StageOutput::Ended(SessionEnd {
            session,
            payer,
            channel,
            lane,
            positions: self.computed,
            earned: promised.saturating_sub(self.base),
            unpaid: self.owed().saturating_sub(promised),
            settled,
            fault,
        }));
    }

    /// What the lane must promise for the work that receipts cover.
    fn owed(&self) -> Balance {
        // The unit times the most positions of a session was checked at the opening; the deposit
        // bounds the base.
        self.base.saturating_add(self.agreed.unit.saturating_mul(self.receipted.into()))
    }

    fn paid_positions(&self, ledger: &PayeeLedger) -> u64 {
        let paid = ledger.promised(self.agreed.lane).saturating_sub(self.base);
        u64::try_from(paid / self.agreed.unit.max(1)).unwrap_or(u64::MAX)
    }

    fn persist(&self, durability: Durability, context: &mut SessionContext<'_>) {
        let record = Box::new(context.ledger.record(self.agreed.lane));
        context.out.push(StageOutput::Persist { record, durability });
    }

    fn send(&self, to: PublicKey, message: Message, context: &mut SessionContext<'_>) {
        context.out.push(StageOutput::Send { to, addresses: self.agreed.addresses(&to), message });
    }
}
