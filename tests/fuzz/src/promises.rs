//! Records and promises as they lie on disk and cross the wire: decoded, checked, encoded again.

use codec::{Decode, Encode};
use mica_primitives::{CooperativeClose, Redeem, Voucher, domain::blake2_256};
use mica_protocol::channel::{
    ChannelFacts, PayeeLaneRecord, PayeeLedger, PayerLaneRecord, PayerLedger,
};
use mica_simulation::chain::GENESIS;

use crate::{common::voucher_key, outcome::Outcome, reader::Reader};

/// The first byte says what the rest is.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let mut outcome = Outcome::new();
    let kind = Reader::new(bytes).byte() % 6;
    outcome.note(kind.into());
    let rest = bytes.get(1..).unwrap_or_default();
    match kind {
        0 => {
            let Some(redeem) = again::<Redeem>(rest, &mut outcome) else { return outcome.number() };
            outcome.note(redeem.promised().map_or(0, |promised| u64::from(promised > 0) + 1));
            if let (Some(tick), Some(proof)) = (&redeem.voucher.tick, &redeem.tick) {
                outcome.note(u64::from(tick.verify(proof, blake2_256)));
            }
        }
        1 => drop(again::<Voucher>(rest, &mut outcome)),
        2 => drop(again::<CooperativeClose>(rest, &mut outcome)),
        3 => drop(again::<ChannelFacts>(rest, &mut outcome)),
        4 => payee(rest, &mut outcome),
        _ => payer(rest, &mut outcome),
    }
    outcome.number()
}

/// Decodes a value; what can be decoded has one form.
fn again<T: Encode + Decode>(bytes: &[u8], outcome: &mut Outcome) -> Option<T> {
    let mut rest = bytes;
    let Ok(value) = T::decode(&mut rest) else {
        outcome.note(0);
        return None;
    };
    let used = bytes.len() - rest.len();
    let written = value.encode();
    assert!(written.len() <= used, "a value is not longer than what it was read from");
    assert_eq!(T::decode(&mut &written[..]).map(|value| value.encode()), Ok(written));
    outcome.note(1);
    Some(value)
}

/// A worker takes a record back, whoever wrote it.
fn payee(bytes: &[u8], outcome: &mut Outcome) {
    let Some(record) = again::<PayeeLaneRecord>(bytes, outcome) else { return };
    let Ok(mut ledger) = PayeeLedger::new(GENESIS, record.facts.clone()) else {
        return outcome.note(2);
    };
    let lane = record.lane;
    match ledger.restore(record) {
        Ok(()) => {
            outcome.note(3);
            let promises = ledger.redeemable(1);
            assert!(
                promises.iter().all(|due| ledger.is_signed(&due.redeem)),
                "only what is signed"
            );
            outcome.note(promises.len() as u64);
            let _ = (ledger.record(lane), ledger.free(), ledger.receipts(lane));
        }
        Err(error) => outcome.text(&error.to_string()),
    }
}

/// A payer takes a record back, whoever wrote it.
fn payer(bytes: &[u8], outcome: &mut Outcome) {
    let Some(record) = again::<PayerLaneRecord>(bytes, outcome) else { return };
    let mut facts = crate::common::facts_of(1, 1_000_000);
    facts.channel = record.channel;
    let Ok(mut ledger) = PayerLedger::new(GENESIS, voucher_key(), facts) else { return };
    match ledger.restore(record) {
        Ok(()) => {
            let free = ledger.free();
            assert!(free <= 1_000_000, "no more is free than there is");
            outcome.note(u64::from(ledger.lease(free).is_ok()));
            outcome.note(u64::from(ledger.lease(1).is_ok()));
        }
        Err(error) => outcome.text(&error.to_string()),
    }
}
