//! A block's own bounds, and storage that must not outlast a block.

use frame_support::dispatch::DispatchClass;
use mica_runtime::{Runtime, RuntimeEvent, System};

pub(super) fn check() {
    let limits = <Runtime as frame_system::Config>::BlockWeights::get();
    let used = System::block_weight();
    // The SDK's session pallet says of a rotation that it takes a whole block.
    let is_rotation =
        |event| matches!(event, RuntimeEvent::Session(pallet_session::Event::NewSession { .. }));
    let rotates = System::read_events_no_consensus().any(|record| is_rotation(record.event));
    let most = limits.max_block.ref_time() * if rotates { 2 } else { 1 };
    assert!(used.total().ref_time() <= most, "a block of {used:?}");
    for class in [DispatchClass::Normal, DispatchClass::Operational] {
        if let Some(most) = limits.get(class).max_total {
            assert!(used.get(class).all_lte(most), "{class:?}: {:?} of {most:?}", used.get(class));
        }
    }
    assert!(!pallet_mica_clock::Noted::<Runtime>::exists(), "a hint outlasts its block");
}
