//! Vouchers and ticks against both ledgers: every attack on the money is refused by name, and
//! whatever is accepted the chain pays.

mod common;

use common::{GENESIS, channel_of, facts_of, voucher_key};
use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, Hash32, Lane, LaneId, MAX_LANES, Redeem, TickProof,
    domain::blake2_256,
    settlement::{Submitter, settle},
};
use mica_protocol::{
    channel::{
        ChannelFacts, LeaseError, LedgerError, PayeeLedger, PayerLane, PayerLaneRecord,
        PayerLedger, SpendError, VoucherKind, VoucherRule,
    },
    limits::EXPIRY_MARGIN_BLOCKS,
    messages::{Payment, PaymentKind},
    signing,
};
use proptest::prelude::*;

const BLOCK: u32 = 500;
const EXPIRES: u32 = 10_000;
const UNIT: Balance = 15;

fn payee(deposit: Balance) -> PayeeLedger {
    PayeeLedger::new(GENESIS, facts_of(1, deposit)).expect("a key")
}

fn payer(deposit: Balance) -> PayerLedger {
    PayerLedger::new(GENESIS, voucher_key(), facts_of(1, deposit)).expect("own signer")
}

fn rule(lane: LaneId, kind: VoucherKind) -> VoucherRule {
    VoucherRule { lane, unit: UNIT, block: BLOCK, kind }
}

fn opened(deposit: Balance, ticks: u16) -> (PayeeLedger, PayerLane, Redeem) {
    let mut payee = payee(deposit);
    let mut lane = payer(deposit).lease(deposit).expect("deposit");
    let voucher = lane.renew(0, UNIT, ticks, EXPIRES).expect("within the limit");
    assert_eq!(payee.accept_voucher(&voucher, &rule(0, VoucherKind::Opening)), Ok(0));
    (payee, lane, voucher)
}

fn tick(lane: &mut PayerLane, positions: u32) -> TickProof {
    match lane.pay(positions, EXPIRES).expect("within the limit") {
        Payment::Tick(proof) => proof,
        Payment::Voucher(_) => panic!("the chain is used up"),
    }
}

fn resign(redeem: &mut Redeem, key: &SigningKey, genesis: &Hash32) {
    redeem.signature = signing::sign(key, &redeem.voucher.signing_bytes(genesis));
}

/// What the chain pays its payee for `redeem` on a channel with `facts`; nothing if it refuses.
fn chain_pays(facts: &mut ChannelFacts, redeem: &Redeem, block: u32) -> Option<Balance> {
    let voucher = &redeem.voucher;
    let ticked = redeem
        .tick
        .is_none_or(|proof| voucher.tick.is_some_and(|tick| tick.verify(&proof, blake2_256)));
    let signed =
        signing::verify(&facts.signer, &voucher.signing_bytes(&GENESIS), &redeem.signature);
    let lane = facts.lane(voucher.lane);
    let done = settle(&facts.figures(), &lane, redeem, Submitter::Payee, block).ok()?;
    (ticked && signed).then(|| {
        facts.lanes.insert(voucher.lane, done.lane_after(lane, voucher));
        done.paid
    })
}

#[test]
fn a_replayed_or_older_voucher_is_stale() {
    let (mut payee, mut lane, first) = opened(10_000, 100);
    let refused = payee.accept_voucher(&first, &rule(0, VoucherKind::Renewal));
    assert_eq!(refused, Err(LedgerError::StaleSeq { seq: 1, last: 1 }));
    payee.accept_tick(0, &tick(&mut lane, 10), BLOCK).expect("a tick");
    let mut lower = lane.renew(0, UNIT, 10, EXPIRES).expect("within the limit");
    lower.voucher.cumulative = 10 * UNIT - 1;
    resign(&mut lower, &voucher_key(), &GENESIS);
    let refused = payee.accept_voucher(&lower, &rule(0, VoucherKind::Renewal));
    assert_eq!(refused, Err(LedgerError::StaleAmount { cumulative: 149, promised: 150 }));
    assert_eq!(payee.promised(0), 150, "a refused voucher changes nothing");
}

#[test]
fn a_foreign_voucher_is_refused() {
    let (mut payee, mut lane, _) = opened(10_000, 100);
    let good = lane.renew(1, UNIT, 10, EXPIRES).expect("within the limit");
    let renewal = rule(0, VoucherKind::Renewal);
    assert_eq!(
        payee.accept_voucher(&good, &rule(1, VoucherKind::Renewal)),
        Err(LedgerError::Foreign),
        "another lane"
    );
    let mut other = good.clone();
    other.voucher.channel = channel_of(2);
    resign(&mut other, &voucher_key(), &GENESIS);
    assert_eq!(
        payee.accept_voucher(&other, &renewal),
        Err(LedgerError::Foreign),
        "another channel"
    );
    let mut other = good.clone();
    resign(&mut other, &voucher_key(), &[0; 32]);
    assert_eq!(
        payee.accept_voucher(&other, &renewal),
        Err(LedgerError::BadSignature),
        "another chain"
    );
    resign(&mut other, &SigningKey::from_bytes(&[1; 32]), &GENESIS);
    assert_eq!(
        payee.accept_voucher(&other, &renewal),
        Err(LedgerError::BadSignature),
        "another signer"
    );
    let mut other = good.clone();
    other.voucher.cumulative += 1;
    assert_eq!(
        payee.accept_voucher(&other, &renewal),
        Err(LedgerError::BadSignature),
        "changed after signing"
    );
    let out_of_range = MAX_LANES as LaneId;
    assert_eq!(
        payee.accept_voucher(&good, &rule(out_of_range, VoucherKind::Renewal)),
        Err(LedgerError::NoSuchLane(out_of_range))
    );
    assert_eq!(payee.accept_voucher(&good, &renewal), Ok(UNIT), "the good one still is");
}

#[test]
fn a_voucher_of_another_kind_or_price_is_refused() {
    let (mut payee, mut lane, _) = opened(10_000, 100);
    let renewal = lane.renew(1, UNIT, 10, EXPIRES).expect("within the limit");
    assert_eq!(
        payee.accept_voucher(&renewal, &rule(0, VoucherKind::Final)),
        Err(LedgerError::WrongKind)
    );
    let mut ticked = renewal.clone();
    ticked.tick = Some(TickProof { n: 1, preimage: [0; 32] });
    assert_eq!(
        payee.accept_voucher(&ticked, &rule(0, VoucherKind::Renewal)),
        Err(LedgerError::BadTick { n: 1, revealed: 0 })
    );
    assert_eq!(
        payee.accept_voucher(&ticked, &rule(0, VoucherKind::Final)),
        Err(LedgerError::WrongKind)
    );
    let cheap = VoucherRule { unit: UNIT + 1, ..rule(0, VoucherKind::Renewal) };
    assert_eq!(
        payee.accept_voucher(&renewal, &cheap),
        Err(LedgerError::WrongUnit { agreed: UNIT + 1, found: UNIT })
    );
    for max in [0, 1_025] {
        let mut chain = renewal.clone();
        chain.voucher.tick = chain.voucher.tick.map(|tick| mica_primitives::Tick { max, ..tick });
        resign(&mut chain, &voucher_key(), &GENESIS);
        assert_eq!(
            payee.accept_voucher(&chain, &rule(0, VoucherKind::Renewal)),
            Err(LedgerError::BadChain(max))
        );
    }
    let last = lane.settle(40, EXPIRES).expect("within the limit");
    assert_eq!(
        payee.accept_voucher(&last, &rule(0, VoucherKind::Renewal)),
        Err(LedgerError::WrongKind)
    );
    assert_eq!(payee.accept_voucher(&last, &rule(0, VoucherKind::Final)), Ok(40));
}

/// As a hub signs it: over a chain of which its payer has revealed some.
#[test]
fn a_voucher_is_worth_the_ticks_that_come_with_it() {
    let (mut payee, mut lane, opening) = opened(10_000, 100);
    let third = tick(&mut lane, 3);
    payee.accept_tick(0, &third, BLOCK).expect("a tick");
    let chain = opening.voucher.tick.expect("a chain");
    let mut hub = payer(10_000).lease(10_000).expect("deposit");
    hub.pass_on(0, chain, 0, EXPIRES).expect("within the limit");
    let longer = hub.pass_on(0, chain, 2, EXPIRES).expect("within the limit");
    let renewal = rule(0, VoucherKind::Renewal);
    let with = |proof| Redeem { tick: Some(proof), ..longer.clone() };
    assert_eq!(
        payee.accept_voucher(&longer, &renewal),
        Err(LedgerError::StaleAmount { cumulative: 0, promised: 3 * UNIT }),
        "without its ticks it promises less than is held"
    );
    let fifth = tick(&mut lane, 2);
    assert_eq!(payee.accept_voucher(&with(fifth), &renewal), Ok(5 * UNIT));
    let record = payee.record(0);
    payee.restore(record).expect("what is written reads back");
    assert_eq!(payee.promised(0), 5 * UNIT);
    let seventh = tick(&mut lane, 2);
    assert_eq!(payee.accept_tick(0, &seventh, BLOCK), Ok(7 * UNIT), "the chain goes on");
    assert_eq!(
        hub.pass_on(0, chain, 1, EXPIRES),
        Err(SpendError::Lower { cumulative: UNIT, promised: 2 * UNIT }),
        "what is known is not taken back"
    );
}

#[test]
fn a_payment_says_whether_another_follows() {
    let (_, mut lane, opening) = opened(10_000, 100);
    let kind = |redeem: &Redeem| Payment::Voucher(Box::new(redeem.clone())).kind();
    assert_eq!(kind(&opening), PaymentKind::Renewal);
    assert_eq!(Payment::Tick(tick(&mut lane, 1)).kind(), PaymentKind::Tick);
    let renewal = lane.renew(1, UNIT, 10, EXPIRES).expect("within the limit");
    assert_eq!(kind(&renewal), PaymentKind::Renewal);
    let last = lane.settle(40, EXPIRES).expect("within the limit");
    assert_eq!(kind(&last), PaymentKind::Final);
    // Nobody can turn the one into the other: the signature covers the tick chain.
    let mut forged = renewal;
    forged.voucher.tick = None;
    let payee = payee(10_000);
    assert!(payee.is_signed(&last) && !payee.is_signed(&forged));
}

#[test]
fn nothing_above_the_deposit_is_accepted_on_one_lane_or_on_all() {
    let deposit = 10 * UNIT;
    let (mut payee, mut lane, _) = opened(deposit, 100);
    for _ in 0..10 {
        payee.accept_tick(0, &tick(&mut lane, 1), BLOCK).expect("within the deposit");
    }
    assert_eq!(
        lane.pay(1, EXPIRES),
        Err(SpendError::Limit { promised: deposit + UNIT, limit: deposit })
    );
    // A payer that lies to itself about its deposit.
    let mut reckless = payer(2 * deposit).lease(2 * deposit).expect("deposit");
    let voucher = reckless.renew(11, UNIT, 10, EXPIRES).expect("within its limit");
    let second = reckless.renew(0, UNIT, 10, EXPIRES).expect("within its limit");
    let over = LedgerError::Overspend { total: 11 * UNIT, deposit };
    assert_eq!(payee.accept_voucher(&second, &rule(0, VoucherKind::Renewal)), Err(over));
    let mut other_lane = voucher;
    other_lane.voucher.lane = 1;
    other_lane.voucher.cumulative = 1;
    resign(&mut other_lane, &voucher_key(), &GENESIS);
    let over = LedgerError::Overspend { total: deposit + 1, deposit };
    assert_eq!(payee.accept_voucher(&other_lane, &rule(1, VoucherKind::Opening)), Err(over));
    payee.update(facts_of(1, deposit + 1));
    assert_eq!(
        payee.accept_voucher(&other_lane, &rule(1, VoucherKind::Opening)),
        Ok(1),
        "after a top-up"
    );
    let mut other_lane_tick = PayerLaneTick::new(2 * deposit);
    let refused = payee.accept_tick(1, &other_lane_tick.first(), BLOCK);
    assert!(matches!(refused, Err(LedgerError::Overspend { .. })), "{refused:?}");
}

/// Any tick: the sum is checked before the chain.
struct PayerLaneTick(PayerLane);

impl PayerLaneTick {
    fn new(deposit: Balance) -> Self {
        let mut lane = payer(deposit).lease(deposit).expect("deposit");
        lane.renew(0, UNIT, 10, EXPIRES).expect("within the limit");
        Self(lane)
    }

    fn first(&mut self) -> TickProof {
        tick(&mut self.0, 1)
    }
}

#[test]
fn a_tick_pays_once_and_only_on_its_chain() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    let fifth = tick(&mut lane, 5);
    assert_eq!(payee.accept_tick(0, &fifth, BLOCK), Ok(5 * UNIT));
    let replayed = LedgerError::OldTick { n: 5, revealed: 5 };
    assert_eq!(payee.accept_tick(0, &fifth, BLOCK), Err(replayed));
    let older = TickProof { n: 4, ..fifth };
    assert_eq!(
        payee.accept_tick(0, &older, BLOCK),
        Err(LedgerError::OldTick { n: 4, revealed: 5 }),
        "not hashed, whatever it is"
    );
    let forged = TickProof { n: 6, ..fifth };
    assert_eq!(
        payee.accept_tick(0, &forged, BLOCK),
        Err(LedgerError::BadTick { n: 6, revealed: 5 })
    );
    assert_eq!(
        payee.accept_tick(3, &fifth, BLOCK),
        Err(LedgerError::BadTick { n: 5, revealed: 0 }),
        "a lane without voucher"
    );
    let sixth = tick(&mut lane, 1);
    let renewed = lane.renew(0, UNIT, 100, EXPIRES).expect("within the limit");
    payee.accept_voucher(&renewed, &rule(0, VoucherKind::Renewal)).expect("newer");
    assert!(payee.accept_tick(0, &sixth, BLOCK).is_err(), "the old chain is dead");
    let last = lane.settle(6 * UNIT, EXPIRES).expect("within the limit");
    payee.accept_voucher(&last, &rule(0, VoucherKind::Final)).expect("newer");
    assert!(payee.accept_tick(0, &sixth, BLOCK).is_err(), "no chain after the end");
    assert_eq!(lane.pay(1, EXPIRES), Err(SpendError::NotOpened));
    assert_eq!(
        lane.settle(6 * UNIT - 1, EXPIRES),
        Err(SpendError::Lower { cumulative: 89, promised: 90 })
    );
}

#[test]
fn a_voucher_must_outlive_the_margin_to_the_block() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    let needed = BLOCK + EXPIRY_MARGIN_BLOCKS;
    let short = lane.renew(1, UNIT, 10, needed - 1).expect("within the limit");
    let refused = payee.accept_voucher(&short, &rule(0, VoucherKind::Renewal));
    assert_eq!(refused, Err(LedgerError::Expiring { expires: needed - 1, needed }));
    let enough = lane.renew(0, UNIT, 10, needed).expect("within the limit");
    assert_eq!(payee.accept_voucher(&enough, &rule(0, VoucherKind::Renewal)), Ok(UNIT));
    let proof = tick(&mut lane, 1);
    let late = LedgerError::Expiring { expires: needed, needed: needed + 1 };
    assert_eq!(
        payee.accept_tick(0, &proof, BLOCK + 1),
        Err(late),
        "a tick on a voucher that has grown old"
    );
    assert_eq!(payee.accept_tick(0, &proof, BLOCK), Ok(2 * UNIT));
}

/// A voucher that comes in one block is redeemed in the next one at the earliest.
#[test]
fn a_final_voucher_that_no_block_can_pay_is_refused() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.update(ChannelFacts { ends: Some(900), ..facts_of(1, 100_000) });
    let last = lane.settle(4 * UNIT, EXPIRES).expect("within the limit");
    let in_block = |block| VoucherRule { block, ..rule(0, VoucherKind::Final) };
    for late in [899, 900, 1_000] {
        let refused = payee.accept_voucher(&last, &in_block(late));
        assert_eq!(refused, Err(LedgerError::Closing { ends: 900 }), "block {late}");
    }
    assert_eq!(payee.redeemable(899), vec![], "nothing was promised before");
    assert_eq!(payee.accept_voucher(&last, &in_block(898)), Ok(4 * UNIT));
    let gain: Vec<Balance> = payee.redeemable(899).iter().map(|lane| lane.gain).collect();
    assert_eq!(gain, [4 * UNIT], "the last block that pays");
    assert_eq!(payee.redeemable(900), vec![]);
}

#[test]
fn a_closing_channel_opens_no_session_but_settles_the_running_one() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    let closing = ChannelFacts { ends: Some(1_300), ..facts_of(1, 100_000) };
    payee.update(closing.clone());
    let voucher = lane.renew(1, UNIT, 10, EXPIRES).expect("within the limit");
    assert_eq!(
        payee.accept_voucher(&voucher, &rule(0, VoucherKind::Opening)),
        Err(LedgerError::Closing { ends: 1_300 })
    );
    assert_eq!(payee.accept_voucher(&voucher, &rule(0, VoucherKind::Renewal)), Ok(UNIT));
    let mut ledger = payer(100_000);
    ledger.update(closing);
    assert_eq!(ledger.lease(1).err(), Some(LeaseError::Closing));
}

#[test]
fn a_worker_whose_records_are_gone_does_not_go_back_behind_the_chain() {
    let mut facts = facts_of(1, 100_000);
    facts.lanes.insert(
        0,
        Lane {
            seq: 7,
            cumulative: 500,
            claimed: 500,
            receipts_root: [1; 32],
            receipts: 3,
            shown: 7,
        },
    );
    let mut ledger = PayeeLedger::new(GENESIS, facts.clone()).expect("a key");
    assert_eq!(ledger.promised(0), 500);
    let mut lane = payer(100_000).lease(50_000).expect("deposit");
    let old = lane.renew(0, UNIT, 10, EXPIRES).expect("within the limit");
    let refused = ledger.accept_voucher(&old, &rule(0, VoucherKind::Opening));
    assert_eq!(refused, Err(LedgerError::StaleSeq { seq: 1, last: 7 }));
    let mut newer = old;
    (newer.voucher.seq, newer.voucher.cumulative, newer.voucher.receipts) = (8, 500, 3);
    resign(&mut newer, &voucher_key(), &GENESIS);
    let refused = ledger.accept_voucher(&newer, &rule(0, VoucherKind::Opening));
    assert_eq!(
        refused,
        Err(LedgerError::ReceiptsDiffer { found: 3, given: 0 }),
        "its receipts cannot be continued"
    );
    let mut payer = PayerLedger::new(GENESIS, voucher_key(), facts).expect("own signer");
    assert_eq!(
        payer.lease(1).expect("deposit").record().lane,
        1,
        "the payer takes another lane as well"
    );
    assert_eq!(payer.free(), 100_000 - 500 - 1);
}

#[test]
fn leases_and_promises_never_exceed_the_deposit() {
    let mut ledger = payer(100);
    let first = ledger.lease(60).expect("free");
    assert_eq!(ledger.lease(41).err(), Some(LeaseError::Deposit { free: 40, budget: 41 }));
    let second = ledger.lease(40).expect("free");
    assert_eq!((first.record().lane, second.record().lane), (0, 1));
    ledger.give_back(first.record().clone());
    assert_eq!(ledger.free(), 60);
    for _ in 1..MAX_LANES {
        ledger.lease(0).expect("a free lane");
    }
    assert_eq!(ledger.lease(0).err(), Some(LeaseError::NoLane));
    let stranger = PayerLedger::new(GENESIS, SigningKey::from_bytes(&[1; 32]), facts_of(1, 1));
    assert_eq!(stranger.err(), Some(LeaseError::WrongSigner));
}

#[test]
fn a_payer_adopts_only_its_own_promises() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.accept_tick(0, &tick(&mut lane, 30), BLOCK).expect("a tick");
    let held = payee.held(0).expect("held").clone();
    let mut ledger = payer(100_000);
    let mut forged = held.clone();
    forged.voucher.cumulative += 1;
    assert_eq!(ledger.adopt(&forged, 0), Err(LeaseError::Foreign));
    let mut forged = held.clone();
    forged.tick = Some(TickProof { n: 40, preimage: [3; 32] });
    assert_eq!(ledger.adopt(&forged, 0), Err(LeaseError::Foreign));
    let adopted = ledger.adopt(&held, 0).expect("own").expect("news");
    assert_eq!(
        (adopted.record.promised(), adopted.recovered, adopted.is_retired),
        (30 * UNIT, 30 * UNIT, false)
    );
    assert_eq!(ledger.promised(0), 30 * UNIT);
    assert_eq!(ledger.adopt(&held, 0), Ok(None), "the same again is no news");
    assert_eq!(ledger.lease(1).expect("free").record().seq, 1, "the next voucher is newer");
}

#[test]
fn what_a_payee_shows_never_lowers_what_is_known_and_never_passes_the_deposit() {
    let (mut payee, mut lane, first) = opened(100 * UNIT, 100);
    payee.accept_tick(0, &tick(&mut lane, 30), BLOCK).expect("a tick");
    let newest = payee.held(0).expect("held").clone();
    let mut ledger = payer(100 * UNIT);
    assert!(ledger.adopt(&newest, 0).expect("own").is_some());
    assert_eq!(ledger.adopt(&first, 0), Ok(None), "an older one");
    // A later voucher that promises less: a payer signs one only if its records were older than the
    // promise.
    let mut lower = first.clone();
    lower.voucher.seq = 9;
    resign(&mut lower, &voucher_key(), &GENESIS);
    let adopted = ledger.adopt(&lower, 0).expect("own").expect("its number is news");
    assert_eq!(
        (adopted.record.seq, adopted.record.promised(), adopted.recovered),
        (9, 30 * UNIT, 0)
    );
    let mut beyond = first.clone();
    (beyond.voucher.seq, beyond.voucher.cumulative) = (10, 100 * UNIT + 1);
    resign(&mut beyond, &voucher_key(), &GENESIS);
    let refused = LeaseError::BeyondDeposit { promised: 100 * UNIT + 1, deposit: 100 * UNIT };
    assert_eq!(ledger.adopt(&beyond, 0), Err(refused));
    assert_eq!((ledger.promised(0), ledger.free()), (30 * UNIT, 70 * UNIT));
}

#[test]
fn a_lane_that_another_session_holds_is_left_to_it() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.accept_tick(0, &tick(&mut lane, 30), BLOCK).expect("a tick");
    let held = payee.held(0).expect("held").clone();
    let mut ledger = payer(100_000);
    let (first, second) = (ledger.lease(100).expect("free"), ledger.lease(100).expect("free"));
    assert_eq!(ledger.adopt(&held, second.record().lane), Ok(None));
    assert!(ledger.adopt(&held, first.record().lane).expect("own").is_some());
}

#[test]
fn a_lane_whose_receipts_are_lost_is_retired_and_its_promise_counts() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.push_receipt(0, [7; 32]).expect("room");
    let receipt = mica_primitives::ReceiptTree::default();
    let mut with_receipt = receipt.clone();
    with_receipt.push([7; 32]);
    let mut last = lane.settle(40, EXPIRES).expect("within the limit");
    (last.voucher.receipts, last.voucher.receipts_root) = (1, with_receipt.root());
    resign(&mut last, &voucher_key(), &GENESIS);
    payee.accept_voucher(&last, &rule(0, VoucherKind::Final)).expect("newer");
    let mut ledger = payer(100_000);
    let adopted = ledger.adopt(payee.held(0).expect("held"), 0).expect("own").expect("news");
    assert!(adopted.is_retired);
    assert_eq!((ledger.lease(1).expect("free").record().lane, ledger.lost_lanes()), (1, 1));
    assert_eq!(ledger.promised(0), 40);
}

#[test]
fn lanes_whose_last_session_was_settled_come_first() {
    let mut ledger = payer(100_000);
    let mut dead = ledger.lease(1_000).expect("free");
    dead.renew(0, UNIT, 10, EXPIRES).expect("within the limit");
    ledger.give_back(dead.record().clone());
    let mut settled = ledger.lease(1_000).expect("free");
    assert_eq!(settled.record().lane, 1, "the payee may still hold lane 0");
    settled.renew(0, UNIT, 10, EXPIRES).expect("within the limit");
    settled.settle(UNIT, EXPIRES).expect("within the limit");
    ledger.give_back(settled.record().clone());
    assert_eq!(ledger.lease(0).expect("free").record().lane, 1);
    for lane in 2..MAX_LANES {
        assert_eq!(u32::from(ledger.lease(0).expect("free").record().lane), lane);
    }
    assert_eq!(ledger.lease(0).expect("the last one").record().lane, 0);
}

#[test]
fn what_a_deposit_lacks_covers_promises_beyond_it() {
    let mut ledger = payer(100);
    assert_eq!((ledger.lacks(100), ledger.lacks(130)), (0, 30));
    let record = |lane, cumulative| PayerLaneRecord {
        cumulative,
        ..PayerLaneRecord::unused(channel_of(1), lane)
    };
    ledger.restore(record(0, 80)).expect("own");
    ledger.restore(record(1, 70)).expect("own");
    assert_eq!(
        (ledger.free(), ledger.lacks(10)),
        (0, 60),
        "50 are promised that the deposit does not cover"
    );
    ledger.update(facts_of(1, 160));
    assert!(ledger.lease(10).is_ok(), "a top-up by what is lacking is enough");
}

#[test]
fn a_lane_that_is_held_back_keeps_nothing_of_the_deposit() {
    let mut ledger = payer(100);
    let lane = ledger.lease(100).expect("free");
    ledger.give_back(lane.record().clone());
    assert!(ledger.hold(0) && !ledger.hold(0));
    let other = ledger.lease(100).expect("the whole deposit is free");
    assert_eq!(other.record().lane, 1);
    ledger.give_back(other.record().clone());
    ledger.give_back(lane.record().clone());
    assert_eq!(ledger.lease(100).expect("free").record().lane, 0);
}

#[test]
fn what_a_payee_shows_of_a_lane_that_is_held_back_counts() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.accept_tick(0, &tick(&mut lane, 30), BLOCK).expect("a tick");
    let mut ledger = payer(100_000);
    let refused = ledger.lease(UNIT).expect("free");
    ledger.give_back(refused.record().clone());
    assert!(ledger.hold(0));
    let other = ledger.lease(UNIT).expect("free");
    let free = ledger.free();
    assert!(
        ledger.adopt(payee.held(0).expect("held"), other.record().lane).expect("own").is_some()
    );
    assert_eq!(ledger.free(), free - 30 * UNIT);
    // What was on disk of it when it was refused says less, and a number that goes further may
    // promise less.
    ledger.give_back(refused.record().clone());
    assert_eq!(ledger.promised(0), 30 * UNIT);
    assert!(ledger.hold(0));
    ledger.give_back(PayerLaneRecord {
        seq: 9,
        cumulative: 20 * UNIT,
        ..PayerLaneRecord::unused(channel_of(1), 0)
    });
    assert_eq!(ledger.promised(0), 30 * UNIT);
    assert!(ledger.hold(0));
    ledger.give_back(PayerLaneRecord {
        cumulative: 40 * UNIT,
        ..PayerLaneRecord::unused(channel_of(1), 0)
    });
    assert_eq!(ledger.promised(0), 40 * UNIT);
}

/// A payer whose records were put back signs the same number again; a shorter chain must open
/// nothing of a longer one.
#[test]
fn a_number_that_is_signed_twice_reveals_nothing_of_the_first_chain() {
    let session = |name: u8| mica_protocol::SessionId([name; 32]);
    let mut first = payer(100_000).lease(50_000).expect("deposit").of(session(1));
    let long = first.renew(0, UNIT, 1_000, EXPIRES).expect("within the limit");
    let mut second = payer(100_000).lease(50_000).expect("deposit").of(session(2));
    let short = second.renew(0, UNIT, 20, EXPIRES).expect("within the limit");
    assert_eq!(long.voucher.seq, short.voucher.seq);
    let proof = tick(&mut second, 20);
    let anchor = long.voucher.tick.expect("a chain");
    for n in 1..=1_000 {
        assert!(
            !anchor.verify(&TickProof { n, ..proof }, blake2_256),
            "tick {n} of the first voucher is given away"
        );
    }
}

#[test]
fn ticks_after_a_redeem_of_their_voucher_are_redeemable_and_those_of_an_older_one_refused() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.accept_tick(0, &tick(&mut lane, 10), BLOCK).expect("a tick");
    let mut facts = facts_of(1, 100_000);
    assert_eq!(chain_pays(&mut facts, &payee.redeemable(BLOCK)[0].redeem, BLOCK), Some(10 * UNIT));
    payee.update(facts.clone());
    assert!(payee.redeemable(BLOCK).is_empty());
    payee.accept_tick(0, &tick(&mut lane, 5), BLOCK).expect("the chain goes on");
    let [more] = &payee.redeemable(BLOCK)[..] else {
        panic!("the ticks after the redeem are lost")
    };
    assert_eq!(
        (more.gain, chain_pays(&mut facts, &more.redeem, BLOCK)),
        (5 * UNIT, Some(5 * UNIT))
    );
    let further = Lane { seq: 2, ..facts.lane(0) };
    facts.lanes.insert(0, further);
    payee.update(facts);
    let stale = LedgerError::StaleSeq { seq: 1, last: 2 };
    assert_eq!(
        payee.accept_tick(0, &tick(&mut lane, 1), BLOCK),
        Err(stale),
        "nobody would pay for it"
    );
}

#[test]
fn a_damaged_record_is_not_restored() {
    let (mut payee, mut lane, _) = opened(100_000, 100);
    payee.accept_tick(0, &tick(&mut lane, 30), BLOCK).expect("a tick");
    let record = payee.record(0);
    let fresh = || PayeeLedger::new(GENESIS, facts_of(1, 100_000)).expect("a key");
    let mut restored = fresh();
    restored.restore(record.clone()).expect("good");
    assert_eq!(restored.promised(0), 30 * UNIT);
    assert_eq!(
        restored.accept_tick(0, &tick(&mut lane, 1), BLOCK),
        Ok(31 * UNIT),
        "the chain goes on"
    );
    let mut damaged = record.clone();
    damaged.best.as_mut().expect("held").voucher.cumulative += 1;
    assert_eq!(fresh().restore(damaged), Err(LedgerError::BadSignature));
    let mut damaged = record.clone();
    damaged.best.as_mut().expect("held").tick = Some(TickProof { n: 31, preimage: [0; 32] });
    assert_eq!(fresh().restore(damaged), Err(LedgerError::BadTick { n: 31, revealed: 0 }));
    let mut damaged = record.clone();
    damaged.facts.channel = channel_of(2);
    assert_eq!(fresh().restore(damaged), Err(LedgerError::Foreign));
    let mut damaged = record;
    damaged.lane = 99;
    assert_eq!(fresh().restore(damaged), Err(LedgerError::NoSuchLane(99)));
}

#[derive(Clone, Debug)]
enum Act {
    Pay(u32),
    Renew(u16),
    Settle,
    Open(u16),
    Redeem,
    TopUp(Balance),
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        6 => (1u32..40).prop_map(Act::Pay),
        1 => (1u16..60).prop_map(Act::Renew),
        1 => Just(Act::Settle),
        2 => (1u16..60).prop_map(Act::Open),
        2 => Just(Act::Redeem),
        1 => (0u128..600).prop_map(Act::TopUp),
    ];
    prop::collection::vec((0usize..3, act), 1..60)
}

proptest! {
    #[test]
    fn whatever_a_payee_accepts_the_chain_pays_in_full(acts in acts()) {
        let mut facts = facts_of(1, 4_000);
        let mut payee = PayeeLedger::new(GENESIS, facts.clone()).expect("a key");
        let mut payer = PayerLedger::new(GENESIS, voucher_key(), facts.clone()).expect("own signer");
        let mut lanes: Vec<PayerLane> = (0..3).map(|_| payer.lease(1_200).expect("deposit")).collect();
        let mut claimed = 0;
        for (index, act) in acts {
            let lane = &mut lanes[index];
            let id = lane.record().lane;
            match act {
                Act::Pay(positions) => match lane.pay(positions, EXPIRES) {
                    Ok(Payment::Tick(proof)) => { prop_assert_eq!(payee.accept_tick(id, &proof, BLOCK), Ok(lane.promised())); }
                    Ok(Payment::Voucher(redeem)) => {
                        prop_assert_eq!(payee.accept_voucher(&redeem, &rule(id, VoucherKind::Renewal)), Ok(lane.promised()));
                    }
                    Err(_) => {}
                },
                Act::Renew(ticks) | Act::Open(ticks) => {
                    let kind = if matches!(act, Act::Open(_)) { VoucherKind::Opening } else { VoucherKind::Renewal };
                    if let Ok(redeem) = lane.renew(0, UNIT, ticks, EXPIRES) {
                        prop_assert_eq!(payee.accept_voucher(&redeem, &rule(id, kind)), Ok(lane.promised()));
                    }
                }
                Act::Settle => {
                    let redeem = lane.settle(lane.promised(), EXPIRES).expect("what is promised already");
                    prop_assert_eq!(payee.accept_voucher(&redeem, &rule(id, VoucherKind::Final)), Ok(lane.promised()));
                }
                Act::Redeem => {
                    for redeemable in payee.redeemable(BLOCK) {
                        let paid = chain_pays(&mut facts, &redeemable.redeem, BLOCK);
                        prop_assert_eq!(paid, Some(redeemable.gain), "no shortfall");
                        claimed += redeemable.gain;
                    }
                    payee.update(facts.clone());
                }
                Act::TopUp(more) => {
                    facts.deposit += more;
                    payee.update(facts.clone());
                }
            }
        }
        for redeemable in payee.redeemable(BLOCK) {
            claimed += chain_pays(&mut facts, &redeemable.redeem, BLOCK).expect("redeemable");
        }
        // Ticks that came after a redeem of their voucher are paid as well.
        let promised: Balance = lanes.iter().map(PayerLane::promised).sum();
        prop_assert!(claimed <= facts.deposit);
        prop_assert_eq!(claimed, promised);
    }
}
