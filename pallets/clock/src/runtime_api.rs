//! The clock, read-only.

use mica_primitives::ClockState;

sp_api::decl_runtime_apis! {
    /// The market's clock.
    pub trait ClockApi {
        /// The clock as of the block that is asked: what windows are compared with.
        fn clock() -> ClockState;
    }
}
