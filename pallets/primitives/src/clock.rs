//! The market's clock, as clients read it.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::BlockNumber;

/// The clock as of one block. Windows, expiries and periods are compared with `now`, never with
/// the block's number: the clock stands still while finality stalls and while calls are halted.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ClockState {
    /// Blocks since genesis in which the clock ran.
    pub now: BlockNumber,
    /// Whether it stood in this block.
    pub stands: bool,
    /// Number of the block that half of the validators know to be final; nothing if none has said
    /// yet.
    pub last_final: Option<BlockNumber>,
}
