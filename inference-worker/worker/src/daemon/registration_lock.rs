//! One change of the registration at a time.
//!
//! Pricing, migration and repairs each change a part of it and then what the worker offers. Whoever
//! compares the two must not look in between, nor at a block that is older than the last change.

use mica_primitives::BlockNumber;
use tokio::sync::{Mutex, MutexGuard};

/// Held while the registration is changed; guards the block of the last change of this process.
pub(crate) struct RegistrationLock(Mutex<BlockNumber>);

impl RegistrationLock {
    /// Free; the last change is in `block`.
    pub(crate) fn new(block: BlockNumber) -> Self {
        Self(Mutex::new(block))
    }

    /// Waits until nobody else changes the registration. The holder sets the block of its change.
    pub(crate) async fn lock(&self) -> MutexGuard<'_, BlockNumber> {
        self.0.lock().await
    }

    /// The lock, unless somebody changes the registration now.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, BlockNumber>> {
        self.0.try_lock().ok()
    }
}
