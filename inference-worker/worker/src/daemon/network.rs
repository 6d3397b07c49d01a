//! Starts the network on a thread of its own and finds out where the worker can be reached.

use std::{io, time::Duration};

use mica_net::{
    AnnounceError, Bounds, Events, Instance, Listener, Mdns, NearPeers, Net, NetConfig, PeerLimits,
    Reach, StartError,
};
use mica_primitives::{PublicKey, WorkerAddresses};
use tokio::{runtime, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::duplicates::REMEDY;
use crate::{
    config::{Config, PeersConfig},
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
/// [`NetworkError::NoAddress`] if there is none, [`NetworkError::Start`] if a listener has failed.
pub(crate) async fn published(
    announced: &[String],
    net: &Net,
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
    let Some(addresses) = to_publish(announced, &listeners) else {
        return Err(NetworkError::NoAddress);
    };
    let texts = mica_net::address_texts(&addresses);
    reporter.emit(&Event::Published { addresses: texts.clone() });
    if texts.iter().all(|text| mica_net::reach(text) == Some(Reach::Machine)) {
        let text = "it is published at loopback addresses only, so nobody on another machine can \
                    reach it: set `listen`, for example to \"/ip4/0.0.0.0/tcp/4001\", and behind \
                    a router `announce`";
        reporter.emit(&Event::Warning { text: text.to_owned() });
    }
    Ok(addresses)
}

/// What is announced, or else what of the addresses listened on others can use; nothing if there is
/// none.
pub(crate) fn to_publish(announced: &[String], listeners: &[Listener]) -> Option<WorkerAddresses> {
    let texts = if announced.is_empty() {
        mica_net::publishable(listeners, &mica_net::outward(), bounds())
    } else {
        announced.to_vec()
    };
    // Both are within the registry's bounds.
    let addresses: Vec<_> =
        texts.into_iter().filter_map(|text| text.into_bytes().try_into().ok()).collect();
    WorkerAddresses::try_from(addresses).ok().filter(|addresses| !addresses.is_empty())
}

/// Whether what is registered may stay: what is announced, or else addresses that all lead here,
/// with the best among them and no room for one more. A change costs a fee, and another order, or
/// the coming of a worse address, is no reason for it.
pub(crate) fn may_stay(
    announced: &[String],
    listeners: &[Listener],
    registered: &WorkerAddresses,
) -> bool {
    let texts = mica_net::address_texts(registered);
    if texts.len() < registered.len() {
        // Nobody could dial the others.
        return false;
    }
    if !announced.is_empty() {
        return texts.iter().all(|text| announced.contains(text))
            && announced.iter().all(|text| texts.contains(text));
    }
    let outward = mica_net::outward();
    let is_full = texts.len() >= mica_net::publishable(listeners, &outward, bounds()).len();
    is_full && mica_net::may_stay(&texts, listeners, &outward, bounds())
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
