//! A stage that is paid through hubs.
//!
//! ```text
//! asking the hubs ──last hub's promise──▶ asking the worker ──accepted──▶ paying ──account──▶ settling
//! ```
//! **No tick before its promise.** A tick goes to the hubs and to the worker at one time, and only
//! as far as the worker's newest voucher reaches. The first ones, which prepay the worker's room,
//! go to the worker with its opening, and to the hubs when it has accepted: a hub has nothing of a
//! session that was refused.
//! **The exact sum** is what the ticks came to. They are shown first, so that a hub that gives no
//! last voucher keeps nothing from the worker but the place of its receipts.

use mica_primitives::{BlockNumber, ChannelId, LaneId, Redeem, TickProof};

use super::{Account, StageState};
use crate::{
    SessionId,
    channel::{Durability, SpendError},
    messages::{Message, Open, Pay, Payment},
    payer::{PayerOutput, hops::Brought},
};

/// What a hub's promise leads to.
pub(in crate::payer) enum HubStep {
    /// Nothing that the session must know.
    Quiet,
    /// The worker was asked: it will be paid on this lane of its hub's, whose receipts begin at
    /// this index.
    Asked(ChannelId, LaneId, u64),
    /// More can be paid.
    MayPay,
}

/// What is wrong with a hub's promise, or why nothing more can be promised.
pub(in crate::payer) enum HubError {
    /// It is not what was asked for.
    Promise(&'static str),
    /// The lane's limit.
    Spend(SpendError),
}

impl StageState {
    /// Asks the first hub; `open` waits for the last one.
    pub(super) fn ask_hub(&mut self, open: Open, out: &mut Vec<PayerOutput>) {
        self.own = Some(open.voucher.clone());
        self.hops.open(0, open.voucher.clone(), out);
        self.waiting = Some(Box::new(open));
    }

    /// Whether the worker was not asked yet.
    pub(in crate::payer) const fn is_unasked(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes what the hub `hop` promises.
    pub(in crate::payer) fn relayed(
        &mut self,
        session: SessionId,
        hop: usize,
        promise: Redeem,
        (block, expires): (BlockNumber, BlockNumber),
        out: &mut Vec<PayerOutput>,
    ) -> Result<HubStep, HubError> {
        let own = self.own.clone().ok_or(HubError::Promise("nothing was asked"))?;
        let vouched = own.voucher.cumulative.saturating_sub(self.base) / self.lane_unit.max(1);
        let before = u32::try_from(vouched).unwrap_or(u32::MAX);
        let brought = self.hops.promised(hop, promise, (&own, before), out);
        let brought = brought.map_err(HubError::Promise)?;
        match brought {
            Brought::Outdated | Brought::Onward => Ok(HubStep::Quiet),
            Brought::Final(voucher) => {
                self.bring_final(session, *voucher, out);
                Ok(HubStep::Quiet)
            }
            Brought::Worker if self.waiting.is_some() => self.ask_worker(out),
            Brought::Worker => {
                self.renewing = false;
                if self.owed.is_some() {
                    self.settle_hubs(session, block, expires, out).map_err(HubError::Spend)?;
                }
                Ok(HubStep::MayPay)
            }
        }
    }

    /// The hub will pay the worker: now that is asked.
    fn ask_worker(&mut self, out: &mut Vec<PayerOutput>) -> Result<HubStep, HubError> {
        let short = HubError::Promise("it is too short for what the worker asks in advance");
        if self.hops.covered() < u32::from(self.prepaid) {
            return Err(short);
        }
        let paid = self.lane.pay(self.prepaid.into(), self.expires).map_err(HubError::Spend)?;
        let Payment::Tick(proof) = paid else { return Err(short) };
        let (Some(mut open), Some(voucher)) =
            (self.waiting.take(), self.hops.worker_voucher(proof))
        else {
            return Ok(HubStep::Quiet);
        };
        let (channel, lane) = (voucher.voucher.channel, voucher.voucher.lane);
        self.first_receipt = voucher.voucher.receipts;
        (open.channel, open.lane, open.voucher) = (channel, lane, voucher);
        // As it is, not some ticks ahead: if the worker refuses, all of it is taken back.
        self.persist(Durability::Disk, out);
        self.ask(*open, out);
        Ok(HubStep::Asked(channel, lane, self.first_receipt))
    }

    /// The worker has accepted, so the hubs are shown what it was paid in advance.
    pub(in crate::payer) fn show_prepaid(&mut self, out: &mut Vec<PayerOutput>) {
        if !self.hops.is_empty()
            && let Some(proof) = self.lane.last_tick()
        {
            self.show(proof, out);
        }
    }

    fn show(&mut self, proof: TickProof, out: &mut Vec<PayerOutput>) {
        if let Some(own) = &mut self.own {
            own.tick = Some(proof);
        }
        self.hops.show(proof, out);
    }

    /// Pays `wanted` positions, or as many as the hubs have promised: the rest when they promise
    /// more.
    pub(super) fn pay_hubs(
        &mut self,
        session: SessionId,
        wanted: u32,
        block: BlockNumber,
        expires: BlockNumber,
        out: &mut Vec<PayerOutput>,
    ) -> Result<(), SpendError> {
        // The next chain is on its way, or this one has been given up.
        let Some(left) = self.lane.ticks_left().filter(|_| !self.renewing) else { return Ok(()) };
        if left == 0 || self.is_aging(block, expires) {
            return self.renew_through_hubs(expires, out);
        }
        let promised = self.hops.covered().saturating_sub(self.paid_positions());
        let more = wanted.min(left.into()).min(promised);
        if more == 0 {
            return Ok(());
        }
        // Within the chain it is a tick.
        if let Payment::Tick(proof) = self.lane.pay(more, expires)? {
            self.persist(Durability::Process, out);
            let payment = self.hops.worker_payment(proof);
            out.push(self.send(Message::Pay(Pay { session, payment })));
            self.show(proof, out);
        }
        if self.lane.ticks_left() == Some(0) && wanted > more {
            return self.renew_through_hubs(expires, out);
        }
        Ok(())
    }

    /// The next chain. It promises nothing by itself: all that was revealed of the last one is in
    /// its sum.
    fn renew_through_hubs(
        &mut self,
        expires: BlockNumber,
        out: &mut Vec<PayerOutput>,
    ) -> Result<(), SpendError> {
        let Some(tick) = self.lane.record().tick else { return Ok(()) };
        let voucher = self.lane.renew(0, self.lane_unit, tick.max, expires)?;
        (self.expires, self.renewing) = (expires, true);
        self.own = Some(voucher.clone());
        self.persist(Durability::Disk, out);
        self.hops.pay_first(voucher, out);
        Ok(())
    }

    /// Shows the ticks that are still owed, and gives the exact sum once they are shown. Without a
    /// hub the ticks are all that the worker gets.
    pub(super) fn settle_hubs(
        &mut self,
        session: SessionId,
        block: BlockNumber,
        expires: BlockNumber,
        out: &mut Vec<PayerOutput>,
    ) -> Result<(), SpendError> {
        let Some(owed) = self.owed.filter(|_| self.account == Account::Open) else {
            return Ok(());
        };
        let more = owed.saturating_sub(self.paid_positions());
        if more > 0 {
            self.pay_hubs(session, more, block, expires, out)?;
        }
        if self.hops.is_broken() {
            self.account = Account::Gone;
        } else if self.paid_positions() >= owed {
            let sum = self.lane.promised();
            let voucher = self.lane.settle(sum, expires)?;
            self.account = Account::Paid;
            self.own = Some(voucher.clone());
            self.persist(Durability::Disk, out);
            self.hops.pay_first(voucher, out);
        }
        Ok(())
    }

    /// Brings the worker its exact sum.
    fn bring_final(&mut self, session: SessionId, voucher: Redeem, out: &mut Vec<PayerOutput>) {
        self.agreed_sum = Some(voucher.voucher.cumulative);
        let payment = Payment::Voucher(Box::new(voucher));
        out.push(self.send(Message::Pay(Pay { session, payment })));
    }

    /// A hub is gone. Returns whether the stage depends on it.
    pub(in crate::payer) fn lose_hub(
        &mut self,
        peer: &mica_primitives::PublicKey,
        session: SessionId,
        (block, expires): (BlockNumber, BlockNumber),
        out: &mut Vec<PayerOutput>,
    ) -> bool {
        let Some(hop) = self.hops.index_of(peer).filter(|_| !self.is_done()) else { return false };
        self.hops.lose(hop);
        let awaits_sum = self.account == Account::Paid && self.agreed_sum.is_none();
        if awaits_sum || self.is_unasked() {
            self.account = Account::Gone;
        } else if self.owed.is_some() {
            // Whatever can still be shown is; nothing more can be promised.
            let _ = self.settle_hubs(session, block, expires, out);
        }
        true
    }
}
