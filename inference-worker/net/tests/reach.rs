//! Peers that others cannot dial: through relays, met half way, and found again when they move.
//! Real nodes on loopback, which count it as the world here.

use std::{
    net::{TcpListener, UdpSocket},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, SwarmBuilder,
    futures::StreamExt,
    identity::Keypair,
    multiaddr::Protocol,
    noise, relay,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use mica_net::{
    Events, NearPeers, Net, NetConfig, NetEvent, PeerLimits, ReachStatus, Reachability, Relaying,
    Verdict, peer_id,
};
use mica_protocol::{Message, SessionId, messages::Token};
use tokio::time::{Instant, timeout};

const DEADLINE: Duration = Duration::from_secs(60);

struct Node {
    net: Net,
    events: Events,
    addresses: Vec<String>,
}

/// A port of loopback that is free for TCP and for UDP.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn addresses(port: u16) -> Vec<String> {
    vec![format!("/ip4/127.0.0.1/udp/{port}/quic-v1"), format!("/ip4/127.0.0.1/tcp/{port}")]
}

impl Node {
    fn start(secret: u8, listen: Vec<String>, config: impl FnOnce(&mut NetConfig)) -> Self {
        let limits = PeerLimits { near: NearPeers::Limited, ..PeerLimits::default() };
        let mut whole = NetConfig { limits, ..NetConfig::new([secret; 32]) }.listen(&listen);
        config(&mut whole);
        let (net, events) = Net::start(whole).expect("started");
        Self { net, events, addresses: listen }
    }

    /// One at which others can come in, and which relays for others.
    fn public(secret: u8) -> Self {
        let listen = addresses(free_port());
        Self::start(secret, listen.clone(), |config| {
            config.announce = listen;
            config.relays_for_others = true;
        })
    }

    fn known(&self) -> ([u8; 32], Vec<String>) {
        (self.net.key(), self.addresses.clone())
    }

    async fn message(&mut self) -> Message {
        let next = async {
            loop {
                match self.events.recv().await.expect("a running node") {
                    NetEvent::Message { message, .. } => return message,
                    NetEvent::Disconnected { reason, .. } => panic!("the link broke: {reason}"),
                    _ => {}
                }
            }
        };
        timeout(DEADLINE, next).await.expect("a message in time")
    }

    async fn disconnected(&mut self) {
        let gone = async {
            while !matches!(self.events.recv().await, Some(NetEvent::Disconnected { .. })) {}
        };
        timeout(DEADLINE, gone).await.expect("the link is down in time");
    }

    async fn reach(&self, wanted: impl Fn(&Reachability) -> bool) -> Reachability {
        let mut reach = self.net.reachability();
        let found = timeout(DEADLINE, reach.wait_for(wanted)).await;
        let found = found.map(|found| found.expect("a running node").clone());
        found.unwrap_or_else(|_| panic!("not in time: {:?}", self.net.reachability().borrow()))
    }

    /// Waits until it has a place at a relay; where it is reached then.
    async fn place(&self) -> Vec<String> {
        let found = self.reach(|reach| !reach.relays.is_empty()).await;
        let ways = found.addresses.into_iter().map(|address| address.address);
        ways.filter(|address| address.contains("/p2p-circuit")).collect()
    }
}

fn token(position: u32) -> Message {
    Message::Token(Token {
        session: SessionId([7; 32]),
        position,
        id: 1,
        stop: None,
        log_probabilities: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_begins_through_a_relay_and_goes_on_directly_without_losing_anything() {
    let relay = Node::public(1);
    let mut worker =
        Node::start(2, addresses(free_port()), |config| config.relaying = Relaying::Always);
    let mut payer = Node::start(3, Vec::new(), |_| {});
    relay.net.know([worker.known()]).await;
    worker.net.know([relay.known()]).await;
    let place = worker.place().await;
    assert!(place.iter().all(|address| address.contains(&peer(&relay).to_string())), "{place:?}");

    // Both write from the beginning, and go on until both have gone over.
    payer.net.protect(worker.net.key(), 1 << 16);
    worker.net.protect(payer.net.key(), 1 << 16);
    payer.net.connect(worker.net.key(), &place).await.expect("through the relay");
    let upgrades = |node: &Node| node.net.counters().upgrades;
    let (mut sent, begun) = (0, Instant::now());
    while begun.elapsed() < DEADLINE && (upgrades(&payer) + upgrades(&worker) == 0 || sent < 300) {
        payer.net.send(worker.net.key(), &place, &token(sent)).await.expect("sent");
        assert_eq!(worker.message().await, token(sent));
        worker.net.send(payer.net.key(), &[], &token(sent)).await.expect("sent");
        assert_eq!(payer.message().await, token(sent));
        sent += 1;
    }
    assert!(upgrades(&payer) + upgrades(&worker) > 0, "they have not met");
    // Without the relay there is no other way than the direct one.
    for position in sent..sent + 200 {
        payer.net.send(worker.net.key(), &place, &token(position)).await.expect("sent");
        worker.net.send(payer.net.key(), &[], &token(position)).await.expect("sent");
    }
    for position in sent..sent + 200 {
        assert_eq!(worker.message().await, token(position));
        assert_eq!(payer.message().await, token(position));
    }
    relay.net.stop().await;
    payer.net.send(worker.net.key(), &place, &token(7)).await.expect("sent");
    assert_eq!(worker.message().await, token(7));
}

fn peer(node: &Node) -> PeerId {
    peer_id(&node.net.key()).expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_outside_say_whether_they_can_come_in() {
    let tester = Node::public(10);
    let worker = Node::start(11, addresses(free_port()), |config| config.relays_for_others = true);
    assert_eq!(worker.net.reachability().borrow().status, ReachStatus::Unknown);
    worker.net.know([tester.known()]).await;
    tester.net.know([worker.known()]).await;
    let found = worker.reach(|reach| reach.status == ReachStatus::Directly).await;
    let reached = found.addresses.iter().filter(|address| address.verdict == Verdict::Reachable);
    assert!(reached.count() > 0, "{found:?}");
    // Now it relays for others too.
    worker.reach(|reach| reach.relays_for_others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_moved_is_found_by_its_signed_record() {
    let (acquaintance, mut old) =
        (Node::public(20), Node::start(21, addresses(free_port()), |_| {}));
    let known = old.known();
    acquaintance.net.know([known.clone()]).await;
    old.net.know([acquaintance.known()]).await;
    old.reach(|reach| reach.record_holders > 0).await;
    let mut payer = Node::start(22, Vec::new(), |_| {});
    payer.net.know([acquaintance.known(), known.clone()]).await;
    payer.net.send(known.0, &known.1, &token(0)).await.expect("sent");
    assert_eq!(old.message().await, token(0));

    // It comes back elsewhere. The registry does not know, and neither does the payer.
    old.net.stop().await;
    let mut new = Node::start(21, addresses(free_port()), |_| {});
    new.net.know([acquaintance.known()]).await;
    new.reach(|reach| reach.record_holders > 0).await;
    let begun = Instant::now();
    payer.disconnected().await;
    payer.net.send(known.0, &known.1, &token(1)).await.expect("sent");
    assert_eq!(new.message().await, token(1));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[derive(NetworkBehaviour)]
struct Guest {
    relay: relay::client::Behaviour,
}

/// Asks `relay` for a place; false if it does not give one.
async fn gets_a_place(relay: &Node) -> bool {
    let mut swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_, relay| Guest { relay })
        .expect("a behaviour")
        .build();
    let address: Multiaddr = relay.addresses[1].parse().expect("an address");
    swarm
        .listen_on(address.with(Protocol::P2p(peer(relay))).with(Protocol::P2pCircuit))
        .expect("it is asked");
    let answered = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { .. } => return true,
                SwarmEvent::ListenerClosed { .. } => return false,
                _ => {}
            }
        }
    };
    timeout(DEADLINE, answered).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_peers_of_the_registry_get_a_place_at_a_relay() {
    let relay = Node::public(30);
    relay.reach(|reach| reach.relays_for_others).await;
    assert!(gets_a_place(&relay).await, "while nobody has said who is in the registry");
    let registered = Node::start(31, Vec::new(), |_| {});
    relay.net.know([registered.known()]).await;
    assert!(!gets_a_place(&relay).await, "a stranger");
    // It does not relay if it is told not to.
    let listen = addresses(free_port());
    let other = Node::start(32, listen.clone(), |config| config.announce = listen);
    other.reach(|reach| reach.status == ReachStatus::Directly).await;
    assert!(!gets_a_place(&other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_kept_for_peers_of_the_registry_only() {
    let acquaintance = Node::public(40);
    let (registered, stranger) = (
        Node::start(41, addresses(free_port()), |_| {}),
        Node::start(42, addresses(free_port()), |_| {}),
    );
    acquaintance.net.know([registered.known()]).await;
    for node in [&registered, &stranger] {
        node.net.know([acquaintance.known()]).await;
    }
    registered.reach(|reach| reach.record_holders > 0).await;
    // The stranger began at the same time, and goes on trying.
    stranger.reach(|reach| reach.outside_peers > 0).await;
    assert_eq!(stranger.net.reachability().borrow().record_holders, 0);
    let payer = Node::start(43, Vec::new(), |_| {});
    payer.net.know([acquaintance.known()]).await;
    payer.net.connect(registered.net.key(), &[]).await.expect("found by its record");
}
