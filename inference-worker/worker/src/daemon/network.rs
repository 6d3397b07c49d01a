//! Starts the network on a thread of its own and finds out where the worker can be reached.

use eyre::{Result, WrapErr};
use mica_net::{Bounds, Instance, Listener, Mdns, Net, NetConfig, NetEvent, Reach};
use mica_primitives::{PublicKey, WorkerAddresses};
use tokio::{runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{rivals::REMEDY, status::texts};
use crate::{
    config::Config,
    exit::{ExitKind, Failure},
    keys::Keys,
    report::{Event, Reporter},
};

/// The thread that speaks with peers, and on which the desk sits.
///
/// Every message of a session goes through both, and to hand one over to another thread takes
/// longer than to deal with it. The chain is not spoken with here: nothing that is computed for it
/// keeps a message waiting. Dropping this ends the thread and all on it.
pub struct NetworkThread {
    runtime: runtime::Handle,
    _end: DropGuard,
}

impl NetworkThread {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
        let builder = std::thread::Builder::new().name("mica-network".to_owned());
        let ended = end.clone();
        builder
            .spawn(move || runtime.block_on(ended.cancelled()))
            .wrap_err("the system gives no thread for the network")?;
        Ok(Self { runtime: handle, _end: end.drop_guard() })
    }

    /// Calls `start` so that the tasks that it spawns run here.
    pub fn enter<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        start()
    }

    /// Runs `task` here.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }
}

/// The addresses that the operator wants to announce; none to publish those listened on.
///
/// # Errors
/// [`ExitKind::Usage`] for one that nobody could dial.
pub fn announced(config: &Config, own: &PublicKey) -> Result<Vec<String>> {
    mica_net::announced(&config.network.announce, own, bounds())
        .map_err(|error| Failure::new(ExitKind::Usage, error.to_string()).into())
}

/// Starts a node that listens where the operator says.
///
/// # Errors
/// [`ExitKind::Usage`] if an address is wrong or taken.
pub fn start_network(
    config: &Config,
    keys: &Keys,
    instance: Instance,
) -> Result<(Net, mpsc::Receiver<NetEvent>)> {
    let net = NetConfig {
        secret: keys.peer.to_bytes(),
        listen: config.network.listen.clone(),
        bootstrap: config.network.bootstrap.clone(),
        mdns: if config.network.mdns { Mdns::On } else { Mdns::Off },
        instance: Some(instance),
    };
    Net::start(net).map_err(|error| Failure::new(ExitKind::Usage, error.to_string()).into())
}

/// The addresses to publish at the start, when every listener has told where it listens.
///
/// # Errors
/// If there is none, or a listener has failed.
pub async fn published(
    announced: &[String],
    net: &Net,
    reporter: Reporter,
) -> Result<WorkerAddresses> {
    let listeners =
        net.settled().await.map_err(|error| Failure::new(ExitKind::Usage, error.to_string()))?;
    for silent in listeners.iter().filter(|listener| listener.addresses.is_empty()) {
        reporter.tell(&Event::Warning {
            text: format!(
                "nothing is heard of the listener on {}: it has no interface",
                silent.asked
            ),
        });
    }
    let Some(addresses) = to_publish(announced, &listeners) else {
        let text = "there is no address to publish: set `listen` or `announce` in config.toml";
        return Err(Failure::new(ExitKind::Usage, text).into());
    };
    let texts = texts(&addresses);
    reporter.tell(&Event::Published { addresses: texts.clone() });
    if texts.iter().all(|text| mica_net::reach(text) == Some(Reach::Machine)) {
        let text = "it is published at loopback addresses only, so nobody on another machine can \
                    reach it: set `listen`, for example to \"/ip4/0.0.0.0/tcp/4001\", and behind \
                    a router `announce`";
        reporter.tell(&Event::Warning { text: text.to_owned() });
    }
    Ok(addresses)
}

/// What is announced, or else what of the addresses listened on others can use; nothing if there is
/// none.
pub fn to_publish(announced: &[String], listeners: &[Listener]) -> Option<WorkerAddresses> {
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
pub fn may_stay(
    announced: &[String],
    listeners: &[Listener],
    registered: &WorkerAddresses,
) -> bool {
    let texts = texts(registered);
    if !announced.is_empty() {
        return texts.iter().all(|text| announced.contains(text))
            && announced.iter().all(|text| texts.contains(text));
    }
    let outward = mica_net::outward();
    let is_full = texts.len() >= mica_net::publishable(listeners, &outward, bounds()).len();
    is_full && mica_net::may_stay(&texts, listeners, &outward, bounds())
}

/// Dials each announced address once, as a payer would, and says which of them does not lead here.
pub async fn check_announced(
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
        reporter.tell(&Event::Warning { text });
    }
}

/// What the registry takes.
fn bounds() -> Bounds {
    type Address = <WorkerAddresses as IntoIterator>::Item;
    Bounds { addresses: WorkerAddresses::bound(), bytes: Address::bound() }
}
