//! Builds the runtime a second time, for Wasm: that blob is what goes into the genesis block and
//! what every node executes.

fn main() {
    // The builder has a profile of its own, without the overflow checks of ours. Money is integers;
    // an overflow must stop, not wrap.
    #[cfg(feature = "std")]
    let builder = substrate_wasm_builder::WasmBuilder::init_with_defaults()
        .append_to_rust_flags("-Coverflow-checks=on");
    #[cfg(all(feature = "std", feature = "metadata-hash"))]
    let builder = builder.enable_metadata_hash("MICA", 12);
    #[cfg(feature = "std")]
    builder.build();
}
