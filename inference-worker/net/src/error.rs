//! What can go wrong, one enum per operation, each with what to do about it.

use thiserror::Error;

use crate::peer::KeyError;

/// Why a node did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The secret is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a multiaddress.
    #[error(
        "`{address}` is no multiaddress ({reason}): write it like /ip4/0.0.0.0/tcp/4001 or \
         /ip4/0.0.0.0/udp/4001/quic-v1"
    )]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bootstrap address without a peer id.
    #[error("`{address}` does not name its peer: end it in /p2p/<peer id>")]
    Nameless {
        /// As it was given.
        address: String,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} ({reason}): choose another --listen address, or port 0 for a \
         free one"
    )]
    Listen {
        /// As it was given.
        address: String,
        /// What the transport said.
        reason: String,
    },
    /// The transports could not be set up.
    #[error("cannot set up the network: {0}")]
    Transport(String),
}

/// Why a message was not taken, or a link not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The key is no ed25519 public key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a multiaddress.
    #[error(
        "`{address}` is no multiaddress ({reason}): the peer published an address that nobody can \
         dial"
    )]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The message does not fit a frame.
    #[error("the message does not fit a frame: {0}")]
    Message(String),
    /// The peer could not be reached.
    #[error(
        "peer {peer} cannot be reached ({reason}): it may be offline, behind a firewall, or its \
         published addresses are old"
    )]
    Unreachable {
        /// The peer's id.
        peer: String,
        /// What was tried and why it failed.
        reason: String,
    },
    /// The peer takes messages more slowly than they come.
    #[error("peer {peer} does not keep up: its queue is full")]
    Full {
        /// The peer's id.
        peer: String,
    },
    /// There is no link to answer on.
    #[error("peer {peer} is not connected any more")]
    NotConnected {
        /// The peer's id.
        peer: String,
    },
    /// Too many links.
    #[error("{limit} peers with a session have a link already: close one first")]
    TooManyLinks {
        /// The limit.
        limit: usize,
    },
    /// The node was stopped.
    #[error("the network has been stopped")]
    Stopped,
}
