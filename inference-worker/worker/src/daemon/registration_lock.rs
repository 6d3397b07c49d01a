//! Whose turn it is to change the registration.
//!
//! Prices, moves and repairs each change a part of it and then what the worker offers. Whoever
//! compares the two must not look in between, nor at a block that is older than the last change.

use mica_primitives::BlockNumber;
use tokio::sync::{Mutex, MutexGuard};

/// The turn, with the block that holds the last change of this process.
pub struct Turn(Mutex<BlockNumber>);

impl Turn {
    /// Nobody's turn; the last change is in `block`.
    pub fn new(block: BlockNumber) -> Self {
        Self(Mutex::new(block))
    }

    /// Waits for the turn. Its holder sets the block of a change that it makes.
    pub async fn take(&self) -> MutexGuard<'_, BlockNumber> {
        self.0.lock().await
    }

    /// The turn, unless somebody has it.
    pub fn try_take(&self) -> Option<MutexGuard<'_, BlockNumber>> {
        self.0.try_lock().ok()
    }
}
