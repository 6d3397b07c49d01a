//! `kill -9` of the payer or of a worker at moments drawn from a seed, in the middle of paid
//! streams over two workers.
//!
//! After each: the same question is answered again, whoever died. A worker holds every promise that
//! it held before, and lost no more than its credit. The payer's own ledger promises what was
//! computed for it, and no more than its exposure beyond that where a session was cut off; it
//! covers whatever a worker holds. In the end the chain has paid what the workers hold, to the base
//! unit.
//!
//! `make kills KILLS=200` kills so often; a run of the tests some times.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use mica_chain::AccountId;
use mica_primitives::UNIT;
use mica_protocol::limits::DEFAULT_CREDIT_POSITIONS;
use mica_tests::{
    DevNode, Wallet, Worker, eventually, free_port,
    ledger::{Ledger, lane_name},
    process::command,
    units,
};
use serde_json::Value;

/// Kills in a run of the tests.
const KILLS: u64 = 6;
/// Until an answer comes again: a worker starts, registers and is found, and its pause for sessions
/// that ended unpaid is over.
const RECOVERY: Duration = Duration::from_secs(240);
/// Longest end of a worker.
const END: Duration = Duration::from_secs(120);

/// Numbers from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A chain, two workers that redeem nothing by themselves, and a payer.
struct Scene {
    node: DevNode,
    workers: [Worker; 2],
    wallet: Wallet,
    folder: PathBuf,
    /// What each worker held on its lanes when it was looked at last.
    held: [BTreeMap<String, u128>; 2],
    /// What the payer had on its disk when it was looked at last.
    ledger: Ledger,
}

impl Scene {
    async fn start(folder: &Path) -> Self {
        let node = DevNode::start(folder).await;
        let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")].map(|(suri, layers)| {
            // Its address stays when it starts again.
            let listen = format!("/ip4/127.0.0.1/tcp/{}", free_port());
            let extra = ["--redeem-minimum", "1000000", "--listen", &listen];
            Worker::launch(folder, &node.url, suri, layers, &extra)
        });
        workers.iter_mut().for_each(Worker::wait_until_serving);
        let wallet = Wallet::create(&folder.join("home"), &node.url);
        wallet.fund(&node.connect().await, 1_000 * UNIT).await;
        let (held, folder) = ([BTreeMap::new(), BTreeMap::new()], folder.to_owned());
        let mut scene = Self { node, workers, wallet, folder, held, ledger: Ledger::default() };
        scene.answer();
        scene.check_ledger();
        scene
    }

    /// A short answer, whatever it takes: nobody is jammed.
    fn answer(&self) {
        let mut last = String::new();
        eventually("an answer comes again", RECOVERY, || {
            let mut mica = self.wallet.command();
            mica.args(["--json", "ask", "Hello.", "--max-tokens", "4", "--headroom", "40"]);
            let output = mica.stdin(Stdio::null()).output().expect("the program starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!said.contains("panicked"), "{said}");
            // A payer leaves a worker that failed alone for some minutes, unless its user says so.
            if said.contains("mica forget") {
                let mut forget = self.wallet.command();
                forget.args(["forget", "--all"]).output().expect("the program starts");
            }
            if said != last {
                eprintln!("{said}");
                last = said;
            }
            output.status.success().then_some(())
        });
    }

    /// A long answer under way.
    fn stream(&self, seed: u64) -> Child {
        let mut mica = self.wallet.command();
        mica.args(["ask", "Tell me a story.", "--max-tokens", "300", "--temperature", "1.5"]);
        mica.args(["--seed", &seed.to_string(), "--headroom", "8", "-q"]);
        mica.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts")
    }

    /// What a worker that does not run holds on each of its lanes, and what the chain has paid.
    fn lanes(&self, worker: usize) -> BTreeMap<String, (u128, u128)> {
        let folder = self.folder.join(["bob", "charlie"][worker]);
        let mut status = command("mica-worker");
        status.args(["status", "--json", "--node-url", &self.node.url, "--data-dir"]).arg(folder);
        let output = status.output().expect("the program starts");
        let status: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let lanes = status["lanes"].as_array().expect("a worker that does not run shows its lanes");
        let name =
            |lane: &Value| format!("{}/{}", lane["channel"].as_str().expect("an id"), lane["lane"]);
        let both = |lane: &Value| (units(&lane["promised"]), units(&lane["claimed"]));
        lanes.iter().map(|lane| (name(lane), both(lane))).collect()
    }

    /// A worker that was killed holds what it held before, or more.
    fn compare(&mut self, worker: usize) {
        let lanes = self.lanes(worker);
        for (lane, before) in &self.held[worker] {
            let now = lanes.get(lane).map_or(0, |(promised, _)| *promised);
            assert!(now >= *before, "worker {worker} held {before} on {lane} and holds {now}");
        }
        self.held[worker] =
            lanes.into_iter().map(|(lane, (promised, _))| (lane, promised)).collect();
    }

    /// No worker has lost more than its credit in any session that it saw end.
    fn check_credit(&self) {
        for worker in &self.workers {
            let Some(serving) = worker.events("serving").pop() else { continue };
            let [first, end] = [0, 1].map(|at| serving["layers"][at].as_u64().expect("a layer"));
            let layers = u128::from(end - first);
            let unit = units(&serving["price_per_layer_token"]) * layers;
            let credit = unit * u128::from(DEFAULT_CREDIT_POSITIONS);
            for end in worker.events("session_ended") {
                assert!(units(&end["unpaid"]) <= credit, "more than the credit is lost: {end}");
            }
        }
    }

    /// Since it was looked at last the payer has promised what was computed for it, and no more
    /// than its exposure beyond that where a session was cut off. What workers hold is promised.
    fn check_ledger(&mut self) {
        let ledger = Ledger::read(&self.wallet.home);
        ledger.check_since(&self.ledger);
        for (lane, held) in self.held.iter().flatten() {
            let promised = ledger.promised(lane);
            assert!(promised >= *held, "a worker holds {held} on {lane} and {promised} is known");
        }
        self.ledger = ledger;
    }

    /// The chain has paid each worker what it holds, lane by lane, and nothing else.
    async fn check_paid(&self) {
        let view = self.node.connect().await.at_best().await.expect("the node answers");
        let channels = view.channels_of(self.wallet.account).await.expect("it reads");
        let mut paid = [BTreeMap::new(), BTreeMap::new()];
        let mut sums = [0; 2];
        for (id, channel) in channels {
            let is_payee = |worker: &Worker| {
                worker.account.parse::<AccountId>().is_ok_and(|account| account == channel.payee)
            };
            let worker = self.workers.iter().position(is_payee).expect("a worker of this market");
            let lanes = channel.lanes.iter();
            paid[worker].extend(lanes.map(|(lane, state)| (lane_name(id, *lane), state.claimed)));
            sums[worker] += channel.claimed;
        }
        let mut held = self.held.clone();
        // The chain has never heard of a lane on which nothing is promised.
        held.iter_mut().for_each(|lanes| lanes.retain(|_, promised| *promised > 0));
        assert_eq!(paid, held);
        assert_eq!(sums, held.map(|lanes| lanes.values().sum::<u128>()));
    }
}

/// Lets a stream run up to a moment: while it opens, or so many bytes into its text.
fn run_until(child: &mut Child, chance: &mut Chance) {
    if chance.below(4) == 0 {
        // Nothing tells from outside how far an opening is: the moment itself is the test.
        std::thread::sleep(Duration::from_millis(chance.below(1_500)));
        return;
    }
    let mut text = vec![0; 1 + chance.below(600) as usize];
    // It may be over before, which is a moment as well.
    let _ = child.stdout.as_mut().expect("piped").read_exact(&mut text);
}

fn end(mut child: Child) {
    let _ = child.kill();
    child.wait().expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nobody_is_jammed_and_the_chain_pays_every_promise() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (kills, seed) = (number("KILLS", KILLS), number("SEED", 1));
    let mut chance = Chance(seed);
    let mut scene = Scene::start(folder.path()).await;
    for kill in 0..kills {
        let mut child = scene.stream(kill);
        run_until(&mut child, &mut chance);
        let victim = chance.below(3) as usize;
        eprintln!("kill {kill} of seed {seed}: {}", ["payer", "Bob", "Charlie"][victim]);
        match victim.checked_sub(1) {
            None => end(child),
            Some(worker) => {
                scene.check_credit();
                scene.workers[worker].kill();
                scene.compare(worker);
                // The payer notices by itself.
                let ended = eventually("the payer gives up", RECOVERY, || {
                    child.try_wait().expect("a child can be asked")
                });
                assert!(ended.code().is_some(), "the payer ends by itself: {ended}");
                scene.workers[worker].restart();
                scene.workers[worker].wait_until_serving();
            }
        }
        scene.answer();
        scene.check_ledger();
    }
    scene.check_credit();
    pays_every_promise(&mut scene);
    scene.check_paid().await;
}

/// The workers redeem what they hold, and stop.
fn pays_every_promise(scene: &mut Scene) {
    for worker in 0..2 {
        scene.workers[worker].kill();
        scene.compare(worker);
        let held: u128 = scene.held[worker].values().sum();
        assert!(held > 0, "worker {worker} was paid nothing");
        let worker = &mut scene.workers[worker];
        worker.set_option("--redeem-minimum", "1u");
        worker.restart();
        eventually("everything is redeemed", RECOVERY, || {
            let redeemed = worker.events("redeemed");
            (redeemed.iter().map(|event| units(&event["paid"])).sum::<u128>() == held).then_some(())
        });
        worker.process.signal("TERM");
        worker.process.wait(END);
    }
    for worker in 0..2 {
        let lanes = scene.lanes(worker);
        for (lane, before) in &scene.held[worker] {
            let (promised, claimed) = lanes.get(lane).copied().expect("the lane is still there");
            assert_eq!((promised, claimed), (*before, *before), "{lane} of worker {worker}");
        }
    }
}
