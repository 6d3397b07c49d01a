//! Peers that speak libp2p and do with the link's protocol whatever a test wants.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder,
    futures::StreamExt,
    identity::{Keypair, ed25519},
    multiaddr::Protocol,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use mica_net::{Events, Net, NetConfig, NetEvent, PeerLimits, peer_id, public_key_of};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

/// Longest wait for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// The link's protocol.
pub const LINK: StreamProtocol = StreamProtocol::new("/mica/link/1");

/// A real node under attack.
pub struct Server {
    pub net: Net,
    pub events: Events,
    pub address: String,
}

impl Server {
    pub async fn start(seed: u8, limits: PeerLimits) -> Self {
        let config =
            NetConfig { limits, ..NetConfig::new([seed; 32]).listen(["/ip4/127.0.0.1/tcp/0"]) };
        let (net, mut events) = Net::start(config).expect("started");
        let address = loop {
            if let NetEvent::Listening { address } = next(&mut events).await {
                break address;
            }
        };
        Self { net, events, address }
    }

    pub async fn until(&mut self, mut wanted: impl FnMut(&NetEvent) -> bool) -> NetEvent {
        loop {
            let event = next(&mut self.events).await;
            if wanted(&event) {
                return event;
            }
        }
    }
}

pub async fn next(events: &mut Events) -> NetEvent {
    timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("a running node")
}

/// A connection of a peer with a behaviour of its own.
pub struct Raw {
    pub key: [u8; 32],
    pub control: libp2p_stream::Control,
    server: PeerId,
    connected: watch::Receiver<bool>,
    driving: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

impl Raw {
    /// A peer that only has streams.
    pub async fn connect(server: &Server, seed: u16) -> Result<Self, String> {
        Self::connect_with(server, seed, libp2p_stream::Behaviour::new(), |behaviour| {
            behaviour.new_control()
        })
        .await
    }

    /// A peer that speaks with `behaviour`.
    pub async fn connect_with<B>(
        server: &Server,
        seed: u16,
        behaviour: B,
        control: impl FnOnce(&B) -> libp2p_stream::Control,
    ) -> Result<Self, String>
    where
        B: NetworkBehaviour + Send,
        B::ToSwarm: Send + std::fmt::Debug,
    {
        let secret = secret(seed);
        let control = control(&behaviour);
        let pair = ed25519::SecretKey::try_from_bytes(secret).expect("a secret");
        let mut swarm =
            SwarmBuilder::with_existing_identity(Keypair::from(ed25519::Keypair::from(pair)))
                .with_tokio()
                .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
                .expect("a transport")
                .with_behaviour(|_| behaviour)
                .expect("a behaviour")
                .with_swarm_config(|config| config.with_idle_connection_timeout(10 * DEADLINE))
                .build();
        let peer = peer_id(&server.net.key()).expect("a key");
        let address: Multiaddr = server.address.parse().expect("an address");
        swarm.dial(address.with(Protocol::P2p(peer))).expect("dialled");
        loop {
            match timeout(DEADLINE, swarm.select_next_some()).await.expect("in time") {
                SwarmEvent::ConnectionEstablished { .. } => break,
                SwarmEvent::OutgoingConnectionError { error, .. } => {
                    return Err(error.to_string());
                }
                _ => {}
            }
        }
        let (alive, connected) = watch::channel(true);
        let driving = tokio::spawn(async move {
            loop {
                if let SwarmEvent::ConnectionClosed { num_established: 0, .. } =
                    swarm.select_next_some().await
                {
                    let _ = alive.send(false);
                }
            }
        });
        let key = public_key_of(&secret).expect("a secret");
        Ok(Self { key, control, server: peer, connected, driving })
    }

    /// Opens a link's stream.
    pub async fn stream(&mut self) -> Stream {
        timeout(DEADLINE, self.control.open_stream(self.server, LINK))
            .await
            .expect("opened in time")
            .expect("the node speaks the protocol")
    }

    /// Waits until the node has hung up.
    pub async fn hung_up(&mut self) {
        timeout(DEADLINE, self.connected.wait_for(|connected| !connected))
            .await
            .expect("hung up in time")
            .expect("its task runs");
    }

    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }
}

/// A connection is up at our side before the node has decided whether it may stay; whether it did.
pub async fn stays(connected: Result<Raw, String>) -> Option<Raw> {
    let mut raw = connected.ok()?;
    let opened = timeout(DEADLINE, raw.control.open_stream(raw.server, LINK)).await;
    matches!(opened, Ok(Ok(_))).then_some(raw)
}

fn secret(seed: u16) -> [u8; 32] {
    let mut secret = [7; 32];
    secret[..2].copy_from_slice(&seed.to_le_bytes());
    secret
}
