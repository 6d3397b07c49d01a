//! A worker under attack: at which share of its quiet speed it serves a session that is paid for.
//! `make bench-attack` prints it for every attack, or for ATTACK=openings alone.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use mica_primitives::UNIT;
use mica_tests::{
    DevNode, Gateway, Process, Wallet, Worker, free_port, hostile::Attack, http, process::binary,
    process::mark,
};

/// Peers that connect and say nothing.
const STRANGERS: usize = 500;
/// Answers in one measurement, and tokens of each.
const ANSWERS: u64 = 12;
const TOKENS: u32 = 100;
/// Times that each attack is measured.
const ROUNDS: usize = 3;
/// The share of its quiet speed at which a worker under attack must serve.
const SHARE: f64 = 0.8;
/// Memory that strangers may cost an idle worker, KiB.
const MEMORY_KIB: u64 = 60 * 1024;
/// Longest start of an attack.
const START: Duration = Duration::from_secs(60);
/// How long an attack runs before it is measured: links are made one after another.
const SETTLE: Duration = Duration::from_secs(8);

struct Scene {
    node: DevNode,
    worker: Worker,
    gateway: Gateway,
    /// A payer that has no connection.
    newcomer: Wallet,
}

impl Scene {
    async fn start(folder: &Path) -> Self {
        let node = DevNode::start(folder).await;
        let listen = format!("/ip4/127.0.0.1/tcp/{}", free_port());
        let worker = Worker::start(folder, &node.url, "//Bob", "0..8", &["--listen", &listen]);
        let wallet = Wallet::create(&folder.join("home"), &node.url);
        wallet.fund(&node.connect().await, 1_000 * UNIT).await;
        let gateway = wallet.gateway("parallel = 2\nheadroom = 200\n", false);
        let newcomer = Wallet::create(&folder.join("newcomer"), &node.url);
        newcomer.fund(&node.connect().await, 100 * UNIT).await;
        let scene = Self { node, worker, gateway, newcomer };
        scene.speed();
        scene
    }

    /// Tokens per second of paid answers, by the session's own clock.
    fn speed(&self) -> f64 {
        let (mut tokens, mut seconds) = (0.0, 0.0);
        for seed in 0..ANSWERS {
            let (count, nanoseconds) = answer(self.gateway.address, seed);
            tokens += count;
            seconds += nanoseconds / 1e9;
        }
        tokens / seconds
    }

    /// Starts an attack, with the lowest priority: what its own program computes is not the
    /// worker's burden.
    fn attack(&self, attack: Attack, log: &Path) -> Process {
        let mut nice = Command::new("nice");
        mark(&mut nice);
        nice.args(["-n", "19"]).arg(binary("examples/hostile"));
        nice.args([attack.name(), &self.node.url, &self.worker.account, "//Dave"]);
        nice.arg(STRANGERS.to_string()).stdin(Stdio::null());
        let mut process = Process::start(nice, log.to_owned());
        process
            .wait_for_line("the attack begins", START, |line| (line == "attacking").then_some(()));
        // The state that is measured has no event of its own: a worker says nothing of strangers.
        std::thread::sleep(SETTLE);
        process
    }

    /// An answer for somebody who has no connection yet.
    fn newcomer_is_answered(&self) -> bool {
        let mut mica = self.newcomer.command();
        mica.args(["--json", "ask", "Hello.", "--max-tokens", "4", "--headroom", "40"]);
        let output = mica.stdin(Stdio::null()).output().expect("the program starts");
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    }

    fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.worker.process.id());
        let status = fs::read_to_string(path).expect("the worker runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let text = line.and_then(|line| line.split_whitespace().next());
        text.and_then(|text| text.parse().ok()).expect("a number of KiB")
    }
}

/// Tokens and nanoseconds of one answer.
fn answer(address: SocketAddr, seed: u64) -> (f64, f64) {
    let options = serde_json::json!({"num_predict": TOKENS, "seed": seed, "temperature": 1.5});
    let body = serde_json::json!({"model": "mica-tiny", "prompt": "Tell me a story.",
        "stream": false, "options": options});
    let answer = http::send(address, "POST", "/api/generate", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    let number = |name: &str| answer[name].as_f64().expect("a number");
    (number("eval_count"), number("eval_duration"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and measures: make bench-attack"]
async fn a_worker_under_attack_serves_who_pays() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scene = Scene::start(folder.path()).await;
    let mut poor = Vec::new();
    let chosen = std::env::var("ATTACK").ok();
    let is_chosen = |attack: &Attack| chosen.as_ref().is_none_or(|name| attack.name() == name);
    for attack in Attack::ALL.into_iter().filter(is_chosen) {
        let (mut shares, mut newcomers, mut more) = (Vec::new(), 0, 0);
        for _ in 0..ROUNDS {
            let (memory, quiet) = (scene.memory_kib(), scene.speed());
            let mut attacker = scene.attack(attack, &folder.path().join("hostile.log"));
            let under = scene.speed();
            more = more.max(scene.memory_kib().saturating_sub(memory));
            newcomers += usize::from(scene.newcomer_is_answered());
            assert!(attacker.is_running(), "{} has ended: {}", attack.name(), attacker.output());
            attacker.kill();
            println!("{:<12} quiet {quiet:.0} tokens/s, under attack {under:.0}", attack.name());
            shares.push(under / quiet);
        }
        // Other programs of the machine slow down the one or the other.
        shares.sort_by(f64::total_cmp);
        let share = shares[ROUNDS / 2];
        println!(
            "{:<12} share {share:.2}, memory +{more} KiB, {newcomers} of {ROUNDS} newcomers answered",
            attack.name()
        );
        // Payers without a session wait while so many strangers come: that is told, not refused.
        if share < SHARE || more > MEMORY_KIB {
            poor.push((attack.name(), share, more));
        }
    }
    assert!(poor.is_empty(), "attack, share, KiB more: {poor:?}");
}
