//! Where the node listens: the listeners that were requested, and the addresses that each has
//! reported so far.
//!
//! A listener on one address reports one. A listener on an unspecified address (`0.0.0.0`, `::`)
//! reports one per interface, each in its own message and in no particular order; later it reports
//! interfaces that come and go. Nothing marks the last message of the initial batch, so the
//! publisher waits until none has arrived for a while, and then follows the changes.

use std::time::Duration;

use libp2p::{Multiaddr, core::transport::ListenerId};
use tokio::{sync::watch, time::timeout};

use crate::publish::{Reach, reach};

/// Addresses of one listener that are remembered: machines with more interfaces are rare, and only
/// a few addresses are published.
const MAX_ADDRESSES: usize = 64;
/// Longest wait for all listeners to tell their first addresses.
const FIRST: Duration = Duration::from_secs(5);
/// An unspecified listener has told of all interfaces when it has been silent for so long.
const QUIET: Duration = Duration::from_millis(700);

/// One listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The address that was asked for.
    pub asked: String,
    /// What it listens on, as multiaddresses without a peer id, in the order in which they were
    /// told.
    pub addresses: Vec<String>,
    /// Why it has closed, if it has.
    pub closed: Option<String>,
}

/// All listeners, as the swarm's task keeps them.
pub(crate) struct Listeners {
    ids: Vec<ListenerId>,
    told: watch::Sender<Vec<Listener>>,
}

impl Listeners {
    pub(crate) fn new(asked: Vec<(ListenerId, String)>) -> (Self, watch::Receiver<Vec<Listener>>) {
        let (ids, listeners) = asked
            .into_iter()
            .map(|(id, asked)| (id, Listener { asked, addresses: Vec::new(), closed: None }))
            .unzip();
        let (told, heard) = watch::channel(listeners);
        (Self { ids, told }, heard)
    }

    pub(crate) fn address_added(&self, id: ListenerId, address: &Multiaddr) {
        let address = address.to_string();
        self.change(id, |listener| {
            let is_new =
                !listener.addresses.contains(&address) && listener.addresses.len() < MAX_ADDRESSES;
            if is_new {
                listener.addresses.push(address);
            }
            is_new
        });
    }

    pub(crate) fn address_removed(&self, id: ListenerId, address: &Multiaddr) {
        let address = address.to_string();
        self.change(id, |listener| {
            let before = listener.addresses.len();
            listener.addresses.retain(|known| *known != address);
            listener.addresses.len() != before
        });
    }

    pub(crate) fn closed(&self, id: ListenerId, reason: String) {
        self.change(id, |listener| {
            listener.addresses.clear();
            listener.closed = Some(reason);
            true
        });
    }

    /// The address that was asked for.
    pub(crate) fn asked(&self, id: ListenerId) -> Option<String> {
        let at = self.ids.iter().position(|known| *known == id)?;
        self.told.borrow().get(at).map(|listener| listener.asked.clone())
    }

    fn change(&self, id: ListenerId, change: impl FnOnce(&mut Listener) -> bool) {
        let Some(at) = self.ids.iter().position(|known| *known == id) else { return };
        self.told.send_if_modified(|listeners| listeners.get_mut(at).is_some_and(change));
    }
}

/// Waits until every listener has told its addresses, or is late: then those that are known.
pub(crate) async fn settled(told: &mut watch::Receiver<Vec<Listener>>) -> Vec<Listener> {
    settled_within(told, FIRST, QUIET).await
}

async fn settled_within(
    told: &mut watch::Receiver<Vec<Listener>>,
    first: Duration,
    quiet: Duration,
) -> Vec<Listener> {
    let all = async {
        loop {
            let listeners = told.borrow_and_update().clone();
            let has_told =
                |listener: &Listener| listener.closed.is_some() || !listener.addresses.is_empty();
            let wait = match (listeners.iter().all(has_told), listeners.iter().any(is_unspecified))
            {
                (true, false) => return,
                (true, true) => quiet,
                (false, _) => first,
            };
            // An error means that the node has stopped.
            if !matches!(timeout(wait, told.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    let _ = timeout(first, all).await;
    told.borrow().clone()
}

fn is_unspecified(listener: &Listener) -> bool {
    reach(&listener.asked) == Some(Reach::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    const SOON: Duration = Duration::from_millis(300);

    #[tokio::test]
    async fn all_listeners_and_all_interfaces_are_waited_for() {
        let (tcp, quic) = (ListenerId::next(), ListenerId::next());
        let asked = vec![
            (tcp, "/ip4/0.0.0.0/tcp/0".to_owned()),
            (quic, "/ip4/127.0.0.1/udp/0/quic-v1".to_owned()),
        ];
        let (listeners, mut told) = Listeners::new(asked);
        listeners.address_added(tcp, &address("/ip4/127.0.0.1/tcp/5"));
        let telling = async {
            // Nothing of this is there when the waiting begins.
            tokio::task::yield_now().await;
            listeners.address_added(quic, &address("/ip4/127.0.0.1/udp/6/quic-v1"));
            tokio::task::yield_now().await;
            listeners.address_added(tcp, &address("/ip4/192.168.0.2/tcp/5"));
        };
        let (first, ()) = tokio::join!(settled_within(&mut told, 10 * SOON, SOON), telling);
        assert_eq!(first[0].addresses, ["/ip4/127.0.0.1/tcp/5", "/ip4/192.168.0.2/tcp/5"]);
        assert_eq!(first[1].addresses, ["/ip4/127.0.0.1/udp/6/quic-v1"]);
        listeners.address_added(tcp, &address("/ip4/192.168.0.3/tcp/5"));
        listeners.address_removed(tcp, &address("/ip4/192.168.0.2/tcp/5"));
        listeners.closed(quic, "gone".to_owned());
        assert_eq!(listeners.asked(quic).as_deref(), Some("/ip4/127.0.0.1/udp/0/quic-v1"));
        let later = told.borrow().clone();
        assert_eq!(later[0].addresses, ["/ip4/127.0.0.1/tcp/5", "/ip4/192.168.0.3/tcp/5"]);
        assert_eq!((later[1].addresses.len(), later[1].closed.as_deref()), (0, Some("gone")));
    }

    #[tokio::test]
    async fn a_listener_that_stays_silent_is_waited_for_but_not_for_ever() {
        let id = ListenerId::next();
        let (_listeners, mut told) = Listeners::new(vec![(id, "/ip6/::/tcp/0".to_owned())]);
        let start = tokio::time::Instant::now();
        assert!(settled_within(&mut told, SOON, SOON).await[0].addresses.is_empty());
        assert!(start.elapsed() >= SOON);
    }
}
