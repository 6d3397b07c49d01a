//! Time as an argument: nothing in this crate reads a clock.

use mica_primitives::BlockNumber;

/// The moment of an input, as its caller knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Now {
    /// Milliseconds of a monotonic clock. Only differences matter.
    pub ms: u64,
    /// The market's clock as of the best block known, which is what windows and expiries are
    /// compared with: it stands still while finality stalls.
    pub block: BlockNumber,
}

impl Now {
    /// The moment `ms` when the market's clock says `block`.
    pub const fn new(ms: u64, block: BlockNumber) -> Self {
        Self { ms, block }
    }
}
