//! How a local network looks.

use std::fmt::Write as _;

use serde::Serialize;

use crate::localnet::Record;

/// A network of which `running` processes run, for people.
pub(crate) fn text(record: &Record, running: usize) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for node in &record.nodes {
        let _ = writeln!(text, "{:<10} {}  (process {})", node.name, node.ws, node.pid);
    }
    for (number, worker) in (1..).zip(&record.workers) {
        let [first, end] = worker.layers;
        let _ = writeln!(
            text,
            "worker {number}   layers {first}..{end}  {}  (process {})",
            worker.account, worker.pid
        );
    }
    let _ =
        writeln!(text, "faucet     {}\n           {}", record.faucet.address, record.faucet.phrase);
    let total = record.pids().count();
    let _ =
        writeln!(text, "{running} of {total} processes run; logs in {}", record.folder.display());
    if let Some(node) = record.nodes.first() {
        let _ = writeln!(
            text,
            "pay from the faucet: echo \"{}\" | mica wallet import --wallet faucet, then mica ask \
             --node-url {} --wallet faucet \"Hello\"",
            record.faucet.phrase, node.ws
        );
    }
    text
}

/// What `mica localnet down` stopped.
#[derive(Serialize)]
pub(crate) struct Stopped {
    /// Processes that ran.
    pub(crate) processes: usize,
}

impl Stopped {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        match self.processes {
            0 => "no local network runs".into(),
            number => format!("stopped: {number} processes"),
        }
    }
}
