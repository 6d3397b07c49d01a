//! The end of a session: the payer closes, the stage states its account, the payer settles, the
//! stage confirms.

use codec::{Decode, Encode};
use mica_primitives::{Balance, Hash32};

use crate::SessionId;

/// When a stage shall stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum CloseWhen {
    /// The last stage marks the next token that it draws as the last one, so that all stages end at
    /// one position.
    #[codec(index = 0)]
    AfterNextToken,
    /// At once: a running step is finished, waiting ones are dropped.
    #[codec(index = 1)]
    Now,
}

/// The payer's wish to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Close {
    /// The session.
    pub session: SessionId,
    /// When.
    pub when: CloseWhen,
}

/// A stage's account, after its last receipt. The payer answers it with the final voucher.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Statement {
    /// The session.
    pub session: SessionId,
    /// Positions computed and receipted.
    pub positions: u32,
    /// What the final voucher must promise on the lane.
    pub cumulative: Balance,
    /// Root over the lane's receipts.
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
}

/// The stage holds the final voucher and has freed its cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Closed {
    /// The session.
    pub session: SessionId,
    /// What the lane promises now.
    pub cumulative: Balance,
}
