//! Addresses at which peers are said to be reachable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::Multiaddr;

use crate::{config::MAX_ADDRESSES, error::SendError};

/// The addresses at which a peer was said to be.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Newest first.
    addresses: Vec<Multiaddr>,
    /// As they were last told: the same ones come with every message.
    told: Vec<String>,
}

impl Addresses {
    /// Whether these are the last ones that were told.
    pub(crate) fn were_told(&self, texts: &[String]) -> bool {
        self.lock().told == texts
    }

    /// Learns addresses that a user of the network tells.
    pub(crate) fn tell(&self, texts: &[String], addresses: Vec<Multiaddr>) {
        let mut known = self.lock();
        known.learn(addresses);
        known.told = texts.to_vec();
    }

    /// Learns addresses that other peers know.
    pub(crate) fn learn(&self, addresses: Vec<Multiaddr>) {
        self.lock().learn(addresses);
    }

    pub(crate) fn all(&self) -> Vec<Multiaddr> {
        self.lock().addresses.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn learn(&mut self, addresses: Vec<Multiaddr>) {
        for address in addresses.into_iter().rev() {
            self.addresses.retain(|old| *old != address);
            self.addresses.insert(0, address);
        }
        self.addresses.truncate(MAX_ADDRESSES);
    }
}

pub(crate) fn multiaddress(text: &str) -> Result<Multiaddr, String> {
    text.parse().map_err(|error: libp2p::multiaddr::Error| error.to_string())
}

/// The first addresses of a peer.
pub(crate) fn multiaddresses(texts: &[String]) -> Result<Vec<Multiaddr>, SendError> {
    let parse = |text: &String| {
        multiaddress(text).map_err(|reason| SendError::Address { address: text.clone(), reason })
    };
    texts.iter().take(MAX_ADDRESSES).map(parse).collect()
}
