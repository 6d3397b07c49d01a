//! Cheating with money: vouchers that a real worker and a real chain must refuse, and the limits at
//! which each side stops.

use std::time::Duration;

use mica_chain::{Call, MicaEvent, Signer, SubmitError, Until};
use mica_primitives::{Balance, ChannelId, LayerRange, Redeem, UNIT, Voucher};
use mica_protocol::{FaultCode, Message, limits::MAX_PREPAID_POSITIONS, session::EndIds, signing};
use mica_tests::{DevNode, Pass, Payer, Worker, eventually_async};

const ALL: LayerRange = LayerRange { first: 0, end: 8 };
/// Longer than a new channel takes to be final, which is when a worker believes in it.
const QUIET: Duration = Duration::from_secs(20);
/// Longer than a worker waits for money before it gives a session up.
const UNPAID: Duration = Duration::from_secs(60);

fn sign(mut redeem: Redeem, key: &ed25519_dalek::SigningKey, genesis: &[u8; 32]) -> Redeem {
    redeem.signature = signing::sign(key, &redeem.voucher.signing_bytes(genesis));
    redeem
}

/// A plain promise of `cumulative`.
pub(super) fn promise(payer: &Payer, channel: ChannelId, seq: u64, cumulative: Balance) -> Redeem {
    let voucher = Voucher {
        channel,
        lane: 0,
        seq,
        cumulative,
        receipts_root: [0; 32],
        receipts: 0,
        expires: 100_000,
        tick: None,
        lock: None,
        bounty: 0,
    };
    sign(
        Redeem { voucher, signature: [0; 64], tick: None, preimage: None },
        &payer.key,
        &payer.chain.genesis_hash(),
    )
}

/// The name of the pallet's error with which the chain refuses `call`.
async fn refusal(payer: &Payer, signer: &Signer, call: Call) -> String {
    match payer.chain.submit(signer, call, Until::InBlock).await {
        Err(SubmitError::Failed { failure, .. }) => failure.name,
        other => panic!("not refused by the runtime: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_refuses_stale_replayed_foreign_and_expired_vouchers_and_never_pays_more_than_the_deposit()
 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let payer = Payer::new(node.connect().await, "//Alice");
    let payee = Signer::from_suri("//Bob").expect("a development key");
    let deposit = 10 * UNIT;
    let (channel, other) = (
        payer.open_channel(payee.account(), deposit).await,
        payer.open_channel(payee.account(), deposit).await,
    );
    let redeem = |redeem: Redeem| Call::Redeem(Box::new(redeem));

    let first = promise(&payer, channel, 2, 3 * UNIT);
    let paid = payer
        .chain
        .submit(&payee, redeem(first.clone()), Until::InBlock)
        .await
        .expect("an honest voucher is paid");
    assert!(
        paid.known()
            .any(|event| matches!(event, MicaEvent::Redeemed { paid, .. } if *paid == 3 * UNIT))
    );

    assert_eq!(
        refusal(&payer, &payee, redeem(first.clone())).await,
        "NothingToPay",
        "the same voucher twice"
    );
    assert_eq!(
        refusal(&payer, &payee, redeem(promise(&payer, channel, 1, 4 * UNIT))).await,
        "StaleVoucher"
    );
    let stranger = Signer::from_suri("//Charlie").expect("a development key");
    assert_eq!(
        refusal(&payer, &stranger, redeem(promise(&payer, channel, 3, 2 * UNIT))).await,
        "AmountFell"
    );
    let mut moved = first.clone();
    moved.voucher.channel = other;
    assert_eq!(
        refusal(&payer, &payee, redeem(moved)).await,
        "BadSignature",
        "another channel's voucher"
    );
    let foreign = sign(
        promise(&payer, channel, 9, 9 * UNIT),
        &ed25519_dalek::SigningKey::from_bytes(&[9; 32]),
        &payer.chain.genesis_hash(),
    );
    assert_eq!(refusal(&payer, &payee, redeem(foreign)).await, "BadSignature", "another key");
    let elsewhere = sign(promise(&payer, channel, 9, 9 * UNIT), &payer.key, &[7; 32]);
    assert_eq!(refusal(&payer, &payee, redeem(elsewhere)).await, "BadSignature", "another chain");
    let mut expired = promise(&payer, channel, 9, 9 * UNIT);
    expired.voucher.expires = 1;
    let expired = sign(expired, &payer.key, &payer.chain.genesis_hash());
    assert_eq!(refusal(&payer, &payee, redeem(expired)).await, "Expired");

    let greedy = payer
        .chain
        .submit(&payee, redeem(promise(&payer, channel, 10, 25 * UNIT)), Until::InBlock)
        .await;
    let greedy = greedy.expect("a promise above the deposit is paid as far as it goes");
    assert!(
        greedy
            .known()
            .any(|event| matches!(event, MicaEvent::Redeemed { paid, .. } if *paid == 7 * UNIT))
    );
    assert!(greedy.known().any(
        |event| matches!(event, MicaEvent::Shortfall { missing, .. } if *missing == 15 * UNIT)
    ));
    let view = payer.chain.at_best().await.expect("the node answers");
    let state = view.channel(channel).await.expect("it reads").expect("still open");
    assert_eq!((state.deposit, state.claimed), (deposit, deposit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_refuses_bad_vouchers_stops_at_its_credit_and_redeems_after_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    // It never redeems by itself within the test, so that the crash comes first.
    // Dear enough that what it earns is worth a redeem.
    let extra = ["--redeem-minimum", "1000000", "--price", "100000000u"];
    let mut worker = Worker::start(folder.path(), &node.url, "//Bob", "0..8", &extra);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let channel = payer.open_channel(record.account, 10 * UNIT).await;
    let prompt = payer.prompt("How does a blockchain work?");
    let genesis = payer.chain.genesis_hash();

    // Every bad first voucher is refused with its own code.
    let key = payer.key.clone();
    type Tamper = fn(&mut Redeem);
    let cases: [(Tamper, bool, FaultCode); 4] = [
        (|redeem| redeem.signature[0] ^= 1, false, FaultCode::BadSignature),
        (|redeem| redeem.voucher.channel = ChannelId([9; 32]), true, FaultCode::ForeignVoucher),
        (|redeem| redeem.voucher.cumulative = 11 * UNIT, true, FaultCode::Overspend),
        (|redeem| redeem.voucher.expires = 1, true, FaultCode::VoucherExpiring),
    ];
    for (number, (tamper, signed, expected)) in (1u8..).zip(cases) {
        let mut ledger = payer.ledger(channel).await;
        let plan = payer.plan(number, &mut [(&record, ALL, &mut ledger)], prompt.clone(), 8).await;
        let change = |message: Message| match message {
            Message::Open(mut open) => {
                tamper(&mut open.voucher);
                if signed {
                    open.voucher = sign(open.voucher.clone(), &key, &genesis);
                }
                Pass::On(Message::Open(open))
            }
            other => Pass::On(other),
        };
        let seen = payer.drive(plan, QUIET, change, Pass::On).await;
        assert_eq!(
            seen.faults.first(),
            Some(&(expected as u16)),
            "{expected:?}: {:?}",
            seen.faults
        );
        assert!(seen.tokens.is_empty());
    }

    // A payer that opens and then never pays gets what it has prepaid, the credit and no position
    // more.
    let mut ledger = payer.ledger(channel).await;
    let start = prompt[..8].to_vec();
    let mut plan = payer.plan(10, &mut [(&record, ALL, &mut ledger)], start.clone(), 64).await;
    plan.end_ids = EndIds::default();
    let no_money = |message: Message| {
        if matches!(message, Message::Pay(_)) { Pass::Lost } else { Pass::On(message) }
    };
    let seen = payer.drive(plan, UNPAID, no_money, Pass::On).await;
    assert_eq!(
        start.len() + seen.tokens.len() - 1,
        16 + usize::from(MAX_PREPAID_POSITIONS),
        "positions on a credit of 16 and what was prepaid; faults: {:?}",
        seen.faults
    );
    assert_eq!(seen.faults.first(), Some(&(FaultCode::CreditExhausted as u16)));

    // A payer that has lost its records begins again at the first number, which the worker has
    // seen.
    let mut forgetful = payer.ledger(channel).await;
    let plan = payer.plan(12, &mut [(&record, ALL, &mut forgetful)], prompt.clone(), 8).await;
    let seen = payer.drive(plan, QUIET, Pass::On, Pass::On).await;
    assert_eq!(seen.faults.first(), Some(&(FaultCode::StaleVoucher as u16)));

    // An honest session on the ledger's next lane, cut off by a power cut at the worker before it
    // redeemed.
    let plan = payer.plan(11, &mut [(&record, ALL, &mut ledger)], prompt.clone(), 24).await;
    let (seen, promised) = payer.leave_open(plan, QUIET).await;
    assert!(!seen.tokens.is_empty(), "faults: {:?}", seen.faults);
    worker.kill();
    let unit = record.list_price_per_layer_token * 8;
    // What the session that never paid had prepaid, on another lane, counts too.
    let held = promised + unit * Balance::from(MAX_PREPAID_POSITIONS);
    let before = payer.total(record.account).await;
    worker.restart();
    worker.wait_until_serving();
    // What it had earned is on its disk: closing makes it claim that in time.
    payer
        .chain
        .submit(&payer.signer, Call::Close(channel), Until::InBlock)
        .await
        .expect("a payer may ask to close");
    let chain = payer.chain.clone();
    let claimed = eventually_async(
        "the worker redeems what it had earned",
        Duration::from_secs(120),
        || async {
            let view = chain.at_best().await.ok()?;
            match view.channel(channel).await.ok()? {
                Some(channel) if channel.claimed + unit >= held => Some(channel.claimed),
                Some(_) => None,
                None => Some(held),
            }
        },
    )
    .await;
    assert!(claimed <= held, "never more than was promised: {claimed} of {held}");
    assert!(
        claimed + unit >= held,
        "at most the last tick on its way is lost: {claimed} of {held}"
    );
    let after = payer.total(record.account).await;
    assert!(after + UNIT > before + claimed, "the money is on its account, less fees");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_stops_paying_a_worker_that_gives_no_receipts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let worker = Worker::start(folder.path(), &node.url, "//Bob", "0..8", &[]);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let channel = payer.open_channel(record.account, 100 * UNIT).await;
    let mut ledger = payer.ledger(channel).await;
    let prompt = payer.prompt("Explain quantum mechanics.");
    let plan = payer.plan(1, &mut [(&record, ALL, &mut ledger)], prompt, 200).await;
    let limit = plan.exposure_positions;
    let no_receipts = |message: Message| {
        if matches!(message, Message::Receipt(_)) { Pass::Lost } else { Pass::On(message) }
    };
    let seen = payer.drive(plan, QUIET, Pass::On, no_receipts).await;
    assert!(
        seen.ticks > 0 && seen.ticks <= limit,
        "paid {} positions, the limit is {limit}",
        seen.ticks
    );
    assert!(seen.tokens.len() < 200);
}
