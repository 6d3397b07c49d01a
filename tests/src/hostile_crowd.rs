//! Many peers that hold a connection to one worker and mean it no good.
//!
//! Each has a key and a connection of its own. They answer pings, because a worker hangs up on
//! those that do not.

use std::time::Duration;

use libp2p::{
    Multiaddr, StreamProtocol, SwarmBuilder,
    futures::{AsyncReadExt, AsyncWriteExt, StreamExt},
    identity, noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use mica_primitives::ModelId;
use mica_protocol::{Message, messages::QuoteRequest, wire::encode_frame};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

/// Longest wait for one connection.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a member tries to get in: a worker answers so many handshakes a second.
const ATTEMPTS: usize = 20;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// What the members of a crowd do once they are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// They open a link, ask for a quote, and then stay and say nothing.
    Idle,
    /// They begin a frame and never finish it.
    Unfinished,
    /// They ask for quotes as fast as they can and read no answer.
    Asking,
}

/// Peers that are connected to one worker.
pub struct Crowd {
    members: Vec<Member>,
}

struct Member {
    connected: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    link: libp2p_stream::Behaviour,
    ping: ping::Behaviour,
}

impl Crowd {
    /// Connects `count` peers to the worker with this peer key, one after the other.
    pub async fn attach(peer: &[u8; 32], address: &str, count: usize, manner: Manner) -> Self {
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            for _ in 0..ATTEMPTS {
                if let Some(member) = join(peer, address, manner).await {
                    members.push(member);
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Self { members }
    }

    /// How many of them are connected now.
    pub fn attached(&self) -> usize {
        self.members.iter().filter(|member| *member.connected.borrow()).count()
    }
}

/// One more peer, unless the worker does not let it in.
async fn join(peer: &[u8; 32], address: &str, manner: Manner) -> Option<Member> {
    let mut swarm = SwarmBuilder::with_existing_identity(identity::Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| Behaviour {
            link: libp2p_stream::Behaviour::new(),
            ping: ping::Behaviour::default(),
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build();
    let mut control = swarm.behaviour().link.new_control();
    let peer = mica_net::peer_id(peer).expect("a peer key");
    let address: Multiaddr = address.parse().expect("an address");
    swarm.dial(address.with_p2p(peer).expect("the worker's own address")).expect("dialled");
    let connected = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => return true,
                SwarmEvent::OutgoingConnectionError { .. } => return false,
                _ => {}
            }
        }
    };
    if !timeout(DEADLINE, connected).await.unwrap_or(false) {
        return None;
    }
    let (alive, connected) = watch::channel(true);
    let mut task = tokio::spawn(async move {
        let driving = async {
            while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
            alive.send_replace(false);
        };
        let behaving = async {
            let opened = control.open_stream(peer, StreamProtocol::new("/mica/link/1")).await;
            if let Ok(mut stream) = opened {
                behave(&mut stream, manner).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = driving => {}
            () = behaving => {}
        }
    });
    // The worker may hang up on it at once.
    let early = timeout(Duration::from_millis(20), &mut task).await;
    let is_in = early.is_err() && *connected.borrow();
    let member = Member { connected, task };
    is_in.then_some(member)
}

async fn behave(stream: &mut libp2p::Stream, manner: Manner) {
    let question = |nonce| {
        let request = QuoteRequest { model: ModelId([0; 32]), nonce };
        encode_frame(&Message::QuoteRequest(request)).expect("a question fits a frame")
    };
    match manner {
        Manner::Idle => {
            let asked = async {
                stream.write_all(&question(1)).await?;
                stream.flush().await?;
                stream.read(&mut [0; 1024]).await
            };
            let _ = timeout(DEADLINE, asked).await;
            // The link stays open for as long as the stream is held.
            std::future::pending::<()>().await;
        }
        Manner::Unfinished => {
            let _ = stream.write_all(&question(1)[..8]).await;
            let _ = stream.flush().await;
            std::future::pending::<()>().await;
        }
        Manner::Asking => {
            for nonce in 0.. {
                let asked = async {
                    stream.write_all(&question(nonce)).await?;
                    stream.flush().await
                };
                if asked.await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Bytes of memory that a process has resident, as Linux counts them.
pub fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .expect("a child's status is readable");
    let kilobytes = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    kilobytes.expect("Linux says how much is resident") * 1024
}
