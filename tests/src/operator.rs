//! A worker as its operator runs it: a folder that may be copied, the shipped `mica-worker run`,
//! and `mica-worker status`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use crate::{
    process::{Process, command},
    wait::eventually,
};

/// Longest time from start to serving.
const START: Duration = Duration::from_secs(120);

/// One worker's folder, with the process that runs in it, if any.
pub struct Operator {
    /// The folder.
    pub folder: PathBuf,
    /// The account, SS58.
    pub account: String,
    /// The peer key.
    pub peer: [u8; 32],
    process: Option<Process>,
    starts: usize,
}

impl Operator {
    /// `mica-worker init` for the development account `suri` in `folder`.
    pub fn init(folder: &Path, suri: &str) -> Self {
        let made = command("mica-worker")
            .args(["init", "--json", "--suri", suri, "--data-dir"])
            .arg(folder)
            .output();
        let made = made.expect("mica-worker starts");
        assert!(made.status.success(), "init failed: {}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout).expect("init prints JSON");
        let account = made["account"].as_str().expect("an account").to_owned();
        let peer = hex::decode(made["peer"].as_str().expect("a peer key"))
            .expect("hex")
            .try_into()
            .expect("32 bytes");
        Self { folder: folder.to_owned(), account, peer, process: None, starts: 0 }
    }

    /// A copy of the whole folder, as a backup makes it.
    pub fn copy(&self, to: &Path) -> Self {
        let copied =
            Command::new("cp").arg("-a").arg(&self.folder).arg(to).status().expect("cp runs");
        assert!(copied.success());
        Self {
            folder: to.to_owned(),
            account: self.account.clone(),
            peer: self.peer,
            process: None,
            starts: 0,
        }
    }

    /// A command over its folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut worker = command("mica-worker");
        worker.args(arguments).arg("--data-dir").arg(&self.folder);
        worker
    }

    /// `mica-worker run` with these arguments, in the background.
    pub fn start(&mut self, node_url: &str, arguments: &[&str]) {
        self.start_with(node_url, arguments, &[]);
    }

    /// The same with these variables in its environment.
    pub fn start_with(&mut self, node_url: &str, arguments: &[&str], variables: &[(&str, &str)]) {
        self.starts += 1;
        let mut worker =
            self.command(&["run", "--json", "--register-model", "--node-url", node_url]);
        // One thread each, unless the test says how many.
        if !arguments.contains(&"--share") {
            worker.args(["--threads", "1"]);
        }
        worker.args(arguments).envs(variables.iter().copied());
        let name =
            self.folder.file_name().expect("a folder of its own").to_string_lossy().into_owned();
        self.process = Some(Process::start(
            worker,
            self.folder.with_file_name(format!("{name}-{}.log", self.starts)),
        ));
    }

    /// The same until it serves.
    pub fn serve(&mut self, node_url: &str, arguments: &[&str]) {
        self.start(node_url, arguments);
        self.wait_for("serving", START, |_| true);
    }

    /// `mica-worker run` until it ends by itself: for runs that must be refused.
    pub fn refused(&self, node_url: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut worker = self.command(&["run", "--json", "--threads", "1", "--node-url", node_url]);
        let output = worker.args(arguments).output().expect("mica-worker starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// Waits for an event of this name that satisfies `is_meant`.
    pub fn wait_for(
        &mut self,
        name: &str,
        deadline: Duration,
        is_meant: impl Fn(&Value) -> bool,
    ) -> Value {
        self.process().wait_for_line(&format!("worker event `{name}`"), deadline, |line| {
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(|event| event["event"] == name && is_meant(event))
        })
    }

    /// All events of this name since the last start.
    pub fn events(&mut self, name: &str) -> Vec<Value> {
        let output = self.process().output();
        output
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// `mica-worker status --json`: the exit code, what it says, and its error.
    pub fn status(&self, node_url: &str) -> (Option<i32>, Value, String) {
        let Output { status, stdout, stderr } = self
            .command(&["status", "--json", "--node-url", node_url])
            .output()
            .expect("mica-worker starts");
        let said = String::from_utf8_lossy(&stderr).into_owned();
        let shown =
            serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        (status.code(), shown, said)
    }

    /// Waits until `status` ends with this code and says what `is_meant`.
    pub fn wait_for_status(
        &self,
        node_url: &str,
        code: i32,
        deadline: Duration,
        is_meant: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = String::new();
        eventually(&format!("status with code {code}"), deadline, || {
            let (found, shown, said) = self.status(node_url);
            let now = format!("{found:?} {shown} {said}");
            if last != now {
                eprintln!("status: {now}");
                last = now;
            }
            (found == Some(code) && is_meant(&shown)).then_some(shown)
        })
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process().kill();
    }
}
