//! A payer's session: opens every stage, feeds the prompt, collects tokens, pays, verifies,
//! settles.
//!
//! ```text
//! Opening ──all accepted──▶ Streaming ──last token / fault / cancel──▶ Settling ──accounts confirmed / deadline──▶ Finished
//! ```
//! **When it pays.** The opening prepays the first positions, for the room that a stage keeps.
//! After them it pays for a position as soon as it knows that the position will be computed: when
//! it sends it as part of the prompt, or when the last stage has told it the token that stage 0
//! computes next. So it pays ahead of the worker's need, and never for a position that nobody
//! computes: at the end of an honest session that computed what was prepaid the sum is exact.
//! **When it stops.** It never pays more than `exposure_positions` beyond the stage's verified
//! receipts, nor beyond its lane's budget; the plan's spending limit is checked against the most
//! that the session can cost before anything is promised.

mod hubs;

use mica_primitives::{MAX_TICKS, PublicKey};

use super::{
    PayerDeadlines, PayerInput, PayerOutput, SessionFailure, SessionPlan, SessionReport,
    hops::Hops,
    plan::{PlanError, check_plan},
    stage::{Account, StageState, ends_account},
};
use crate::{
    FaultCode, SessionId,
    channel::{PayerLaneRecord, SpendError},
    clock::Now,
    limits::{MAX_FAULT_TEXT_BYTES, MAX_PIPELINE_POSITIONS, MAX_STEP_ROWS},
    messages::{
        Close, CloseWhen, Closed, Fault, HeldPromises, Message, Open, Opened, Payload, Promises,
        SessionReceipt, Statement, Step, Token,
    },
    receipts::{Culprits, Ending, PathVerifier, StageFacts, Verified, VerifyError},
    session::{SessionSpec, StopReason},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Opening,
    Streaming,
    Settling,
    Finished,
}

/// A session from the payer's side.
#[derive(Debug)]
pub struct PayerSession {
    id: SessionId,
    genesis: mica_primitives::Hash32,
    spec: SessionSpec,
    prompt: Vec<u32>,
    exposure_positions: u32,
    voucher_blocks: u32,
    deadlines: PayerDeadlines,
    stages: Vec<StageState>,
    verifier: PathVerifier,
    phase: Phase,
    /// Prompt positions sent.
    sent: u32,
    tokens: Vec<u32>,
    stop: Option<StopReason>,
    cancelled: bool,
    failure: Option<SessionFailure>,
    /// When the current wait began.
    since_ms: u64,
}

impl PayerSession {
    /// Starts the session: returns it with the openings to send.
    ///
    /// # Errors
    /// [`PlanError`]; nothing was promised then, and the lanes are to be given back as they are.
    pub fn start(plan: SessionPlan, now: Now) -> Result<(Self, Vec<PayerOutput>), PlanError> {
        let checked = check_plan(&plan)?;
        let SessionPlan {
            session,
            genesis,
            model,
            profile,
            stages,
            prompt,
            exposure_positions,
            ..
        } = plan;
        let facts: Vec<StageFacts> = stages
            .iter()
            .map(|stage| StageFacts {
                peer: stage.peer,
                lane: stage.lane.record().lane,
                layers: stage.range,
            })
            .collect();
        let expires = now.block.saturating_add(plan.voucher_blocks);
        let ticks =
            u16::try_from(checked.spec.needed_positions()).unwrap_or(MAX_TICKS).min(MAX_TICKS);
        let (mut states, mut out) = (Vec::with_capacity(stages.len()), Vec::new());
        for (index, (planned, pay)) in stages.into_iter().zip(checked.stages).enumerate() {
            let quote = planned.quote;
            let positions = checked.spec.max_positions;
            let hops = Hops::new(session, index, positions, &planned.hubs, pay.unit);
            let mut state = StageState::new(session, planned, pay, hops);
            let voucher = state
                .first_voucher(ticks, expires)
                .map_err(|source| PlanError::Spend { stage: index, source })?;
            let open = Open {
                session,
                model,
                profile,
                path: checked.path.clone(),
                stage: index as u8,
                channel: voucher.voucher.channel,
                lane: voucher.voucher.lane,
                terms: pay.terms,
                spec: checked.spec.clone(),
                voucher,
                prepaid_positions: pay.prepaid,
                quote,
            };
            state.begin(open, &mut out);
            states.push(state);
        }
        let session = Self {
            id: session,
            genesis,
            spec: checked.spec,
            prompt,
            exposure_positions: exposure_positions.into(),
            voucher_blocks: plan.voucher_blocks,
            deadlines: plan.deadlines,
            stages: states,
            verifier: PathVerifier::new(session, profile, genesis, &facts),
            phase: Phase::Opening,
            sent: 0,
            tokens: Vec::new(),
            stop: None,
            cancelled: false,
            failure: None,
            since_ms: now.ms,
        };
        Ok((session, out))
    }

    /// The session's name.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Whether [`PayerOutput::Finished`] has been given.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// The lanes' records as they are now, to be given back to their ledgers.
    pub fn lane_records(&self) -> Vec<PayerLaneRecord> {
        self.stages.iter().map(|stage| stage.lane().record().clone()).collect()
    }

    /// When [`PayerInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let wait_ms = match self.phase {
            Phase::Opening => self.deadlines.opening_ms,
            Phase::Streaming => self.deadlines.progress_ms,
            Phase::Settling => self.deadlines.settle_ms,
            Phase::Finished => return None,
        };
        Some(self.since_ms.saturating_add(wait_ms))
    }

    /// Carries an input out. Outputs are to be done in order.
    pub fn handle(&mut self, now: Now, input: PayerInput) -> Vec<PayerOutput> {
        let mut out = Vec::new();
        if self.phase == Phase::Finished {
            return out;
        }
        match input {
            PayerInput::Message { from, message } => self.message(now, &from, message, &mut out),
            PayerInput::Disconnected { peer } => {
                self.hub_disconnected(now, &peer, &mut out);
                self.disconnected(now, &peer, &mut out);
            }
            PayerInput::Cancel => self.cancel(now, &mut out),
            PayerInput::Wake => self.wake(now, &mut out),
        }
        if self.phase == Phase::Settling && self.stages.iter().all(StageState::is_done) {
            self.finish(&mut out);
        }
        out
    }

    fn message(
        &mut self,
        now: Now,
        from: &PublicKey,
        message: Message,
        out: &mut Vec<PayerOutput>,
    ) {
        if message.session().is_some_and(|session| session != self.id) {
            return;
        }
        match (message, self.stages.iter().position(|stage| stage.peer == *from)) {
            (Message::Relayed(relayed), _) => self.relayed(now, from, relayed, out),
            (Message::RelayRefused(refused), _) => self.relay_refused(now, from, refused, out),
            (message, Some(stage)) => self.stage_message(now, stage, message, out),
            (Message::Fault(fault), None) => self.hub_fault(now, from, &fault, out),
            (_, None) => {}
        }
    }

    fn stage_message(
        &mut self,
        now: Now,
        stage: usize,
        message: Message,
        out: &mut Vec<PayerOutput>,
    ) {
        match message {
            Message::Opened(opened) => self.opened(now, stage, &opened, out),
            Message::Token(token) => self.token(now, stage, token, out),
            Message::Receipt(receipt) => self.receipt(now, stage, &receipt, out),
            Message::Statement(statement) => self.statement(now, stage, &statement, out),
            Message::Closed(closed) => self.closed(stage, &closed),
            Message::Promises(shown) => self.promises(stage, shown, out),
            Message::Fault(fault) => self.fault(now, stage, fault, out),
            // Quotes are answers to the caller's own questions; anything else is not a payer's
            // business.
            _ => {}
        }
    }

    fn opened(&mut self, now: Now, stage: usize, opened: &Opened, out: &mut Vec<PayerOutput>) {
        let checked = self.stages[stage].check_opened(opened, &self.spec, &self.genesis);
        if checked.is_ok() && !self.stages[stage].opened {
            self.stages[stage].show_prepaid(out);
        }
        if self.phase != Phase::Opening {
            // It comes too late to compute, and not too late to keep what was prepaid.
            self.stages[stage].opened |= checked.is_ok();
            return;
        }
        if let Err(text) = checked {
            return self.fail(
                now,
                Some(stage),
                FaultCode::BadAcceptance,
                format!("the acceptance is refused: {text}"),
                out,
            );
        }
        self.stages[stage].opened = true;
        if self.stages.iter().all(|stage| stage.opened) {
            self.phase = Phase::Streaming;
            self.since_ms = now.ms;
            out.push(PayerOutput::Ready);
            self.pump(now, out);
        }
    }

    /// Sends what may be sent and pays what may be paid.
    fn pump(&mut self, now: Now, out: &mut Vec<PayerOutput>) {
        if self.phase != Phase::Streaming {
            return;
        }
        let mut steps = Vec::new();
        if let Err(error) = self.next_steps(&mut steps, out) {
            return self.refuse(now, &error, out);
        }
        if let Err((stage, error)) = self.pay(now, out) {
            return self.fail(now, Some(stage), FaultCode::LimitReached, error.to_string(), out);
        }
        let first = &self.stages[0];
        out.extend(steps.into_iter().map(|step| first.send(Message::Step(step))));
    }

    fn next_steps(
        &mut self,
        steps: &mut Vec<Step>,
        out: &mut Vec<PayerOutput>,
    ) -> Result<(), VerifyError> {
        while (self.sent as usize) < self.prompt.len() {
            let from = self.sent as usize;
            let to = self.prompt.len().min(from + usize::from(MAX_STEP_ROWS));
            let rows = (to - from) as u16;
            if self.sent + u32::from(rows)
                > self.verifier.verified_by_all() + MAX_PIPELINE_POSITIONS
            {
                return Ok(());
            }
            if self.cancelled {
                // The session ends with this piece of the prompt; the rest is never computed nor
                // paid.
                self.prompt.truncate(to);
            }
            let ids = self.prompt[from..to].to_vec();
            let sample = to == self.prompt.len();
            let verified = self.verifier.prompt(&ids)?;
            self.note(verified, out);
            if sample {
                let verified = self.verifier.prompt_complete()?;
                self.note(verified, out);
            }
            let payload = Payload::Tokens(ids);
            steps.push(Step { session: self.id, first_position: self.sent, rows, sample, payload });
            self.sent += u32::from(rows);
        }
        Ok(())
    }

    /// Positions that are computed, or will be without another word of the payer's.
    fn committed(&self) -> u32 {
        let fed = self.tokens.len() - usize::from(self.stop.is_some() && !self.tokens.is_empty());
        self.sent + fed as u32
    }

    fn pay(&mut self, now: Now, out: &mut Vec<PayerOutput>) -> Result<(), (usize, SpendError)> {
        let committed = self.committed();
        let expires = now.block.saturating_add(self.voucher_blocks);
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let target = committed
                .min(self.verifier.verified(index).saturating_add(self.exposure_positions));
            stage
                .pay_to(self.id, target, now.block, expires, out)
                .map_err(|error| (index, error))?;
        }
        Ok(())
    }

    fn token(&mut self, now: Now, stage: usize, token: Token, out: &mut Vec<PayerOutput>) {
        if self.phase != Phase::Streaming {
            return;
        }
        if let Err(text) = self.check_token(stage, &token) {
            return self.fail(
                now,
                Some(stage),
                FaultCode::UnexpectedPosition,
                text.to_owned(),
                out,
            );
        }
        self.since_ms = now.ms;
        self.tokens.push(token.id);
        self.stop = token.stop;
        let Token { position, id, stop, log_probabilities, .. } = token;
        out.push(PayerOutput::Token { position, id, stop, log_probabilities });
        match self.verifier.token(id) {
            Ok(verified) => self.note(verified, out),
            Err(error) => return self.refuse(now, &error, out),
        }
        self.pump(now, out);
        if self.stop.is_some() {
            self.settle(now, out);
        }
    }

    fn check_token(&self, stage: usize, token: &Token) -> Result<(), &'static str> {
        if stage + 1 != self.stages.len() {
            return Err("only the last stage sends tokens");
        }
        if (self.sent as usize) < self.prompt.len()
            || token.position as usize != self.prompt.len() + self.tokens.len()
        {
            return Err("the token is not the next one");
        }
        match (&token.log_probabilities, self.spec.logprobs) {
            (None, None) => {}
            (Some(found), Some(asked)) => found.check(token.id, asked)?,
            _ => {
                return Err("the token comes with log probabilities that were not asked for, or \
                            without those that were");
            }
        }
        let count = self.tokens.len() + 1;
        let due = if self.spec.end_ids.contains(&token.id) {
            Some(StopReason::EndId)
        } else if count >= self.spec.max_new_tokens as usize {
            Some(StopReason::MaxNewTokens)
        } else if token.position >= self.spec.max_positions {
            Some(StopReason::MaxPositions)
        } else {
            None
        };
        let asked = due.is_none() && self.cancelled && token.stop == Some(StopReason::Asked);
        if token.stop == due || asked {
            Ok(())
        } else {
            Err("the answer stops where it must not, or goes on where it must stop")
        }
    }

    fn receipt(
        &mut self,
        now: Now,
        stage: usize,
        receipt: &SessionReceipt,
        out: &mut Vec<PayerOutput>,
    ) {
        let ending = match self.phase {
            Phase::Opening | Phase::Finished => return,
            Phase::Streaming => Ending::Running,
            Phase::Settling => Ending::Flushing,
        };
        match self.verifier.accept(stage, &receipt.receipt, ending) {
            Ok(verified) => {
                if self.phase == Phase::Streaming {
                    self.since_ms = now.ms;
                }
                self.note(verified, out);
                self.pump(now, out);
            }
            Err(error) => self.refuse(now, &error, out),
        }
    }

    fn note(&mut self, verified: Vec<Verified>, out: &mut Vec<PayerOutput>) {
        for Verified { stage, receipt } in verified {
            self.stages[stage].push_receipt(stage, receipt, out);
        }
    }

    fn statement(
        &mut self,
        now: Now,
        stage: usize,
        statement: &Statement,
        out: &mut Vec<PayerOutput>,
    ) {
        if self.phase != Phase::Settling || !self.stages[stage].awaits_account() {
            return;
        }
        // A stage that nobody can check between its neighbours is paid for no more than the session
        // needed.
        let positions = self.verifier.verified(stage).min(self.committed());
        let expires = now.block.saturating_add(self.voucher_blocks);
        match self.stages[stage].settle(self.id, positions, now.block, expires, out) {
            Ok(cumulative)
                if statement.positions == positions && statement.cumulative <= cumulative => {}
            Ok(cumulative) => {
                let text = format!(
                    "it states {} positions and {}, its receipts show {positions} and {cumulative}",
                    statement.positions, statement.cumulative
                );
                self.note_failure(Some(stage), None, FaultCode::BadStatement, text);
            }
            Err(error) => {
                self.stages[stage].account = Account::Gone;
                self.note_failure(Some(stage), None, FaultCode::LimitReached, error.to_string());
            }
        }
    }

    fn closed(&mut self, stage: usize, closed: &Closed) {
        self.stages[stage].confirm(closed.cumulative);
    }

    /// A worker shows its part of the account of a channel, once and before it answers the opening.
    fn promises(&mut self, stage: usize, shown: Promises, out: &mut Vec<PayerOutput>) {
        let state = &mut self.stages[stage];
        if state.opened || state.is_done() || state.shown {
            return;
        }
        state.shown = true;
        if !state.hops.is_empty() {
            // They are its hub's, which may have forgotten them.
            return state.hops.show_held(shown.held, out);
        }
        out.extend(
            shown.held.into_iter().map(|held| PayerOutput::Adopt { stage, held: Box::new(held) }),
        );
    }

    fn fault(&mut self, now: Now, stage: usize, fault: Fault, out: &mut Vec<PayerOutput>) {
        let code = fault.code();
        // It ends up in errors, tables and logs.
        let text = mica_text::shown(&fault.text, MAX_FAULT_TEXT_BYTES);
        // Afterwards the session itself knows most of its lane.
        if let Some(held) = fault.held.filter(|_| !self.stages[stage].opened) {
            if self.stages[stage].hops.is_empty() {
                out.push(PayerOutput::Adopt { stage, held });
            } else {
                let held = HeldPromises::truncate_from(vec![*held]);
                self.stages[stage].hops.show_held(held, out);
            }
        }
        // A stage that never accepted has no account to give.
        let state = &mut self.stages[stage];
        if !state.opened {
            state.refuse(code);
        }
        if !state.opened || ends_account(code) {
            state.account = Account::Gone;
        }
        if self.phase != Phase::Settling {
            self.fail(now, Some(stage), code, text, out);
        } else if self.stages[stage].account == Account::Gone {
            self.note_failure(Some(stage), None, code, text);
        }
    }

    fn disconnected(&mut self, now: Now, peer: &PublicKey, out: &mut Vec<PayerOutput>) {
        let Some(stage) = self.stages.iter().position(|stage| stage.peer == *peer) else { return };
        if !self.stages[stage].is_done() {
            self.stages[stage].account = Account::Gone;
            let text = "the connection to the worker broke".to_owned();
            self.fail(now, Some(stage), FaultCode::PeerLost, text, out);
        }
    }

    fn cancel(&mut self, now: Now, out: &mut Vec<PayerOutput>) {
        match self.phase {
            Phase::Opening => {
                self.fail(now, None, FaultCode::Cancelled, "ended before it began".to_owned(), out)
            }
            Phase::Streaming if !self.cancelled => {
                self.cancelled = true;
                let close = Close { session: self.id, when: CloseWhen::AfterNextToken };
                out.extend(self.stages.last().map(|last| last.send(Message::Close(close))));
                self.pump(now, out);
            }
            Phase::Streaming | Phase::Settling | Phase::Finished => {}
        }
    }

    fn wake(&mut self, now: Now, out: &mut Vec<PayerOutput>) {
        if self.next_deadline_ms().is_none_or(|deadline_ms| now.ms < deadline_ms) {
            return;
        }
        match self.phase {
            Phase::Opening => {
                let silent = self.stages.iter().position(|stage| !stage.opened);
                self.fail(
                    now,
                    silent,
                    FaultCode::Silent,
                    "the worker did not answer in time".to_owned(),
                    out,
                );
            }
            Phase::Streaming => {
                // The first stage whose receipts lag behind all others: the likeliest, not the
                // certain one.
                let least = self.verifier.verified_by_all();
                let slow =
                    (0..self.stages.len()).find(|stage| self.verifier.verified(*stage) == least);
                self.fail(
                    now,
                    slow,
                    FaultCode::Silent,
                    "no token and no receipt in time".to_owned(),
                    out,
                );
            }
            Phase::Settling => {
                let silent = self.stages.iter().position(|stage| !stage.is_done());
                self.note_failure(
                    silent,
                    None,
                    FaultCode::Silent,
                    "the final account was not confirmed".to_owned(),
                );
                self.finish(out);
            }
            Phase::Finished => {}
        }
    }

    /// Receipts contradict what is known.
    fn refuse(&mut self, now: Now, error: &VerifyError, out: &mut Vec<PayerOutput>) {
        let (culprits, code) = match error {
            VerifyError::Mismatch { culprits, .. } => (*culprits, FaultCode::ReceiptMismatch),
            _ => (error.culprits(), FaultCode::BadReceipt),
        };
        let stage = match culprits {
            Culprits::Stage(stage) | Culprits::Hub(stage) => Some(stage),
            Culprits::Pair { .. } => None,
        };
        self.note_failure(stage, Some(culprits), code, error.to_string());
        self.settle(now, out);
    }

    fn fail(
        &mut self,
        now: Now,
        stage: Option<usize>,
        code: FaultCode,
        text: String,
        out: &mut Vec<PayerOutput>,
    ) {
        self.note_failure(stage, None, code, text);
        self.settle(now, out);
    }

    /// The first failure is the one that is reported.
    fn note_failure(
        &mut self,
        stage: Option<usize>,
        culprits: Option<Culprits>,
        code: FaultCode,
        text: String,
    ) {
        self.failure.get_or_insert(SessionFailure { stage, culprits, code, text });
    }

    /// Closes every stage and waits for the accounts.
    fn settle(&mut self, now: Now, out: &mut Vec<PayerOutput>) {
        if matches!(self.phase, Phase::Settling | Phase::Finished) {
            return;
        }
        self.phase = Phase::Settling;
        self.since_ms = now.ms;
        // Whoever was not asked yet has no account to give.
        for stage in self.stages.iter_mut().filter(|stage| stage.is_unasked()) {
            stage.account = Account::Gone;
        }
        let close = Close { session: self.id, when: CloseWhen::Now };
        let open = self.stages.iter().filter(|stage| !stage.is_done());
        out.extend(open.map(|stage| stage.send(Message::Close(close))));
    }

    fn finish(&mut self, out: &mut Vec<PayerOutput>) {
        self.phase = Phase::Finished;
        self.leave_hubs(out);
        let stages = self.stages.iter().enumerate();
        out.push(PayerOutput::Finished(Box::new(SessionReport {
            session: self.id,
            tokens: self.tokens.clone(),
            stop: self.stop,
            stages: stages
                .map(|(index, stage)| stage.report(self.verifier.verified(index)))
                .collect(),
            failure: self.failure.clone(),
        })));
    }
}
