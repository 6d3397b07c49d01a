//! A market of more workers than can be asked: the path is found by list prices and memory, few are
//! asked, and a silent one holds nobody up.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mica_chain::Chain;
use mica_primitives::{Balance, UNIT};
use mica_tests::{DevNode, Wallet, Worker, crowd::Crowd, eventually};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(120);
/// Price of the workers that run, base units per layer-token.
const PRICE: Balance = 1_000;
/// An address at which nobody listens.
const NOWHERE: &str = "/ip4/127.0.0.1/tcp/9";
/// The question of all tests here.
const QUESTION: [&str; 4] = ["ask", "How does a blockchain work?", "--max-tokens", "48"];

/// A chain with two workers that run, a crowd that does not, and a payer.
struct World {
    node: DevNode,
    chain: Chain,
    workers: [Worker; 2],
    wallet: Wallet,
    /// Takes connections and says nothing.
    _silent: TcpListener,
}

impl World {
    async fn start(folder: &Path, crowd_size: u16) -> Self {
        let node = DevNode::start(folder).await;
        let price = format!("{PRICE}u");
        let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")].map(|(suri, layers)| {
            Worker::launch(folder, &node.url, suri, layers, &["--price", &price])
        });
        workers.iter_mut().for_each(Worker::wait_until_serving);
        let chain = node.connect().await;
        let wallet = Wallet::create(&folder.join("home"), &node.url);
        wallet.fund(&chain, 100 * UNIT).await;
        let view = chain.at_best().await.expect("the node answers");
        let (model, record) = view.models().await.expect("it reads").remove(0);
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("bound").port();
        let crowd = |price, address: &str| Crowd {
            model,
            layers: record.manifest.layers,
            price,
            cost_us: 1_000_000,
            address: address.to_owned(),
            genesis: chain.genesis_hash(),
        };
        // The cheapest of all says nothing: it serves everything from the first layer on.
        let cheapest = crowd(1, &format!("/ip4/127.0.0.1/tcp/{port}"));
        let whole = u16::from(record.manifest.layers as u8) * (record.manifest.layers - 1);
        cheapest.register(&chain, "//Dave", whole..whole + 1).await;
        crowd(2 * PRICE, NOWHERE).register(&chain, "//Alice", 0..crowd_size).await;
        let world = Self { node, chain, workers, wallet, _silent: silent };
        world.wait_until_final(usize::from(crowd_size) + 3).await;
        world
    }

    async fn wait_until_final(&self, workers: usize) {
        let best = self.chain.best().await.expect("the node answers").number;
        mica_tests::eventually_async("the market is final", FINAL, || async {
            let last = self.chain.finalized().await.ok()?;
            (last.number >= best).then_some(())
        })
        .await;
        let view = self.chain.at_finalized().await.expect("the node answers");
        let (model, _) = view.models().await.expect("it reads").remove(0);
        assert_eq!(view.workers(model, None).await.expect("it reads").len(), workers);
    }

    fn ask(&self, arguments: &[&str]) -> (Value, Duration) {
        let begun = Instant::now();
        let mut mica = self.wallet.command();
        mica.arg("--json").args(QUESTION).args(arguments).stdin(Stdio::null());
        let output = mica.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (serde_json::from_slice(&output.stdout).expect("JSON"), begun.elapsed())
    }
}

fn takes(answer: &Value, workers: &[Worker]) {
    let stages = answer["stages"].as_array().expect("stages").iter();
    let taken: Vec<&str> = stages.map(|stage| stage["worker"].as_str().expect("text")).collect();
    let expected: Vec<&str> = workers.iter().map(|worker| worker.account.as_str()).collect();
    assert_eq!(taken, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_found_among_hundreds_and_one_silent_worker_costs_no_ten_seconds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::start(folder.path(), 300).await;
    // The silent one is on the best path by the registry; once the second best has answered, it is
    // waited for no longer than a moment.
    let (rehearsal, elapsed) = world.ask(&["--dry-run", "--alpha", "1"]);
    takes(&rehearsal, &world.workers);
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    // The market is kept by now, and the answer still comes from those who are there.
    let (answer, _) = world.ask(&["--alpha", "1"]);
    takes(&answer, &world.workers);
    // What each stage took is measured by its receipts.
    let mut mica = world.wallet.command();
    let output = mica.args(["--json", "market", "--remembered"]).output().expect("it starts");
    let known: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for worker in &world.workers {
        let known = known.as_array().expect("a list").iter();
        let known = known.filter(|known| known["account"] == worker.account.as_str());
        let measured: Vec<_> = known.map(|known| &known["measured_us_per_layer_token"]).collect();
        assert!(measured.len() == 1 && measured[0].as_u64() > Some(0), "{measured:?}");
    }

    // A worker that is gone since the market was kept is not waited for either: others would be
    // asked, and here nobody else serves these layers who is there.
    let mut workers = world.workers;
    workers[0].kill();
    let mut mica = world.wallet.command();
    mica.args(QUESTION).stdin(Stdio::null());
    let output = mica.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(15), "{said}");
    assert!(said.contains("not asked") && said.contains("unreachable from here"), "{said}");
    drop(world.node);
}

/// Time from the start of `mica ask` to the line that shows the path.
fn time_to_path(mut mica: Command) -> Duration {
    let begun = Instant::now();
    let mut child = mica
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = Vec::new();
    let elapsed = loop {
        match lines.next() {
            Some(Ok(line)) if line.starts_with("STAGE") => break begun.elapsed(),
            Some(Ok(line)) => said.push(line),
            other => panic!("no path: {other:?}\n{}", said.join("\n")),
        }
    };
    drop(lines);
    let status = eventually("the answer ends", FINAL, || child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
    elapsed
}

/// The benchmark behind `make bench-market`: prints a table.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a benchmark: run by scripts/bench-market.sh"]
#[allow(clippy::print_stdout, reason = "made to be read by people")]
async fn time_to_a_path_among_many_workers() {
    let size = std::env::var("MICA_BENCH_WORKERS").ok().and_then(|size| size.parse().ok());
    let size: u16 = size.unwrap_or(10_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let begun = Instant::now();
    let world = World::start(folder.path(), size).await;
    eprintln!("{size} workers are registered and final after {:.0?}", begun.elapsed());
    let ask = |alpha: &str| {
        let mut mica = world.wallet.command();
        mica.args(QUESTION).args(["--alpha", alpha]);
        time_to_path(mica)
    };
    let millis = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1_000.0);
    let median = |alpha: &str| {
        let mut times: Vec<Duration> = (0..9).map(|_| ask(alpha)).collect();
        times.sort();
        format!("{} ({}–{})", millis(times[4]), millis(times[0]), millis(times[8]))
    };
    // At α = 1 the silent one is the best by the registry, at α = 0 the workers that run are.
    let cold = millis(ask("0"));
    let (warm, silent) = (median("0"), median("1"));
    let mut chain = Vec::new();
    for _ in 0..3 {
        let view = world.chain.at_finalized().await.expect("the node answers");
        let (model, _) = view.models().await.expect("it reads").remove(0);
        let begun = Instant::now();
        view.workers(model, None).await.expect("it reads");
        chain.push(begun.elapsed());
    }
    chain.sort();
    println!(
        "| workers | market read from the chain, ms | first question, ms | market kept, ms | the best is silent, ms |"
    );
    println!("|---|---|---|---|---|");
    println!("| {size} | {} | {cold} | {warm} | {silent} |", millis(chain[1]));
}
