//! A wallet's file, a polkadot-js file, and a secret as somebody types it.

use std::{fs, path::Path};

use mica_wallet::{Keystore, Password, Secret, message, polkadot_js};
use serde_json::Value;

use crate::outcome::Outcome;

/// Most KiB of memory for which a password is tried: a derivation with the usual cost takes as long
/// as thousands of inputs.
const MAX_KIB: u64 = 64;

/// The password of the corpus.
pub(crate) const PASSWORD: &str = "correct horse";

/// All readers of such files read it.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let mut outcome = Outcome::new();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    fs::write(folder.path().join("w.json"), bytes).expect("a file is written");
    read_wallet(folder.path(), bytes, &mut outcome);
    match polkadot_js::heading(bytes) {
        Ok(_) => outcome.note(1),
        Err(error) => outcome.text(&error.to_string()),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        match Secret::from_text(text) {
            Ok(secret) => outcome.note(secret.bytes().len() as u64),
            Err(error) => outcome.text(&error.to_string()),
        }
        outcome.note(u64::from(message::parse_signature(text).is_ok()));
    }
    outcome.number()
}

fn read_wallet(folder: &Path, bytes: &[u8], outcome: &mut Outcome) {
    let keystore = Keystore::new(folder.to_owned());
    let listed = keystore.list().expect("the folder can be read");
    match keystore.read("w") {
        Ok(file) => {
            assert!(listed.iter().any(|(name, read)| name == "w" && read.is_ok()));
            outcome.text(&file.address);
        }
        Err(error) => outcome.text(&error.to_string()),
    }
    if !is_cheap(bytes) {
        return;
    }
    match keystore.unlock("w", &Password::new(PASSWORD)) {
        Ok(secret) => outcome.note(secret.bytes().len() as u64),
        Err(error) => outcome.text(&error.to_string()),
    }
}

/// Whether the derivation that the file asks for is quick.
fn is_cheap(bytes: &[u8]) -> bool {
    let Ok(file) = serde_json::from_slice::<Value>(bytes) else { return true };
    let cost = |name: &str| file["kdf"][name].as_u64().unwrap_or(0);
    cost("memory_kib") <= MAX_KIB && cost("passes") <= 2 && cost("lanes") <= 4
}
