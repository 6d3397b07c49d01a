//! One session at one stage: steps in, jobs to the engine, steps and tokens out, receipts, money,
//! the account at the end.
//!
//! ```text
//! Working ──Close / fault──▶ Finishing ──job done──▶ Settling ──final voucher / deadline──▶ Ended
//! ```
//! A tick that is not on its chain ends the session from any phase.
//!
//! While it works a session has at most one job in the engine. A step is computed only if
//! `computed + rows − paid ≤ credit`; otherwise it is held, in a bounded queue, until money comes
//! or the deadline passes.

mod outputs;
mod payment;
mod steps;

use mica_primitives::{Balance, PublicKey};
use payment::ChainState;
use std::collections::VecDeque;

use super::{
    SessionEnd, StageDeadlines, StageIdentity, StageOutput, opening::Agreed, refusal::Refusal,
};
use crate::{
    FaultCode,
    channel::{Durability, PayeeLedger},
    clock::Now,
    holding::{self, Patience, idle_deadline_ms},
    limits::FREE_WAIT_MS,
    messages::{Close, CloseWhen, Fault, Message, Statement, Step},
    receipts::{ReceiptWriter, WriterScope},
};

/// What a session works with while it handles one input.
pub(super) struct SessionContext<'a> {
    pub(super) identity: &'a StageIdentity,
    pub(super) deadlines: &'a StageDeadlines,
    /// How much of the worker's room is free.
    pub(super) free_permille: u32,
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
    /// What the lane promised before the session. What the opening voucher added to that, for the
    /// session's room, pays for the first positions.
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
    /// How long it has waited for steps before that, as far as it counts.
    waited_ms: u64,
    chain: ChainState,
    /// Ticks that paid nothing.
    useless_ticks: u32,
}

impl StageSession {
    /// A session whose opening voucher was accepted: the lane promises the prepayment beyond
    /// `base`.
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
            waited_ms: 0,
            chain: ChainState::Shared,
            useless_ticks: 0,
        }
    }

    pub(super) const fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    pub(super) fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether it still takes steps.
    pub(super) fn is_working(&self) -> bool {
        self.phase == Phase::Working
    }

    pub(super) const fn is_settling(&self) -> bool {
        matches!(self.phase, Phase::Settling(_))
    }

    /// Whether the payer has not sent what the session waits for. After the prompt, steps come from
    /// other stages, which may be slow. Before it, the first stage sees for itself; a later one
    /// goes by the money, because a payer pays every stage for its prompt when it sends that to
    /// the first, unless all of it is prepaid.
    fn awaits_payer(&self) -> bool {
        let prepaid = self.agreed.prepaid_positions;
        let is_paid_when_sent = self.agreed.exposure_positions > prepaid
            && self.agreed.spec.prompt_positions > u32::from(prepaid);
        !self.decoding && (self.agreed.index == 0 || is_paid_when_sent)
    }

    /// What the session may still cost beyond what its lane promises.
    pub(super) fn uncovered(&self, ledger: &PayeeLedger) -> Balance {
        let most = self.base.saturating_add(self.agreed.cost());
        most.saturating_sub(ledger.promised(self.agreed.lane))
    }

    /// When the session gives up waiting: for a step, when it has waited longer than it has paid
    /// for its room.
    pub(super) fn deadline_ms(
        &self,
        deadlines: &StageDeadlines,
        free_permille: u32,
        ledger: &PayeeLedger,
    ) -> u64 {
        let wait_ms = match self.phase {
            Phase::Settling(_) | Phase::Ended => deadlines.settle_ms,
            _ if self.job.is_some() => deadlines.compute_ms,
            _ if !self.held.is_empty() => deadlines.credit_ms,
            _ => {
                let paid_ms = self.paid_ms(ledger).saturating_sub(self.waited_ms);
                let patience = Patience { paid_ms, pace_ms: self.agreed.pace_ms, free_permille };
                idle_deadline_ms(patience, deadlines.step_ms)
            }
        };
        self.since_ms.saturating_add(wait_ms)
    }

    /// How long the session's room may be held for what it has paid so far.
    fn paid_ms(&self, ledger: &PayeeLedger) -> u64 {
        let paid = ledger.promised(self.agreed.lane).saturating_sub(self.base);
        holding::paid_ms(paid, self.agreed.holding_price, self.agreed.spec.max_positions)
    }

    /// Begins another wait; one for a step that ends now is counted.
    fn wait_anew(&mut self, now: Now) {
        if self.job.is_none() && self.held.is_empty() {
            let waited_ms = now.ms.saturating_sub(self.since_ms).saturating_sub(FREE_WAIT_MS);
            self.waited_ms = self.waited_ms.saturating_add(waited_ms);
        }
        self.since_ms = now.ms;
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, context: &mut SessionContext<'_>) {
        let deadline_ms =
            self.deadline_ms(context.deadlines, context.free_permille, context.ledger);
        if context.now.ms < deadline_ms {
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
                    self.paid_positions(context)
                );
                self.fail(Refusal::new(FaultCode::CreditExhausted, text), context);
            }
            Phase::Working => {
                let text = "no step came for as long as the room was paid for";
                self.fail(Refusal::new(FaultCode::Silent, text), context)
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

    /// Ends the session of a payer that cheats: nothing more is computed, and no final voucher is
    /// waited for, so that its account is known for it at once.
    fn expel(&mut self, refusal: Refusal, context: &mut SessionContext<'_>) {
        let code = refusal.code;
        // The engine may still answer; its positions are not charged.
        self.job = None;
        self.fail(refusal, context);
        self.end(false, Some(code), context);
    }

    /// Ends the session without waiting any longer.
    pub(super) fn end(
        &mut self,
        settled: bool,
        fault: Option<FaultCode>,
        context: &mut SessionContext<'_>,
    ) {
        // What the payer promised and the chain does not pay is no earning.
        let secured = context.ledger.secured(self.agreed.lane, context.now.block);
        self.end_with(secured, settled, fault, context);
    }

    /// Ends the session because another one begins on its lane, which promises `promised` beside
    /// that one's prepayment.
    pub(super) fn make_way(&mut self, promised: Balance, context: &mut SessionContext<'_>) {
        let secured = context.ledger.secured(self.agreed.lane, context.now.block);
        self.end_with(secured.min(promised), false, None, context);
    }

    fn end_with(
        &mut self,
        secured: Balance,
        settled: bool,
        fault: Option<FaultCode>,
        context: &mut SessionContext<'_>,
    ) {
        let Agreed { session, payer, channel, lane, .. } = self.agreed;
        self.phase = Phase::Ended;
        context.out.push(StageOutput::Ended(SessionEnd {
            session,
            payer,
            channel,
            lane,
            positions: self.computed,
            earned: secured.saturating_sub(self.base),
            prepaid: self.agreed.prepayment(),
            unpaid: self.owed().saturating_sub(secured),
            settled,
            fault,
            kept_waiting: self.awaits_payer(),
        }));
    }

    fn persist(&self, durability: Durability, context: &mut SessionContext<'_>) {
        let record = Box::new(context.ledger.record(self.agreed.lane));
        context.out.push(StageOutput::Persist { record, durability });
    }

    fn send(&self, to: PublicKey, message: Message, context: &mut SessionContext<'_>) {
        context.out.push(StageOutput::Send { to, addresses: self.agreed.addresses(&to), message });
    }
}
