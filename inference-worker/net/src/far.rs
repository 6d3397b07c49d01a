//! Which of the addresses that other peers name as this node's are worth a test.

use std::task::{Context, Poll};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};

use crate::{
    bounds::MAX_CANDIDATES,
    config::NearPeers,
    near::{ip_of, is_near, is_relayed},
};

/// Whether an address is one of the world: not of this machine, not of a private network and not
/// through a relay.
pub(crate) fn is_far(address: &Multiaddr, near: NearPeers) -> bool {
    let is_far = |ip| near == NearPeers::Limited || !is_near(ip);
    !is_relayed(address) && ip_of(address).is_some_and(is_far)
}

/// A behaviour that hears of this node's addresses only if they are of the world, and only of so
/// many: it keeps all of them, and every peer can name as many as it likes.
pub(crate) struct Far<B> {
    pub(crate) inner: B,
    near: NearPeers,
    heard: usize,
    /// Whether it hears of addresses that are known to work as of those that might.
    takes_confirmed: bool,
}

impl<B> Far<B> {
    pub(crate) const fn new(inner: B, near: NearPeers) -> Self {
        Self { inner, near, heard: 0, takes_confirmed: false }
    }

    /// One that hears of addresses that are known to work too: where the node can be met.
    pub(crate) const fn with_confirmed(inner: B, near: NearPeers) -> Self {
        Self { inner, near, heard: 0, takes_confirmed: true }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Far<B> {
    type ConnectionHandler = THandler<B>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::NewExternalAddrCandidate(candidate) = &event {
            if self.heard >= MAX_CANDIDATES || !is_far(candidate.addr, self.near) {
                return;
            }
            self.heard += 1;
        }
        if let FromSwarm::ExternalAddrConfirmed(confirmed) = &event
            && self.takes_confirmed
            && is_far(confirmed.addr, self.near)
        {
            let candidate = NewExternalAddrCandidate { addr: confirmed.addr };
            self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}
