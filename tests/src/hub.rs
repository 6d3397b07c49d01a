//! A real hub: a funded wallet and `mica hub run`.

use std::{path::Path, time::Duration};

use mica_chain::Chain;
use mica_primitives::UNIT;
use serde_json::Value;

use crate::{
    gateway::Wallet,
    process::{Process, free_port},
    wait::eventually,
};

/// Longest time from start to listening.
const START: Duration = Duration::from_secs(60);
/// Longest wait for channels that are opened, and final.
const CHANNELS: Duration = Duration::from_secs(180);

/// `mica hub run` at an address that stays.
pub struct Hub {
    /// The process.
    pub process: Process,
    /// What payers name with `--hub`.
    pub address: String,
    /// Its wallet.
    pub wallet: Wallet,
    arguments: Vec<String>,
}

impl Hub {
    /// Starts one with a new wallet in `home`; it listens when this returns. It redeems nothing by
    /// itself that can wait.
    pub async fn start(home: &Path, node_url: &str, chain: &Chain, extra: &[&str]) -> Self {
        let wallet = Wallet::create(home, node_url);
        wallet.fund(chain, 10_000 * UNIT).await;
        let listen = format!("/ip4/127.0.0.1/tcp/{}", free_port());
        let mut arguments: Vec<String> =
            ["--json", "hub", "run", "--redeem-minimum", "1000000", "--listen", &listen]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(extra.iter().map(|&argument| argument.to_owned()));
        let (process, address) = run(&wallet, &arguments);
        Self { process, address, wallet, arguments }
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Lines of its output since its last start that have all of `marks` in them.
    pub fn lines_with(&self, marks: &[&str]) -> usize {
        let output = self.process.output();
        output.lines().filter(|line| marks.iter().all(|mark| line.contains(mark))).count()
    }

    /// Starts it again from what is on its disk.
    pub fn restart(&mut self) {
        self.process.kill();
        let (process, address) = run(&self.wallet, &self.arguments);
        assert_eq!(address, self.address, "payers find it where it was");
        self.process = process;
    }

    /// How it stood with the last final block.
    pub fn status(&self) -> Option<Value> {
        let output = self.wallet.command().args(["--json", "hub", "status"]).output();
        let output = output.expect("the program starts");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Waits until it pays from so many channels.
    pub fn wait_for_channels(&self, count: usize) {
        eventually("the hub has channels to the workers", CHANNELS, || {
            let status = self.status()?;
            let channels = status["channels"].as_array().expect("a list");
            (channels.len() == count).then_some(())
        });
    }
}

fn run(wallet: &Wallet, arguments: &[String]) -> (Process, String) {
    let mut hub = wallet.command();
    hub.args(arguments).env("MICA_LOG", "mica_hub=debug,mica_cli=debug");
    let mut process = Process::start(hub, wallet.home.join("hub.log"));
    let address = process.wait_for_line("the hub listens", START, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        event["addresses"][0].as_str().filter(|_| event["event"] == "listening").map(str::to_owned)
    });
    (process, address)
}
