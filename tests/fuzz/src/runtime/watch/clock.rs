//! The market's clock: one step per block, none while finality stalls or the chain is paused, none
//! back.

use mica_primitives::BlockNumber;
use mica_runtime::{Runtime, SafeMode, System, constants::STALL_BOUND};
use pallet_mica_clock::{Hints, Now, Stands};

/// The clock before a block, and whether it must stand in it.
pub(super) struct Clock {
    now: BlockNumber,
    stands: bool,
}

impl Clock {
    pub(super) fn now() -> Self {
        let mut hints: Vec<BlockNumber> =
            Hints::<Runtime>::get().into_iter().map(|(_, hint)| hint).collect();
        hints.sort_unstable();
        // The next block's parent is the last one.
        let best = System::block_number();
        let last_final = hints.get(hints.len().saturating_sub(1) / 2);
        let is_stalled = last_final
            .is_some_and(|last| best.saturating_sub(*last) > STALL_BOUND + hints.len() as u32);
        Self { now: Now::<Runtime>::get(), stands: SafeMode::is_entered() || is_stalled }
    }

    pub(super) fn check(&self) {
        let expected = self.now + u32::from(!self.stands);
        assert_eq!(Now::<Runtime>::get(), expected, "the clock's step");
        assert_eq!(Stands::<Runtime>::get(), self.stands, "what the clock says of itself");
        assert!(expected <= System::block_number(), "the clock is ahead of the chain");
    }
}
