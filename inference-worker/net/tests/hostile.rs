//! Peers that take, flood, stall and lie, against a real node on loopback. Each test names what it
//! defends; none of the defences holds without it.

#[path = "hostile/raw.rs"]
mod raw;

use std::time::{Duration, Instant};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    futures::{AsyncReadExt, AsyncWriteExt},
    identify,
    identity::Keypair,
    kad,
};
use mica_net::{
    NearPeers, NetEvent, Offence, PeerLimits, SESSION_EVENT_BYTES, SESSION_OUTBOUND_BYTES,
    STRANGER_FRAME_BYTES, STRANGER_QUEUED_BYTES, STRIKES, SendError, public_key_of,
};
use mica_protocol::{
    FaultCode, Message, SessionId,
    limits::MAX_FRAME_BYTES,
    messages::{Fault, Payload, QuoteRequest, Step, Token},
    wire::{FrameDecoder, encode_frame},
};
use raw::{DEADLINE, Raw, Server, next, stays};
use tokio::time::timeout;

fn frame(message: &Message) -> Vec<u8> {
    encode_frame(message).expect("fits")
}

fn quote(nonce: u64) -> Vec<u8> {
    let model = mica_primitives::ModelId([1; 32]);
    frame(&Message::QuoteRequest(QuoteRequest { model, nonce }))
}

fn step(bytes: usize) -> Message {
    let payload = Payload::Hidden(vec![0; bytes]);
    Message::Step(Step {
        session: SessionId([1; 32]),
        first_position: 0,
        rows: 16,
        sample: false,
        payload,
    })
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

/// A connection of a peer, and its stream.
async fn speaking(server: &Server, seed: u16) -> (Raw, libp2p::Stream) {
    let mut raw = Raw::connect(server, seed).await.expect("connected");
    let stream = raw.stream().await;
    (raw, stream)
}

async fn say(stream: &mut libp2p::Stream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("written");
    stream.flush().await.expect("written");
}

/// Waits for what no event tells.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, met).await.expect(what);
}

/// Waits until a peer is disconnected; returns why.
async fn gone(server: &mut Server) -> String {
    loop {
        if let NetEvent::Disconnected { reason, .. } = next(&mut server.events).await {
            return reason;
        }
    }
}

/// What a peer is told until the stream ends.
async fn answers(stream: &mut libp2p::Stream) -> Vec<Message> {
    let (mut decoder, mut buffer, mut answers) = (FrameDecoder::new(), vec![0; 4096], Vec::new());
    while let Ok(Ok(count @ 1..)) = timeout(DEADLINE, stream.read(&mut buffer)).await {
        decoder.push(&buffer[..count]);
        while let Ok(Some(message)) = decoder.next_message() {
            answers.push(message);
        }
    }
    answers
}

/// Writes until the node takes nothing more for a second; returns the bytes that it took.
async fn write_until_stalled(stream: &mut libp2p::Stream, piece: &[u8], most: usize) -> usize {
    let mut written = 0;
    while written < most {
        match timeout(Duration::from_secs(1), stream.write(&piece[written % piece.len()..])).await {
            Ok(Ok(count @ 1..)) => written += count,
            _ => break,
        }
    }
    written
}

#[tokio::test]
async fn idle_strangers_make_room_and_peers_with_a_session_keep_their_place() {
    let limits = PeerLimits { links: 4, reserved_links: 1, ..PeerLimits::default() };
    let mut server = Server::start(1, limits).await;
    let (paying, mut paying_stream) = speaking(&server, 0).await;
    server.net.protect(paying.key, 0);
    let mut strangers = Vec::new();
    for seed in 1..=3 {
        let (raw, mut stream) = speaking(&server, seed).await;
        say(&mut stream, &quote(seed.into())).await;
        server
            .until(|event| matches!(event, NetEvent::Message { peer, .. } if *peer == raw.key))
            .await;
        strangers.push((raw, stream));
    }
    // All four places are taken. The first stranger speaks again, so the second is idle longest.
    let (first, stream) = &mut strangers[0];
    say(stream, &quote(9)).await;
    let key = first.key;
    server.until(|event| matches!(event, NetEvent::Message { peer, .. } if *peer == key)).await;
    let newcomer = stays(Raw::connect(&server, 4).await).await.expect("a place");
    strangers[1].0.hung_up().await;
    assert!(strangers[0].0.is_connected() && strangers[2].0.is_connected());
    // However many come, the peer with a session stays.
    for seed in 5..12 {
        drop(stays(Raw::connect(&server, seed).await).await.expect("a place"));
    }
    say(&mut paying_stream, &frame(&token(3))).await;
    let heard = |event: &NetEvent| matches!(event, NetEvent::Message { message, .. } if *message == token(3));
    server.until(heard).await;
    assert!(paying.is_connected() && server.net.counters().evictions >= 1);
    drop(newcomer);
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let near = NearPeers::Limited;
    let limits = PeerLimits { links_per_ip: 3, near, ..PeerLimits::default() };
    let server = Server::start(2, limits).await;
    let mut here = Vec::new();
    for seed in 0..3 {
        here.push(stays(Raw::connect(&server, seed).await).await.expect("a place"));
    }
    assert!(stays(Raw::connect(&server, 3).await).await.is_none(), "the fourth");
    assert!(server.net.counters().refusals >= 1);
    // By default a home network and a test are not limited.
    let server = Server::start(3, PeerLimits { links_per_ip: 3, ..PeerLimits::default() }).await;
    let mut here = Vec::new();
    for seed in 0..5 {
        here.push(stays(Raw::connect(&server, seed).await).await.expect("a place"));
    }
}

#[tokio::test]
async fn handshakes_that_are_never_finished_leave_room_for_others() {
    let near = NearPeers::Limited;
    let limits = PeerLimits { pending_per_ip: 2, links_per_ip: 100, near, ..PeerLimits::default() };
    let server = Server::start(4, limits).await;
    let address = server.address.replace("/ip4/", "").replace("/tcp/", ":");
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tokio::net::TcpStream::connect(&address).await.expect("connected"));
    }
    // Two wait for the rest of their handshake; the others were hung up on at once.
    eventually("the others are refused", || server.net.counters().refusals >= 18).await;
}

#[tokio::test]
async fn a_flood_of_questions_ends_in_a_ban() {
    let mut server = Server::start(5, PeerLimits::default()).await;
    let (mut raw, mut stream) = speaking(&server, 0).await;
    let flood: Vec<u8> = (0..10_000).flat_map(quote).collect();
    // The node hangs up in the middle of it.
    let _ = timeout(DEADLINE, stream.write_all(&flood)).await.expect("an end");
    let mut questions = 0;
    loop {
        match next(&mut server.events).await {
            NetEvent::Message { .. } => questions += 1,
            NetEvent::Refused { peer: Some(peer), .. } => {
                assert_eq!(peer, raw.key);
                break;
            }
            _ => {}
        }
    }
    // What waited when it was banned is not heard.
    assert!(questions < 200, "{questions} got through");
    raw.hung_up().await;
    assert!(stays(Raw::connect(&server, 0).await).await.is_none(), "the same key");
    assert!(stays(Raw::connect(&server, 1).await).await.is_some(), "its neighbour at home");
    let counters = server.net.counters();
    assert_eq!(counters.bans, 1);
    assert!(counters.strikes >= STRIKES.into() && counters.dropped_messages >= STRIKES.into());
}

#[tokio::test]
async fn keys_are_free_so_all_strangers_together_ask_so_much_and_payers_are_heard() {
    let mut server = Server::start(6, PeerLimits::default()).await;
    let mut paying = Raw::connect(&server, 100).await.expect("connected");
    server.net.protect(paying.key, 0);
    let mut line = paying.stream().await;
    // Each stays within its own rate.
    let burst: Vec<u8> = (0..60).flat_map(quote).collect();
    let mut strangers = Vec::new();
    for seed in 0..20 {
        let (raw, mut stream) = speaking(&server, seed).await;
        say(&mut stream, &burst).await;
        strangers.push((raw, stream));
    }
    let asked = 20 * 60;
    let waiting = |server: &Server| server.net.counters().event_bytes / quote(0).len() as u64;
    eventually("each waits or was dropped", || {
        server.net.counters().dropped_messages + waiting(&server) >= asked
    })
    .await;
    let counters = server.net.counters();
    assert!(counters.dropped_messages > 0, "{counters:?}");
    assert_eq!(counters.bans, 0, "it is nobody's fault");
    // Hundreds of questions wait; the payer's message is among the first to be taken.
    say(&mut line, &frame(&token(1))).await;
    eventually("it waits too", || server.net.counters().event_bytes != counters.event_bytes).await;
    let is_payers =
        |event: &NetEvent| matches!(event, NetEvent::Message { peer, .. } if *peer == paying.key);
    let mut before = 0;
    while !is_payers(&next(&mut server.events).await) {
        before += 1;
    }
    // The node's own events, and one of a stranger now and then.
    assert!(before < 30, "{before} events came first");
}

#[tokio::test]
async fn frames_are_small_until_a_session_exists() {
    let server = Server::start(7, PeerLimits::default()).await;
    let (_raw, mut stream) = speaking(&server, 0).await;
    say(&mut stream, &frame(&step(STRANGER_FRAME_BYTES))[..8]).await;
    let told = answers(&mut stream).await;
    let [Message::Fault(fault)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(fault.code(), FaultCode::FrameTooLarge, "before its bytes were sent");

    let mut server = Server::start(8, PeerLimits::default()).await;
    let (raw, mut stream) = speaking(&server, 1).await;
    server.net.protect(raw.key, MAX_FRAME_BYTES);
    let large = step(16 * 16_384 * 4);
    say(&mut stream, &frame(&large)).await;
    server
        .until(|event| matches!(event, NetEvent::Message { message, .. } if *message == large))
        .await;
}

#[tokio::test]
async fn a_frame_that_is_never_finished_costs_the_connection() {
    let limits = PeerLimits { frame_timeout: Duration::from_millis(300), ..PeerLimits::default() };
    let mut server = Server::start(9, limits).await;
    let (mut raw, mut stream) = speaking(&server, 0).await;
    say(&mut stream, &quote(1)[..10]).await;
    let reason = gone(&mut server).await;
    assert!(reason.contains("unfinished"), "{reason}");
    // A byte now and then does not help.
    let mut again = raw.stream().await;
    let drip = async {
        for byte in quote(1) {
            if again.write_all(&[byte]).await.is_err() || again.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = drip => {}
        _ = gone(&mut server) => {}
    }
    assert!(server.net.counters().strikes >= 32);
}

#[tokio::test]
async fn a_frame_of_which_nothing_comes_for_a_while_costs_the_connection() {
    let limits = PeerLimits {
        frame_timeout: DEADLINE * 2,
        frame_stall: Duration::from_millis(300),
        ..PeerLimits::default()
    };
    let mut server = Server::start(17, limits).await;
    let (_raw, mut stream) = speaking(&server, 0).await;
    say(&mut stream, &quote(1)[..10]).await;
    let reason = gone(&mut server).await;
    assert!(reason.contains("unfinished"), "{reason}");
}

#[tokio::test]
async fn one_unfinished_frame_of_each_peer_has_room() {
    let limits = PeerLimits {
        frame_timeout: DEADLINE * 2,
        frame_stall: DEADLINE * 2,
        ..PeerLimits::default()
    };
    let server = Server::start(10, limits).await;
    let started = [&(STRANGER_FRAME_BYTES as u32).to_le_bytes()[..], &[0; 60]].concat();
    let mut raws = Vec::new();
    for seed in 0..50 {
        let mut raw = Raw::connect(&server, seed).await.expect("connected");
        for _ in 0..3 {
            let mut stream = raw.stream().await;
            say(&mut stream, &started).await;
            raws.push(stream);
        }
        // Kept to the end.
        std::mem::forget(raw);
    }
    let most = 50 * STRANGER_FRAME_BYTES as u64;
    eventually("each has begun one", || server.net.counters().assembling_bytes >= most).await;
    // Time for the other streams to be looked at.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.net.counters().assembling_bytes, most);
}

#[tokio::test]
async fn what_waits_to_be_taken_is_bounded_in_bytes() {
    let server = Server::start(11, PeerLimits::default()).await;
    let mut raw = Raw::connect(&server, 0).await.expect("connected");
    server.net.protect(raw.key, MAX_FRAME_BYTES);
    let mut stream = raw.stream().await;
    // Nobody takes events.
    let taken = write_until_stalled(&mut stream, &frame(&step(1 << 20)), 1 << 30).await;
    assert!(taken < SESSION_EVENT_BYTES + (24 << 20), "{taken} bytes were taken");
    assert!(server.net.counters().event_bytes <= SESSION_EVENT_BYTES as u64);
}

#[tokio::test]
async fn what_waits_for_a_stranger_is_bounded_in_bytes_and_a_stalled_write_ends() {
    let limits = PeerLimits { write_timeout: Duration::from_millis(500), ..PeerLimits::default() };
    let mut server = Server::start(12, limits).await;
    let (mut raw, mut stream) = speaking(&server, 0).await;
    say(&mut stream, &quote(1)).await;
    server.until(|event| matches!(event, NetEvent::Message { .. })).await;
    // It never reads.
    let message = step(12 << 10);
    let mut queued = 0;
    let error = loop {
        match server.net.try_send(raw.key, &[], &message) {
            Ok(()) => queued += 12 << 10,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(error, SendError::Full { .. }), "{error}");
    // What the stream's window holds, and what is being written, is on its way already.
    assert!(queued <= 2 * STRANGER_QUEUED_BYTES + (300 << 10), "{queued} bytes were queued");
    let began = Instant::now();
    gone(&mut server).await;
    raw.hung_up().await;
    assert!(began.elapsed() < Duration::from_secs(10));
    eventually("its room is given back", || server.net.counters().outbound_bytes == 0).await;
}

#[tokio::test]
async fn what_waits_for_all_peers_is_bounded_in_bytes_and_who_keeps_up_finds_room() {
    let server = Server::start(18, PeerLimits::default()).await;
    // Nobody is there, which is not found out before this task waits for something.
    let address = ["/ip4/127.0.0.1/tcp/1".to_owned()];
    let key = |seed: u8| public_key_of(&[seed; 32]).expect("a secret");
    let message = step(1 << 20);
    let mut queued = Vec::new();
    for seed in 100..110 {
        server.net.protect(key(seed), MAX_FRAME_BYTES);
        let mut messages = 0_usize;
        let error = loop {
            match server.net.try_send(key(seed), &address, &message) {
                Ok(()) => messages += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SendError::Full { .. }), "{error}");
        queued.push(messages);
    }
    let most = SESSION_OUTBOUND_BYTES / frame(&message).len();
    let all: usize = queued.iter().sum();
    assert!((most - 5..most).contains(&all), "{queued:?}");
    assert!(queued[9] > 0 && queued[9] < queued[0], "{queued:?}");
    // One for which nothing waits has room, and strangers have their own.
    server.net.protect(key(110), MAX_FRAME_BYTES);
    server.net.try_send(key(110), &address, &message).expect("queued");
    server.net.try_send(key(111), &address, &token(1)).expect("queued");
    let emptied = async {
        while server.net.counters().outbound_bytes > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, emptied).await.expect("the room is given back");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_disconnected() {
    let limits = PeerLimits {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(300),
        ..PeerLimits::default()
    };
    let server = Server::start(13, limits).await;
    // It takes the question and says nothing.
    let mut silent = Raw::connect(&server, 0).await.expect("connected");
    let mut pings =
        silent.control.accept(StreamProtocol::new("/ipfs/ping/1.0.0")).expect("the first");
    let kept = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(stream) = libp2p::futures::StreamExt::next(&mut pings).await {
            kept.push(stream);
        }
    });
    silent.hung_up().await;
    assert!(server.net.counters().silent_connections >= 1);
    kept.abort();
}

#[tokio::test]
async fn strikes_from_outside_end_in_a_ban_and_the_sessions_hear_of_it() {
    let mut server = Server::start(14, PeerLimits::default()).await;
    let (mut raw, mut stream) = speaking(&server, 0).await;
    say(&mut stream, &frame(&token(1))).await;
    server.net.protect(raw.key, 0);
    server.until(|event| matches!(event, NetEvent::Message { .. })).await;
    for _ in 0..STRIKES.div_ceil(Offence::BadTick.weight()) {
        assert!(raw.is_connected());
        server.net.strike(raw.key, Offence::BadTick);
    }
    raw.hung_up().await;
    let reason = gone(&mut server).await;
    assert!(reason.contains("strikes"), "{reason}");
    let fault = Message::Fault(Fault::new(None, FaultCode::BadTick, "x"));
    let error = server.net.try_answer(raw.key, &fault);
    assert!(matches!(error, Err(SendError::NotConnected { .. })), "{error:?}");
}

/// Speaks of addresses and records.
#[derive(libp2p::swarm::NetworkBehaviour)]
struct Knowing {
    kad: kad::Behaviour<kad::store::MemoryStore>,
    identify: identify::Behaviour,
}

/// A node that speaks Kademlia with the server, driven by the test itself.
fn knowing(seed: u8) -> libp2p::Swarm<Knowing> {
    use libp2p::{SwarmBuilder, noise, tcp, yamux};
    let pair = Keypair::ed25519_from_bytes([seed; 32]).expect("a key");
    SwarmBuilder::with_existing_identity(pair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|pair| {
            let peer = pair.public().to_peer_id();
            let config = kad::Config::new(StreamProtocol::new("/mica/kad/1"));
            let mut kad =
                kad::Behaviour::with_config(peer, kad::store::MemoryStore::new(peer), config);
            kad.set_mode(Some(kad::Mode::Server));
            let config = identify::Config::new("/mica/1".to_owned(), pair.public());
            Knowing { kad, identify: identify::Behaviour::new(config) }
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(DEADLINE))
        .build()
}

async fn meet(swarm: &mut libp2p::Swarm<Knowing>, server: &Server) -> PeerId {
    use libp2p::{futures::StreamExt, swarm::SwarmEvent};
    let peer = mica_net::peer_id(&server.net.key()).expect("a key");
    let address: Multiaddr = server.address.parse().expect("an address");
    swarm.behaviour_mut().kad.add_address(&peer, address.clone());
    swarm.dial(address).expect("dialled");
    let known = async {
        while !matches!(
            swarm.select_next_some().await,
            SwarmEvent::Behaviour(KnowingEvent::Identify(identify::Event::Sent { .. }))
        ) {}
    };
    timeout(DEADLINE, known).await.expect("the server knows it");
    peer
}

#[tokio::test]
async fn nobodys_records_are_kept() {
    use libp2p::{futures::StreamExt, swarm::SwarmEvent};
    let server = Server::start(15, PeerLimits::default()).await;
    let mut swarm = knowing(150);
    let peer = meet(&mut swarm, &server).await;
    let key = kad::RecordKey::new(&"mine");
    let record = kad::Record::new(key.clone(), vec![1; 1000]);
    swarm.behaviour_mut().kad.put_record_to(record, [peer].into_iter(), kad::Quorum::One);
    let found = async {
        loop {
            let SwarmEvent::Behaviour(KnowingEvent::Kad(kad::Event::OutboundQueryProgressed {
                result,
                ..
            })) = swarm.select_next_some().await
            else {
                continue;
            };
            match result {
                kad::QueryResult::PutRecord(_) => {
                    // Our own copy would be found first.
                    swarm.behaviour_mut().kad.remove_record(&key);
                    swarm.behaviour_mut().kad.get_record(key.clone());
                }
                kad::QueryResult::GetRecord(found) => {
                    break matches!(found, Ok(kad::GetRecordOk::FoundRecord(_)));
                }
                _ => {}
            }
        }
    };
    assert!(!timeout(DEADLINE, found).await.expect("an answer"), "the record was kept");
}

#[tokio::test]
async fn a_peer_that_tells_new_addresses_for_ever_is_remembered_at_sixteen() {
    use libp2p::{futures::StreamExt, swarm::SwarmEvent};
    let server = Server::start(16, PeerLimits::default()).await;
    let mut teller = knowing(160);
    teller.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listening");
    let listens = async {
        while !matches!(teller.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
    };
    timeout(DEADLINE, listens).await.expect("it listens");
    let peer = meet(&mut teller, &server).await;
    for round in 0..4u16 {
        for old in teller.external_addresses().cloned().collect::<Vec<_>>() {
            teller.remove_external_address(&old);
        }
        // Nobody is there, which is found out at once.
        for port in 0..15 {
            let address = format!("/ip4/127.0.0.1/tcp/{}", 1 + round * 15 + port);
            teller.add_external_address(address.parse().expect("an address"));
        }
        teller.behaviour_mut().identify.push([peer]);
        let pushed = async {
            while !matches!(
                teller.select_next_some().await,
                SwarmEvent::Behaviour(KnowingEvent::Identify(identify::Event::Pushed { .. }))
            ) {}
        };
        timeout(DEADLINE, pushed).await.expect("pushed");
    }
    let told = *teller.local_peer_id();
    let driving = tokio::spawn(async move {
        loop {
            teller.select_next_some().await;
        }
    });
    let mut asker = knowing(161);
    meet(&mut asker, &server).await;
    // The last push may be on its way still.
    let counts = async {
        let mut most = 0;
        for _ in 0..20 {
            asker.behaviour_mut().kad.get_closest_peers(told);
            let found = loop {
                if let SwarmEvent::Behaviour(KnowingEvent::Kad(
                    kad::Event::OutboundQueryProgressed {
                        result: kad::QueryResult::GetClosestPeers(Ok(found)),
                        ..
                    },
                )) = asker.select_next_some().await
                {
                    break found.peers;
                }
            };
            let entry = found.into_iter().find(|found| found.peer_id == told);
            most = most.max(entry.map_or(0, |entry| entry.addrs.len()));
        }
        most
    };
    let most = timeout(DEADLINE, counts).await.expect("answers");
    assert!((1..=16).contains(&most), "{most} addresses");
    driving.abort();
}
