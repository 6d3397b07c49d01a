//! A small internet of network namespaces: hosts with public addresses, homes behind routers that
//! translate addresses, and networks without a way out. It takes root, `ip` and `nft`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{
    process::{Process, command},
    wait::eventually,
};

/// Longest time from a node's start to its first answer.
const START: Duration = Duration::from_secs(180);
const PASSWORD: &str = "correct horse";
/// Set where these tests must not be passed over.
const REQUIRED: &str = "MICA_REQUIRE_NAMESPACES";

static BUILT: AtomicU32 = AtomicU32::new(0);
/// One internet at a time: its deadlines are people's, and a machine that runs three is late.
static TURN: Mutex<()> = Mutex::new(());

/// A network that all its hosts and routers share; taken down when it is dropped.
pub struct Internet {
    prefix: String,
    spaces: Vec<Space>,
    _turn: MutexGuard<'static, ()>,
}

/// A namespace: one machine.
#[derive(Clone)]
pub struct Space {
    name: String,
}

/// A home: a machine behind a router.
pub struct Home {
    /// Translates addresses, and lets in what was asked for from inside.
    pub router: Space,
    /// The machine.
    pub inside: Space,
}

impl Internet {
    /// An empty one; nothing, and a message, where namespaces cannot be made.
    pub fn build() -> Option<Self> {
        let can = run("ip", &["netns", "list"]).is_ok_and(|output| output.status.success())
            && run("nft", &["--version"]).is_ok_and(|output| output.status.success());
        let prefix = format!("mica{}-{}", std::process::id(), BUILT.fetch_add(1, Relaxed));
        // A test that failed leaves nothing behind that the next one needs.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut internet = Self { prefix, spaces: Vec::new(), _turn: turn };
        let name = format!("{}-net", internet.prefix);
        let made = can && run("ip", &["netns", "add", &name]).is_ok_and(|out| out.status.success());
        if !made {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set, and no network namespace can be made here: it takes root, and \
                 the packages iproute2 and nftables"
            );
            eprintln!("NOT TESTED: network namespaces take root, `ip` and `nft`");
            return None;
        }
        internet.spaces.push(Space { name });
        internet.net().ip("link set lo up");
        internet.net().ip("link add br0 type bridge");
        internet.net().ip("link set br0 up");
        Some(internet)
    }

    fn net(&self) -> &Space {
        &self.spaces[0]
    }

    fn space(&mut self, name: &str) -> Space {
        let space = Space { name: format!("{}-{name}", self.prefix) };
        let made = run("ip", &["netns", "add", &space.name]).expect("ip runs");
        assert!(made.status.success(), "{made:?}");
        space.ip("link set lo up");
        self.spaces.push(space.clone());
        space
    }

    /// A machine on the shared network with this address, for example `198.51.100.10/24`.
    pub fn host(&mut self, name: &str, address: &str) -> Space {
        let space = self.space(name);
        self.net().cable("br0", &space, "wan");
        space.ip(&format!("address add {address} dev wan"));
        space
    }

    /// A home: its router has `outside` on the shared network and `192.168.<number>.1` inside, the
    /// machine `192.168.<number>.2`.
    pub fn home(&mut self, name: &str, outside: &str, number: u8) -> Home {
        let router = self.host(&format!("{name}-router"), outside);
        let inside = self.space(name);
        router.ip("link add br0 type bridge");
        router.ip("link set br0 up");
        router.ip(&format!("address add 192.168.{number}.1/24 dev br0"));
        router.cable("br0", &inside, "eth0");
        inside.ip(&format!("address add 192.168.{number}.2/24 dev eth0"));
        inside.ip(&format!("route add default via 192.168.{number}.1"));
        router.shell("echo 1 > /proc/sys/net/ipv4/ip_forward");
        let home = Home { router, inside };
        home.filter("");
        home
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for space in &self.spaces {
            // What is left is told by the next test that uses the name, which nobody does.
            let _ = run("ip", &["netns", "delete", &space.name]);
        }
    }
}

impl Home {
    /// Sets the router's rules anew: masquerading, in from outside only what was asked for from
    /// inside, and `more` for what goes out.
    fn filter(&self, more: &str) {
        let rules = format!(
            "flush ruleset
             table ip nat {{
               chain out {{ type nat hook postrouting priority 100; oifname \"wan\" masquerade; }}
             }}
             table ip filter {{
               chain in {{
                 type filter hook input priority 0;
                 iifname \"wan\" ct state established,related accept
                 iifname \"wan\" drop
               }}
               chain through {{
                 type filter hook forward priority 0;
                 iifname \"wan\" ct state established,related accept
                 iifname \"wan\" drop
                 {more}
               }}
             }}"
        );
        let mut nft = self.router.command(Command::new("nft"));
        let mut nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft starts");
        nft.stdin.take().expect("piped").write_all(rules.as_bytes()).expect("nft reads");
        assert!(nft.wait().expect("nft ends").success(), "{rules}");
    }

    /// Lets the machine speak with `host` only, as if no hole could be punched.
    pub fn only(&self, host: &str) {
        self.filter(&format!("oifname \"wan\" ip daddr != {host} drop"));
    }

    /// Lets the machine speak with everybody again.
    pub fn all(&self) {
        self.filter("");
    }
}

impl Space {
    /// The same command in here, with what its environment was given.
    pub fn command(&self, command: Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.name]).arg(command.get_program());
        inside.args(command.get_args()).stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// `ip` with these arguments in here.
    pub fn ip(&self, arguments: &str) {
        let mut ip = vec!["-netns", self.name.as_str()];
        ip.extend(arguments.split(' '));
        let done = run("ip", &ip).expect("ip runs");
        assert!(done.status.success(), "ip {arguments}: {done:?}");
    }

    fn shell(&self, line: &str) {
        let mut shell = self.command(Command::new("sh"));
        let done = shell.args(["-c", line]).output().expect("sh runs");
        assert!(done.status.success(), "{line}: {done:?}");
    }

    /// A cable from a bridge in here to `other`, where it is `name`.
    fn cable(&self, bridge: &str, other: &Space, name: &str) {
        let port = format!("p{}", BUILT.fetch_add(1, Relaxed));
        self.ip(&format!("link add {port} type veth peer name {name} netns {}", other.name));
        self.ip(&format!("link set {port} master {bridge}"));
        self.ip(&format!("link set {port} up"));
        other.ip(&format!("link set {name} up"));
    }

    /// A development chain in here that all can ask; it answers when this returns.
    pub fn node(&self, folder: &Path) -> Process {
        let mut node = command("mica-node");
        node.args(["--dev", "--no-prometheus", "--no-telemetry", "--no-mdns", "--base-path"])
            .arg(folder.join("node"))
            .args(["--rpc-port", "9944", "--port", "30333", "--unsafe-rpc-external"])
            .args(["--rpc-cors", "all"]);
        let mut node = Process::start(self.command(node), folder.join("node.log"));
        let folder = folder.join("looks");
        eventually("the node answers", START, || {
            assert!(node.is_running(), "{}", node.output());
            let looks = self.mica(&folder, "ws://127.0.0.1:9944").arg("market").output();
            looks.expect("mica starts").status.success().then_some(())
        });
        node
    }

    /// A command of the wallet in `home`, in here.
    pub fn mica(&self, home: &Path, node_url: &str) -> Command {
        let mut mica = command("mica");
        mica.env("MICA_HOME", home).env("MICA_PASSWORD", PASSWORD).env("MICA_NODE_URL", node_url);
        self.command(mica)
    }

    /// A new wallet in here with 100 MICA of a development account.
    pub fn wallet(&self, home: &Path, node_url: &str) {
        let made = self.json(self.mica(home, node_url).args(["--json", "wallet", "new"]));
        let address = made["address"].as_str().expect("an address");
        let mut transfer = self.mica(home, node_url);
        transfer.args(["--json", "wallet", "transfer", address, "100", "--dev-account", "Alice"]);
        self.json(&mut transfer);
    }

    /// Runs a command that prints JSON and must succeed.
    pub fn json(&self, command: &mut Command) -> Value {
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// A paid prompt of the wallet in `home`; its answer as JSON, or what went wrong.
    pub fn ask(&self, home: &Path, node_url: &str, most: &str) -> Result<Value, String> {
        let mut ask = self.mica(home, node_url);
        ask.args(["--json", "--quiet", "ask", "Hello", "--max-tokens", "8", "--max-total", most]);
        let output = ask.output().expect("mica starts");
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// A worker in here, which listens on all interfaces.
    pub fn worker(
        &self,
        folder: &Path,
        suri: &str,
        node_url: &str,
        arguments: &[&str],
    ) -> HomeWorker {
        self.worker_with(folder, suri, node_url, arguments, |_| {})
    }

    /// The same with a configuration that `configure` changes.
    pub fn worker_with(
        &self,
        folder: &Path,
        suri: &str,
        node_url: &str,
        arguments: &[&str],
        configure: impl FnOnce(&Path),
    ) -> HomeWorker {
        let mut init = command("mica-worker");
        init.args(["init", "--json", "--suri", suri, "--data-dir"]).arg(folder);
        let made = self.json(&mut init);
        configure(&folder.join("config.toml"));
        let mut run = command("mica-worker");
        run.args(["run", "--json", "--threads", "1", "--register-model", "--no-pricing"])
            .args(["--no-migrate", "--node-url", node_url])
            .args(["--listen", "/ip4/0.0.0.0/tcp/4001"])
            .args(["--listen", "/ip4/0.0.0.0/udp/4001/quic-v1"])
            .args(arguments)
            .arg("--data-dir")
            .arg(folder)
            .env("RUST_LOG", "mica_net=debug,mica_worker=info,libp2p_dcutr=debug");
        let process = Process::start(self.command(run), folder.with_extension("log"));
        HomeWorker {
            process,
            account: made["account"].as_str().expect("an account").to_owned(),
            folder: folder.to_owned(),
            node_url: node_url.to_owned(),
            space: self.clone(),
        }
    }
}

/// A worker in a namespace.
pub struct HomeWorker {
    /// The process.
    pub process: Process,
    /// Its account, SS58.
    pub account: String,
    folder: PathBuf,
    node_url: String,
    space: Space,
}

impl HomeWorker {
    /// Waits until it serves.
    pub fn wait_until_serving(&mut self) {
        self.process.wait_for_line("the worker serves", START, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == "serving").then_some(())
        });
    }

    /// What it says of itself in its status file; nothing before it has written one.
    pub fn running(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.folder.join("status.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Waits until what it says of itself satisfies `wanted`.
    pub fn wait_until(
        &mut self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, deadline, || {
            assert!(self.process.is_running(), "{}", self.process.output());
            self.running().filter(|running| wanted(running))
        })
    }

    /// Its addresses in the registry.
    pub fn registered(&self) -> Vec<String> {
        let mut status = command("mica-worker");
        status.args(["status", "--json", "--node-url", &self.node_url, "--data-dir"]);
        status.arg(&self.folder);
        let shown = self.space.command(status).output().expect("mica-worker starts");
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        let texts = shown["chain"]["worker"]["addresses"].as_array().cloned().unwrap_or_default();
        texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn run(program: &str, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(program).args(arguments).output()
}
