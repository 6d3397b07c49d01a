//! Room costs money: a payer that opens a session at a real worker and leaves it alone.

use std::time::{Duration, Instant};

use mica_chain::{Call, Until};
use mica_primitives::{Balance, LayerRange, UNIT};
use mica_protocol::{
    FaultCode, Message,
    limits::{LEAST_STEP_DEADLINE_MS, MAX_PREPAID_POSITIONS},
    session::EndIds,
};
use mica_tests::{DevNode, Pass, Payer, Worker, eventually, eventually_async};

const ALL: LayerRange = LayerRange { first: 0, end: 8 };
/// Longer than the session may wait for a step here.
const IDLE: Duration = Duration::from_secs(30);
/// What the clocks of both sides may differ by.
const SLACK: Duration = Duration::from_secs(1);
/// Longest time until a closing channel is redeemed.
const REDEEMED: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_pays_for_its_room_and_does_not_keep_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    // Room so dear that the most is prepaid, and the least wait is all that it pays for; and a
    // price at which the prepayment alone is worth a redeem.
    let dear = ["--holding-price", "1000", "--price", "100000000u"];
    let worker = Worker::start(folder.path(), &node.url, "//Bob", "0..8", &dear);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let channel = payer.open_channel(record.account, 10 * UNIT).await;
    let unit = record.list_price_per_layer_token * Balance::from(ALL.len());
    let prompt = payer.prompt("How does a blockchain work?");

    // The prompt never arrives.
    let mut ledger = payer.ledger(channel).await;
    let mut plan = payer.plan(1, &mut [(&record, ALL, &mut ledger)], prompt.clone(), 64).await;
    plan.end_ids = EndIds::default();
    let (mut opened, mut given_up) = (None, None);
    let note_times = |message: Message| {
        match &message {
            Message::Opened(_) => opened = Some(Instant::now()),
            Message::Fault(_) => given_up = given_up.or(Some(Instant::now())),
            _ => {}
        }
        Pass::On(message)
    };
    let no_steps = |message: Message| {
        if matches!(message, Message::Step(_) | Message::Pay(_) | Message::Close(_)) {
            Pass::Lost
        } else {
            Pass::On(message)
        }
    };
    let seen = payer.drive(plan, IDLE, no_steps, note_times).await;
    assert_eq!(seen.faults.first(), Some(&(FaultCode::Silent as u16)), "{:?}", seen.faults);
    let waited = given_up.expect("a fault").duration_since(opened.expect("an acceptance"));
    let least = Duration::from_millis(LEAST_STEP_DEADLINE_MS);
    assert!(waited + SLACK >= least && waited < least + IDLE, "the room was kept for {waited:?}");
    let prepaid = unit * Balance::from(MAX_PREPAID_POSITIONS);
    let ended = eventually("the session ends", REDEEMED, || worker.events("session_ended").pop());
    assert_eq!(ended["earned"], prepaid.to_string(), "{ended}");
    assert_eq!((&ended["prepaid"], &ended["unpaid"]), (&ended["earned"], &"0".into()), "{ended}");

    // An honest session afterwards pays for its positions and nothing else.
    let mut next = payer.plan(2, &mut [(&record, ALL, &mut ledger)], prompt.clone(), 24).await;
    next.end_ids = EndIds::default();
    let seen = payer.drive(next, IDLE, Pass::On, Pass::On).await;
    let report = seen.report.expect("it ends");
    assert_eq!(report.failure, None);
    let honest = unit * (prompt.len() as Balance + 23);
    assert_eq!(report.paid(), honest, "what was prepaid is a part of it");

    // Both are money on chain.
    payer
        .chain
        .submit(&payer.signer, Call::Close(channel), Until::InBlock)
        .await
        .expect("a payer may ask to close");
    let redeemed = || worker.events("redeemed").iter().map(paid).sum::<Balance>();
    eventually_async("the prepayment is redeemed", REDEEMED, || async {
        (redeemed() == prepaid + honest).then_some(())
    })
    .await;
}

/// What a `redeemed` event says was paid.
fn paid(event: &serde_json::Value) -> Balance {
    event["paid"].as_str().and_then(|paid| paid.parse().ok()).expect("base units")
}
