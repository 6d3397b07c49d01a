//! Both ledgers of a channel and the chain, under any history of vouchers, ticks, receipts,
//! redeems, closes, top-ups, restarts and lies.
//!
//! After every step: what the payee's ledger calls redeemable, the chain pays to the unit; its
//! lanes together never promise more than the deposit; and no lane promises what its payer has not
//! signed.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, ChannelId, LaneId, Leaf, MAX_LANES, Redeem};
use mica_protocol::{
    SessionId,
    channel::{
        PayeeLaneRecord, PayeeLedger, PayerLane, PayerLaneRecord, PayerLedger, VoucherKind,
        VoucherRule,
    },
    limits::EXPIRY_MARGIN_BLOCKS,
    messages::Payment,
    signing,
};
use mica_simulation::chain::{Account, Call, Chain, GENESIS};
use std::collections::BTreeMap;

use crate::{common::voucher_key, outcome::Outcome, reader::Reader};

const PAYER: Account = Account([1; 32]);
const PAYEE: Account = Account([2; 32]);
const UNIT: Balance = 10;
const DEPOSIT: Balance = 600;
/// Blocks between a request to close and the end.
const WINDOW: u32 = 20;
/// Most promises that are remembered to be shown again.
const MAX_SEEN: usize = 16;

struct Books {
    chain: Chain,
    channel: ChannelId,
    payee: PayeeLedger,
    payer: PayerLedger,
    lanes: BTreeMap<LaneId, PayerLane>,
    payee_disk: BTreeMap<LaneId, Vec<u8>>,
    payer_disk: BTreeMap<LaneId, Vec<u8>>,
    /// The most that the payer has ever signed or revealed.
    signed: BTreeMap<LaneId, Balance>,
    seen: Vec<Redeem>,
    sessions: u8,
}

/// Reads a history from the bytes.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let (mut reader, mut outcome) = (Reader::new(bytes), Outcome::new());
    let mut books = Books::open();
    while !reader.is_empty() {
        let result = books.step(&mut reader);
        outcome.note(result);
        books.check();
    }
    books.redeem_all();
    outcome.number()
}

impl Books {
    fn open() -> Self {
        let (key, mut chain) = (voucher_key(), Chain::default());
        let signer = signing::public_key(&key);
        let (deposit, window) = (DEPOSIT, WINDOW);
        chain.submit(Call::Open { payer: PAYER, payee: PAYEE, signer, deposit, window });
        chain.make_block();
        let channel = *chain.channels.keys().next().expect("it was opened");
        let facts = chain.facts(&PAYEE, channel).expect("it was opened");
        Self {
            chain,
            channel,
            payee: PayeeLedger::new(GENESIS, facts.clone()).expect("a key"),
            payer: PayerLedger::new(GENESIS, key, facts).expect("its own key"),
            lanes: BTreeMap::new(),
            payee_disk: BTreeMap::new(),
            payer_disk: BTreeMap::new(),
            signed: BTreeMap::new(),
            seen: Vec::new(),
            sessions: 0,
        }
    }

    /// One step; returns which way it went.
    fn step(&mut self, reader: &mut Reader<'_>) -> u64 {
        let went = match reader.below(14) {
            0 => self.lease(Balance::from(reader.byte())),
            1 | 2 => self.renew(reader),
            3..=5 => self.pay(reader),
            6 => self.settle(reader),
            7 => self.receipt(reader),
            8 => self.redeem(reader),
            9 => self.time(reader),
            10 => self.restart_payee(),
            11 => self.restart_payer(),
            12 => self.show(reader),
            _ => self.end(reader),
        };
        u64::from(went)
    }

    fn lane(&self, reader: &mut Reader<'_>) -> Option<LaneId> {
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        (!lanes.is_empty()).then(|| lanes[reader.below(lanes.len())])
    }

    fn lease(&mut self, budget: Balance) -> bool {
        self.sessions = self.sessions.wrapping_add(1);
        let Ok(lane) = self.payer.lease(budget * UNIT) else { return false };
        let lane = lane.of(SessionId([self.sessions; 32]));
        self.lanes.insert(lane.record().lane, lane);
        true
    }

    fn expires(&self, reader: &mut Reader<'_>) -> u32 {
        self.chain.block + EXPIRY_MARGIN_BLOCKS + u32::from(reader.byte()) - 2
    }

    fn renew(&mut self, reader: &mut Reader<'_>) -> bool {
        let Some(number) = self.lane(reader) else { return false };
        let expires = self.expires(reader);
        let (positions, ticks) = (reader.below(4) as u32, u16::from(reader.byte()));
        let kind = reader.pick(&[VoucherKind::Opening, VoucherKind::Renewal, VoucherKind::Final]);
        let Some(lane) = self.lanes.get_mut(&number) else { return false };
        let Ok(redeem) = lane.renew(positions, UNIT, ticks, expires) else { return false };
        self.sign(number);
        self.deliver(redeem, number, kind, reader)
    }

    /// The payer's machine writes its record down before anything leaves.
    fn sign(&mut self, number: LaneId) {
        if let Some(lane) = self.lanes.get(&number) {
            let signed = self.signed.entry(number).or_default();
            *signed = (*signed).max(lane.promised());
            self.payer_disk.insert(number, lane.record().encode());
        }
    }

    /// A voucher on its way: as it is, changed, or signed by somebody else.
    fn deliver(
        &mut self,
        mut redeem: Redeem,
        lane: LaneId,
        kind: VoucherKind,
        reader: &mut Reader<'_>,
    ) -> bool {
        let voucher = &mut redeem.voucher;
        match reader.below(12) {
            0 => voucher.cumulative += 1,
            1 => voucher.seq += 1,
            2 => voucher.lane = (voucher.lane + 1) % MAX_LANES as LaneId,
            3 => voucher.receipts += 1,
            4 => redeem.signature[0] ^= 1,
            5 => {
                voucher.cumulative += UNIT;
                let foreign = SigningKey::from_bytes(&[9; 32]);
                redeem.signature = signing::sign(&foreign, &voucher.signing_bytes(&GENESIS));
            }
            _ => {
                if self.seen.len() < MAX_SEEN {
                    self.seen.push(redeem.clone());
                }
            }
        }
        let rule = VoucherRule { lane, unit: UNIT, block: self.chain.block, kind };
        let is_taken = self.payee.accept_voucher(&redeem, &rule).is_ok();
        if is_taken {
            self.write(lane);
        }
        is_taken
    }

    fn write(&mut self, lane: LaneId) {
        self.payee_disk.insert(lane, self.payee.record(lane).encode());
    }

    fn pay(&mut self, reader: &mut Reader<'_>) -> bool {
        let Some(number) = self.lane(reader) else { return false };
        let (positions, expires) = (1 + reader.below(5) as u32, self.expires(reader));
        let Some(lane) = self.lanes.get_mut(&number) else { return false };
        let Ok(payment) = lane.pay(positions, expires) else { return false };
        self.sign(number);
        match payment {
            Payment::Voucher(redeem) => self.deliver(*redeem, number, VoucherKind::Renewal, reader),
            Payment::Tick(mut proof) => {
                match reader.below(12) {
                    0 => proof.n = proof.n.wrapping_add(1),
                    1 => proof.n = reader.word(),
                    2 => proof.preimage[0] ^= 1,
                    // It is lost on its way.
                    3 => return false,
                    _ => {}
                }
                let is_taken = self.payee.accept_tick(number, &proof, self.chain.block).is_ok();
                if is_taken {
                    self.write(number);
                }
                is_taken
            }
        }
    }

    fn settle(&mut self, reader: &mut Reader<'_>) -> bool {
        let Some(number) = self.lane(reader) else { return false };
        let more = UNIT * Balance::from(reader.byte() % 4);
        let expires = self.expires(reader);
        let Some(lane) = self.lanes.get_mut(&number) else { return false };
        let Ok(redeem) = lane.settle(lane.promised() + more, expires) else { return false };
        self.sign(number);
        self.deliver(redeem, number, VoucherKind::Final, reader)
    }

    fn receipt(&mut self, reader: &mut Reader<'_>) -> bool {
        let Some(number) = self.lane(reader) else { return false };
        let leaf = Leaf {
            session: [self.sessions; 32],
            lane: number,
            first_position: u32::from(reader.byte()),
            positions: 16,
            layers: mica_primitives::LayerRange { first: 0, end: 1 },
            profile: [0; 32],
            h_in: [0; 32],
            h_out: [0; 32],
            kv_root: [0; 32],
            trace_root: [0; 32],
        };
        let is_kept = self.payee.push_receipt(number, leaf.hash()).is_ok();
        self.write(number);
        // The payer does not get every one.
        if reader.below(4) > 0 {
            let receipt = mica_primitives::Receipt { leaf, signature: [0; 64] };
            if let Some(lane) = self.lanes.get_mut(&number) {
                lane.push_receipt(&receipt);
            }
        }
        is_kept
    }

    /// The payee redeems one lane; somebody submits something old as well.
    fn redeem(&mut self, reader: &mut Reader<'_>) -> bool {
        if reader.below(3) == 0 && !self.seen.is_empty() {
            let old = self.seen[reader.below(self.seen.len())].clone();
            let submitter = reader.pick(&[PAYEE, PAYER]);
            self.chain.submit(Call::Redeem(submitter, Box::new(old)));
            self.chain.make_block();
            self.update();
        }
        let due = self.payee.redeemable(self.chain.block + 1);
        if due.is_empty() {
            return false;
        }
        self.redeem_one(due[reader.below(due.len())].redeem.clone())
    }

    /// What is called redeemable is what the chain pays, unless the channel is over or the voucher
    /// has expired.
    fn redeem_one(&mut self, redeem: Redeem) -> bool {
        let (lane, expires) = (redeem.voucher.lane, redeem.voucher.expires);
        let due = self
            .payee
            .redeemable(self.chain.block + 1)
            .into_iter()
            .find(|due| due.redeem == redeem);
        let gain = due.map_or(0, |due| due.gain);
        let before = self.chain.claimed(self.channel, lane).unwrap_or(0);
        let ends = self.payee.facts().ends;
        self.chain.submit(Call::Redeem(PAYEE, Box::new(redeem)));
        self.chain.make_block();
        let paid = self.chain.claimed(self.channel, lane).unwrap_or(0) - before;
        let is_open = self.chain.channels.contains_key(&self.channel);
        let in_time =
            self.chain.block <= expires && ends.is_none_or(|ends| self.chain.block < ends);
        if is_open && in_time {
            assert_eq!(paid, gain, "what is called redeemable on lane {lane} is what is paid");
        }
        self.update();
        paid > 0
    }

    fn redeem_all(&mut self) {
        self.update();
        for due in self.payee.redeemable(self.chain.block + 1) {
            self.redeem_one(due.redeem);
        }
    }

    fn update(&mut self) {
        if let Some(facts) = self.chain.facts(&PAYEE, self.channel) {
            self.payee.update(facts.clone());
            self.payer.update(facts);
        }
    }

    /// Blocks pass; the payer tops up or asks to close.
    fn time(&mut self, reader: &mut Reader<'_>) -> bool {
        match reader.below(8) {
            0 => self.chain.submit(Call::TopUp(self.channel, DEPOSIT * 2)),
            1 => self.chain.submit(Call::Close(PAYER, self.channel)),
            2 => self.chain.submit(Call::Finish(self.channel)),
            _ => {}
        }
        for _ in 0..reader.below(8) {
            self.chain.make_block();
        }
        self.update();
        self.chain.channels.contains_key(&self.channel)
    }

    fn restart_payee(&mut self) -> bool {
        let facts = self.payee.facts().clone();
        let mut payee = PayeeLedger::new(GENESIS, facts).expect("the same key");
        for bytes in self.payee_disk.values() {
            let record = PayeeLaneRecord::decode(&mut &bytes[..]).expect("its own record");
            payee.restore(record).expect("its own record");
        }
        self.payee = payee;
        true
    }

    fn restart_payer(&mut self) -> bool {
        let facts = self.payer.facts().clone();
        self.lanes.clear();
        self.payer = PayerLedger::new(GENESIS, voucher_key(), facts).expect("the same key");
        for bytes in self.payer_disk.values() {
            let record = PayerLaneRecord::decode(&mut &bytes[..]).expect("its own record");
            self.payer.restore(record).expect("its own record");
        }
        true
    }

    /// The payee shows a promise, its own or one that was changed.
    fn show(&mut self, reader: &mut Reader<'_>) -> bool {
        if self.seen.is_empty() {
            return false;
        }
        let mut held = self.seen[reader.below(self.seen.len())].clone();
        match reader.below(4) {
            0 => held.voucher.cumulative += UNIT,
            1 => held.signature[1] ^= 1,
            _ => {}
        }
        let own = held.voucher.lane;
        let before = self.payer.promised(own);
        let adopted = self.payer.adopt(&held, own);
        let signed = self.signed.get(&own).copied().unwrap_or(0);
        assert!(
            self.payer.promised(own) <= signed.max(before),
            "a payer believes nothing that it has not signed"
        );
        assert!(self.payer.promised(own) >= before, "and forgets nothing");
        adopted.is_ok_and(|adopted| adopted.is_some())
    }

    fn end(&mut self, reader: &mut Reader<'_>) -> bool {
        let Some(number) = self.lane(reader) else { return false };
        let Some(lane) = self.lanes.remove(&number) else { return false };
        self.payer.give_back(lane.record().clone());
        match reader.below(6) {
            0 => self.payer.retire(number),
            1 => drop(self.payer.hold(number)),
            _ => {}
        }
        true
    }

    fn check(&self) {
        let lanes = || 0..MAX_LANES as LaneId;
        let promised: Balance = lanes().map(|lane| self.payee.promised(lane)).sum();
        assert!(promised <= self.payee.facts().deposit, "{promised} is more than the deposit");
        for lane in lanes() {
            let signed = self.signed.get(&lane).copied().unwrap_or(0);
            let held = self.payee.promised(lane);
            assert!(held <= signed, "lane {lane} promises {held} and {signed} was signed");
        }
    }
}
