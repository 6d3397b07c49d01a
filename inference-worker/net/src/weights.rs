//! Streams besides the links, for weights: large, without hurry, and not for sessions.
//!
//! What is said on them is not known here. A connection carries them beside its link, and a peer
//! that speaks of nothing but weights needs no link.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::{Multiaddr, PeerId, Stream};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    addresses::multiaddresses,
    config::{CONNECT_TIMEOUT, LOOKUP_TIMEOUT},
    error::SendError,
    event::Key,
    net::Net,
    peer::{self, display, public_key},
    swarm::Command,
};

/// A stream to or from one peer. Dropping it resets it.
pub struct WeightsStream(Stream);

/// Streams that peers open.
pub struct WeightsStreams(mpsc::Receiver<(PeerId, Stream)>);

impl WeightsStreams {
    /// The next one, and who opened it: proven by the connection. Nothing when the node has
    /// stopped. When too many wait to be taken, further ones are closed.
    pub async fn next(&mut self) -> Option<(Key, WeightsStream)> {
        loop {
            let (id, stream) = self.0.recv().await?;
            // Whoever has another kind of key can be no worker and no payer.
            if let Some(key) = public_key(&id) {
                return Some((key, WeightsStream(stream)));
            }
        }
    }
}

impl Net {
    /// Opens a stream to `peer`, at `addresses` or where it was said to be before.
    ///
    /// # Errors
    /// [`SendError`] if the key or an address is wrong, nobody is there, or whoever is there has no
    /// weights to give.
    pub async fn open_weights(
        &self,
        peer: Key,
        addresses: &[String],
    ) -> Result<WeightsStream, SendError> {
        let id = peer::peer_id(&peer)?;
        let unreachable = |reason: String| SendError::Unreachable { peer: display(&peer), reason };
        let opened = match self.dial_for_weights(id, multiaddresses(addresses)?).await {
            Err(reason) if self.looks_up() => {
                let found = self.look_up(id).await;
                if found.is_empty() { Err(reason) } else { self.dial_for_weights(id, found).await }
            }
            opened => opened,
        };
        opened.map_err(unreachable)
    }

    /// Streams of weights that peers open from now on. Nothing if somebody takes them already.
    pub fn accept_weights(&self) -> Option<WeightsStreams> {
        self.weights_taker().take().map(WeightsStreams)
    }

    async fn dial_for_weights(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<WeightsStream, String> {
        let late = || format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        let stopped = || "the network has been stopped".to_owned();
        let (done, dialled) = oneshot::channel();
        let dial = Command::Dial { peer, addresses, besides: false, done };
        self.commands().send(dial).await.map_err(|_| stopped())?;
        timeout(CONNECT_TIMEOUT, dialled).await.map_err(|_| late())?.map_err(|_| stopped())??;
        let opened = timeout(CONNECT_TIMEOUT, self.opener().open_weights(peer)).await;
        opened.map_err(|_| late())?.map(WeightsStream)
    }

    async fn look_up(&self, peer: PeerId) -> Vec<Multiaddr> {
        let (done, found) = oneshot::channel();
        if self.commands().send(Command::LookUp { peer, done }).await.is_err() {
            return Vec::new();
        }
        match timeout(LOOKUP_TIMEOUT, found).await {
            Ok(Ok(addresses)) => addresses,
            _ => Vec::new(),
        }
    }
}

impl AsyncRead for WeightsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for WeightsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}
