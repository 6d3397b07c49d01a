//! A worker among hostile peers: what they cost it, whom it dials for them, and that it serves
//! payers all the same.

use std::{net::TcpListener, time::Duration};

use mica_primitives::{LayerRange, UNIT, WorkerAddresses};
use mica_protocol::{FaultCode, Message};
use mica_tests::{
    DevNode, Operator, Pass, Payer,
    hostile_crowd::{Crowd, Manner, resident_bytes},
    raw_peer::tcp_address,
};

/// Peers in the crowd.
const PEERS: usize = 500;
/// What they may cost beside weights and cache.
const MOST_BYTES: u64 = 60_000_000;
/// Longest wait for what the worker does by itself.
const PATIENCE: Duration = Duration::from_secs(60);
const LAYERS: u16 = 8;

/// Prints the figures of `docs/benchmarks-crowd.md`.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_hostile_peers_cost_an_idle_worker_little_and_payers_are_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut worker = Operator::init(&folder.path().join("bob"), "//Bob");
    // All of them are to get in: by default a quarter of the places is kept from strangers.
    let path = worker.folder.join("config.toml");
    let settings = std::fs::read_to_string(&path).expect("init writes it");
    let settings = settings.replace("reserved_links = 128", "reserved_links = 4");
    std::fs::write(&path, settings).expect("writable");
    worker.serve(&node.url, &["--layers", "0..8", "--no-pricing", "--no-migrate"]);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let at = tcp_address(&record.addresses);

    // One first, so that what is made once is there.
    let first = Crowd::attach(&record.peer, &at, 1, Manner::Idle).await;
    assert_eq!(first.attached(), 1);
    let pid = worker.process().id();
    let before = resident_bytes(pid);
    let crowd = Crowd::attach(&record.peer, &at, PEERS, Manner::Idle).await;
    let totals = |shown: &serde_json::Value| shown["running"]["totals"]["network"].clone();
    let seen = worker.wait_for_status(&node.url, 0, PATIENCE, |shown| {
        totals(shown)["peers"].as_u64().is_some_and(|peers| peers >= PEERS as u64)
    });
    let after = resident_bytes(pid);
    let cost = after.saturating_sub(before);
    println!(
        "{} hostile peers: {before} bytes resident before, {after} after, {cost} more; {}",
        crowd.attached(),
        totals(&seen)
    );
    assert!(crowd.attached() >= PEERS - 5, "{} are attached", crowd.attached());
    assert!(cost <= MOST_BYTES, "{cost} bytes");

    // Among them a payer is served.
    let channel = payer.open_channel(record.account, 10 * UNIT).await;
    let mut ledger = payer.ledger(channel).await;
    let whole = LayerRange { first: 0, end: LAYERS };
    let prompt = payer.prompt("What is a Raspberry Pi?");
    let plan = payer.plan(1, &mut [(&record, whole, &mut ledger)], prompt, 4).await;
    let seen = payer.drive(plan, PATIENCE, Pass::On, Pass::On).await;
    assert_eq!((seen.tokens.len(), seen.faults.len()), (4, 0));
}

/// A payer names a stranger's address as that of the path's next worker: the worker does not dial
/// it, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_dials_nobody_whom_only_a_payer_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut worker = Operator::init(&folder.path().join("bob"), "//Bob");
    worker.serve(&node.url, &["--layers", "0..5", "--no-pricing", "--no-migrate"]);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    // Whoever dials here is heard.
    let port = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    port.set_nonblocking(true).expect("a socket");
    let named = format!("/ip4/{}/tcp/{}", "127.0.0.1", port.local_addr().expect("bound").port());
    let addresses: WorkerAddresses =
        vec![named.into_bytes().try_into().expect("short")].try_into().expect("few");
    let mut stranger = record.clone();
    stranger.peer = mica_net::public_key_of(&[99; 32]).expect("a secret");
    stranger.addresses = addresses;
    // Nobody looks at the stranger's channel.
    let channels = [
        payer.open_channel(record.account, 10 * UNIT).await,
        payer.open_channel(record.account, 10 * UNIT).await,
    ];
    let [mut own, mut other] = [payer.ledger(channels[0]).await, payer.ledger(channels[1]).await];
    let ranges = [LayerRange { first: 0, end: 5 }, LayerRange { first: 5, end: LAYERS }];
    let mut stages = [(&record, ranges[0], &mut own), (&stranger, ranges[1], &mut other)];
    let prompt = payer.prompt("What is a Raspberry Pi?");
    let plan = payer.plan(1, &mut stages, prompt, 4).await;
    // The payer itself must not dial the stranger either.
    let to_worker = |message| match message {
        Message::Open(open) if open.stage == 1 => Pass::Lost,
        Message::Close(_) => Pass::Lost,
        other => Pass::On(other),
    };
    // The other stage never answers, so the session does not end by itself.
    let quiet = Duration::from_secs(10);
    let seen = payer.drive(plan, quiet, to_worker, Pass::On).await;
    assert_eq!(seen.faults.first(), Some(&FaultCode::UnknownNeighbour.number()));
    assert!(port.accept().is_err(), "nobody dialled");
}
