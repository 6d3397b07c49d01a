//! `mica gateway`: programs that speak to Ollama or to OpenAI pay the swarm's workers without
//! knowing it.
//!
//! Two parts, and the imports between them go one way: [`http`] takes connections, finds out who
//! asks, reads JSON and writes it; [`core`] answers from models, market and money. [`config`] is
//! the file in which a payer sets the bounds of both.
//!
//! Another front end needs [`Core::generate`](core::Core::generate) alone: a model's name, a
//! prompt, options and a [`Caller`](core::Caller) go in; pieces of text and a
//! [`Report`](core::Report) with measured durations come out; dropping the
//! [`Generation`](core::Generation) stops the session and the spending.
//!
//! Limits: everything in [`Config`] that counts something; see `gateway.toml`.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod config;
pub mod core;
pub mod http;
pub mod keys;

pub use config::Config;
pub use core::Core;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("read").path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn the_core_knows_neither_http_nor_json() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = sources(&folder.join("core"));
        files.push(folder.join("core.rs"));
        assert!(files.len() > 10, "the core's files have moved: {files:?}");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            for word in ["axum", "hyper", "serde_json", "http::", "StatusCode", "crate::config"] {
                assert!(!text.contains(word), "{} mentions {word}", file.display());
            }
        }
    }
}
