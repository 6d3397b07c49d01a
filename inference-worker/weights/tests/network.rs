//! Weights over real connections between nodes on this machine.

use std::{sync::Arc, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt};
use mica_engine::{GgufFile, LayerRange, embedded};
use mica_net::{Mdns, Net, NetConfig};
use mica_primitives::{ModelId, PublicKey, WorkerAddresses};
use mica_weights::{Dialler, FetchError, Peer, ServeLimits, Shelf, Store, describe, fetch, serve};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const LAYERS: LayerRange = LayerRange { first: 1, end: 4 };

/// A node that answers those who want weights.
struct Node {
    net: Net,
    key: PublicKey,
    addresses: WorkerAddresses,
    stop: CancellationToken,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn node(secret: u8, listen: &str) -> Node {
    let config = NetConfig::new([secret; 32]).listen([listen]);
    let (net, mut events) = Net::start(config).expect("it starts");
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let listeners = net.settled().await.expect("it listens");
    let addresses: Vec<_> = listeners
        .into_iter()
        .flat_map(|listener| listener.addresses)
        .map(|address| address.into_bytes().try_into().expect("short"))
        .collect();
    let addresses = WorkerAddresses::try_from(addresses).expect("few");
    Node { key: net.key(), net, addresses, stop: CancellationToken::new() }
}

fn tiny() -> (Arc<GgufFile>, Shelf, ModelId) {
    let file = Arc::new(GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded"));
    let hashes = file.tensor_hashes().expect("it reads");
    let id = file.manifest_with(&hashes).expect("a manifest").id();
    let shelf = Shelf::default();
    shelf.put_file(id, &file, &hashes);
    (file, shelf, id)
}

async fn honest(secret: u8, listen: &str, limits: ServeLimits) -> Node {
    let node = node(secret, listen).await;
    let streams = node.net.accept_weights().expect("nobody else takes them");
    assert!(node.net.accept_weights().is_none(), "they are taken");
    tokio::spawn(serve(streams, tiny().1, limits, node.stop.clone()));
    node
}

/// Says that it has everything, and sends bytes of its own.
async fn liar(secret: u8) -> Node {
    let node = node(secret, "/ip4/127.0.0.1/tcp/0").await;
    let mut streams = node.net.accept_weights().expect("nobody else takes them");
    let stop = node.stop.clone();
    tokio::spawn(async move {
        while let Some(Some((_, mut stream))) = stop.run_until_cancelled(streams.next()).await {
            tokio::spawn(async move {
                let mut request = [0; 128];
                loop {
                    let mut length = [0; 4];
                    if stream.read_exact(&mut length).await.is_err() {
                        return;
                    }
                    let length = u32::from_le_bytes(length) as usize;
                    if stream.read_exact(&mut request[..length]).await.is_err() {
                        return;
                    }
                    // All tensors; or a piece of 1,000 sevens, as SCALE writes lengths.
                    let reply: Vec<u8> = match request[0] {
                        1 => [&[1, 16 << 2][..], &[0xff; 16]].concat(),
                        _ => [&[2, 0xa1, 0x0f][..], &[7; 1000]].concat(),
                    };
                    let frame = [&(reply.len() as u32).to_le_bytes()[..], &reply].concat();
                    if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    node
}

struct Fetcher {
    folder: tempfile::TempDir,
    dialler: Dialler,
}

impl Fetcher {
    fn new() -> Self {
        let dialler = Dialler::start(&[], Mdns::Off).expect("it starts");
        Self { folder: tempfile::tempdir().expect("a folder"), dialler }
    }

    fn peers(&self, nodes: &[&Node]) -> Vec<Arc<dyn Peer>> {
        nodes.iter().map(|node| self.dialler.peer(node.key, &node.addresses)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_layers_come_over_tcp_and_quic_and_a_liar_is_dropped() {
    let (file, _, id) = tiny();
    let limits = ServeLimits::default();
    let tcp = honest(1, "/ip4/127.0.0.1/tcp/0", limits).await;
    let quic = honest(2, "/ip4/127.0.0.1/udp/0/quic-v1", limits).await;
    let liar = liar(3).await;
    let fetcher = Fetcher::new();
    let store = Store::new(fetcher.folder.path().to_owned(), None);
    let nodes = fetcher.peers(&[&liar, &quic, &tcp]);
    let held = timeout(PATIENCE, describe(&store, id, &nodes, |_| {})).await.expect("in time");
    let held = Arc::new(held.expect("a head"));
    let wanted = held.file().tensors_of(LAYERS).expect("layers");
    // The one that lied about the head has been banned for it.
    let again = fetcher.peers(&[&liar]);
    let refused = timeout(
        PATIENCE,
        describe(&Store::new(fetcher.folder.path().join("other"), None), id, &again, |_| {}),
    )
    .await
    .expect("in time");
    assert!(matches!(refused, Err(FetchError::Head { .. })), "{refused:?}");
    let fetching = fetch(&store, &held, &wanted, &nodes, &[], &|_| {});
    let fetched = timeout(PATIENCE, fetching).await.expect("in time").expect("fetched");
    let bytes: u64 = wanted.iter().map(|&tensor| held.index().tensors[tensor].bytes).sum();
    assert_eq!(fetched.bytes, bytes);
    assert!(fetched.received * 10 <= bytes * 11, "{} received for {bytes}", fetched.received);
    for &tensor in &wanted {
        let read = |file: &GgufFile| {
            file.tensors().nth(tensor).expect("a tensor").read().expect("it reads")
        };
        assert_eq!(read(held.file()), read(&file));
    }
    fetcher.dialler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liar_among_those_who_give_layers_is_named_and_banned() {
    let (_, _, id) = tiny();
    let good = honest(11, "/ip4/127.0.0.1/tcp/0", ServeLimits::default()).await;
    let bad = liar(12).await;
    let fetcher = Fetcher::new();
    let store = Store::new(fetcher.folder.path().to_owned(), None);
    let held = describe(&store, id, &fetcher.peers(&[&good]), |_| {}).await.expect("a head");
    let held = Arc::new(held);
    let wanted = held.file().tensors_of(LAYERS).expect("layers");
    let nodes = fetcher.peers(&[&bad, &good]);
    let fetching = fetch(&store, &held, &wanted, &nodes, &[], &|_| {});
    let fetched = timeout(PATIENCE, fetching).await.expect("in time").expect("fetched");
    assert_eq!(fetched.liars.len(), 1, "{fetched:?}");
    assert_eq!(held.verify(|_| {}).expect("it reads"), Vec::<usize>::new());
    let again = bad.net.open_weights(good.key, &["/ip4/127.0.0.1/tcp/1".to_owned()]).await;
    assert!(again.is_err(), "nobody listens there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_slow_and_a_peer_with_too_many_streams_is_closed() {
    let (_, _, id) = tiny();
    let limits = ServeLimits { bytes_per_second: 1 << 20, streams: 8, streams_per_peer: 1 };
    let slow = honest(21, "/ip4/127.0.0.1/tcp/0", limits).await;
    let fetcher = Fetcher::new();
    let store = Store::new(fetcher.folder.path().to_owned(), None);
    let held = describe(&store, id, &fetcher.peers(&[&slow]), |_| {}).await.expect("a head");
    let held = Arc::new(held);
    let wanted = held.file().tensors_of(LAYERS).expect("layers");
    let begin = tokio::time::Instant::now();
    let twice = fetcher.peers(&[&slow, &slow]);
    let fetching = fetch(&store, &held, &wanted, &twice, &[], &|_| {});
    let fetched = timeout(PATIENCE, fetching).await.expect("in time").expect("fetched");
    let seconds = begin.elapsed().as_secs_f64();
    // Half of the rate for one peer, and a second's worth at once.
    let least = fetched.bytes as f64 / f64::from(1 << 19) - 1.5;
    assert!(seconds >= least, "{} bytes took {seconds} s, not {least}", fetched.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_an_address_is_told_as_such() {
    let fetcher = Fetcher::new();
    let gone = node(31, "/ip4/127.0.0.1/tcp/0").await;
    let address = gone.addresses.clone();
    gone.net.stop().await;
    let peers: Vec<Arc<dyn Peer>> = vec![fetcher.dialler.peer(gone.key, &address)];
    let store = Store::new(fetcher.folder.path().to_owned(), None);
    let error = describe(&store, ModelId([1; 32]), &peers, |_| {}).await.expect_err("nobody");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}
