//! Money of one session: ticks, vouchers, and what is owed.

use mica_primitives::{Balance, PublicKey};

use super::{Phase, SessionContext, StageSession};
use crate::{
    FaultCode,
    channel::{Durability, VoucherKind, VoucherRule},
    messages::{Closed, Message, Pay, Payment, PaymentKind},
    stage::refusal::Refusal,
};

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
        let (lane, block) = (self.agreed.lane, context.now.block);
        let before = context.ledger.promised(lane);
        // Each renewal is a signature to check and a flush: one that pays nothing is refused before
        // either, and buys no time.
        if let Payment::Voucher(redeem) = &pay.payment
            && pay.payment.kind() == PaymentKind::Renewal
            && redeem.voucher.cumulative <= before
        {
            let text = format!("a renewal must promise more than {before}");
            return Err(Refusal::new(FaultCode::StaleVoucher, text));
        }
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
        if self.job.is_none() && self.phase == Phase::Working {
            self.wait_anew(context.now);
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
