//! Sessions that ended because their payers cheated.
//!
//! A payer that floods a worker with false ticks has sent many before it hears that its session is
//! over. Each of them is refused as the first was, so that it counts as much against its sender.
//! At most [`MAX_EXPELLED`] sessions are remembered.

use mica_primitives::PublicKey;
use std::collections::VecDeque;

use crate::{SessionId, limits::MAX_EXPELLED};

/// The sessions, the newest last, with their payers.
#[derive(Debug)]
pub(super) struct Expelled(VecDeque<(SessionId, PublicKey)>);

impl Expelled {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// The session of `payer` has ended because it cheated.
    pub(super) fn note(&mut self, session: SessionId, payer: PublicKey) {
        if self.0.len() >= MAX_EXPELLED {
            self.0.pop_front();
        }
        self.0.push_back((session, payer));
    }

    /// Whether `peer` was the payer of such a session.
    pub(super) fn contains(&self, session: &SessionId, peer: &PublicKey) -> bool {
        self.0.iter().any(|(expelled, payer)| expelled == session && payer == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> SessionId {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&(number as u64).to_le_bytes());
        SessionId(name)
    }

    #[test]
    fn the_oldest_makes_room_and_nobody_else_is_meant() {
        let mut expelled = Expelled::new();
        for number in 0..=MAX_EXPELLED {
            expelled.note(name(number), [1; 32]);
        }
        assert_eq!(expelled.0.len(), MAX_EXPELLED);
        assert!(!expelled.contains(&name(0), &[1; 32]), "the oldest");
        assert!(expelled.contains(&name(1), &[1; 32]));
        assert!(!expelled.contains(&name(1), &[2; 32]), "a neighbour on the path");
    }
}
