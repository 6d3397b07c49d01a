//! Dials an address as a stranger would, to see who answers there.
//!
//! A node cannot dial itself: the probe is a second node with a key of its own, which lives for one
//! dial. It learns the answering node's instance from its identify message, so that a node can tell
//! its own answer from that of a copy of itself.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, identify,
    identity::Keypair,
    multiaddr::Protocol,
    swarm::{DialError, SwarmEvent, dial_opts::DialOpts},
};
use thiserror::Error;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    addresses::multiaddress,
    behaviour::{BehaviourEvent, swarm},
    config::{Instance, NetConfig},
    event::Key,
    peer,
    peers::Peers,
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nobody was found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Nobody answers, or not as a node does.
    #[error("nobody answers at {address} ({reason})")]
    Silent {
        /// What was dialled.
        address: String,
        /// Why it failed.
        reason: String,
    },
    /// Somebody else answers.
    #[error("another peer answers at {address}: {found}")]
    OtherPeer {
        /// What was dialled.
        address: String,
        /// Who answered.
        found: String,
    },
}

/// Dials `address` and returns the instance of the node with public key `expected` that answers
/// there; nothing if it does not name its instance.
///
/// # Errors
/// [`ProbeError`] if nobody or somebody else answers within five seconds.
pub async fn probe(expected: &Key, address: &str) -> Result<Option<Instance>, ProbeError> {
    let silent = |reason: String| ProbeError::Silent { address: address.to_owned(), reason };
    let late = |_| silent(format!("no answer within {} s", PATIENCE.as_secs()));
    let peer = peer::peer_id(expected).map_err(|error| silent(error.to_string()))?;
    let dialled = multiaddress(address).map_err(&silent)?;
    timeout(PATIENCE, ask(peer, dialled)).await.map_err(late)?.map_err(|refusal| match refusal {
        Refusal::OtherPeer(found) => ProbeError::OtherPeer { address: address.to_owned(), found },
        Refusal::Failed(reason) => silent(reason),
    })
}

enum Refusal {
    OtherPeer(String),
    Failed(String),
}

async fn ask(peer: PeerId, address: Multiaddr) -> Result<Option<Instance>, Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::Failed(error.to_string());
    let config = NetConfig::new([0; 32]);
    let peers = Arc::new(Peers::new(config.limits.clone(), Arc::default()));
    let (streams, _none) = mpsc::channel(1);
    let mut swarm = swarm(&config, Keypair::generate_ed25519(), peers, streams)
        .map_err(|error| failed(&error))?;
    let mut address = address;
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    let options = DialOpts::peer_id(peer).addresses(vec![address]).build();
    swarm.dial(options).map_err(|error| failed(&error))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) if peer_id == peer => {
                return Ok(Instance::read(&info.agent_version));
            }
            SwarmEvent::OutgoingConnectionError {
                error: DialError::WrongPeerId { obtained, .. },
                ..
            } => {
                return Err(Refusal::OtherPeer(obtained.to_string()));
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(failed(&error)),
            SwarmEvent::ConnectionClosed { cause, .. } => {
                let cause =
                    cause.map_or_else(|| "it hung up".to_owned(), |error| error.to_string());
                return Err(Refusal::Failed(cause));
            }
            _ => {}
        }
    }
}
