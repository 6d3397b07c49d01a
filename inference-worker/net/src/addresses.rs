//! Addresses at which peers are said to be reachable.

use std::sync::{Arc, Mutex, MutexGuard};

use libp2p::{Multiaddr, multiaddr::Protocol};
use mica_host::lock;
use mica_primitives::WorkerAddresses;

use crate::{config::MAX_ADDRESSES, error::SendError, event::Key, peer::public_key};

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

    /// Whether nobody has said where the peer is.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().addresses.is_empty()
    }

    pub(crate) fn all(&self) -> Vec<Multiaddr> {
        self.lock().addresses.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.0)
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

/// The addresses of a worker as text, in the order in which it registered them.
///
/// The registry takes any bytes. What is no text is no address that anybody could dial, and is left
/// out: it must not keep a peer from being dialled at the others.
pub fn address_texts(addresses: &WorkerAddresses) -> Vec<String> {
    addresses.iter().filter_map(|address| String::from_utf8(address.to_vec()).ok()).collect()
}

/// The key of the peer that a multiaddress ends with (`…/p2p/<peer id>`), and the address before
/// it.
///
/// # Errors
/// For people: what is wrong with the text.
pub fn split_peer(text: &str) -> Result<(Key, String), String> {
    let mut address = multiaddress(text)?;
    let Some(Protocol::P2p(peer)) = address.pop() else {
        return Err("it does not end with /p2p/ and a peer id".to_owned());
    };
    let key = public_key(&peer).ok_or("its peer id is not of an ed25519 key")?;
    if address.is_empty() {
        return Err("it says who, and not where".to_owned());
    }
    Ok((key, address.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{peer_id, public_key_of};

    #[test]
    fn an_address_with_a_peer_is_taken_apart() {
        let key = public_key_of(&[7; 32]).expect("a secret");
        let peer = peer_id(&key).expect("a key");
        let whole = format!("/ip4/192.0.2.1/tcp/4001/p2p/{peer}");
        assert_eq!(split_peer(&whole), Ok((key, "/ip4/192.0.2.1/tcp/4001".to_owned())));
        for wrong in ["", "hub", "/ip4/192.0.2.1/tcp/4001", &format!("/p2p/{peer}")] {
            assert!(split_peer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_text_is_left_out_and_the_others_stay_in_order() {
        let bytes =
            [&b"/ip4/192.0.2.1/tcp/1"[..], &[0xff, 0xfe], "/dns4/mica.example/tcp/2".as_bytes()];
        let addresses: Vec<_> =
            bytes.iter().map(|bytes| bytes.to_vec().try_into().expect("short")).collect();
        let addresses = WorkerAddresses::try_from(addresses).expect("few");
        assert_eq!(address_texts(&addresses), ["/ip4/192.0.2.1/tcp/1", "/dns4/mica.example/tcp/2"]);
    }
}
