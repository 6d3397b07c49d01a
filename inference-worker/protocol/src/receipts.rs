//! Receipts: a stage writes them while it works, the payer checks them against the tokens and
//! against each other.

mod verifier;
mod writer;

pub use verifier::{Culprits, Ending, PathVerifier, StageFacts, Verified, VerifyError};
pub use writer::{ReceiptWriter, WriterScope, is_signed, sign_leaf};
