//! Real chains on loopback: one development node, or the four validators of the preset `local`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use mica_chain::Chain;

use crate::{
    process::{Process, command, free_port},
    wait::eventually_async,
};

/// Longest time from start to the first answer: a runtime is compiled and a genesis built on a busy
/// machine.
const START: Duration = Duration::from_secs(120);

/// `mica-node --dev` on free ports.
pub struct DevNode {
    /// The process.
    pub process: Process,
    /// JSON-RPC address.
    pub url: String,
}

impl DevNode {
    /// Starts it with its state and its log in `folder`, and waits until it answers.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["--dev"]).await
    }

    /// The same for a chain that `arguments` name.
    pub async fn start_with(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_at(folder, arguments, free_port()).await
    }

    /// The same at the JSON-RPC port `rpc`, for example in place of another node.
    pub async fn start_at(folder: &Path, arguments: &[&str], rpc: u16) -> Self {
        let p2p = free_port();
        let mut node = command("mica-node");
        node.args(arguments)
            .args(["--no-prometheus", "--no-telemetry", "--no-mdns"])
            .arg("--base-path")
            .arg(folder.join("node"))
            .args(["--rpc-port", &rpc.to_string(), "--port", &p2p.to_string()]);
        let node = Self {
            process: Process::start(node, folder.join("node.log")),
            url: format!("ws://127.0.0.1:{rpc}"),
        };
        node.connect().await;
        node
    }

    /// A connection to it.
    pub async fn connect(&self) -> Chain {
        connect(&self.url, &self.process).await
    }
}

/// How a validator is started, and started again on what it has written.
struct Validator {
    arguments: Vec<String>,
    log: PathBuf,
}

impl Validator {
    fn start(&self, more: &[&str]) -> Process {
        let mut node = command("mica-node");
        node.args(&self.arguments).args(more);
        node.args(["--no-prometheus", "--no-telemetry", "--no-mdns"]);
        Process::start(node, self.log.clone())
    }
}

/// Alice, Bob, Charlie and Dave on free ports, of whom one may stop.
pub struct LocalNetwork {
    /// The processes, Alice first.
    pub nodes: Vec<Process>,
    /// Their JSON-RPC addresses, in the same order.
    pub urls: Vec<String>,
    validators: Vec<Validator>,
}

impl LocalNetwork {
    /// Starts the four with their state and logs in `folder`, and waits until each answers.
    pub async fn start(folder: &Path) -> Self {
        Self::start_on(folder, "local").await
    }

    /// The same on a chain of theirs that `chain` names.
    pub async fn start_on(folder: &Path, chain: &str) -> Self {
        // The peer id of the node key below: the others find Alice by it.
        const ALICE_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000001";
        const ALICE_PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let alice_port = free_port();
        let bootnode = format!("/ip4/127.0.0.1/tcp/{alice_port}/p2p/{ALICE_PEER}");
        let (mut nodes, mut urls, mut validators) = (Vec::new(), Vec::new(), Vec::new());
        for (index, name) in ["alice", "bob", "charlie", "dave"].into_iter().enumerate() {
            let rpc = free_port();
            let p2p = if index == 0 { alice_port } else { free_port() };
            let base = folder.join(name).display().to_string();
            let key = if index == 0 { ALICE_KEY.to_owned() } else { format!("{:064x}", index + 1) };
            let mut arguments = vec![
                "--chain".to_owned(),
                chain.to_owned(),
                format!("--{name}"),
                "--base-path".to_owned(),
                base,
            ];
            arguments.extend(["--rpc-port".to_owned(), rpc.to_string()]);
            arguments.extend([
                "--listen-addr".to_owned(),
                format!("/ip4/127.0.0.1/tcp/{p2p}"),
                "--node-key".to_owned(),
                key,
            ]);
            if index > 0 {
                arguments.extend(["--bootnodes".to_owned(), bootnode.clone()]);
            }
            let validator = Validator { arguments, log: folder.join(format!("{name}.log")) };
            nodes.push(validator.start(&[]));
            validators.push(validator);
            urls.push(format!("ws://127.0.0.1:{rpc}"));
        }
        for (url, node) in urls.iter().zip(&nodes) {
            connect(url, node).await;
        }
        Self { nodes, urls, validators }
    }

    /// Starts a node that was killed again on its state, and waits until it answers.
    pub async fn start_again(&mut self, index: usize) {
        self.start_again_with(index, &[]).await;
    }

    /// The same with `more` arguments.
    pub async fn start_again_with(&mut self, index: usize, more: &[&str]) {
        self.nodes[index] = self.validators[index].start(more);
        connect(&self.urls[index], &self.nodes[index]).await;
    }
}

async fn connect(url: &str, process: &Process) -> Chain {
    let what = format!("the node at {url} answers; its log:\n{}", process.output());
    eventually_async(&what, START, || async { Chain::connect(url).await.ok() }).await
}
