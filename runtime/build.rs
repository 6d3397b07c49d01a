//! Builds the runtime a second time, for Wasm: that blob is what goes into the genesis block and
//! what every node executes.

fn main() {
    #[cfg(feature = "std")]
    substrate_wasm_builder::WasmBuilder::build_using_defaults();
}
