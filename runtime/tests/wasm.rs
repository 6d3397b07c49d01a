//! The Wasm that nodes execute is built as its users are promised.

/// The compiler's messages for an arithmetic overflow are in the blob only if it checks for one.
#[test]
fn the_wasm_stops_where_an_integer_overflows() {
    let wasm = mica_runtime::WASM_BINARY_BLOATY.expect("the runtime was built for Wasm");
    for operation in ["add", "subtract", "multiply"] {
        let message = format!("attempt to {operation} with overflow");
        assert!(
            wasm.windows(message.len()).any(|window| window == message.as_bytes()),
            "an overflow wraps: runtime/build.rs must switch overflow checks on ({message})"
        );
    }
}
