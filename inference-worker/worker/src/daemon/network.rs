//! Starts the network on a thread of its own and finds out where the worker can be reached.

use std::{io, net::IpAddr, time::Duration};

use mica_net::{
    AnnounceError, Bounds, Events, Instance, Listener, Mdns, NearPeers, Net, NetConfig, PeerLimits,
    Reach, Reachability, Relaying, StartError, Stay, Ways,
};
use mica_primitives::{PublicKey, WorkerAddresses};
use tokio::{runtime, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::duplicates::REMEDY;
use crate::{
    config::{Config, PeersConfig, RelaySetting},
    keys::Keys,
    report::{Event, Reporter},
};

/// Why the worker cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The thread's runtime cannot be set up.
    #[error(transparent)]
    Runtime(io::Error),
    /// The system gives no thread.
    #[error("the system gives no thread for the network")]
    Thread(#[source] io::Error),
    /// An address to listen on is wrong or taken.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Only this machine could dial it.
    #[error(
        "the worker would be published at {} only, where nobody on another machine can reach it, \
         and its node ({node_url}) is on another machine: set `listen` in config.toml to \
         [\"/ip4/0.0.0.0/tcp/4001\", \"/ip4/0.0.0.0/udp/4001/quic-v1\"], or give --listen",
        addresses.join(", ")
    )]
    Loopback {
        /// What would be published.
        addresses: Vec<String>,
        /// The node.
        node_url: String,
    },
    /// Nothing to publish.
    #[error("there is no address to publish: set `listen` or `announce` in config.toml")]
    NoAddress,
}

/// The thread that speaks with peers, and on which the session actor runs.
///
/// Every message of a session goes through both, and to hand one over to another thread takes
/// longer than to deal with it. The chain is not spoken with here: nothing that is computed for it
/// keeps a message waiting. Dropping this ends the thread and all on it.
pub(crate) struct NetworkThread {
    runtime: runtime::Handle,
    _end: DropGuard,
}

impl NetworkThread {
    /// Starts it.
    ///
    /// # Errors
    /// [`NetworkError::Thread`] or [`NetworkError::Runtime`].
    pub(crate) fn start() -> Result<Self, NetworkError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NetworkError::Runtime)?;
        let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
        let builder = std::thread::Builder::new().name("mica-network".to_owned());
        let ended = end.clone();
        builder.spawn(move || runtime.block_on(ended.cancelled())).map_err(NetworkError::Thread)?;
        Ok(Self { runtime: handle, _end: end.drop_guard() })
    }

    /// Calls `start` so that the tasks that it spawns run here.
    pub(crate) fn enter<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        start()
    }

    /// Runs `task` here.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }
}

/// The addresses that the operator wants to announce; none to publish those listened on.
///
/// # Errors
/// [`AnnounceError`] for one that nobody could dial.
pub(crate) fn announced(config: &Config, own: &PublicKey) -> Result<Vec<String>, AnnounceError> {
    mica_net::announced(&config.network.announce, own, bounds())
}

/// Starts a node that listens where the operator says.
///
/// # Errors
/// [`StartError`] if an address is wrong or taken.
pub(crate) fn start_network(
    config: &Config,
    keys: &Keys,
    instance: Instance,
) -> Result<(Net, Events), StartError> {
    let net = NetConfig {
        secret: keys.peer.to_bytes(),
        listen: config.network.listen.clone(),
        bootstrap: config.network.bootstrap.clone(),
        mdns: if config.network.mdns { Mdns::On } else { Mdns::Off },
        announce: config.network.announce.clone(),
        relaying: match config.network.relay {
            RelaySetting::Auto => Relaying::IfUnreachable,
            RelaySetting::Always => Relaying::Always,
            RelaySetting::Never => Relaying::Never,
        },
        relays_for_others: config.network.relay_for_others,
        maps_ports: config.network.upnp,
        instance: Some(instance),
        limits: limits(&config.network.peers),
    };
    Net::start(net)
}

fn limits(peers: &PeersConfig) -> PeerLimits {
    PeerLimits {
        links: peers.links,
        reserved_links: peers.reserved_links,
        links_per_ip: peers.links_per_ip,
        links_per_prefix: peers.links_per_prefix,
        near: if peers.limit_private_networks { NearPeers::Limited } else { NearPeers::Unlimited },
        ban: Duration::from_secs(peers.ban_seconds),
        ..PeerLimits::default()
    }
}

/// The addresses to publish at the start, when every listener has told where it listens.
///
/// # Errors
/// [`NetworkError::NoAddress`] if there is none, [`NetworkError::Loopback`] if only this machine
/// could use them and the node is on another, [`NetworkError::Start`] if a listener has failed.
pub(crate) async fn published(
    announced: &[String],
    net: &Net,
    node_url: &str,
    reporter: Reporter,
) -> Result<WorkerAddresses, NetworkError> {
    let listeners = net.settled().await?;
    for silent in listeners.iter().filter(|listener| listener.addresses.is_empty()) {
        reporter.emit(&Event::Warning {
            text: format!(
                "nothing is heard of the listener on {}: it has no interface",
                silent.asked
            ),
        });
    }
    let reach = net.reachability().borrow().clone();
    let Some(addresses) = to_publish(announced, &listeners, &reach) else {
        return Err(NetworkError::NoAddress);
    };
    let texts = mica_net::address_texts(&addresses);
    let is_of_machine = texts.iter().all(|text| mica_net::reach(text) == Some(Reach::Machine));
    if is_of_machine && !is_here(node_url) {
        return Err(NetworkError::Loopback { addresses: texts, node_url: node_url.to_owned() });
    }
    reporter.emit(&Event::Published { addresses: texts });
    if is_of_machine {
        let text = "it is published at loopback addresses only, so nobody on another machine can \
                    reach it: set `listen`, for example to \"/ip4/0.0.0.0/tcp/4001\", and behind \
                    a router `announce`";
        reporter.emit(&Event::Warning { text: text.to_owned() });
    }
    Ok(addresses)
}

/// What is announced, or else what others can use of the addresses listened on and of those at
/// which they were seen to come in; nothing if there is none.
pub(crate) fn to_publish(
    announced: &[String],
    listeners: &[Listener],
    reach: &Reachability,
) -> Option<WorkerAddresses> {
    let outward = mica_net::outward();
    let ways = Ways { announced, listeners, reach, outward: &outward, bounds: bounds() };
    // They are within the registry's bounds.
    let texts = ways.to_publish().into_iter();
    let addresses: Vec<_> = texts.filter_map(|text| text.into_bytes().try_into().ok()).collect();
    WorkerAddresses::try_from(addresses).ok().filter(|addresses| !addresses.is_empty())
}

/// Whether what is registered may stay.
pub(crate) fn may_stay(
    announced: &[String],
    listeners: &[Listener],
    reach: &Reachability,
    registered: &WorkerAddresses,
) -> Stay {
    let texts = mica_net::address_texts(registered);
    if texts.len() < registered.len() {
        // Nobody could dial the others.
        return Stay::No;
    }
    let outward = mica_net::outward();
    let ways = Ways { announced, listeners, reach, outward: &outward, bounds: bounds() };
    ways.may_stay(&texts)
}

/// Whether the host in a node's URL is this machine.
fn is_here(node_url: &str) -> bool {
    let authority = node_url.split_once("://").map_or(node_url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Dials each announced address once, as a payer would, and says which of them does not lead here.
pub(crate) async fn check_announced(
    announced: Vec<String>,
    own: PublicKey,
    instance: Instance,
    reporter: Reporter,
) {
    for address in announced {
        let text = match mica_net::probe(&own, &address).await {
            Ok(Some(found)) if found == instance => continue,
            Ok(_) => format!(
                "another process with this worker's peer key answers at the announced address \
                 {address}: {REMEDY}"
            ),
            Err(error) => format!(
                "the announced address does not lead to this worker: {error}; check the router's \
                 forwarding and the firewall. A router that does not let its own network use its \
                 public address (no hairpin NAT) can be the reason too: then payers may reach it \
                 all the same"
            ),
        };
        tracing::warn!("{text}");
        reporter.emit(&Event::Warning { text });
    }
}

/// What the registry takes.
fn bounds() -> Bounds {
    type Address = <WorkerAddresses as IntoIterator>::Item;
    Bounds { addresses: WorkerAddresses::bound(), bytes: Address::bound() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_here_if_its_host_is_loopback() {
        for url in ["ws://127.0.0.1:9944", "wss://localhost/x", "ws://[::1]:9944", "127.9.9.9:1"] {
            assert!(is_here(url), "{url}");
        }
        for url in [
            "ws://192.168.1.1:9944",
            "wss://node.example:443/127.0.0.1",
            "ws://127.0.0.1@node.example",
            "ws://localhost.example",
            "",
        ] {
            assert!(!is_here(url), "{url}");
        }
    }
}
