//! Receipts on their way to the payer.

use codec::{Decode, Encode};
use mica_primitives::Receipt;

use crate::SessionId;

/// A receipt of a session. The session is the leaf's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SessionReceipt {
    /// The receipt.
    pub receipt: Receipt,
}

impl SessionReceipt {
    /// The session that the leaf names.
    pub const fn session(&self) -> SessionId {
        SessionId(self.receipt.leaf.session)
    }
}
