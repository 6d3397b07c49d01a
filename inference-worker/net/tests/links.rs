//! Links between real nodes on loopback: over TCP and QUIC, in both directions, broken and mended,
//! and with peers that misbehave.

use std::{collections::BTreeSet, time::Duration};

use libp2p::futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, StreamProtocol, SwarmBuilder, identity, multiaddr::Protocol, noise,
    swarm::SwarmEvent, tcp, yamux,
};
use mica_net::{
    Events, Net, NetConfig, NetEvent, QUEUED_MESSAGES, SendError, StartError, peer_id,
    public_key_of,
};
use mica_protocol::{
    FaultCode, Message, SessionId,
    limits::{MAX_FRAME_BYTES, PROTOCOL_VERSION},
    messages::{Payload, Step, Token},
    wire::{FrameDecoder, encode_frame},
};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);
const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

struct Node {
    net: Net,
    events: Events,
    addresses: Vec<String>,
}

impl Node {
    async fn start(secret: u8, listen: &[&str]) -> Self {
        let (net, mut events) =
            Net::start(NetConfig::new([secret; 32]).listen(listen.iter().copied()))
                .expect("started");
        let mut addresses = Vec::new();
        while addresses.len() < listen.len() {
            if let NetEvent::Listening { address } = next(&mut events).await {
                addresses.push(address);
            }
        }
        Self { net, events, addresses }
    }

    fn key(&self) -> [u8; 32] {
        self.net.key()
    }

    /// The next message and its sender; other events are passed over.
    async fn message(&mut self) -> ([u8; 32], Message) {
        loop {
            if let NetEvent::Message { peer, message } = next(&mut self.events).await {
                return (peer, message);
            }
        }
    }

    async fn until(&mut self, mut wanted: impl FnMut(&NetEvent) -> bool) -> NetEvent {
        loop {
            let event = next(&mut self.events).await;
            if wanted(&event) {
                return event;
            }
        }
    }
}

async fn next(events: &mut Events) -> NetEvent {
    timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("a running node")
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

#[tokio::test]
async fn messages_cross_in_order_both_ways_over_tcp_and_quic() {
    for (seed, transport) in [(1, TCP), (3, QUIC)] {
        let mut server = Node::start(seed, &[transport]).await;
        let mut client = Node::start(seed + 1, &[]).await;
        for position in 0..200 {
            client.net.send(server.key(), &server.addresses, &token(position)).await.expect("sent");
        }
        for position in 0..200 {
            assert_eq!(server.message().await, (client.key(), token(position)), "{transport}");
        }
        // The answer takes the stream that the client opened: it listens nowhere.
        for position in 0..200 {
            server.net.send(client.key(), &[], &token(1_000 + position)).await.expect("sent");
        }
        for position in 0..200 {
            assert_eq!(
                client.message().await,
                (server.key(), token(1_000 + position)),
                "{transport}"
            );
        }
        client.net.stop().await;
        server.net.stop().await;
    }
}

#[tokio::test]
async fn large_frames_pass_whole() {
    let mut server = Node::start(5, &[TCP]).await;
    let client = Node::start(6, &[]).await;
    // As if both were on one path.
    server.net.protect(client.key(), MAX_FRAME_BYTES);
    client.net.protect(server.key(), MAX_FRAME_BYTES);
    let step = |first_position: u32| {
        let payload = Payload::Hidden(vec![first_position as u8; 16 * 4096 * 4]);
        Message::Step(Step {
            session: SessionId([1; 32]),
            first_position,
            rows: 16,
            sample: false,
            payload,
        })
    };
    for position in 0..20 {
        client.net.send(server.key(), &server.addresses, &step(position)).await.expect("sent");
    }
    for position in 0..20 {
        assert_eq!(server.message().await.1, step(position));
    }
    let too_large = Payload::Hidden(vec![0; MAX_FRAME_BYTES + 1]);
    let too_large = Message::Step(Step {
        session: SessionId([1; 32]),
        first_position: 0,
        rows: 16,
        sample: false,
        payload: too_large,
    });
    assert!(matches!(
        client.net.send(server.key(), &[], &too_large).await,
        Err(SendError::Message(_))
    ));
}

#[tokio::test]
async fn a_ring_of_three_passes_a_message_on() {
    let mut nodes = [
        Node::start(10, &[TCP]).await,
        Node::start(11, &[TCP]).await,
        Node::start(12, &[QUIC]).await,
    ];
    let known: Vec<_> = nodes.iter().map(|node| (node.key(), node.addresses.clone())).collect();
    nodes[0].net.send(known[1].0, &known[1].1, &token(0)).await.expect("sent");
    for round in 0..30u32 {
        let at = (round as usize + 1) % 3;
        let (from, message) = nodes[at].message().await;
        assert_eq!((from, message), (known[round as usize % 3].0, token(round)));
        let (peer, addresses) = &known[(at + 1) % 3];
        nodes[at].net.send(*peer, addresses, &token(round + 1)).await.expect("sent");
    }
}

#[tokio::test]
async fn two_that_dial_at_the_same_moment_lose_nothing() {
    let mut left = Node::start(20, &[TCP]).await;
    let mut right = Node::start(21, &[TCP]).await;
    let (left_key, right_key) = (left.key(), right.key());
    let (a, b) = (left.net.clone(), right.net.clone());
    let (to_right, to_left) = (right.addresses.clone(), left.addresses.clone());
    let sending = async move {
        for position in 0..50 {
            let one = token(position);
            let (first, second) =
                tokio::join!(a.send(right_key, &to_right, &one), b.send(left_key, &to_left, &one));
            first.expect("sent");
            second.expect("sent");
        }
    };
    sending.await;
    for position in 0..50 {
        assert_eq!(left.message().await.1, token(position));
        assert_eq!(right.message().await.1, token(position));
    }
}

#[tokio::test]
async fn a_link_is_opened_again_by_the_next_message() {
    let mut server = Node::start(30, &[TCP]).await;
    let mut client = Node::start(31, &[]).await;
    client.net.send(server.key(), &server.addresses, &token(0)).await.expect("sent");
    assert_eq!(server.message().await.1, token(0));
    server.net.disconnect(client.key()).await;
    let down = client.until(|event| matches!(event, NetEvent::Disconnected { .. })).await;
    assert!(matches!(down, NetEvent::Disconnected { peer, .. } if peer == server.key()));
    // The address is remembered.
    client.net.send(server.key(), &[], &token(1)).await.expect("sent");
    assert_eq!(server.message().await.1, token(1));
}

#[tokio::test]
async fn a_peer_that_restarts_elsewhere_is_found_at_its_new_address() {
    let mut server = Node::start(32, &[TCP]).await;
    let mut client = Node::start(33, &[]).await;
    client.net.send(server.key(), &server.addresses, &token(0)).await.expect("sent");
    server.message().await;
    server.net.stop().await;
    client.until(|event| matches!(event, NetEvent::Disconnected { .. })).await;
    let mut server = Node::start(32, &[TCP]).await;
    client.net.send(server.key(), &server.addresses, &token(1)).await.expect("sent");
    assert_eq!(server.message().await.1, token(1));
}

#[tokio::test]
async fn an_unreachable_peer_is_told_with_the_reason() {
    let mut client = Node::start(40, &[]).await;
    let nobody = public_key_of(&[41; 32]).expect("a key");
    let error = client
        .net
        .connect(nobody, &["/ip4/127.0.0.1/tcp/1".to_owned()])
        .await
        .expect_err("nobody there");
    assert!(matches!(error, SendError::Unreachable { .. }), "{error}");
    client.net.send(nobody, &[], &token(0)).await.expect("queued");
    let event = client.until(|event| matches!(event, NetEvent::Unreachable { .. })).await;
    assert!(matches!(event, NetEvent::Unreachable { peer, dropped: 1, .. } if peer == nobody));
    let error = client.net.connect(nobody, &["nonsense".to_owned()]).await.expect_err("no address");
    assert!(matches!(error, SendError::Address { .. }), "{error}");
}

#[tokio::test]
async fn a_peer_with_another_key_at_the_address_is_not_the_peer() {
    let server = Node::start(42, &[TCP]).await;
    let client = Node::start(43, &[]).await;
    let other = public_key_of(&[44; 32]).expect("a key");
    assert!(matches!(
        client.net.connect(other, &server.addresses).await,
        Err(SendError::Unreachable { .. })
    ));
    client.net.connect(server.key(), &server.addresses).await.expect("the right one");
}

#[tokio::test]
async fn a_peer_is_found_through_a_common_acquaintance() {
    let middle = Node::start(50, &[TCP]).await;
    let contact = format!("{}/p2p/{}", middle.addresses[0], peer_id(&middle.key()).expect("a key"));
    let start = |secret: u8| {
        let config = NetConfig {
            bootstrap: vec![contact.clone()],
            ..NetConfig::new([secret; 32]).listen([TCP])
        };
        Net::start(config).expect("started")
    };
    let (hidden, mut hidden_events) = start(51);
    let (seeker, _seeker_events) = start(52);
    hidden.connect(middle.key(), &middle.addresses).await.expect("connected");
    seeker.connect(middle.key(), &middle.addresses).await.expect("connected");
    // The acquaintance knows the hidden one's address once identify has run; until then the look-up
    // may find nothing.
    let found =
        timeout(DEADLINE, async { while seeker.connect(hidden.key(), &[]).await.is_err() {} });
    found.await.expect("found in time");
    seeker.send(hidden.key(), &[], &token(9)).await.expect("sent");
    loop {
        if let NetEvent::Message { message, .. } = next(&mut hidden_events).await {
            assert_eq!(message, token(9));
            break;
        }
    }
}

#[tokio::test]
async fn a_full_queue_is_an_error_for_those_who_do_not_wait() {
    let client = Node::start(60, &[]).await;
    let nobody = public_key_of(&[61; 32]).expect("a key");
    // An address that never answers keeps the link's task connecting while messages pile up.
    let silent = ["/ip4/192.0.2.1/tcp/9".to_owned()];
    let sent = (0..2 * QUEUED_MESSAGES)
        .map(|_| client.net.try_send(nobody, &silent, &token(0)))
        .take_while(Result::is_ok)
        .count();
    assert!((QUEUED_MESSAGES..=QUEUED_MESSAGES + 1).contains(&sent), "{sent}");
    assert!(matches!(client.net.try_send(nobody, &silent, &token(0)), Err(SendError::Full { .. })));
}

#[tokio::test]
async fn a_stopped_node_says_so() {
    let node = Node::start(62, &[TCP]).await;
    node.net.stop().await;
    let peer = public_key_of(&[63; 32]).expect("a key");
    assert!(matches!(node.net.send(peer, &[], &token(0)).await, Err(SendError::Stopped)));
}

#[tokio::test]
async fn what_is_queued_is_written_before_a_node_stops() {
    // What would be lost depends on who runs first.
    for (round, transport) in [TCP, QUIC].repeat(10).into_iter().enumerate() {
        let mut server = Node::start(66, &[transport]).await;
        let client = Node::start(67, &[]).await;
        client.net.connect(server.key(), &server.addresses).await.expect("connected");
        for position in 0..100 {
            client.net.send(server.key(), &[], &token(position)).await.expect("queued");
        }
        client.net.stop().await;
        for position in 0..100 {
            assert_eq!(server.message().await.1, token(position), "round {round} over {transport}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_named() {
    let taken = Node::start(64, &[TCP]).await;
    let config = NetConfig::new([65; 32]).listen([taken.addresses[0].clone()]);
    assert!(matches!(Net::start(config), Err(StartError::Listen { .. })));
    assert!(matches!(
        Net::start(NetConfig::new([65; 32]).listen(["tcp:4001"])),
        Err(StartError::Address { .. })
    ));
    let config = NetConfig {
        bootstrap: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        ..NetConfig::new([65; 32])
    };
    assert!(matches!(Net::start(config), Err(StartError::Nameless { .. })));
}

/// When a peer closes its side of a link that it was put out of.
#[derive(PartialEq)]
enum Farewell {
    AtOnce,
    Never,
}

/// A peer that speaks libp2p and opens the link's protocol, but writes whatever it likes. Returns
/// what it is answered.
async fn misbehave(server: &Node, bytes: Vec<u8>, farewell: Farewell) -> Vec<Message> {
    let keypair = identity::Keypair::generate_ed25519();
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("transport")
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .expect("behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE))
        .build();
    let mut control = swarm.behaviour().new_control();
    let peer = peer_id(&server.key()).expect("a key");
    let address: Multiaddr = server.addresses[0].parse().expect("an address");
    swarm.dial(address.with(Protocol::P2p(peer))).expect("dialled");
    loop {
        if let SwarmEvent::ConnectionEstablished { .. } =
            timeout(DEADLINE, swarm.select_next_some()).await.expect("in time")
        {
            break;
        }
    }
    let driving = tokio::spawn(async move {
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
    });
    let opened = control.open_stream(peer, StreamProtocol::new("/mica/link/1"));
    let mut stream = timeout(DEADLINE, opened).await.expect("in time").expect("opened");
    stream.write_all(&bytes).await.expect("written");
    stream.flush().await.expect("flushed");
    let mut decoder = FrameDecoder::new();
    let mut buffer = vec![0; 4096];
    let mut answers = Vec::new();
    // The other side closes the stream, and then the connection.
    while let Ok(Ok(count @ 1..)) = timeout(DEADLINE, stream.read(&mut buffer)).await {
        decoder.push(&buffer[..count]);
        while let Ok(Some(message)) = decoder.next_message() {
            answers.push(message);
        }
    }
    // Kept open to the end by those who never close it.
    let _kept = (farewell == Farewell::Never).then_some(stream);
    timeout(DEADLINE, driving).await.expect("disconnected in time").expect("no panic");
    answers
}

#[tokio::test]
async fn garbage_is_answered_with_a_fault_and_a_closed_door() {
    let cases: [(&str, Vec<u8>, FaultCode); 5] = [
        (
            "another version",
            [&2u32.to_le_bytes()[..], &[PROTOCOL_VERSION + 1, 5]].concat(),
            FaultCode::UnknownVersion,
        ),
        (
            "no message",
            [&3u32.to_le_bytes()[..], &[PROTOCOL_VERSION, 200, 1]].concat(),
            FaultCode::Malformed,
        ),
        ("a frame without end", u32::MAX.to_le_bytes().to_vec(), FaultCode::FrameTooLarge),
        (
            "one byte too many",
            (MAX_FRAME_BYTES as u32 + 1).to_le_bytes().to_vec(),
            FaultCode::FrameTooLarge,
        ),
        // More than fits in the windows and buffers between the two: who cuts the connection under
        // it resets it.
        ("much of it", vec![255; 1 << 20], FaultCode::FrameTooLarge),
    ];
    let mut server = Node::start(70, &[TCP]).await;
    for (what, bytes, code) in cases {
        let answers = misbehave(&server, bytes, Farewell::AtOnce).await;
        let codes: Vec<_> = answers
            .iter()
            .map(|answer| {
                if let Message::Fault(fault) = answer { fault.code() } else { FaultCode::Unlisted }
            })
            .collect();
        assert_eq!(codes, [code], "{what}");
        let refused = server.until(|event| matches!(event, NetEvent::Refused { .. })).await;
        assert!(matches!(refused, NetEvent::Refused { peer: Some(_), .. }), "{what}");
    }
    // It still serves others.
    let client = Node::start(71, &[]).await;
    client.net.send(server.key(), &server.addresses, &token(3)).await.expect("sent");
    assert_eq!(server.message().await.1, token(3));
}

#[tokio::test]
async fn what_came_before_the_garbage_counts_and_who_stays_is_put_out() {
    let mut server = Node::start(72, &[TCP]).await;
    let mut bytes = encode_frame(&token(1)).expect("fits");
    bytes.extend([255; 64]);
    let answers = misbehave(&server, bytes, Farewell::Never).await;
    assert_eq!(answers.len(), 1);
    let (mut tokens, mut refused) = (BTreeSet::new(), false);
    while tokens.is_empty() || !refused {
        match next(&mut server.events).await {
            NetEvent::Message { message: Message::Token(token), .. } => {
                tokens.insert(token.position);
            }
            NetEvent::Refused { .. } => refused = true,
            _ => {}
        }
    }
    assert_eq!(tokens, BTreeSet::from([1]));
}
