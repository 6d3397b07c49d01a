//! One stage of a path as its payer sees it: what was agreed, what was paid, and how far its
//! account is settled.

use mica_primitives::{
    Balance, BlockNumber, Hash32, LayerRange, PublicKey, Receipt, Redeem, WorkerAddresses,
};

use super::{PayerOutput, PlannedStage, StageReport, plan::StagePay};
use crate::{
    FaultCode,
    channel::{Durability, PayerLane, SpendError},
    limits::EXPIRY_MARGIN_BLOCKS,
    messages::{Message, Opened, Pay, Payment},
    session::{PaymentTerms, SessionId, SessionSpec},
};

/// Where a stage stands at the end of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Account {
    /// Not stated.
    Open,
    /// The final voucher was sent.
    Paid,
    /// The worker has confirmed it.
    Settled,
    /// Nothing more is expected from the worker.
    Gone,
}

#[derive(Debug)]
pub(super) struct StageState {
    pub(super) peer: PublicKey,
    pub(super) range: LayerRange,
    pub(super) account: Account,
    pub(super) opened: bool,
    /// Whether it has shown what it holds.
    pub(super) shown: bool,
    /// Why it did not take the session.
    pub(super) refused: Option<FaultCode>,
    /// blake3 of the opening that was sent.
    pub(super) open: Hash32,
    addresses: WorkerAddresses,
    terms: PaymentTerms,
    unit: Balance,
    /// Positions that the opening voucher pays for.
    prepaid: u16,
    lane: PayerLane,
    /// What the lane promised before the session.
    base: Balance,
    /// Last block of the newest voucher.
    expires: BlockNumber,
    receipts: u64,
}

impl StageState {
    pub(super) fn new(session: SessionId, planned: PlannedStage, pay: StagePay) -> Self {
        let StagePay { terms, unit, prepaid } = pay;
        let PlannedStage { peer, addresses, range, lane, .. } = planned;
        let lane = lane.of(session);
        Self {
            peer,
            range,
            account: Account::Open,
            opened: false,
            shown: false,
            refused: None,
            open: [0; 32],
            addresses,
            terms,
            unit,
            prepaid,
            base: lane.promised(),
            lane,
            expires: 0,
            receipts: 0,
        }
    }

    pub(super) const fn lane(&self) -> &PayerLane {
        &self.lane
    }

    /// The session's first voucher: it prepays for the room, and has a chain for `ticks` positions.
    pub(super) fn first_voucher(
        &mut self,
        ticks: u16,
        expires: BlockNumber,
    ) -> Result<Redeem, SpendError> {
        self.expires = expires;
        self.lane.renew(self.prepaid.into(), self.unit, ticks, expires)
    }

    /// The worker has refused the opening, so what was prepaid is not its own: the next voucher of
    /// the lane goes on from what was promised before. A worker that redeems a voucher that it has
    /// refused gains that prepayment, and the chain tells of it.
    pub(super) fn refuse(&mut self, code: FaultCode) {
        self.refused.get_or_insert(code);
        if self.account == Account::Open {
            self.lane.withdraw(self.base);
        }
    }

    /// Whether `opened` is this stage's signed yes to what was asked.
    pub(super) fn check_opened(
        &self,
        opened: &Opened,
        spec: &SessionSpec,
        genesis: &Hash32,
    ) -> Result<(), &'static str> {
        let acceptance = &opened.acceptance;
        if acceptance.open != self.open {
            return Err("it answers another opening");
        }
        if acceptance.range != self.range
            || acceptance.unit != self.unit
            || acceptance.max_positions < spec.max_positions
        {
            return Err("it accepts other layers, another price or fewer positions");
        }
        let terms = PaymentTerms { credit_positions: acceptance.credit_positions, ..self.terms };
        if terms.check(self.range.len()).is_err() {
            return Err("its credit is too small for this exposure");
        }
        if !opened.verify(&self.peer, genesis) {
            return Err("it is not signed by the worker's registered key");
        }
        Ok(())
    }

    /// Positions paid for in this session.
    pub(super) fn paid_positions(&self) -> u32 {
        u32::try_from(self.paid() / self.unit.max(1)).unwrap_or(u32::MAX)
    }

    /// Base units promised in this session.
    pub(super) fn paid(&self) -> Balance {
        self.lane.promised().saturating_sub(self.base)
    }

    /// Pays up to `target` positions; a voucher near its end is replaced by the way.
    pub(super) fn pay_to(
        &mut self,
        session: SessionId,
        target: u32,
        block: BlockNumber,
        expires: BlockNumber,
        out: &mut Vec<PayerOutput>,
    ) -> Result<(), SpendError> {
        let more = target.saturating_sub(self.paid_positions());
        if more == 0 {
            return Ok(());
        }
        let aging =
            self.expires < block.saturating_add(2 * EXPIRY_MARGIN_BLOCKS) && expires > self.expires;
        let payment = match self.lane.record().tick {
            Some(tick) if aging => {
                Payment::Voucher(Box::new(self.lane.renew(more, self.unit, tick.max, expires)?))
            }
            _ => self.lane.pay(more, expires)?,
        };
        let durability = match &payment {
            Payment::Tick(_) => Durability::Process,
            Payment::Voucher(redeem) => {
                self.expires = redeem.voucher.expires;
                Durability::Disk
            }
        };
        self.persist(durability, out);
        out.push(self.send(Message::Pay(Pay { session, payment })));
        Ok(())
    }

    /// The final voucher: for `positions`, and never less than was promised.
    pub(super) fn settle(
        &mut self,
        session: SessionId,
        positions: u32,
        expires: BlockNumber,
        out: &mut Vec<PayerOutput>,
    ) -> Result<Balance, SpendError> {
        let owed = self.base.saturating_add(self.unit.saturating_mul(positions.into()));
        let redeem = self.lane.settle(owed.max(self.lane.promised()), expires)?;
        let cumulative = redeem.voucher.cumulative;
        self.account = Account::Paid;
        self.persist(Durability::Disk, out);
        out.push(
            self.send(Message::Pay(Pay { session, payment: Payment::Voucher(Box::new(redeem)) })),
        );
        Ok(cumulative)
    }

    /// Notes a verified receipt.
    pub(super) fn push_receipt(
        &mut self,
        stage: usize,
        receipt: Receipt,
        out: &mut Vec<PayerOutput>,
    ) {
        let index = self.lane.record().receipts.count();
        self.lane.push_receipt(&receipt);
        self.receipts += 1;
        self.persist(Durability::Process, out);
        let record = self.lane.record();
        let (channel, lane) = (record.channel, record.lane);
        out.push(PayerOutput::Receipt { stage, channel, lane, index, receipt: Box::new(receipt) });
    }

    pub(super) fn persist(&self, durability: Durability, out: &mut Vec<PayerOutput>) {
        out.push(PayerOutput::Persist { record: Box::new(self.lane.record().clone()), durability });
    }

    pub(super) fn send(&self, message: Message) -> PayerOutput {
        PayerOutput::Send { to: self.peer, addresses: self.addresses.clone(), message }
    }

    /// Whether the account is as good as it gets.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.account, Account::Settled | Account::Gone)
    }

    pub(super) fn report(&self, positions: u32) -> StageReport {
        StageReport {
            peer: self.peer,
            range: self.range,
            channel: self.lane.record().channel,
            lane: self.lane.record().lane,
            price_per_layer_token: self.terms.price_per_layer_token,
            unit: self.unit,
            positions,
            paid: self.paid(),
            receipts: self.receipts,
            settled: self.account == Account::Settled,
            refused: self.refused,
            record: self.lane.record().clone(),
        }
    }
}

/// Faults after which a worker sends nothing more of the session.
pub(super) const fn ends_account(code: FaultCode) -> bool {
    matches!(
        code,
        FaultCode::UnknownSession
            | FaultCode::Underpaid
            | FaultCode::UnknownVersion
            | FaultCode::Malformed
    )
}
