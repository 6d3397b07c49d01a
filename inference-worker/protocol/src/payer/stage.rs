//! One stage of a path as its payer sees it: what was agreed, what was paid, and how far its
//! account is settled.

mod through_hubs;

pub(super) use through_hubs::{HubError, HubStep};

use mica_primitives::{
    Balance, BlockNumber, Hash32, LayerRange, PublicKey, Receipt, Redeem, WorkerAddresses,
};

use super::{PayerOutput, PlannedStage, StageReport, hops::Hops, plan::StagePay};
use crate::{
    FaultCode,
    channel::{Durability, PayerLane, SpendError},
    limits::EXPIRY_MARGIN_BLOCKS,
    messages::{Message, Open, Opened, Pay, Payment},
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
    /// Base units that the worker gets for a position.
    unit: Balance,
    /// Base units that a position takes of the lane: with the fees of hubs.
    lane_unit: Balance,
    /// Positions that the opening pays for.
    prepaid: u16,
    lane: PayerLane,
    /// What the lane promised before the session.
    base: Balance,
    /// Last block of the newest voucher.
    expires: BlockNumber,
    receipts: u64,
    /// The hubs through which the worker is paid.
    pub(super) hops: Hops,
    /// The lane's newest voucher with the last tick that the hubs were shown.
    own: Option<Redeem>,
    /// What the worker is asked once its hub has promised to pay it.
    waiting: Option<Box<Open>>,
    /// The next chain is on its way through the hubs.
    renewing: bool,
    /// Positions of the exact sum, once the worker has stated its account.
    owed: Option<u32>,
    /// Index of the session's first receipt on the hub's lane.
    first_receipt: u64,
    /// What the worker's lane promises at the end.
    agreed_sum: Option<Balance>,
}

impl StageState {
    pub(super) fn new(
        session: SessionId,
        planned: PlannedStage,
        pay: StagePay,
        hops: Hops,
    ) -> Self {
        let StagePay { terms, unit, lane_unit, prepaid } = pay;
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
            lane_unit,
            prepaid,
            base: lane.promised(),
            lane,
            expires: 0,
            receipts: 0,
            hops,
            own: None,
            waiting: None,
            renewing: false,
            owed: None,
            first_receipt: 0,
            agreed_sum: None,
        }
    }

    pub(super) const fn lane(&self) -> &PayerLane {
        &self.lane
    }

    /// The session's first voucher: it has a chain for `ticks` positions. It prepays for the room,
    /// unless hubs pay: then the chain's first ticks do, once the worker can be paid with them.
    pub(super) fn first_voucher(
        &mut self,
        ticks: u16,
        expires: BlockNumber,
    ) -> Result<Redeem, SpendError> {
        self.expires = expires;
        let prepaid = if self.hops.is_empty() { self.prepaid } else { 0 };
        self.lane.renew(prepaid.into(), self.lane_unit, ticks, expires)
    }

    /// Sends the opening, or asks the first hub to promise what it takes.
    pub(super) fn begin(&mut self, open: Open, out: &mut Vec<PayerOutput>) {
        self.persist(Durability::Disk, out);
        if self.hops.is_empty() {
            self.ask(open, out);
        } else {
            self.ask_hub(open, out);
        }
    }

    fn ask(&mut self, open: Open, out: &mut Vec<PayerOutput>) {
        self.open = open.hash();
        out.push(self.send(Message::Open(Box::new(open))));
    }

    /// The worker has refused the opening, so what was prepaid is not its own: the next voucher of
    /// the lane goes on from what was promised before. A worker that redeems a voucher that it has
    /// refused gains that prepayment, and the chain tells of it.
    pub(super) fn refuse(&mut self, code: FaultCode) {
        self.refused.get_or_insert(code);
        if self.account == Account::Open {
            if self.hops.is_empty() {
                self.lane.withdraw(self.base);
            } else {
                // No hub was shown a tick before the worker accepted.
                self.lane.take_back();
            }
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
        u32::try_from(self.paid() / self.lane_unit.max(1)).unwrap_or(u32::MAX)
    }

    /// Base units promised in this session.
    pub(super) fn paid(&self) -> Balance {
        self.lane.promised().saturating_sub(self.base)
    }

    /// Pays up to `target` positions; a voucher near its end is replaced by the way. Through hubs,
    /// as far as they have promised.
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
        if !self.hops.is_empty() {
            return self.pay_hubs(session, more, block, expires, out);
        }
        let payment = match self.lane.record().tick {
            Some(tick) if self.is_aging(block, expires) => {
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

    /// Whether the newest voucher is near its end, and one until `expires` lives longer.
    fn is_aging(&self, block: BlockNumber, expires: BlockNumber) -> bool {
        let margin = self.hops.margin_blocks().saturating_add(2 * EXPIRY_MARGIN_BLOCKS);
        self.expires < block.saturating_add(margin) && expires > self.expires
    }

    /// Settles for `positions`, and never for less than was promised. Returns what the worker's
    /// lane promises then.
    pub(super) fn settle(
        &mut self,
        session: SessionId,
        positions: u32,
        block: BlockNumber,
        expires: BlockNumber,
        out: &mut Vec<PayerOutput>,
    ) -> Result<Balance, SpendError> {
        if !self.hops.is_empty() {
            let positions = positions.max(self.paid_positions());
            self.owed = Some(positions);
            self.settle_hubs(session, block, expires, out)?;
            return Ok(self.hops.worker_sum(positions));
        }
        let owed = self.base.saturating_add(self.unit.saturating_mul(positions.into()));
        let redeem = self.lane.settle(owed.max(self.lane.promised()), expires)?;
        let cumulative = redeem.voucher.cumulative;
        self.account = Account::Paid;
        self.agreed_sum = Some(cumulative);
        self.persist(Durability::Disk, out);
        out.push(
            self.send(Message::Pay(Pay { session, payment: Payment::Voucher(Box::new(redeem)) })),
        );
        Ok(cumulative)
    }

    /// Whether the worker may still state its account.
    pub(super) fn awaits_account(&self) -> bool {
        self.account == Account::Open && self.owed.is_none()
    }

    /// The worker has confirmed a sum.
    pub(super) fn confirm(&mut self, cumulative: Balance) {
        if self.account == Account::Paid && self.agreed_sum == Some(cumulative) {
            self.account = Account::Settled;
        }
    }

    /// Notes a verified receipt.
    pub(super) fn push_receipt(
        &mut self,
        stage: usize,
        receipt: Receipt,
        out: &mut Vec<PayerOutput>,
    ) {
        let place = match self.hops.lane() {
            Some((channel, lane, _)) => (channel, lane, self.first_receipt + self.receipts),
            None => {
                let index = self.lane.record().receipts.count();
                self.lane.push_receipt(&receipt);
                self.persist(Durability::Process, out);
                (self.lane.record().channel, self.lane.record().lane, index)
            }
        };
        self.receipts += 1;
        self.hops.pass_on(&receipt, out);
        let (channel, lane, index) = place;
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
            unit: self.lane_unit,
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
