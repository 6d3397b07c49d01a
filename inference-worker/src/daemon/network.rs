//! Starts the network on a thread of its own and finds out where the worker can be reached.

use std::time::Duration;

use eyre::{Result, WrapErr, bail, eyre};
use mica_net::{Mdns, Net, NetConfig, NetEvent};
use mica_primitives::WorkerAddresses;
use tokio::{runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    config::Config,
    keys::Keys,
    report::{Event, Reporter},
};

/// Longest wait for the addresses on which the network listens.
const LISTEN: Duration = Duration::from_secs(5);

/// The thread that speaks with peers, and on which the desk sits.
///
/// Every message of a session goes through both, and to hand one over to another thread takes longer than to deal with it. The chain
/// is not spoken with here: nothing that is computed for it keeps a message waiting. Dropping this ends the thread and all on it.
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
        builder.spawn(move || runtime.block_on(ended.cancelled())).wrap_err("the system gives no thread for the network")?;
        Ok(Self { runtime: handle, _end: end.drop_guard() })
    }

    /// Calls `start` so that the tasks that it spawns run here.
    pub fn enter<T>(&self, start: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        start()
    }

    /// Runs `task` here.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }
}

/// Starts a node that listens where the operator says.
///
/// # Errors
/// If an address is wrong or taken.
pub fn start_network(config: &Config, keys: &Keys) -> Result<(Net, mpsc::Receiver<NetEvent>)> {
    let net = NetConfig {
        secret: keys.peer.to_bytes(),
        listen: config.network.listen.clone(),
        bootstrap: config.network.bootstrap.clone(),
        mdns: if config.network.mdns { Mdns::On } else { Mdns::Off },
    };
    Ok(Net::start(net)?)
}

/// The addresses to publish: the configured ones, or those listened on, of which a loopback address only counts if there is no other.
///
/// # Errors
/// If there is none, or one does not fit the registry.
pub async fn published(config: &Config, network: &mut mpsc::Receiver<NetEvent>, reporter: Reporter) -> Result<WorkerAddresses> {
    let mut heard = Vec::new();
    let listening = async {
        while heard.len() < config.network.listen.len() {
            match network.recv().await {
                Some(NetEvent::Listening { address }) => {
                    reporter.tell(&Event::Listening { address: address.clone() });
                    heard.push(address);
                }
                Some(_) => {}
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(LISTEN, listening).await;
    let mut texts = if config.network.announce.is_empty() { heard } else { config.network.announce.clone() };
    let is_loopback = |text: &String| text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/");
    if !texts.iter().all(is_loopback) {
        texts.retain(|text| !is_loopback(text));
    }
    if texts.is_empty() {
        bail!("there is no address to publish: set `listen` or `announce` in config.toml");
    }
    let bounded = texts.into_iter().take(WorkerAddresses::bound()).map(|text| {
        text.clone()
            .into_bytes()
            .try_into()
            .map_err(|_| eyre!("the address {text} is too long to publish: set `announce` to a shorter one"))
    });
    let bounded: Vec<_> = bounded.collect::<Result<_>>()?;
    bounded.try_into().map_err(|_| eyre!("there are too many addresses to publish: set `announce`"))
}
