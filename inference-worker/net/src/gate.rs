//! Who gets in and who is dialled: the behaviour that asks [`Peers`] about every connection, and
//! closes those of peers that have to leave.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm,
        NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::ConnectionEstablished, dummy,
    },
};

use crate::{near::Origin, peer::public_key, peers::Peers};

/// The door of a node.
pub(crate) struct Gate {
    peers: Arc<Peers>,
}

impl Gate {
    pub(crate) const fn new(peers: Arc<Peers>) -> Self {
        Self { peers }
    }

    fn admit(&self, peer: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.peers.admit(public_key(peer)).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.peers.knock(id, Origin::of(local, remote)).map_err(ConnectionDenied::new)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.peers.may_dial(peer, addresses).map_err(ConnectionDenied::new)?;
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.peers.knocked(id);
        self.admit(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                let origin = match endpoint {
                    ConnectedPoint::Listener { local_addr, send_back_addr } => {
                        Origin::of(local_addr, send_back_addr)
                    }
                    ConnectedPoint::Dialer { .. } => None,
                };
                // It has proven who it is, whatever the relay says.
                let origin = origin.map(|origin| origin.proven(peer_id));
                if let Some(key) = public_key(&peer_id) {
                    self.peers.connected(key, connection_id, origin, endpoint.is_relayed());
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                if let Some(key) = public_key(&peer_id) {
                    self.peers.disconnected(&key, connection_id);
                }
            }
            FromSwarm::ListenFailure(failure) => self.peers.knocked(failure.connection_id),
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

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.peers
            .poll_closing(context)
            .map(|peer_id| ToSwarm::CloseConnection { peer_id, connection: CloseConnection::All })
    }
}
