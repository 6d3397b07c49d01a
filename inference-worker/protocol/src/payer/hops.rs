//! The hubs between a payer and one stage: what each has promised, and what is brought on.
//!
//! A hop's promise is brought to the one after it, and the last hop's to the stage's worker. All of
//! them go over the payer's own tick chain, so one tick pays everybody; a tick is shown to nobody
//! before the worker can be paid with it.

use mica_primitives::{
    Balance, BlockNumber, ChannelId, LaneId, PublicKey, Receipt, Redeem, TickProof, WorkerAddresses,
};

use super::{PayerOutput, PlannedHub};
use crate::{
    SessionId,
    messages::{HeldPromises, Message, Payment, Promises, RelayOpen, RelayPay, SessionReceipt},
};

/// One hub of a stage.
#[derive(Debug)]
struct Hop {
    peer: PublicKey,
    addresses: WorkerAddresses,
    /// Whom it pays, and how much for a position.
    payee: [u8; 32],
    pays: Balance,
    /// What its lane promised before the session, once it has promised something.
    base: Balance,
    /// Its newest promise.
    promise: Option<Redeem>,
    /// Whether whoever it pays has been brought that.
    brought: bool,
    /// Nothing more is expected from it.
    is_lost: bool,
}

/// The hubs of one stage, in the order in which money passes them; none if the payer pays the
/// worker itself.
#[derive(Debug)]
pub(super) struct Hops {
    session: SessionId,
    stage: u8,
    positions: u32,
    hops: Vec<Hop>,
}

/// What a hub's new promise is good for.
pub(super) enum Brought {
    /// Nothing any more: the payer has begun another chain meanwhile, or given its exact sum.
    Outdated,
    /// The next hub was asked or told.
    Onward,
    /// It is for the worker, with more ticks or as the first one.
    Worker,
    /// It is the worker's exact sum.
    Final(Box<Redeem>),
}

impl Hops {
    /// `unit` is what the worker gets for a position.
    pub(super) fn new(
        session: SessionId,
        stage: usize,
        positions: u32,
        planned: &[PlannedHub],
        unit: Balance,
    ) -> Self {
        let units = planned.iter().skip(1).map(|hub| hub.unit).chain([unit]);
        let hop = |(hub, pays): (&PlannedHub, Balance)| Hop {
            peer: hub.peer,
            addresses: hub.addresses.clone(),
            payee: hub.payee,
            pays,
            base: 0,
            promise: None,
            brought: false,
            is_lost: false,
        };
        let hops = planned.iter().zip(units).map(hop).collect();
        // A path has at most sixteen stages.
        Self { session, stage: stage as u8, positions, hops }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hops.is_empty()
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = PublicKey> {
        self.hops.iter().map(|hop| hop.peer)
    }

    /// The hop of this hub.
    pub(super) fn index_of(&self, peer: &PublicKey) -> Option<usize> {
        self.hops.iter().position(|hop| hop.peer == *peer)
    }

    /// Whether one of the hubs is gone: no promise reaches the worker any more.
    pub(super) fn is_broken(&self) -> bool {
        self.hops.iter().any(|hop| hop.is_lost)
    }

    pub(super) fn lose(&mut self, hop: usize) {
        if let Some(hop) = self.hops.get_mut(hop) {
            hop.is_lost = true;
        }
    }

    /// The last hub's newest promise to the worker.
    fn last(&self) -> Option<(&Hop, &Redeem)> {
        let last = self.hops.last()?;
        last.promise.as_ref().map(|promise| (last, promise))
    }

    /// The channel and lane that pay the worker, and how many receipts the lane had before.
    pub(super) fn lane(&self) -> Option<(ChannelId, LaneId, u64)> {
        let (_, promise) = self.last()?;
        let voucher = &promise.voucher;
        Some((voucher.channel, voucher.lane, voucher.receipts))
    }

    /// Positions that the worker can be paid for with what its hub has promised.
    pub(super) fn covered(&self) -> u32 {
        let Some((last, promise)) = self.last() else { return 0 };
        let voucher = &promise.voucher;
        let before = voucher.cumulative.saturating_sub(last.base) / last.pays.max(1);
        let chain = voucher.tick.map_or(0, |tick| u32::from(tick.max));
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(chain)
    }

    /// What the worker's lane promises when `positions` of the session are paid.
    pub(super) fn worker_sum(&self, positions: u32) -> Balance {
        self.hops
            .last()
            .map_or(0, |last| last.base.saturating_add(last.pays.saturating_mul(positions.into())))
    }

    /// Asks the hub `hop` to promise the next one what `voucher` promises itself.
    pub(super) fn open(&self, hop: usize, voucher: Redeem, out: &mut Vec<PayerOutput>) {
        let Some(of) = self.hops.get(hop) else { return };
        let (session, stage) = (self.session, self.stage);
        let (payee, unit, positions) = (of.payee, of.pays, self.positions);
        let open = RelayOpen { session, stage, payee, unit, positions, voucher };
        out.push(of.send(Message::RelayOpen(Box::new(open))));
    }

    /// Pays the first hub with a voucher.
    pub(super) fn pay_first(&self, voucher: Redeem, out: &mut Vec<PayerOutput>) {
        out.extend(self.hops.first().map(|hop| self.pay(hop, voucher)));
    }

    fn pay(&self, hop: &Hop, voucher: Redeem) -> PayerOutput {
        let (session, stage, payment) =
            (self.session, self.stage, Payment::Voucher(Box::new(voucher)));
        hop.send(Message::RelayPay(RelayPay { session, stage, payment }))
    }

    /// Takes note of what the hub `hop` promises now, and brings it on. `own` is the payer's newest
    /// voucher with the last tick that everybody was shown; it pays for `before` positions of the
    /// session without ticks.
    ///
    /// # Errors
    /// If it is no promise for what the hub was promised.
    pub(super) fn promised(
        &mut self,
        hop: usize,
        promise: Redeem,
        (own, before): (&Redeem, u32),
        out: &mut Vec<PayerOutput>,
    ) -> Result<Brought, &'static str> {
        let of = self.hops.get_mut(hop).ok_or("it is none of the stage's hubs")?;
        let is_first = of.promise.is_none();
        if check(of, &promise, (own, before))? == Fit::Outdated {
            return Ok(Brought::Outdated);
        }
        if is_first {
            of.base = promise.voucher.cumulative;
        }
        (of.promise, of.brought) = (Some(promise.clone()), false);
        let Some(next) = self.hops.get(hop + 1) else {
            return Ok(match promise.voucher.tick {
                Some(_) => Brought::Worker,
                None => Brought::Final(Box::new(promise)),
            });
        };
        if is_first {
            self.open(hop + 1, promise, out);
        } else {
            let tick = own.tick.filter(|_| promise.voucher.tick.is_some());
            out.push(self.pay(next, Redeem { tick, ..promise }));
        }
        if let Some(of) = self.hops.get_mut(hop) {
            of.brought = true;
        }
        Ok(Brought::Onward)
    }

    /// The payment that shows the worker this tick: a voucher if it does not know the newest one
    /// yet.
    pub(super) fn worker_payment(&mut self, proof: TickProof) -> Payment {
        match self.worker_voucher(proof) {
            Some(voucher) => Payment::Voucher(Box::new(voucher)),
            None => Payment::Tick(proof),
        }
    }

    /// The newest voucher for the worker with this tick, unless the worker knows it already.
    pub(super) fn worker_voucher(&mut self, proof: TickProof) -> Option<Redeem> {
        let last = self.hops.last_mut().filter(|last| !last.brought)?;
        last.brought = true;
        last.promise.clone().map(|promise| Redeem { tick: Some(proof), ..promise })
    }

    /// Shows every hub this tick.
    pub(super) fn show(&self, proof: TickProof, out: &mut Vec<PayerOutput>) {
        let (session, stage, payment) = (self.session, self.stage, Payment::Tick(proof));
        let pay = RelayPay { session, stage, payment };
        out.extend(self.hops.iter().map(|hop| hop.send(Message::RelayPay(pay.clone()))));
    }

    /// Passes a receipt on to the hub whose vouchers fix it.
    pub(super) fn pass_on(&self, receipt: &Receipt, out: &mut Vec<PayerOutput>) {
        let message = Message::Receipt(SessionReceipt { receipt: *receipt });
        out.extend(self.hops.last().map(|last| last.send(message)));
    }

    /// Shows the last hub what the worker holds of its promises.
    pub(super) fn show_held(&self, held: HeldPromises, out: &mut Vec<PayerOutput>) {
        let message = Message::Promises(Promises { session: self.session, held });
        out.extend(self.hops.last().map(|last| last.send(message)));
    }

    /// Says something to every hub.
    pub(super) fn tell(&self, message: &Message, out: &mut Vec<PayerOutput>) {
        out.extend(self.hops.iter().map(|hop| hop.send(message.clone())));
    }

    /// Blocks by which the worker's voucher ends before the payer's own: each hub takes its margin.
    pub(super) fn margin_blocks(&self) -> BlockNumber {
        // At most four hubs.
        crate::limits::HUB_MARGIN_BLOCKS.saturating_mul(self.hops.len() as BlockNumber)
    }
}

impl Hop {
    fn send(&self, message: Message) -> PayerOutput {
        PayerOutput::Send { to: self.peer, addresses: self.addresses.clone(), message }
    }
}

/// How a hub's promise stands to the payer's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fit {
    /// It goes with the newest.
    Newest,
    /// It goes with an earlier one.
    Outdated,
}

/// Whether `promise` of this hub goes with what the payer has promised: over its chain and at the
/// agreed unit, or as an exact sum if the payer has given its own, and for all `before` positions
/// that `own` pays for without ticks: a hub that promises less would keep the difference. Its
/// signature and its deposit are for whoever is paid with it to check.
fn check(of: &Hop, promise: &Redeem, (own, before): (&Redeem, u32)) -> Result<Fit, &'static str> {
    let voucher = &promise.voucher;
    if promise.tick.is_some() || promise.preimage.is_some() || voucher.lock.is_some() {
        return Err("it comes with a proof or a lock");
    }
    if let Some(known) = &of.promise {
        let lane = (known.voucher.channel, known.voucher.lane);
        if (voucher.channel, voucher.lane) != lane || voucher.seq <= known.voucher.seq {
            return Err("it is on another lane, or old");
        }
    }
    let due = of.base.saturating_add(of.pays.saturating_mul(before.into()));
    let is_short = of.promise.is_some() && voucher.cumulative < due;
    match (&voucher.tick, &own.voucher.tick) {
        (None, None) if is_short => Err("it is less than the exact sum"),
        (None, None) => Ok(Fit::Newest),
        (None, Some(_)) => Err("it is an exact sum that nobody asked for"),
        (Some(tick), Some(chain)) if tick.anchor == chain.anchor => {
            if is_short {
                Err("it promises less than was paid already")
            } else if tick.unit == of.pays && tick.max <= chain.max {
                Ok(Fit::Newest)
            } else {
                Err("it is at another price, or longer than the chain")
            }
        }
        // What was on its way when the payer began another chain, or gave its exact sum.
        (Some(_), _) => Ok(Fit::Outdated),
    }
}
