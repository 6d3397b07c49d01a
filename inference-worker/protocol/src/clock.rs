//! Time as an argument: nothing in this crate reads a clock.

use mica_primitives::BlockNumber;

/// The moment of an input, as its caller knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Now {
    /// Milliseconds of a monotonic clock. Only differences matter.
    pub ms: u64,
    /// Height of the best block known.
    pub block: BlockNumber,
}

impl Now {
    /// The moment `ms` at block `block`.
    pub const fn new(ms: u64, block: BlockNumber) -> Self {
        Self { ms, block }
    }
}
