//! The libp2p behaviours of a node, and its transports.

use std::{num::NonZeroUsize, sync::Arc};

use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, connection_limits, identify,
    identity::Keypair,
    kad, mdns, noise, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};

use crate::{
    bounds::{
        MAX_NEGOTIATING_STREAMS, MAX_STREAMS_PER_CONNECTION, PENDING_DIALS, QUIC_CONNECTION_BYTES,
        QUIC_STREAM_BYTES,
    },
    config::{CONNECT_TIMEOUT, IDLE, Instance, LOOKUP_TIMEOUT, Mdns, NetConfig},
    error::StartError,
    gate::Gate,
    peers::Peers,
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
    pub(crate) link: libp2p_stream::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    ping: ping::Behaviour,
    limits: connection_limits::Behaviour,
}

/// Builds the swarm, without listening yet.
pub(crate) fn swarm(
    config: &NetConfig,
    keypair: Keypair,
    peers: Arc<Peers>,
) -> Result<Swarm<Behaviour>, StartError> {
    let transport = |error: &dyn std::fmt::Display| StartError::Transport(error.to_string());
    let behaviour = behaviour(config, &keypair, peers)?;
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
        .with_behaviour(|_| behaviour)
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
) -> Result<Behaviour, StartError> {
    let peer = keypair.public().to_peer_id();
    let mut kad_config = kad::Config::new(KAD);
    kad_config
        .set_query_timeout(LOOKUP_TIMEOUT)
        .set_replication_factor(KAD_RESULTS)
        // Only addresses are looked up here: nobody's records are kept.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        // Peers get into the table by what `learn` takes of them, within its bounds.
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_max_packet_size(KAD_PACKET_BYTES);
    if config.bootstrap.is_empty() {
        // Nobody to ask: peers come as links are opened.
        kad_config.set_periodic_bootstrap_interval(None);
    }
    let store = kad::store::MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
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
    let mdns = match config.mdns {
        Mdns::Off => None,
        Mdns::On => {
            let mdns = mdns::tokio::Behaviour::new(mdns::Config::default(), peer);
            Some(mdns.map_err(|error| StartError::Transport(format!("multicast: {error}")))?)
        }
    };
    // Of all other connections the gate has the count.
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(PENDING_DIALS as u32));
    let ping = ping::Config::new()
        .with_interval(config.limits.ping_interval)
        .with_timeout(config.limits.ping_timeout);
    Ok(Behaviour {
        gate: Gate::new(peers),
        link: libp2p_stream::Behaviour::new(),
        identify: identify::Behaviour::new(
            identify::Config::new(NETWORK.to_owned(), keypair.public())
                .with_agent_version(Instance::agent(config.instance)),
        ),
        kad,
        mdns: mdns.into(),
        ping: ping::Behaviour::new(ping),
        limits: connection_limits::Behaviour::new(limits),
    })
}
