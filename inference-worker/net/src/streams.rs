//! Streams of links: opened on the best connection to a peer, taken from any.
//!
//! A peer may be connected twice: through a relay, and directly once both have met half way. What
//! is opened then goes the direct way.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent,
        ConnectionId, FromSwarm, NetworkBehaviour, StreamUpgradeError, SubstreamProtocol, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use mica_host::lock;
use tokio::sync::{mpsc, oneshot};

use crate::{behaviour::LINK, near::is_relayed};

/// Requests for a stream that wait on one connection.
const OPENING: usize = 4;

/// A stream, and the way that it goes.
pub(crate) struct LinkStream {
    pub(crate) stream: Stream,
    /// Whether it goes through a relay.
    pub(crate) is_relayed: bool,
}

/// Names the protocol and adds nothing to the stream.
type Protocol = ReadyUpgrade<StreamProtocol>;

type Answer = oneshot::Sender<Result<LinkStream, String>>;

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    is_relayed: bool,
    requests: mpsc::Sender<Answer>,
}

/// The connections of all peers, of which there are as many as the gate lets in.
type Connections = Arc<Mutex<HashMap<PeerId, Vec<Connection>>>>;

/// Opens streams.
#[derive(Clone)]
pub(crate) struct Opener(Connections);

impl Opener {
    /// Opens a stream to a connected peer: directly if there is such a connection, otherwise
    /// through a relay.
    ///
    /// # Errors
    /// For people: why there is none.
    pub(crate) async fn open(&self, peer: PeerId) -> Result<LinkStream, String> {
        let gone = || "the connection was closed".to_owned();
        let best = {
            let connections = lock(&self.0);
            let of_peer = connections.get(&peer).map_or(&[][..], Vec::as_slice);
            // The newest of them: an older one may be dead and not known as such yet.
            let best = of_peer.iter().rev().min_by_key(|connection| connection.is_relayed);
            best.map(|connection| connection.requests.clone()).ok_or_else(gone)?
        };
        let (done, opened) = oneshot::channel();
        best.send(done).await.map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }

    /// Whether there is a connection to `peer` that does not go through a relay.
    pub(crate) fn has_direct(&self, peer: &PeerId) -> bool {
        lock(&self.0)
            .get(peer)
            .is_some_and(|all| all.iter().any(|connection| !connection.is_relayed))
    }
}

/// Makes and takes the streams of links.
pub(crate) struct Streams {
    connections: Connections,
    incoming: mpsc::Sender<(PeerId, LinkStream)>,
}

impl Streams {
    /// `incoming` gets the streams that peers open; one for which it has no room is dropped, which
    /// closes it.
    pub(crate) fn new(incoming: mpsc::Sender<(PeerId, LinkStream)>) -> Self {
        Self { connections: Connections::default(), incoming }
    }

    pub(crate) fn opener(&self) -> Opener {
        Opener(self.connections.clone())
    }

    fn handler(&self, id: ConnectionId, peer: PeerId, is_relayed: bool) -> Handler {
        let (requests, requested) = mpsc::channel(OPENING);
        let mut connections = lock(&self.connections);
        connections.entry(peer).or_default().push(Connection { id, is_relayed, requests });
        Handler { peer, is_relayed, requested, opening: None, incoming: self.incoming.clone() }
    }

    fn forget(&self, peer: &PeerId, id: ConnectionId) {
        let mut connections = lock(&self.connections);
        if let Some(of_peer) = connections.get_mut(peer) {
            of_peer.retain(|connection| connection.id != id);
            if of_peer.is_empty() {
                connections.remove(peer);
            }
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(id, peer, is_relayed(local)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(id, peer, is_relayed(address)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.forget(&peer_id, connection_id);
            }
            // Another behaviour did not take the connection after this one had.
            FromSwarm::ListenFailure(failure) => {
                if let Some(peer) = failure.peer_id {
                    self.forget(&peer, failure.connection_id);
                }
            }
            FromSwarm::DialFailure(failure) => {
                if let Some(peer) = failure.peer_id {
                    self.forget(&peer, failure.connection_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// The streams of one connection.
pub(crate) struct Handler {
    peer: PeerId,
    is_relayed: bool,
    requested: mpsc::Receiver<Answer>,
    /// The one that is being opened.
    opening: Option<Answer>,
    incoming: mpsc::Sender<(PeerId, LinkStream)>,
}

impl Handler {
    fn opened(&mut self, result: Result<Stream, String>) {
        let is_relayed = self.is_relayed;
        if let Some(answer) = self.opening.take() {
            // Whoever has stopped waiting does not need it.
            let _ = answer.send(result.map(|stream| LinkStream { stream, is_relayed }));
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Protocol;
    type OutboundProtocol = Protocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Protocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(LINK), ())
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Protocol, (), Infallible>> {
        // One at a time: answers come in the order of the requests then.
        if self.opening.is_some() {
            return Poll::Pending;
        }
        match self.requested.poll_recv(context) {
            Poll::Ready(Some(answer)) => {
                self.opening = Some(answer);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(ReadyUpgrade::new(LINK), ()),
                })
            }
            // Closed: the behaviour has forgotten the connection, which is about to end.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Protocol, Protocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => {
                let stream = LinkStream { stream, is_relayed: self.is_relayed };
                if self.incoming.try_send((self.peer, stream)).is_err() {
                    tracing::debug!(peer = %self.peer, "no place for one more stream");
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) => self.opened(Ok(stream)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                let reason = match error {
                    StreamUpgradeError::Timeout => "no answer in time".to_owned(),
                    StreamUpgradeError::NegotiationFailed => {
                        "the peer does not speak this protocol".to_owned()
                    }
                    StreamUpgradeError::Io(error) => error.to_string(),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                self.opened(Err(reason));
            }
            _ => {}
        }
    }
}
