//! The plain specifications of the built-in chains, `node/specs/*.json`: their genesis is what the
//! runtime's presets say.
//!
//! `UPDATE_REFERENCE=1 cargo test --test specs` writes it into them. That the rest of a file is
//! what the node exports is tested with the node.

use std::path::PathBuf;

use mica_runtime::genesis::{STAGING_PRESET, get_preset, preset_names};
use serde_json::Value;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};

/// The chains, as `--chain` names them, and their presets.
const CHAINS: [(&str, &str); 3] = [
    ("dev", DEV_RUNTIME_PRESET),
    ("local", LOCAL_TESTNET_RUNTIME_PRESET),
    ("staging", STAGING_PRESET),
];
/// Most bytes of a file: people read it.
const MOST_BYTES: usize = 200 << 10;

#[test]
fn the_checked_in_specifications_have_the_presets() {
    assert_eq!(preset_names().len(), CHAINS.len(), "each preset has a file");
    for (chain, preset) in CHAINS {
        let file =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../node/specs/{chain}.json"));
        let text = std::fs::read_to_string(&file).expect("the file is there");
        let mut spec: Value = serde_json::from_str(&text).expect("it is JSON");
        let patch = get_preset(&preset.into()).expect("the preset exists");
        let patch: Value = serde_json::from_slice(&patch).expect("it is JSON");
        let genesis = &mut spec["genesis"]["runtimeGenesis"];
        assert_eq!(genesis["code"], "0x", "{chain}: the code is the node's");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            genesis["patch"] = patch.clone();
            let written = serde_json::to_string_pretty(&spec).expect("it is JSON") + "\n";
            std::fs::write(&file, written).expect("the file is written");
        } else {
            assert!(
                genesis["patch"] == patch,
                "node/specs/{chain}.json is not what it should be: `make reference`"
            );
        }
        assert!(text.len() < MOST_BYTES, "{chain}: {} bytes", text.len());
    }
}
