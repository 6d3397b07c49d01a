//! A real worker process with its own folder and account, and its events as they arrive.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::process::{Process, command};

/// Longest time from start to serving: model load, registration in a block.
const START: Duration = Duration::from_secs(120);

/// `mica-worker run` with the embedded model, fixed layers and a fixed price.
pub struct Worker {
    /// The process.
    pub process: Process,
    /// Its account, SS58.
    pub account: String,
    /// Its peer key.
    pub peer: [u8; 32],
    /// Its data folder.
    pub folder: PathBuf,
    arguments: Vec<String>,
}

impl Worker {
    /// Makes a worker of the development account `suri` (for example `//Bob`) and starts it; it
    /// serves when this returns.
    ///
    /// `layers` is `FIRST..END`; `extra` are further arguments of `run`.
    pub fn start(folder: &Path, node_url: &str, suri: &str, layers: &str, extra: &[&str]) -> Self {
        let mut worker = Self::launch(folder, node_url, suri, layers, extra);
        worker.wait_until_serving();
        worker
    }

    /// The same without waiting, so that several register side by side.
    pub fn launch(folder: &Path, node_url: &str, suri: &str, layers: &str, extra: &[&str]) -> Self {
        let folder = folder.join(suri.trim_start_matches('/').to_lowercase());
        let made = command("mica-worker")
            .args(["init", "--json", "--suri", suri, "--data-dir"])
            .arg(&folder)
            .output()
            .expect("mica-worker starts");
        assert!(made.status.success(), "init failed: {}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout).expect("init prints JSON");
        let account = made["account"].as_str().expect("an account").to_owned();
        let peer = hex::decode(made["peer"].as_str().expect("a peer key"))
            .expect("hex")
            .try_into()
            .expect("32 bytes");
        let mut arguments: Vec<String> = [
            "run",
            "--json",
            "--no-pricing",
            "--no-migrate",
            "--threads",
            "1",
            "--register-model",
            "--layers",
            layers,
            "--node-url",
            node_url,
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(extra.iter().map(|&argument| argument.to_owned()));
        let process = run(&folder, &arguments);
        Self { process, account, peer, folder, arguments }
    }

    /// Waits until it serves.
    pub fn wait_until_serving(&mut self) {
        self.wait_for_event("serving", START);
    }

    /// Waits for its first event of this name.
    pub fn wait_for_event(&mut self, name: &str, deadline: Duration) -> Value {
        self.process.wait_for_line(&format!("worker event `{name}`"), deadline, |line| {
            serde_json::from_str::<Value>(line).ok().filter(|event| event["event"] == name)
        })
    }

    /// All events of this name so far.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let output = self.process.output();
        output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Gives one of its options another value from its next start on.
    pub fn set_option(&mut self, name: &str, value: &str) {
        let at = self.arguments.iter().position(|argument| argument == name);
        let at = at.unwrap_or_else(|| panic!("the worker was started without {name}"));
        self.arguments[at + 1] = value.to_owned();
    }

    /// Stops it and names an operator's key, with which it signs from its next start on; returns
    /// what the command said.
    pub fn hand_over(&mut self, node_url: &str) -> Value {
        self.process.kill();
        let done = command("mica-worker")
            .args(["hand-over", "--json", "--node-url", node_url, "--data-dir"])
            .arg(&self.folder)
            .output()
            .expect("mica-worker starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("hand-over prints JSON")
    }

    /// Another command over its folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut worker = command("mica-worker");
        worker.args(arguments).arg("--data-dir").arg(&self.folder);
        worker
    }

    /// The secret in the file `name` of its folder.
    pub fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).expect("a key")
    }

    /// Starts it again from what is on its disk.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(&self.folder, &self.arguments);
    }
}

fn run(folder: &Path, arguments: &[String]) -> Process {
    let mut worker = command("mica-worker");
    worker.args(arguments).arg("--data-dir").arg(folder);
    let name = folder.file_name().expect("a folder of its own").to_string_lossy().into_owned();
    Process::start(worker, folder.with_file_name(format!("{name}.log")))
}
