//! Money of one session: ticks, vouchers, and what is owed.

use mica_primitives::{Balance, PublicKey, Redeem, TickProof};

use super::{Phase, SessionContext, StageSession};
use crate::{
    FaultCode,
    channel::{Durability, LedgerError, VoucherKind, VoucherRule},
    limits::{MAX_PAID_AHEAD, MAX_USELESS_TICKS},
    messages::{Closed, Message, Pay, Payment, PaymentKind},
    stage::refusal::Refusal,
};

/// Whether the payer goes on with the tick chain that the ledger has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ChainState {
    /// Nothing speaks against it.
    Shared,
    /// A newer voucher was refused. The ticks that follow it are of a chain that nobody has here,
    /// and were sent before the payer heard of that.
    Doubtful,
    /// A tick after that did not verify: none is looked at before the next voucher.
    Left,
}

impl StageSession {
    pub(super) fn pay(
        &mut self,
        from: PublicKey,
        pay: Pay,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if from != self.agreed.payer {
            return Err(Refusal::new(FaultCode::WrongPeer, "only the payer of a session pays"));
        }
        let kind = pay.payment.kind();
        match &pay.payment {
            Payment::Tick(proof) => self.take_tick(proof, context),
            Payment::Voucher(redeem) => {
                let taken = self.take_voucher(redeem, kind, context);
                self.chain = match (&taken, self.chain) {
                    (Ok(()), _) => ChainState::Shared,
                    (Err(_), ChainState::Shared) => ChainState::Doubtful,
                    (Err(_), chain) => chain,
                };
                taken
            }
        }
    }

    /// Takes the next preimage. An honest payer's is on the chain, or behind what is revealed
    /// already if a link repeats itself; the first one that is not ends the session, so that no
    /// voucher costs more than one walk along its chain in vain.
    fn take_tick(
        &mut self,
        proof: &TickProof,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        let lane = self.agreed.lane;
        if self.chain == ChainState::Left {
            return self.useless_tick(None, context);
        }
        let held = context.ledger.held(lane);
        let vouched = held.map_or(0, |held| held.voucher.cumulative);
        if let Err(refusal) = self.check_ahead(proof, vouched) {
            self.expel(refusal, context);
            return Ok(());
        }
        match context.ledger.accept_tick(lane, proof, context.now.block) {
            Ok(_) => {
                self.persist(Durability::Process, context);
                self.paid_more(context);
                Ok(())
            }
            Err(LedgerError::OldTick { .. }) => self.useless_tick(None, context),
            Err(LedgerError::BadTick { .. }) if self.chain == ChainState::Doubtful => {
                self.chain = ChainState::Left;
                self.useless_tick(None, context)
            }
            Err(error @ LedgerError::BadTick { .. }) => {
                self.expel(Refusal::of_money(&error, None), context);
                Ok(())
            }
            Err(error) => {
                let refusal = Refusal::of_money(&error, context.ledger.held(lane));
                self.useless_tick(Some(refusal), context)
            }
        }
    }

    /// Counts a tick that pays nothing, and answers it with `refusal` if there is one. More of them
    /// than an honest payer can have under way end the session.
    fn useless_tick(
        &mut self,
        refusal: Option<Refusal>,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        self.useless_ticks += 1;
        if self.useless_ticks > MAX_USELESS_TICKS {
            let text = format!("more than {MAX_USELESS_TICKS} ticks of the session paid nothing");
            self.expel(Refusal::new(FaultCode::BadTick, text), context);
            return Ok(());
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Whether a tick of a voucher that promises `vouched` without it pays for no more than an
    /// honest payer has a reason to: each position costs a hash to check.
    fn check_ahead(&self, proof: &TickProof, vouched: Balance) -> Result<(), Refusal> {
        let vouched = vouched.saturating_sub(self.base);
        let pays_for = (vouched / self.agreed.unit.max(1)).saturating_add(proof.n.into());
        let most = Balance::from(self.receipted.saturating_add(MAX_PAID_AHEAD));
        if pays_for <= most {
            return Ok(());
        }
        let text = format!(
            "the tick pays for {pays_for} positions and receipts cover {}: at most \
             {MAX_PAID_AHEAD} may be paid ahead",
            self.receipted
        );
        Err(Refusal::new(FaultCode::BadTick, text))
    }

    fn take_voucher(
        &mut self,
        redeem: &Redeem,
        kind: PaymentKind,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        let (lane, block) = (self.agreed.lane, context.now.block);
        let before = context.ledger.promised(lane);
        // Each renewal is a signature to check and a flush: one that pays nothing is refused before
        // either, and buys no time.
        let shown = redeem.promised().unwrap_or(Balance::MAX);
        if kind == PaymentKind::Renewal && shown <= before {
            let text = format!("a renewal must promise more than {before}");
            return Err(Refusal::new(FaultCode::StaleVoucher, text));
        }
        let ahead = redeem.tick.map(|proof| self.check_ahead(&proof, redeem.voucher.cumulative));
        if let Some(Err(refusal)) = ahead {
            self.expel(refusal, context);
            return Ok(());
        }
        let rule =
            VoucherRule { lane, unit: self.agreed.unit, block, kind: self.voucher_kind(kind) };
        let promised = match context.ledger.accept_voucher(redeem, &rule) {
            Ok(promised) => promised,
            // As with a tick by itself: one walk in vain.
            Err(error @ LedgerError::BadTick { .. }) => {
                self.expel(Refusal::of_money(&error, None), context);
                return Ok(());
            }
            Err(error) => return Err(Refusal::of_money(&error, context.ledger.held(lane))),
        };
        self.persist(Durability::Disk, context);
        match kind {
            PaymentKind::Final => self.settled(promised, context),
            PaymentKind::Tick | PaymentKind::Renewal => {
                self.paid_more(context);
                Ok(())
            }
        }
    }

    /// Goes on with what waited for money.
    fn paid_more(&mut self, context: &mut SessionContext<'_>) {
        if self.job.is_none() && self.phase == Phase::Working {
            self.wait_anew(context.now);
        }
        self.advance(context);
    }

    /// The part that a voucher must play now. The final one is only asked for by the account:
    /// before that it would have to be a renewal, and is refused because it carries no tick chain.
    const fn voucher_kind(&self, kind: PaymentKind) -> VoucherKind {
        match kind {
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

    /// What the lane must promise for the work that receipts cover; the prepayment is promised
    /// already.
    pub(super) fn owed(&self) -> Balance {
        // The unit times the most positions of a session was checked at the opening; the deposit
        // bounds the base.
        self.base.saturating_add(self.agreed.unit.saturating_mul(self.receipted.into()))
    }

    /// Positions that the chain pays for.
    pub(super) fn paid_positions(&self, context: &SessionContext<'_>) -> u64 {
        let secured = context.ledger.secured(self.agreed.lane, context.now.block);
        let paid = secured.saturating_sub(self.base);
        u64::try_from(paid / self.agreed.unit.max(1)).unwrap_or(u64::MAX)
    }
}
