//! How a link comes by a stream: it dials where the peer was said to be, and looks up where it is
//! now if nobody answers there.

use std::{pin::pin, time::Duration};

use futures::future::{Either, select};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    addresses::Addresses,
    config::{CONNECT_TIMEOUT, LOOKUP_TIMEOUT},
    near::is_relayed,
    streams::{LinkStream, Opener},
    swarm::Command,
};

/// How long the known addresses have before the peer is looked up besides: a dead one says nothing
/// for as long as it is dialled.
const HEAD_START: Duration = Duration::from_secs(1);

/// How often a peer is looked up before it is given up.
const SEARCHES: usize = 3;
/// Longest search.
const SEARCH: Duration = Duration::from_secs(15);

/// What it takes to connect to one peer.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) peer: PeerId,
    pub(super) addresses: Addresses,
    /// Whether addresses are learnt from other peers.
    pub(super) looks_up: bool,
    /// Whether the node listens: then it dials from the port that others see, and can be met half
    /// way over TCP as well.
    pub(super) listens: bool,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) opener: Opener,
    pub(super) stop: CancellationToken,
}

impl Connector {
    /// Dials where the peer was said to be; if nobody answers soon, asks other peers as well.
    ///
    /// # Errors
    /// For people: why it cannot be reached.
    pub(super) async fn connect(self) -> Result<LinkStream, String> {
        let all = self.addresses.all();
        let (known, later) = in_turns(all.clone(), self.listens);
        let failed = CancellationToken::new();
        let first = pin!(async {
            let result = self.dial_and_open(known, false).await;
            if result.is_err() {
                failed.cancel();
            }
            result
        });
        // A relay that is being dialled already, for something else, cannot be dialled for this.
        let is_worth_another = !later.is_empty() || all.iter().any(is_relayed);
        let second = pin!(async {
            let _ = timeout(HEAD_START, failed.cancelled()).await;
            if !self.looks_up && !is_worth_another {
                return Err(None);
            }
            timeout(SEARCH, self.find(&all)).await.unwrap_or(Err(None))
        });
        match select(first, second).await {
            Either::Left((Ok(stream), _)) | Either::Right((Ok(stream), _)) => Ok(stream),
            // What is known of the addresses that were named says more than that there are no
            // others.
            Either::Left((Err(reason), second)) => {
                second.await.map_err(|again| again.unwrap_or(reason))
            }
            Either::Right((Err(again), first)) => {
                first.await.map_err(|reason| again.unwrap_or(reason))
            }
        }
    }

    /// Looks up where the peer is and dials it there and where it was said to be; a few times,
    /// because others may hear from it only now, as it may from them.
    ///
    /// # Errors
    /// Why it cannot be reached, if there was anything to dial.
    async fn find(&self, known: &[Multiaddr]) -> Result<LinkStream, Option<String>> {
        let mut reason = None;
        for search in 0..SEARCHES {
            if search > 0 {
                self.unless_stopped(tokio::time::sleep(HEAD_START)).await;
            }
            let found = self.look_up().await;
            let all = found.iter().chain(known).cloned().collect();
            match self.dial_and_open(all, true).await {
                Ok(stream) => {
                    self.addresses.learn(found);
                    return Ok(stream);
                }
                Err(again) => reason = Some(again),
            }
            if !self.looks_up {
                break;
            }
        }
        Err(reason)
    }

    /// With `besides` the peer is dialled even if it is being dialled elsewhere.
    async fn dial_and_open(
        &self,
        addresses: Vec<Multiaddr>,
        besides: bool,
    ) -> Result<LinkStream, String> {
        let (done, dialled) = oneshot::channel();
        let late = || format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        let stopped = || "the network has been stopped".to_owned();
        self.commands
            .send(Command::Dial { peer: self.peer, addresses, besides, done })
            .await
            .map_err(|_| stopped())?;
        self.unless_stopped(timeout(CONNECT_TIMEOUT, dialled))
            .await
            .ok_or_else(stopped)?
            .map_err(|_| late())?
            .map_err(|_| stopped())??;
        let opened = timeout(CONNECT_TIMEOUT, self.opener.open(self.peer));
        self.unless_stopped(opened).await.ok_or_else(stopped)?.map_err(|_| late())?
    }

    async fn look_up(&self) -> Vec<Multiaddr> {
        if !self.looks_up {
            return Vec::new();
        }
        let (done, found) = oneshot::channel();
        if self.commands.send(Command::LookUp { peer: self.peer, done }).await.is_err() {
            return Vec::new();
        }
        match self.unless_stopped(timeout(LOOKUP_TIMEOUT, found)).await {
            Some(Ok(Ok(addresses))) => addresses,
            _ => Vec::new(),
        }
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(future).await
    }
}

/// The addresses that are dialled at once, and those that have to wait.
///
/// A node that does not listen dials over TCP from a port that nobody can meet it at, and over QUIC
/// always from the same one, which its relays see. So it tries QUIC first.
fn in_turns(all: Vec<Multiaddr>, listens: bool) -> (Vec<Multiaddr>, Vec<Multiaddr>) {
    let is_quic = |address: &Multiaddr| address.iter().any(|part| part == Protocol::QuicV1);
    let has_quic = |relayed: bool| {
        all.iter().any(|address| is_relayed(address) == relayed && is_quic(address))
    };
    let has_quic = [has_quic(false), has_quic(true)];
    if listens {
        return (all, Vec::new());
    }
    all.into_iter()
        .partition(|address| is_quic(address) || !has_quic[usize::from(is_relayed(address))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().expect("a multiaddress")).collect()
    }

    #[test]
    fn who_does_not_listen_goes_to_relays_over_quic_first() {
        let relay = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let tcp = format!("/ip4/192.0.2.1/tcp/1/p2p/{relay}/p2p-circuit");
        let quic = format!("/ip4/192.0.2.1/udp/1/quic-v1/p2p/{relay}/p2p-circuit");
        let direct = "/ip4/192.168.1.2/tcp/1";
        let all = addresses(&[&tcp, &quic, direct]);
        let split = (addresses(&[&quic, direct]), addresses(&[&tcp]));
        assert_eq!(in_turns(all.clone(), false), split);
        assert_eq!(in_turns(all.clone(), true), (all, vec![]));
        let only_tcp = addresses(&[&tcp, direct]);
        assert_eq!(in_turns(only_tcp.clone(), false), (only_tcp, vec![]));
    }
}
