//! What a worker holds on a channel, shown to a payer who may have lost its records.

use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, Encode};
use mica_primitives::{MAX_LANES, Redeem};

use crate::SessionId;

/// The newest promise of each lane.
pub type HeldPromises = BoundedVec<Redeem, ConstU32<MAX_LANES>>;

/// Stage → payer, about the channel of an opening: before the fault that refuses it for its money,
/// and before the acceptance of one that begins a lane anew while others were used. Only the
/// channel's signer is shown it.
///
/// A worker's word counts for nothing here: each promise proves itself by the payer's own signature
/// and preimages, and one that is older than what the payer remembers changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Promises {
    /// The session that was to be opened.
    pub session: SessionId,
    /// At most one for each lane.
    pub held: HeldPromises,
}
