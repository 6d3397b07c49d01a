//! The runtime that a test upgrades its chain to: the one of this source, with a higher
//! `spec_version`, a pallet more and a migration (runtime/src/next.rs).

use std::path::Path;

mod built {
    #![allow(dead_code, reason = "the builder writes more than the path")]
    include!(concat!(env!("OUT_DIR"), "/next_runtime.rs"));
}

/// Its compressed Wasm; panics if the tests were built without it.
pub fn wasm() -> &'static Path {
    let path = built::WASM_BINARY_PATH;
    Path::new(path.expect("built: SKIP_WASM_BUILD must not be set for the tests that run it"))
}
