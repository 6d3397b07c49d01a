//! The libp2p behaviours of a node, and its transports.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder, autonat, connection_limits, dcutr, identify,
    identity::Keypair,
    kad, mdns, noise, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, upnp, yamux,
};
use tokio::sync::mpsc;

use crate::{
    bounds::{
        MAX_NEGOTIATING_STREAMS, MAX_RECORD_BYTES, MAX_RECORDS, MAX_STREAMS_PER_CONNECTION,
        PENDING_DIALS, QUIC_CONNECTION_BYTES, QUIC_STREAM_BYTES, RELAY_ASKS_PER_IP,
        RELAY_ASKS_PER_PEER, RELAY_CIRCUIT_BYTES, RELAY_CIRCUIT_SECONDS, RELAY_CIRCUITS,
        RELAY_CIRCUITS_PER_PEER, RELAY_RESERVATION_SECONDS, RELAY_RESERVATIONS,
        RELAY_RESERVATIONS_PER_PEER,
    },
    config::{CONNECT_TIMEOUT, IDLE, Instance, LOOKUP_TIMEOUT, Mdns, NetConfig},
    error::StartError,
    far::Far,
    gate::Gate,
    peer::public_key,
    peers::Peers,
    records::RECORD_LIFETIME,
    streams::{LinkStream, Streams},
};

/// The protocol of links.
pub(crate) const LINK: StreamProtocol = StreamProtocol::new("/mica/link/1");
/// The protocol of weights.
pub(crate) const WEIGHTS: StreamProtocol = StreamProtocol::new("/mica/weights/1");
/// The protocol of address look-ups.
pub(crate) const KAD: StreamProtocol = StreamProtocol::new("/mica/kad/1");
/// What identify calls the network.
const NETWORK: &str = "/mica/1";
/// Answers that one look-up waits for.
const KAD_RESULTS: NonZeroUsize = NonZeroUsize::new(8).expect("eight is not zero");
/// Bytes of a question or an answer about addresses.
const KAD_PACKET_BYTES: usize = 16 * 1024;

/// Everything that a connection speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// First, so that nobody else hears of a connection that is not taken.
    gate: Gate,
    pub(crate) link: Streams,
    pub(crate) identify: identify::Behaviour,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    ping: ping::Behaviour,
    relay_client: relay::client::Behaviour,
    /// Goes on directly what began through a relay.
    meet: Far<dcutr::Behaviour>,
    /// Asks others whether they can come in.
    tests: Toggle<Far<autonat::v2::client::Behaviour>>,
    /// Comes in where others ask it to.
    tester: Toggle<autonat::v2::server::Behaviour>,
    router: Toggle<upnp::tokio::Behaviour>,
    pub(crate) relay: Toggle<relay::Behaviour>,
    limits: connection_limits::Behaviour,
}

/// Builds the swarm, without listening yet. `incoming` gets the streams that peers open.
pub(crate) fn swarm(
    config: &NetConfig,
    keypair: Keypair,
    peers: Arc<Peers>,
    incoming: mpsc::Sender<(PeerId, LinkStream)>,
) -> Result<Swarm<Behaviour>, StartError> {
    let transport = |error: &dyn std::fmt::Display| StartError::Transport(error.to_string());
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexing)
        .map_err(|error| transport(&error))?
        .with_quic_config(|mut config| {
            config.max_concurrent_stream_limit = MAX_STREAMS_PER_CONNECTION as u32;
            config.max_stream_data = QUIC_STREAM_BYTES;
            config.max_connection_data = QUIC_CONNECTION_BYTES;
            config
        })
        .with_dns()
        .map_err(|error| transport(&error))?
        .with_relay_client(noise::Config::new, multiplexing)
        .map_err(|error| transport(&error))?
        .with_behaviour(|keypair, client| behaviour(config, keypair, peers, client, incoming))
        .map_err(|error| transport(&error))?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(IDLE)
                .with_max_negotiating_inbound_streams(MAX_NEGOTIATING_STREAMS)
        })
        .with_connection_timeout(CONNECT_TIMEOUT)
        .build();
    Ok(swarm)
}

fn multiplexing() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MAX_STREAMS_PER_CONNECTION);
    config
}

fn behaviour(
    config: &NetConfig,
    keypair: &Keypair,
    peers: Arc<Peers>,
    relay_client: relay::client::Behaviour,
    incoming: mpsc::Sender<(PeerId, LinkStream)>,
) -> Behaviour {
    let peer = keypair.public().to_peer_id();
    // Of all other connections the gate has the count.
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(PENDING_DIALS as u32));
    let ping = ping::Config::new()
        .with_interval(config.limits.ping_interval)
        .with_timeout(config.limits.ping_timeout);
    let near = config.limits.near;
    let faces_outside = config.faces_outside();
    let when = |is_on: bool| (faces_outside && is_on).then_some(());
    Behaviour {
        link: Streams::new(incoming),
        identify: identify::Behaviour::new(
            identify::Config::new(NETWORK.to_owned(), keypair.public())
                .with_agent_version(Instance::agent(config.instance))
                // Who does not listen has nothing to tell that a worker should remember.
                .with_push_listen_addr_updates(!config.listen.is_empty()),
        ),
        kad: kad(config, peer),
        mdns: mdns(config, peer).into(),
        ping: ping::Behaviour::new(ping),
        relay_client,
        meet: Far::with_confirmed(dcutr::Behaviour::new(peer), near),
        tests: when(true)
            .map(|()| Far::new(autonat::v2::client::Behaviour::default(), near))
            .into(),
        tester: when(true).map(|()| autonat::v2::server::Behaviour::default()).into(),
        router: when(config.maps_ports).map(|()| upnp::tokio::Behaviour::default()).into(),
        relay: when(config.relays_for_others).map(|()| relay(peer, peers.clone())).into(),
        gate: Gate::new(peers),
        limits: connection_limits::Behaviour::new(limits),
    }
}

fn kad(config: &NetConfig, peer: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut kad_config = kad::Config::new(KAD);
    kad_config
        .set_query_timeout(LOOKUP_TIMEOUT)
        .set_replication_factor(KAD_RESULTS)
        // What others hand in is looked at before it is kept.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_record_ttl(Some(RECORD_LIFETIME))
        // Each peer sees to its own record.
        .set_replication_interval(None)
        .set_publication_interval(None)
        // Peers get into the table by what `learn` takes of them, within its bounds.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_max_packet_size(KAD_PACKET_BYTES);
    if config.bootstrap.is_empty() {
        // Nobody to ask: peers come as links are opened.
        kad_config.set_periodic_bootstrap_interval(None);
    }
    let store = kad::store::MemoryStoreConfig {
        max_records: MAX_RECORDS,
        max_value_bytes: MAX_RECORD_BYTES,
        max_providers_per_key: 0,
        max_provided_keys: 0,
    };
    let store = kad::store::MemoryStore::with_config(peer, store);
    let mut kad = kad::Behaviour::with_config(peer, store, kad_config);
    kad.set_mode(Some(if config.listen.is_empty() {
        kad::Mode::Client
    } else {
        kad::Mode::Server
    }));
    kad
}

/// Multicast; nothing where the system has none, which is said.
fn mdns(config: &NetConfig, peer: PeerId) -> Option<mdns::tokio::Behaviour> {
    if config.mdns == Mdns::Off {
        return None;
    }
    let started = mdns::tokio::Behaviour::new(mdns::Config::default(), peer);
    let told = started.inspect_err(|error| {
        tracing::warn!(%error, "peers on the same network are not looked for: no multicast");
    });
    told.ok()
}

/// What relays for others. It begins when the node can be reached from outside.
fn relay(own: PeerId, peers: Arc<Peers>) -> relay::Behaviour {
    let asks = |limit: u32| NonZeroU32::new(limit).expect("the bounds are not zero");
    let (per_peer, per_ip) = (Duration::from_secs(120), Duration::from_secs(1));
    let config = relay::Config {
        max_reservations: RELAY_RESERVATIONS,
        max_reservations_per_peer: RELAY_RESERVATIONS_PER_PEER,
        reservation_duration: Duration::from_secs(RELAY_RESERVATION_SECONDS),
        // A place costs a stake: only peers of the registry get one.
        reservation_rate_limiters: vec![Box::new(move |peer: PeerId, _: &libp2p::Multiaddr, _| {
            public_key(&peer).is_some_and(|key| peers.is_registered(&key))
        })],
        max_circuits: RELAY_CIRCUITS,
        max_circuits_per_peer: RELAY_CIRCUITS_PER_PEER,
        max_circuit_duration: Duration::from_secs(RELAY_CIRCUIT_SECONDS),
        max_circuit_bytes: RELAY_CIRCUIT_BYTES,
        circuit_src_rate_limiters: Vec::new(),
    };
    let config = config
        .reservation_rate_per_peer(asks(RELAY_ASKS_PER_PEER), per_peer)
        .reservation_rate_per_ip(asks(RELAY_ASKS_PER_IP), per_ip)
        .circuit_src_per_peer(asks(RELAY_ASKS_PER_PEER), per_peer)
        .circuit_src_per_ip(asks(RELAY_ASKS_PER_IP), per_ip);
    let mut relay = relay::Behaviour::new(own, config);
    relay.set_status(Some(relay::Status::Disable));
    relay
}
