//! Streams of links and of weights: opened on the best connection to a peer, taken from any.
//!
//! A peer may be connected twice: through a relay, and directly once both have met half way. What
//! is opened then goes the direct way.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, InboundUpgrade, UpgradeInfo, transport::PortUse, upgrade::ReadyUpgrade},
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

use crate::{
    behaviour::{LINK, WEIGHTS},
    near::is_relayed,
};

/// Requests for a stream that wait on one connection.
const OPENING: usize = 4;

/// A stream, and the way that it goes.
pub(crate) struct LinkStream {
    pub(crate) stream: Stream,
    /// Whether it goes through a relay.
    pub(crate) is_relayed: bool,
}

/// Streams of weights that peers have opened and nobody has taken yet.
const WEIGHTS_WAITING: usize = 16;

/// Names the protocol and adds nothing to the stream.
type Protocol = ReadyUpgrade<StreamProtocol>;

type Answer = oneshot::Sender<Result<LinkStream, String>>;

/// A stream that somebody waits for.
struct Request {
    protocol: StreamProtocol,
    answer: Answer,
}

/// The protocols that peers may choose from.
pub(crate) struct Spoken(Vec<StreamProtocol>);

impl UpgradeInfo for Spoken {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Spoken {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, chosen: Self::Info) -> Self::Future {
        ready(Ok((stream, chosen)))
    }
}

type WeightsSender = mpsc::Sender<(PeerId, Stream)>;

/// Where the streams of weights go that peers open; nowhere unless somebody takes them, and then
/// the protocol is not spoken.
#[derive(Clone, Default)]
pub(crate) struct WeightsTaker(Arc<Mutex<Option<WeightsSender>>>);

impl WeightsTaker {
    /// From now on the streams come out here. Nothing if somebody takes them already.
    pub(crate) fn take(&self) -> Option<mpsc::Receiver<(PeerId, Stream)>> {
        let mut taker = lock(&self.0);
        if taker.as_ref().is_some_and(|taker| !taker.is_closed()) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(WEIGHTS_WAITING);
        *taker = Some(sender);
        Some(receiver)
    }

    fn current(&self) -> Option<WeightsSender> {
        lock(&self.0).clone().filter(|taker| !taker.is_closed())
    }
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    is_relayed: bool,
    requests: mpsc::Sender<Request>,
}

/// The connections of all peers, of which there are as many as the gate lets in.
type Connections = Arc<Mutex<HashMap<PeerId, Vec<Connection>>>>;

/// Opens streams.
#[derive(Clone)]
pub(crate) struct Opener(Connections);

impl Opener {
    /// Opens a link's stream to a connected peer: directly if there is such a connection, otherwise
    /// through a relay.
    ///
    /// # Errors
    /// For people: why there is none.
    pub(crate) async fn open(&self, peer: PeerId) -> Result<LinkStream, String> {
        self.request(peer, LINK).await
    }

    /// Opens a stream of weights in the same way.
    ///
    /// # Errors
    /// For people: why there is none.
    pub(crate) async fn open_weights(&self, peer: PeerId) -> Result<Stream, String> {
        self.request(peer, WEIGHTS).await.map(|opened| opened.stream)
    }

    async fn request(&self, peer: PeerId, protocol: StreamProtocol) -> Result<LinkStream, String> {
        let gone = || "the connection was closed".to_owned();
        let best = {
            let connections = lock(&self.0);
            let of_peer = connections.get(&peer).map_or(&[][..], Vec::as_slice);
            // The newest of them: an older one may be dead and not known as such yet.
            let best = of_peer.iter().rev().min_by_key(|connection| connection.is_relayed);
            best.map(|connection| connection.requests.clone()).ok_or_else(gone)?
        };
        let (answer, opened) = oneshot::channel();
        best.send(Request { protocol, answer }).await.map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }

    /// Whether there is a connection to `peer` that does not go through a relay.
    pub(crate) fn has_direct(&self, peer: &PeerId) -> bool {
        lock(&self.0)
            .get(peer)
            .is_some_and(|all| all.iter().any(|connection| !connection.is_relayed))
    }
}

/// Makes and takes the streams of links and of weights.
pub(crate) struct Streams {
    connections: Connections,
    incoming: mpsc::Sender<(PeerId, LinkStream)>,
    weights: WeightsTaker,
}

impl Streams {
    /// `incoming` gets the links' streams that peers open; one for which it has no room is dropped,
    /// which closes it.
    pub(crate) fn new(incoming: mpsc::Sender<(PeerId, LinkStream)>) -> Self {
        let (connections, weights) = (Connections::default(), WeightsTaker::default());
        Self { connections, incoming, weights }
    }

    pub(crate) fn weights(&self) -> WeightsTaker {
        self.weights.clone()
    }

    pub(crate) fn opener(&self) -> Opener {
        Opener(self.connections.clone())
    }

    fn handler(&self, id: ConnectionId, peer: PeerId, is_relayed: bool) -> Handler {
        let (requests, requested) = mpsc::channel(OPENING);
        let mut connections = lock(&self.connections);
        connections.entry(peer).or_default().push(Connection { id, is_relayed, requests });
        let (incoming, weights) = (self.incoming.clone(), self.weights.clone());
        Handler { peer, is_relayed, requested, opening: None, incoming, weights }
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
    requested: mpsc::Receiver<Request>,
    /// The one that is being opened.
    opening: Option<Answer>,
    incoming: mpsc::Sender<(PeerId, LinkStream)>,
    weights: WeightsTaker,
}

impl Handler {
    fn came(&self, stream: Stream, protocol: &StreamProtocol) {
        let is_taken = match *protocol == WEIGHTS {
            // Between the choice of the protocol and now somebody may have stopped taking them.
            true => self
                .weights
                .current()
                .is_some_and(|taker| taker.try_send((self.peer, stream)).is_ok()),
            false => {
                let stream = LinkStream { stream, is_relayed: self.is_relayed };
                self.incoming.try_send((self.peer, stream)).is_ok()
            }
        };
        if !is_taken {
            tracing::debug!(peer = %self.peer, %protocol, "no place for one more stream");
        }
    }

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
    type InboundProtocol = Spoken;
    type OutboundProtocol = Protocol;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Spoken> {
        let weights = self.weights.current().map(|_| WEIGHTS);
        SubstreamProtocol::new(Spoken([LINK].into_iter().chain(weights).collect()), ())
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
            Poll::Ready(Some(Request { protocol, answer })) => {
                self.opening = Some(answer);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(ReadyUpgrade::new(protocol), ()),
                })
            }
            // Closed: the behaviour has forgotten the connection, which is about to end.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Spoken, Protocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => self.came(stream, &protocol),
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
