//! The hot keys of a wallet: the one that signs for new channels, and those before it.
//!
//! A channel takes the vouchers of the key that it was opened with, for as long as it lives. So a
//! hot key that was replaced goes on signing for its old channels until they are used up or closed,
//! and which key that is, the channel says itself.

use ed25519_dalek::SigningKey;

/// The key for new channels, and those of older ones.
#[derive(Clone)]
pub struct ChannelSigners {
    current: SigningKey,
    /// Oldest first.
    earlier: Vec<SigningKey>,
}

impl ChannelSigners {
    /// `current` signs for new channels, `earlier` (oldest first) for those that were opened with
    /// them.
    pub fn new(current: SigningKey, earlier: Vec<SigningKey>) -> Self {
        Self { current, earlier }
    }

    /// The key that signs for new channels.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// Its public key.
    pub fn current_public(&self) -> [u8; 32] {
        self.current.verifying_key().to_bytes()
    }

    /// The keys before it, oldest first.
    pub fn earlier(&self) -> &[SigningKey] {
        &self.earlier
    }

    /// The key with which a channel whose signer is `public` was opened, if it is one of these.
    pub fn of(&self, public: &[u8; 32]) -> Option<&SigningKey> {
        std::iter::once(&self.current)
            .chain(self.earlier.iter().rev())
            .find(|key| key.verifying_key().as_bytes() == public)
    }
}

impl From<SigningKey> for ChannelSigners {
    fn from(current: SigningKey) -> Self {
        Self::new(current, Vec::new())
    }
}

impl std::fmt::Debug for ChannelSigners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelSigners")
            .field("earlier", &self.earlier.len())
            .finish_non_exhaustive()
    }
}
