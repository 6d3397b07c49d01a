//! Specifications of chains for tests: the preset `local` with other times.

use std::path::Path;

use mica_tests::process::command;
use serde_json::{Value, json};

/// The preset with an election in every session, so that nobody waits for six of them.
pub(super) fn with_an_election_in_every_session(folder: &Path) -> String {
    local(folder, |patch| {
        let staking = &mut patch["staking"];
        assert!(staking.is_object(), "a preset sets up staking");
        staking["forceEra"] = "ForceAlways".into();
    })
}

/// The same by the times for drills: sessions of six slots, and a validator is idle that has missed
/// three of its own in a row. Nearly every slot belongs to the one validator whose turn it is, so
/// that little is left to the lot.
pub(super) fn for_drills(folder: &Path) -> String {
    local(folder, |patch| {
        patch["staking"]["forceEra"] = "ForceAlways".into();
        for (pallet, field) in [("timing", "timing"), ("babe", "epochConfig")] {
            assert!(!patch[pallet][field].is_null(), "a preset sets {pallet}.{field}");
        }
        patch["timing"]["timing"] = "Drill".into();
        patch["babe"]["epochConfig"]["c"] = json!([1, 100]);
    })
}

/// The preset after `change`, as a file in `folder`; its path.
fn local(folder: &Path, change: impl FnOnce(&mut Value)) -> String {
    let export = |chain: &str, form: &[&str]| {
        let exported = command("mica-node")
            .args(["export-chain-spec", "--chain", chain])
            .args(form)
            .output()
            .expect("mica-node starts");
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        serde_json::from_slice::<Value>(&exported.stdout).expect("a specification")
    };
    let file = |name: &str, spec: &Value| {
        let file = folder.join(name);
        std::fs::write(&file, spec.to_string()).expect("the folder is writable");
        file.display().to_string()
    };
    let mut spec = export("local", &[]);
    change(&mut spec["genesis"]["runtimeGenesis"]["patch"]);
    // Its state is made once and not by every node.
    file("raw.json", &export(&file("plain.json", &spec), &["--raw"]))
}
