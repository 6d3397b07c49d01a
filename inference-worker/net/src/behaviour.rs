//! The libp2p behaviours of a node, and its transports.

use std::{num::NonZeroUsize, time::Duration};

use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, connection_limits, identify,
    identity::Keypair,
    kad, mdns, noise, ping,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};

use crate::{
    config::{CONNECT_TIMEOUT, IDLE, Instance, LOOKUP_TIMEOUT, MAX_LINKS, Mdns, NetConfig},
    error::StartError,
};

/// The protocol of links.
pub(crate) const LINK: StreamProtocol = StreamProtocol::new("/mica/link/1");
/// The protocol of address look-ups.
pub(crate) const KAD: StreamProtocol = StreamProtocol::new("/mica/kad/1");
/// What identify calls the network.
const NETWORK: &str = "/mica/1";
/// Connections per peer: each side may have dialled at the same moment, and a dead one may not be
/// known as dead yet.
const CONNECTIONS_PER_PEER: u32 = 4;
/// Connections that have not proven who they are.
const PENDING_CONNECTIONS: u32 = 64;
/// Answers that one look-up waits for.
const KAD_RESULTS: NonZeroUsize = NonZeroUsize::new(8).expect("eight is not zero");

/// Everything that a connection speaks.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) link: libp2p_stream::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) kad: kad::Behaviour<kad::store::MemoryStore>,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    ping: ping::Behaviour,
    limits: connection_limits::Behaviour,
}

/// Builds the swarm, without listening yet.
pub(crate) fn swarm(config: &NetConfig, keypair: Keypair) -> Result<Swarm<Behaviour>, StartError> {
    let transport = |error: &dyn std::fmt::Display| StartError::Transport(error.to_string());
    let behaviour = behaviour(config, &keypair)?;
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| transport(&error))?
        .with_quic()
        .with_dns()
        .map_err(|error| transport(&error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| transport(&error))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .with_connection_timeout(CONNECT_TIMEOUT)
        .build();
    Ok(swarm)
}

fn behaviour(config: &NetConfig, keypair: &Keypair) -> Result<Behaviour, StartError> {
    let peer = keypair.public().to_peer_id();
    let mut kad_config = kad::Config::new(KAD);
    kad_config.set_query_timeout(LOOKUP_TIMEOUT).set_replication_factor(KAD_RESULTS);
    if config.bootstrap.is_empty() {
        // Nobody to ask: peers come as links are opened.
        kad_config.set_periodic_bootstrap_interval(None);
    }
    let mut kad = kad::Behaviour::with_config(peer, kad::store::MemoryStore::new(peer), kad_config);
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
    let links = MAX_LINKS as u32;
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_CONNECTIONS))
        .with_max_pending_outgoing(Some(PENDING_CONNECTIONS))
        .with_max_established_incoming(Some(links))
        .with_max_established_outgoing(Some(links))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER));
    Ok(Behaviour {
        link: libp2p_stream::Behaviour::new(),
        identify: identify::Behaviour::new(
            identify::Config::new(NETWORK.to_owned(), keypair.public())
                .with_agent_version(Instance::agent(config.instance)),
        ),
        kad,
        mdns: mdns.into(),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(15))),
        limits: connection_limits::Behaviour::new(limits),
    })
}
