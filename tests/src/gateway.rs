//! A payer's programs as a user runs them: a funded wallet, and `mica gateway`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mica_chain::{AccountId, Call, Chain, Signer, Until};
use mica_primitives::Balance;
use serde_json::Value;

use crate::process::{Process, command};

/// Longest time from start to listening.
const START: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";

/// A wallet in a folder of its own.
pub struct Wallet {
    /// The payer's folder.
    pub home: PathBuf,
    /// Its account.
    pub account: AccountId,
    node_url: String,
}

impl Wallet {
    /// A new wallet.
    pub fn create(home: &Path, node_url: &str) -> Self {
        let output =
            mica(home, node_url).args(["--json", "wallet", "new"]).output().expect("mica starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let account = made["address"].as_str().expect("an address").parse().expect("an account");
        Self { home: home.to_owned(), account, node_url: node_url.to_owned() }
    }

    /// Gives it money of a development account.
    pub async fn fund(&self, chain: &Chain, amount: Balance) {
        let rich = Signer::from_suri("//Alice").expect("a development key");
        chain
            .submit(&rich, Call::Transfer { to: self.account, amount }, Until::Finalized)
            .await
            .expect("a transfer");
    }

    /// The node that it talks to.
    pub fn node_url(&self) -> &str {
        &self.node_url
    }

    /// A command of this wallet.
    pub fn command(&self) -> Command {
        mica(&self.home, &self.node_url)
    }

    /// Starts a gateway with these settings; it listens when this returns.
    pub fn gateway(&self, settings: &str, is_locked: bool) -> Gateway {
        self.settings(settings);
        let mut gateway = self.command();
        if is_locked {
            gateway.env_remove("MICA_PASSWORD");
        }
        gateway.args(["gateway", "--listen", "127.0.0.1:0"]);
        self.start(gateway)
    }

    /// Writes the gateway's settings.
    pub fn settings(&self, settings: &str) {
        let path = self.home.join("gateway.toml");
        fs::write(&path, settings).expect("written");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, private).expect("set");
    }

    /// Starts `gateway`, a command of this wallet; it listens when this returns.
    pub fn start(&self, mut gateway: Command) -> Gateway {
        gateway.env(
            "MICA_LOG",
            "mica_cli=debug,mica_payer=debug,mica_gateway=debug,mica_workflow=debug",
        );
        let mut process = Process::start(gateway, self.home.join("gateway.log"));
        let address = process.wait_for_line("the gateway listens", START, |line| {
            let address = line.strip_prefix("listening on ")?.split_once("://")?.1;
            address.parse().ok()
        });
        Gateway { process, address }
    }
}

/// A running gateway.
pub struct Gateway {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Gateway {
    /// Stops it as a user does and waits for its end.
    pub fn stop(&mut self) {
        self.process.signal("TERM");
        let status = self.process.wait(Duration::from_secs(60));
        assert!(status.success(), "the gateway ended with {status}\n{}", self.process.output());
    }
}

fn mica(home: &Path, node_url: &str) -> Command {
    let mut mica = command("mica");
    mica.env("MICA_HOME", home).env("MICA_PASSWORD", PASSWORD).env("MICA_NODE_URL", node_url);
    mica
}
