use std::time::Duration;

use super::*;

fn peers(limits: PeerLimits) -> Peers {
    Peers::new(limits, Arc::default())
}

fn key(seed: u16) -> Key {
    let mut secret = [1; 32];
    secret[..2].copy_from_slice(&seed.to_le_bytes());
    crate::peer::public_key_of(&secret).expect("a secret")
}

fn ip(text: &str) -> Option<Origin> {
    Some(Origin::Ip(text.parse().expect("an address")))
}

fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked(number)
}

/// A connection from `from` that proves to be `key`.
fn connect(peers: &Peers, number: usize, key: Key, from: &str) -> Result<(), Denied> {
    peers.knock(id(number), ip(from))?;
    peers.knocked(id(number));
    peers.admit(Some(key))?;
    peers.connected(key, id(number), ip(from), false);
    Ok(())
}

fn leaving(peers: &Peers) -> Vec<PeerId> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    std::iter::from_fn(|| match peers.poll_closing(&mut context) {
        Poll::Ready(peer) => Some(peer),
        Poll::Pending => None,
    })
    .collect()
}

#[test]
fn the_stranger_that_was_silent_for_longest_makes_room() {
    let peers = peers(PeerLimits { links: 4, reserved_links: 1, ..PeerLimits::default() });
    for number in 0..3 {
        connect(&peers, number, key(number as u16), "127.0.0.1").expect("room");
        std::thread::sleep(Duration::from_millis(2));
    }
    peers.standing(key(0)).active(Instant::now());
    connect(&peers, 3, key(3), "127.0.0.1").expect("a stranger makes room for a stranger");
    let id_of = |seed: u16| crate::peer::peer_id(&key(seed)).expect("a key");
    assert_eq!(leaving(&peers), [id_of(1)], "0 has said something since");
    // The fourth place is kept for peers with a session.
    peers.protect(key(4), 0);
    connect(&peers, 4, key(4), "127.0.0.1").expect("the reserved place");
    assert!(leaving(&peers).is_empty());
    assert_eq!(peers.count(), (4, 3));
}

#[test]
fn who_has_asked_for_something_stays_while_others_come_and_say_nothing() {
    let peers = peers(PeerLimits { links: 3, reserved_links: 1, ..PeerLimits::default() });
    connect(&peers, 0, key(0), "127.0.0.1").expect("room");
    peers.standing(key(0)).words(Kind::FirstQuote);
    for number in 1..5 {
        std::thread::sleep(Duration::from_millis(2));
        connect(&peers, number, key(number as u16), "127.0.0.1").expect("room is made");
        let left = number - 1;
        if left > 0 {
            peers.disconnected(&key(left as u16), id(left));
        }
    }
    let asked = crate::peer::peer_id(&key(0)).expect("a key");
    assert!(!leaving(&peers).contains(&asked));
}

#[test]
fn peers_with_a_session_never_make_room() {
    let peers = peers(PeerLimits { links: 2, reserved_links: 1, ..PeerLimits::default() });
    for number in 0..2 {
        peers.protect(key(number as u16), 0);
        connect(&peers, number, key(number as u16), "127.0.0.1").expect("room");
    }
    assert_eq!(connect(&peers, 2, key(2), "127.0.0.1"), Err(Denied::Full));
    assert!(leaving(&peers).is_empty());
}

#[test]
fn one_address_and_one_prefix_have_so_many_places_and_a_home_has_all() {
    let limits = PeerLimits { links_per_ip: 2, links_per_prefix: 3, ..PeerLimits::default() };
    let public = peers(limits.clone());
    connect(&public, 0, key(0), "203.0.113.1").expect("first");
    connect(&public, 1, key(1), "203.0.113.1").expect("second");
    assert_eq!(connect(&public, 2, key(2), "203.0.113.1"), Err(Denied::TooManyFromThere));
    connect(&public, 3, key(3), "203.0.113.2").expect("another address");
    assert_eq!(connect(&public, 4, key(4), "203.0.113.3"), Err(Denied::TooManyFromThere));
    connect(&public, 5, key(5), "203.0.114.1").expect("another prefix");
    public.disconnected(&key(0), id(0));
    connect(&public, 6, key(6), "203.0.113.4").expect("a place is free again");
    for number in 10..30 {
        connect(&public, number, key(number as u16), "192.168.1.7").expect("a home network");
    }
    let strict = peers(PeerLimits { near: NearPeers::Limited, ..limits });
    connect(&strict, 0, key(0), "127.0.0.1").expect("first");
    connect(&strict, 1, key(1), "127.0.0.1").expect("second");
    assert_eq!(connect(&strict, 2, key(2), "127.0.0.1"), Err(Denied::TooManyFromThere));
}

#[test]
fn handshakes_are_limited_in_all_and_per_address() {
    let peers = peers(PeerLimits { pending_per_ip: 2, ..PeerLimits::default() });
    // Their number is meant here, not how fast they come.
    lock(&peers.known).handshakes = Bucket::new(10_000, 1, Instant::now());
    for number in 0..2 {
        peers.knock(id(number), ip("203.0.113.1")).expect("room");
    }
    assert_eq!(peers.knock(id(2), ip("203.0.113.1")), Err(Denied::TooManyHandshakes));
    for number in 2..PENDING_CONNECTIONS {
        peers.knock(id(number), ip("127.0.0.1")).expect("room");
    }
    assert_eq!(peers.knock(id(9_999), ip("127.0.0.1")), Err(Denied::TooManyHandshakes));
    peers.knocked(id(0));
    assert_eq!(peers.knock(id(10_000), ip("203.0.113.1")), Ok(()));
}

#[test]
fn one_network_leaves_places_for_everybody_elses_handshakes() {
    let peers = peers(PeerLimits::default());
    // Eight addresses of one /64, silent, with as many connections as each may have.
    for number in 0..8 * peers.limits().pending_per_ip {
        let knocked = peers.knock(id(number), ip(&format!("2001:db8::{}", number % 8 + 1)));
        let expected =
            if number < PENDING_PER_PREFIX { Ok(()) } else { Err(Denied::TooManyHandshakes) };
        assert_eq!(knocked, expected, "the connection number {number}");
    }
    assert_eq!(peers.knock(id(1_000), ip("2001:db8:1::1")), Ok(()), "another prefix");
    // One that connects and hangs up for ever.
    let taken = (2_000..4_000).filter(|number| {
        let is_taken = peers.knock(id(*number), ip("203.0.113.1")).is_ok();
        peers.knocked(id(*number));
        is_taken
    });
    let taken = taken.count();
    // The clock goes on meanwhile.
    let burst = PREFIX_HANDSHAKE_BURST as usize;
    assert!((burst..2 * burst).contains(&taken), "{taken} handshakes");
    assert_eq!(peers.knock(id(5_000), ip("203.0.114.1")), Ok(()), "another prefix");
}

#[test]
fn the_prefixes_whose_handshakes_are_counted_are_bounded() {
    let peers = peers(PeerLimits::default());
    for number in 0..MAX_REMEMBERED + 10 {
        let from = format!("11.{}.{}.1", number / 256, number % 256);
        // Most are refused: so many come at once.
        let _ = peers.knock(id(number), ip(&from));
    }
    assert_eq!(lock(&peers.known).handshakes_of.len(), MAX_REMEMBERED);
}

#[test]
fn used_up_strikes_ban_the_peer_and_its_host_and_nobody_else() {
    let peers = peers(PeerLimits::default());
    connect(&peers, 0, key(0), "203.0.113.1").expect("room");
    connect(&peers, 1, key(1), "203.0.114.1").expect("room");
    assert!((1..STRIKES).all(|_| !peers.strike(&key(0), 1)));
    assert!(peers.strike(&key(0), 1), "the last one");
    assert!(peers.is_banned(&key(0)) && !peers.is_banned(&key(1)));
    assert_eq!(leaving(&peers).len(), 1);
    assert_eq!(connect(&peers, 2, key(0), "198.51.100.1"), Err(Denied::Banned), "the same key");
    assert_eq!(connect(&peers, 3, key(3), "203.0.113.1"), Err(Denied::Banned), "its address");
    connect(&peers, 4, key(4), "203.0.113.9").expect("its neighbour");
    connect(&peers, 7, key(7), "2001:db8::1").expect("room");
    assert!(peers.strike(&key(7), STRIKES));
    assert_eq!(connect(&peers, 8, key(8), "2001:db8::9"), Err(Denied::Banned), "the same machine");
    connect(&peers, 9, key(9), "2001:db8:0:1::1").expect("its neighbour");
    // A home network is not banned with one of its machines.
    connect(&peers, 5, key(5), "192.168.1.2").expect("room");
    assert!(peers.strike(&key(5), STRIKES));
    connect(&peers, 6, key(6), "192.168.1.3").expect("room");
}

#[test]
fn many_banned_hosts_ban_their_prefix_unless_a_peer_with_a_session_is_there() {
    let peers = peers(PeerLimits::default());
    connect(&peers, 100, key(100), "203.0.113.100").expect("room");
    for number in 0..BANNED_HOSTS_PER_PREFIX {
        let seed = number as u16;
        let from = format!("203.0.113.{number}");
        connect(&peers, number, key(seed), &from).expect("fewer than that are their own affair");
        // A session of its own does not save it.
        peers.protect(key(seed), 0);
        assert!(peers.strike(&key(seed), STRIKES));
    }
    let neighbour = |number: usize| connect(&peers, number, key(number as u16), "203.0.113.200");
    assert_eq!(neighbour(200), Err(Denied::Banned));
    connect(&peers, 201, key(201), "203.0.114.1").expect("another prefix");
    peers.protect(key(100), 0);
    assert_eq!(neighbour(202), Ok(()), "it has a payer in it");
    assert_eq!(connect(&peers, 203, key(203), "203.0.113.0"), Err(Denied::Banned), "the host");
}

#[test]
fn a_ban_ends_and_what_is_remembered_is_bounded() {
    let peers = peers(PeerLimits { ban: Duration::ZERO, ..PeerLimits::default() });
    assert!(peers.strike(&key(0), STRIKES));
    assert!(!peers.is_banned(&key(0)), "it was over at once");
    for seed in 0..MAX_REMEMBERED as u16 + 10 {
        let mut fresh = [0; 32];
        fresh[..2].copy_from_slice(&seed.to_le_bytes());
        assert!(!peers.strike(&fresh, 1));
        assert!(peers.strike(&fresh, STRIKES));
        assert!(!peers.strike(&fresh, 1));
    }
    let known = lock(&peers.known);
    assert_eq!(
        (known.strikes.len(), known.banned_peers.remembered(), known.peers.len()),
        (MAX_REMEMBERED, MAX_REMEMBERED, 0)
    );
}

#[test]
fn one_peer_has_so_many_connections_and_other_keys_none() {
    let peers = peers(PeerLimits::default());
    for number in 0..CONNECTIONS_PER_PEER {
        connect(&peers, number, key(0), "127.0.0.1").expect("room");
    }
    assert_eq!(connect(&peers, 9, key(0), "127.0.0.1"), Err(Denied::TooManyOfPeer));
    assert_eq!(peers.admit(None), Err(Denied::Key));
}

fn through(relay: PeerId, peer: PeerId) -> Option<Origin> {
    Some(Origin::Relay { relay: Some(relay), peer: Some(peer) })
}

#[test]
fn all_that_come_through_one_relay_have_as_much_as_one_address() {
    let limits = PeerLimits { links_per_ip: 3, pending_per_ip: 2, ..PeerLimits::default() };
    let (peers, relay) = (peers(limits), PeerId::random());
    let knock = |number: usize| peers.knock(id(number), through(relay, PeerId::random()));
    assert_eq!((knock(0), knock(1)), (Ok(()), Ok(())));
    assert_eq!(knock(2), Err(Denied::TooManyHandshakes));
    for number in 0..3 {
        peers.knocked(id(number));
        let key = key(number as u16);
        let origin = through(relay, crate::peer::peer_id(&key).expect("a key"));
        peers.connected(key, id(number), origin, true);
    }
    let beyond = through(relay, PeerId::random());
    assert_eq!(peers.knock(id(4), beyond), Err(Denied::TooManyFromThere));
    let other = through(PeerId::random(), PeerId::random());
    assert_eq!(peers.knock(id(5), other), Ok(()), "another relay");
}

#[test]
fn a_ban_holds_for_the_peer_beyond_a_relay_and_in_the_end_for_the_relay() {
    let (peers, relay) = (peers(PeerLimits::default()), PeerId::random());
    for number in 0..BANNED_HOSTS_PER_PREFIX {
        let key = key(number as u16);
        let peer = crate::peer::peer_id(&key).expect("a key");
        peers.knock(id(number), through(relay, peer)).expect("a place");
        peers.knocked(id(number));
        peers.connected(key, id(number), through(relay, peer), true);
        assert!(peers.strike(&key, STRIKES));
        assert_eq!(peers.knock(id(1_000), through(relay, peer)), Err(Denied::Banned));
    }
    let honest = through(relay, PeerId::random());
    assert_eq!(peers.knock(id(1_001), honest), Err(Denied::Banned), "it lets in whoever comes");
}

#[test]
fn a_peer_says_where_to_dial_it_back_and_where_to_meet_it_and_nothing_else() {
    let address = |text: &str| vec![text.parse::<Multiaddr>().expect("a multiaddress")];
    let peers = peers(PeerLimits::default());
    let (direct, relayed) = (key(1), key(2));
    let peer = |key: &Key| crate::peer::peer_id(key).ok();
    connect(&peers, 1, direct, "203.0.113.1").expect("a place");
    let may = |key: &Key, to: &str| peers.may_dial(peer(key), &address(to)).is_ok();
    assert!(may(&direct, "/ip4/203.0.113.1/tcp/4001"), "its own address");
    assert!(!may(&direct, "/ip4/203.0.113.2/tcp/4001"), "its neighbour's");
    let from = through(PeerId::random(), peer(&relayed).expect("a key"));
    peers.connected(relayed, id(2), from, true);
    assert!(may(&relayed, "/ip4/203.0.113.2/udp/4001/quic-v1"));
    assert!(!may(&relayed, "/ip4/192.168.1.1/tcp/80"), "in this node's own network");
    // Before the registry was read whoever is named is dialled; then only those in it.
    assert!(may(&key(3), "/ip4/203.0.113.3/tcp/1"));
    peers.know([key(4)]);
    assert!(may(&key(4), "/ip4/203.0.113.3/tcp/1") && !may(&key(3), "/ip4/203.0.113.3/tcp/1"));
    peers.want(peer(&key(3)).expect("a key"), &[]);
    assert!(may(&key(3), "/ip4/203.0.113.3/tcp/1"), "its owner wants to");
}
