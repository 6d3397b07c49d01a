//! What payment and receipts cost, on one core: `cargo bench -p mica-protocol`. Prints a table;
//! each row is the best of five runs. `scripts/bench-chain.sh` puts it on a page.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use ed25519_dalek::SigningKey;
use mica_primitives::{ChannelId, LayerRange};
use mica_protocol::{
    SessionId,
    channel::{
        ChannelFacts, PayeeLedger, PayerLedger, VoucherKind, VoucherRule,
        ticks::{TickChain, TickMeter},
    },
    messages::{Message, Payload, Payment, Step},
    receipts::{ReceiptWriter, WriterScope, sign_leaf},
    signing, wire,
};
use std::{collections::BTreeMap, hint::black_box, time::Instant};

const GENESIS: [u8; 32] = [1; 32];
const RUNS: usize = 5;

/// Seconds of the fastest run.
fn best(mut run: impl FnMut()) -> f64 {
    let timed = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    timed.fold(f64::INFINITY, f64::min)
}

fn row(name: &str, count: f64, seconds: f64) {
    println!("| {name:<64} | {:>11.0} | {:>9.3} |", count / seconds, seconds / count * 1e6);
}

fn ledgers() -> (PayeeLedger, PayerLedger) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let facts = ChannelFacts {
        channel: ChannelId([2; 32]),
        payer: [6; 32],
        signer: signing::public_key(&key),
        deposit: u128::MAX / 2,
        lanes: BTreeMap::new(),
        window: 1_200,
        ends: None,
    };
    let payee = PayeeLedger::new(GENESIS, facts.clone()).expect("the key was just made");
    (payee, PayerLedger::new(GENESIS, key, facts).expect("the signer is the key's"))
}

fn vouchers() {
    let count = 2_000;
    let seconds = best(|| {
        let (mut payee, mut payer) = ledgers();
        let mut lane = payer.lease(1_000_000_000).expect("the deposit is large");
        for _ in 0..count {
            let voucher = lane.renew(1, 15, 1, 10_000).expect("within the lease");
            let rule = VoucherRule { lane: 0, unit: 15, block: 1, kind: VoucherKind::Renewal };
            payee.accept_voucher(&voucher, &rule).expect("a good voucher");
        }
    });
    row("vouchers, signed by the payer, accepted by the payee", count.into(), seconds);
}

fn ticks() {
    let (chains, max) = (200, 1_024u16);
    let count = f64::from(chains) * f64::from(max);
    let seconds = best(|| {
        for chain in 0..chains {
            black_box(TickChain::new([chain as u8; 32], max));
        }
    });
    row("tick chains, made by the payer (per tick)", count, seconds);
    let mut chain = TickChain::new([9; 32], max);
    let seconds = best(|| {
        for n in 1..=max {
            black_box(chain.proof(n));
        }
    });
    row("ticks, found by the payer", max.into(), seconds);
    let proofs: Vec<_> = (1..=max).filter_map(|n| chain.proof(n)).collect();
    let meter = TickMeter::new(chain.tick(15)).expect("the chain is not empty");
    let seconds = best(|| {
        for _ in 0..chains {
            let end = proofs
                .iter()
                .fold(meter, |meter, proof| meter.advanced(proof).expect("the next tick"));
            black_box(end);
        }
    });
    row("ticks, verified by the payee", count, seconds);
    let seconds = best(|| {
        let (mut payee, mut payer) = ledgers();
        let mut lane = payer.lease(1_000_000_000).expect("the deposit is large");
        let voucher = lane.renew(0, 15, max, 10_000).expect("within the lease");
        let rule = VoucherRule { lane: 0, unit: 15, block: 1, kind: VoucherKind::Opening };
        payee.accept_voucher(&voucher, &rule).expect("a good voucher");
        for _ in 0..max {
            if let Payment::Tick(proof) = lane.pay(1, 10_000).expect("within the lease") {
                payee.accept_tick(0, &proof, 1).expect("the next tick");
            }
        }
    });
    row("ticks through both ledgers", max.into(), seconds);
}

fn receipts() {
    let layers = LayerRange { first: 0, end: 4 };
    let scope = WriterScope { session: SessionId([1; 32]), lane: 0, layers, profile: [2; 32] };
    let key = SigningKey::from_bytes(&[7; 32]);
    for hidden in [2_048usize, 4_096, 8_192] {
        let (bytes, count) = (vec![3u8; hidden * 4], 1_600);
        let seconds = best(|| {
            let mut writer = ReceiptWriter::new(scope);
            for _ in 0..count {
                writer.input(1, &bytes);
                for leaf in writer.output_hidden(1, &bytes) {
                    black_box(sign_leaf(leaf, &key, &GENESIS));
                }
            }
        });
        row(
            &format!("receipts, in and out, signed, hidden {hidden} (per position)"),
            count.into(),
            seconds,
        );
    }
}

fn frames() {
    let payload = Payload::Hidden(vec![3; 4_096 * 4]);
    let step = Message::Step(Step {
        session: SessionId([1; 32]),
        first_position: 0,
        rows: 1,
        sample: true,
        payload,
    });
    let count = 20_000;
    let seconds = best(|| {
        let mut decoder = wire::FrameDecoder::new();
        for _ in 0..count {
            decoder.push(&wire::encode_frame(&step).expect("within the bound"));
            black_box(decoder.next_message().expect("an own frame"));
        }
    });
    row("steps of one row, hidden 4096, encoded and decoded", count.into(), seconds);
}

fn main() {
    println!("| {:<64} | {:>11} | {:>9} |", "on one core", "a second", "µs each");
    println!("|---|---|---|");
    vouchers();
    ticks();
    receipts();
    frames();
}
