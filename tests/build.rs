//! Builds the runtime once more for Wasm, as the one that a test upgrades its chain to.
//!
//! It is built here and not in runtime/build.rs, so that only tests pay for it, and in the same
//! folder with the same flags, so that all but the runtime itself is there already. The two must
//! not be built at once: Cargo runs the build script of a dependency with `links` first.

use std::path::Path;

use substrate_wasm_builder::WasmBuilder;

fn main() {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("runtime");
    WasmBuilder::new()
        .with_project(runtime.join("Cargo.toml"))
        .expect("the runtime lies beside the tests")
        .import_memory()
        .export_heap_base()
        // As in runtime/build.rs.
        .append_to_rust_flags("-Coverflow-checks=on")
        .enable_feature("next-runtime")
        .set_file_name("next_runtime.rs")
        .build();
}
