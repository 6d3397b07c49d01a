//! What happens on the network.

use mica_protocol::Message;

/// The ed25519 key of a peer.
pub(crate) type Key = [u8; 32];

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every event is a message, and boxing each would cost an allocation per token"
)]
pub enum NetEvent {
    /// The node listens on one more address.
    Listening {
        /// Multiaddress without a peer id.
        address: String,
    },
    /// The node has lost a listener: nobody reaches it there any more.
    ListenerClosed {
        /// The address that was asked for.
        asked: String,
        /// Why, for people.
        reason: String,
    },
    /// A link is up.
    Connected {
        /// The peer.
        peer: Key,
    },
    /// A link is down. Messages on their way may be lost; the next one sent opens it again.
    Disconnected {
        /// The peer.
        peer: Key,
        /// Why, for people.
        reason: String,
    },
    /// A message came.
    Message {
        /// Who sent it: proven by the connection.
        peer: Key,
        /// The message.
        message: Message,
    },
    /// A link could not be opened; what was queued for it is dropped.
    Unreachable {
        /// The peer.
        peer: Key,
        /// Why, for people.
        reason: String,
        /// Messages dropped.
        dropped: usize,
    },
    /// A peer broke the protocol; it was told so in a fault and disconnected.
    Refused {
        /// The peer; nothing if its key is not ed25519.
        peer: Option<Key>,
        /// What it did, for people.
        reason: String,
    },
}
