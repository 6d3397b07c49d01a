//! Starts the network and finds out where the worker can be reached.

use std::time::Duration;

use eyre::{Result, bail, eyre};
use mica_net::{Mdns, Net, NetConfig, NetEvent};
use mica_primitives::WorkerAddresses;
use tokio::sync::mpsc;

use crate::{
    config::Config,
    keys::Keys,
    report::{Event, Reporter},
};

/// Longest wait for the addresses on which the network listens.
const LISTEN: Duration = Duration::from_secs(5);

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
