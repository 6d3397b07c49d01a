//! Passes the commit to the binary, which names it in its version.
//!
//! The commit is that of the last change to the node's own files: following every commit would
//! build the node anew for each.

fn main() {
    substrate_build_script_utils::generate_cargo_keys();
}
