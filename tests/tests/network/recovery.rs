//! What a payer's programs do when their records are wrong: older than the promises, lost, in
//! another place, truncated by a power cut on either side, or from a chain that no longer exists.

use std::{
    fs,
    io::Read,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use mica_chain::{Chain, Signer};
use mica_payer::store::{Change, Store};
use mica_primitives::{ChannelId, LaneId, MAX_LANES, UNIT};
use mica_tests::{
    DevNode, Ran, Wallet, Worker, eventually, free_port, http, process::command, run, units,
};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(60);
/// What is asked throughout, and with which options.
const ASK: [&str; 6] =
    ["--json", "ask", "How does a blockchain work?", "--max-tokens", "8", "--headroom"];
/// What is said when promises were learnt from workers.
const RECOVERED: &str = "promises that this folder did not remember";
/// What is said when a chain is not the one of the records.
const ANEW: &str = "the chain began anew";

/// A development chain, and two workers that cover the embedded model and redeem nothing by
/// themselves.
struct World {
    node: DevNode,
    chain: Chain,
    workers: [Worker; 2],
    folder: PathBuf,
}

impl World {
    async fn start(folder: &Path, rpc_port: u16) -> Self {
        fs::create_dir_all(folder).expect("the test's folder is writable");
        let node = DevNode::start_at(folder, &["--dev"], rpc_port).await;
        let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")].map(|(suri, layers)| {
            // Dear enough that every lane is worth its redeem when a channel is closed, and below
            // what payers allow for one answer unless they say otherwise.
            let extra = ["--redeem-minimum", "1000000", "--price", "24000000u"];
            Worker::launch(folder, &node.url, suri, layers, &extra)
        });
        workers.iter_mut().for_each(Worker::wait_until_serving);
        let chain = node.connect().await;
        Self { node, chain, workers, folder: folder.to_owned() }
    }

    /// Payers read the market at the last final block.
    fn wait_for_market(&self) {
        eventually("the market is final", FINAL, || {
            let mut looking = command("mica");
            looking.env("MICA_HOME", self.folder.join("nobody")).args([
                "--node-url",
                &self.node.url,
                "--json",
                "market",
            ]);
            let ran = run(looking, "");
            let models = (ran.code == Some(0)).then(|| ran.json()["models"].clone())?;
            models[0]["uncovered"].as_array().is_some_and(Vec::is_empty).then_some(())
        });
    }

    /// Starts the first worker again, and waits until payers find it under its new address.
    fn bring_back_the_first_worker(&mut self, wallet: &Wallet) {
        self.workers[0].restart();
        self.workers[0].wait_until_serving();
        eventually("the worker answers payers", FINAL, || {
            let mut rehearsal = wallet.command();
            rehearsal.args(ASK).args(["40", "--dry-run"]);
            (run(rehearsal, "").code == Some(0)).then_some(())
        });
    }

    async fn wallet(&self, name: &str) -> Wallet {
        let wallet = Wallet::create(&self.folder.join(name), &self.node.url);
        wallet.fund(&self.chain, 100 * UNIT).await;
        self.wait_for_market();
        wallet
    }

    async fn total(&self, wallet: &Wallet) -> u128 {
        let view = self.chain.at_best().await.expect("the node answers");
        view.account(wallet.account).await.expect("it reads").total()
    }
}

/// The answer to the question of all these tests, as the programs print it, and what else they say.
fn ask(wallet: &Wallet) -> (Value, String) {
    let ran = try_to_ask(wallet);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    (ran.json(), ran.stderr)
}

fn try_to_ask(wallet: &Wallet) -> Ran {
    let mut mica = wallet.command();
    mica.args(ASK)
        .arg("40")
        .env("MICA_LOG", "mica_cli=debug,mica_payer=debug,mica_gateway=debug,mica_workflow=debug");
    run(mica, "")
}

/// The same from a payer of whom several sessions have ended unpaid at once, which a worker answers
/// with a pause of a minute.
fn ask_after_the_pause(wallet: &Wallet) -> (Value, String) {
    eventually("the worker's pause is over", 2 * FINAL, || {
        let ran = try_to_ask(wallet);
        let is_pause = ran.code == Some(17) && ran.stderr.contains("ended unpaid");
        assert!(ran.code == Some(0) || is_pause, "{}", ran.stderr);
        (!is_pause).then(|| (ran.json(), ran.stderr))
    })
}

/// What `mica doctor` finds about the records.
fn doctor(wallet: &Wallet) -> Vec<Value> {
    let mut mica = wallet.command();
    mica.args(["--json", "doctor"]);
    let report = run(mica, "").json();
    let findings = report["findings"].as_array().expect("a list").iter();
    findings.filter(|finding| finding["check"] == "records").cloned().collect()
}

fn says(findings: &[Value], text: &str) -> bool {
    findings.iter().any(|finding| {
        let has_remedy = finding["mend"].as_str().is_some_and(|mend| mend.starts_with("mica "));
        finding["state"] == "note"
            && has_remedy
            && finding["found"].as_str().is_some_and(|found| found.contains(text))
    })
}

fn channels(wallet: &Wallet) -> Value {
    let mut mica = wallet.command();
    mica.args(["--json", "channel", "list"]);
    run(mica, "").json()
}

/// Asks until the records are right again: told once, answered at once, without another channel or
/// a fee.
fn recovers(wallet: &Wallet, reference: &Value, paid: &mut u128) {
    let before = channels(wallet).as_array().expect("a list").len();
    let (answer, said) = ask(wallet);
    assert_eq!(answer["text"], *reference, "{said}");
    // The program says it to the user, and once more to its log.
    let told =
        said.lines().filter(|line| line.contains(RECOVERED) && !line.contains("WARN")).count();
    assert_eq!(told, 1, "{said}");
    *paid += units(&answer["paid"]);
    let (again, said) = ask(wallet);
    assert_eq!(again["text"], *reference, "{said}");
    assert!(!said.contains(RECOVERED), "{said}");
    *paid += units(&again["paid"]);
    assert_eq!((units(&answer["fees"]), units(&again["fees"])), (0, 0), "what is open is enough");
    assert_eq!(channels(wallet).as_array().expect("a list").len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_older_lost_or_elsewhere_are_learnt_again_and_every_promise_is_paid_once()
{
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::start(folder.path(), free_port()).await;
    let mut wallet = world.wallet("home").await;
    let before = world.total(&wallet).await;
    let (first, said) = ask(&wallet);
    assert!(!said.contains(RECOVERED) && units(&first["fees"]) > 0, "{said}");
    let (reference, state) = (first["text"].clone(), wallet.home.join("state.redb"));
    let (mut paid, mut fees) = (units(&first["paid"]), units(&first["fees"]));

    // An older copy is put back.
    let copy = fs::read(&state).expect("the database is there");
    for _ in 0..2 {
        let (more, said) = ask(&wallet);
        assert_eq!((&more["text"], units(&more["fees"])), (&reference, 0), "{said}");
        paid += units(&more["paid"]);
    }
    assert!(
        !doctor(&wallet).iter().any(|finding| finding["state"] != "good"),
        "{:?}",
        doctor(&wallet)
    );
    fs::write(&state, &copy).expect("put back");
    assert!(
        says(&doctor(&wallet), "is older than this folder's last use"),
        "{:?}",
        doctor(&wallet)
    );
    recovers(&wallet, &reference, &mut paid);
    assert!(
        !doctor(&wallet).iter().any(|finding| finding["state"] != "good"),
        "{:?}",
        doctor(&wallet)
    );

    // It is deleted.
    fs::remove_file(&state).expect("deleted");
    assert!(says(&doctor(&wallet), "is gone"), "{:?}", doctor(&wallet));
    assert!(says(&doctor(&wallet), "is not on record"), "{:?}", doctor(&wallet));
    recovers(&wallet, &reference, &mut paid);

    // The same wallet lives under a second home folder; then the first goes on.
    let first_home = wallet.home.clone();
    let second = world.folder.join("second");
    fs::create_dir_all(second.join("wallets")).expect("a folder");
    for entry in fs::read_dir(first_home.join("wallets")).expect("readable").flatten() {
        fs::copy(entry.path(), second.join("wallets").join(entry.file_name())).expect("copied");
    }
    wallet.home = second;
    assert!(says(&doctor(&wallet), "is not on record"), "{:?}", doctor(&wallet));
    recovers(&wallet, &reference, &mut paid);
    wallet.home = first_home;
    let (answer, said) = ask(&wallet);
    assert_eq!(answer["text"], reference, "{said}");
    paid += units(&answer["paid"]);

    // A worker comes back with the records of before the last answers, which the payer's vouchers
    // go on from.
    let records = ["bob/store.redb", "bob/journal.bin"].map(|name| world.folder.join(name));
    world.workers[0].kill();
    let older =
        records.each_ref().map(|path| fs::read(path).expect("the worker's records are there"));
    world.bring_back_the_first_worker(&wallet);
    let (answer, said) = ask(&wallet);
    assert_eq!(answer["text"], reference, "{said}");
    let lost = units(&answer["stages"][0]["paid"]);
    paid += units(&answer["paid"]);
    world.workers[0].kill();
    records.iter().zip(&older).for_each(|(path, bytes)| fs::write(path, bytes).expect("put back"));
    world.bring_back_the_first_worker(&wallet);
    for refuses in [true, false] {
        let (answer, said) = ask(&wallet);
        assert_eq!((&answer["text"], units(&answer["fees"])), (&reference, 0), "{said}");
        assert_eq!(said.contains("ReceiptsDiffer"), refuses, "the lane is given up once: {said}");
        paid += units(&answer["paid"]);
    }

    // No lane of a channel is left: another one is opened, and the line that says so names the
    // command that brings the rest back.
    let worn = channels(&wallet)[0]["channel"].as_str().expect("an id").to_owned();
    let id = ChannelId(hex::decode(&worn[2..]).expect("hex").try_into().expect("32 bytes"));
    let lanes: Vec<Change> =
        (0..MAX_LANES).map(|lane| Change::Retired(id, lane as LaneId)).collect();
    Store::open(&state).expect("nobody else has it").apply(&lanes).expect("written");
    let (answer, said) = ask(&wallet);
    assert_eq!(answer["text"], reference, "{said}");
    assert!(
        said.lines().any(|line| line.contains("takes no more sessions")
            && line.contains("mica channel close 0x")),
        "{said}"
    );
    assert!(units(&answer["fees"]) > 0);
    (paid, fees) = (paid + units(&answer["paid"]), fees + units(&answer["fees"]));
    assert_eq!(channels(&wallet).as_array().expect("a list").len(), 3);
    let close = format!("mica channel close {worn}");
    let findings = doctor(&wallet);
    assert!(
        findings
            .iter()
            .any(|finding| finding["state"] == "wrong" && finding["mend"] == close.as_str()),
        "{findings:?}"
    );
    let (again, said) = ask(&wallet);
    assert_eq!((&again["text"], units(&again["fees"])), (&reference, 0), "{said}");
    paid += units(&again["paid"]);

    // In the end the wallet has lost what its answers cost and the fees, to the base unit. What the
    // worker has forgotten of its last answer before the power cut it cannot claim: the lane was
    // given up, so no later voucher says it again.
    let mut close = wallet.command();
    close.args(["--json", "channel", "close", "--all", "--yes"]);
    let closed = run(close, "");
    assert_eq!(closed.code, Some(0), "{}", closed.stderr);
    let spent = before - world.total(&wallet).await;
    let owed = paid + fees + units(&closed.json()["fees"]);
    assert!(spent + lost == owed, "{spent} spent, {owed} owed, {lost} lost by the worker");
}

/// Starts a long answer and kills its payer as soon as the first words are there.
fn kill_in_mid_answer(wallet: &Wallet) {
    let mut mica = wallet.command();
    mica.args([
        "ask",
        "Tell me a story.",
        "--max-tokens",
        "400",
        "--temperature",
        "1.5",
        "--seed",
        "5",
        "--headroom",
        "8",
        "-q",
    ]);
    let mut child = mica
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut first = [0; 4];
    child.stdout.take().expect("piped").read_exact(&mut first).expect("an answer begins");
    assert!(
        child.try_wait().expect("a child can be asked").is_none(),
        "the answer was over already"
    );
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_that_was_killed_in_mid_answer_asks_again_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::start(folder.path(), free_port()).await;
    let wallet = world.wallet("home").await;
    let (first, _) = ask(&wallet);
    for _ in 0..3 {
        kill_in_mid_answer(&wallet);
        let (answer, said) = ask(&wallet);
        assert_eq!(answer["text"], first["text"]);
        assert!(!said.contains("LaneBusy") && !said.contains(RECOVERED), "{said}");
    }
    eventually("the worker gives up the sessions that were cut off", FINAL, || {
        let ended = world.workers[0].events("session_ended");
        (ended.iter().filter(|event| event["settled"] == false).count() == 3).then_some(())
    });

    // A gateway that is killed while it streams, and its successor under load at once.
    let gateway_wallet = world.wallet("gateway").await;
    let settings = "parallel = 8\nheadroom = 40\n";
    let mut gateway = gateway_wallet.gateway(settings, false);
    let warm =
        http::send(gateway.address, "POST", "/api/generate", &[], story(4, false).as_bytes());
    assert_eq!(warm.status, 200, "{}", warm.body);
    let streams: Vec<TcpStream> =
        (0..4).map(|_| begun(gateway.address, &story(400, true))).collect();
    gateway.process.kill();
    drop(streams);
    let gateway = gateway_wallet.gateway(settings, false);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let request = || {
            http::send(gateway.address, "POST", "/api/generate", &[], story(4, false).as_bytes())
        };
        let asking: Vec<_> = (0..7).map(|_| scope.spawn(request)).collect();
        asking.into_iter().map(|answer| answer.join().expect("an answer")).collect()
    });
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.json()["response"]),
            (200, &warm.json()["response"]),
            "{}",
            answer.body
        );
    }
    let log = gateway.process.output();
    assert!(!log.contains("LaneBusy"), "{log}");
    world.workers.iter_mut().for_each(Worker::kill);
}

/// A request of the gateway for a long or short text.
fn story(tokens: u32, stream: bool) -> String {
    let options = serde_json::json!({"num_predict": tokens, "seed": 5, "temperature": 1.5});
    serde_json::json!({"model": "mica-tiny", "prompt": "Tell me a story.", "stream": stream, "options": options}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_or_hangs_in_mid_answer_keeps_nobody_from_asking() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut world = World::start(folder.path(), free_port()).await;

    // It is killed with many streams running, and what they had not paid for stays unpaid: of how
    // many depends on the moment.
    let wallet = world.wallet("home").await;
    let (first, _) = ask(&wallet);
    let mut gateway = wallet.gateway("parallel = 8\nheadroom = 40\n", false);
    let warm =
        http::send(gateway.address, "POST", "/api/generate", &[], story(4, false).as_bytes());
    assert_eq!(warm.status, 200, "{}", warm.body);
    let mut streams: Vec<TcpStream> =
        (0..8).map(|_| asked(gateway.address, &story(1_500, true))).collect();
    streams[..5].iter_mut().for_each(first_piece);
    gateway.process.kill();
    drop(streams);
    for worker in &world.workers {
        eventually("the worker gives up the sessions that were cut off", FINAL, || {
            worker
                .events("session_ended")
                .iter()
                .any(|event| event["settled"] == false)
                .then_some(())
        });
    }
    let (answer, said) = ask_after_the_pause(&wallet);
    assert_eq!((&answer["text"], units(&answer["fees"])), (&first["text"], 0), "{said}");

    // It hangs, and another home of the same wallet asks: the worker's lane is taken, so it goes on
    // in the next one, and learns what was promised on the one that is taken.
    let wallet = world.wallet("hanging").await;
    let gateway = wallet.gateway("parallel = 1\nheadroom = 40\n", false);
    let running = begun(gateway.address, &story(1_500, true));
    gateway.process.signal("STOP");
    let second = world.folder.join("second");
    fs::create_dir_all(second.join("wallets")).expect("a folder");
    for entry in fs::read_dir(wallet.home.join("wallets")).expect("readable").flatten() {
        fs::copy(entry.path(), second.join("wallets").join(entry.file_name())).expect("copied");
    }
    let mut elsewhere = wallet;
    elsewhere.home = second;
    let (answer, said) = ask(&elsewhere);
    assert_eq!(answer["text"], first["text"], "{said}");
    assert!(said.contains("LaneBusy") && said.contains(RECOVERED), "{said}");
    drop((running, gateway));
    world.workers.iter_mut().for_each(Worker::kill);
}

/// A streamed request of which the first piece has come.
fn begun(address: std::net::SocketAddr, body: &str) -> TcpStream {
    let mut stream = asked(address, body);
    first_piece(&mut stream);
    stream
}

/// A request that was sent.
fn asked(address: std::net::SocketAddr, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(FINAL)).expect("a time-out");
    let request = http::request("POST", "/api/generate", &[], body.as_bytes());
    std::io::Write::write_all(&mut stream, &request).expect("sent");
    stream
}

/// Waits for the first piece of the answer.
fn first_piece(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.windows(10).any(|window| window == b"\"response\"") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).expect("an answer begins");
        assert!(count > 0, "no answer: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_chain_that_began_anew_is_told_once_and_its_fee_paid_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = free_port();
    let old = World::start(&folder.path().join("old"), port).await;
    let wallet = old.wallet("home").await;
    let other = old.wallet("other").await;
    let (first, _) = ask(&wallet);
    let (second, said) = ask(&wallet);
    assert_eq!((&second["text"], units(&second["fees"])), (&first["text"], 0), "{said}");
    // A program that runs on over the change.
    let gateway = other.gateway("headroom = 40\n", false);
    let body = serde_json::json!({"model": "mica-tiny", "prompt": "Hello.", "stream": false, "options": {"num_predict": 4, "seed": 5}});
    let generate =
        || http::send(gateway.address, "POST", "/api/generate", &[], body.to_string().as_bytes());
    let before = generate();
    assert_eq!(before.status, 200, "{}", before.body);
    let World { mut node, mut workers, .. } = old;
    workers.iter_mut().for_each(Worker::kill);
    node.process.kill();

    let new = World::start(&folder.path().join("new"), port).await;
    for account in [wallet.account, other.account] {
        let rich = Signer::from_suri("//Alice").expect("a development key");
        let call = mica_chain::Call::Transfer { to: account, amount: 100 * UNIT };
        new.chain.submit(&rich, call, mica_chain::Until::Finalized).await.expect("a transfer");
    }
    new.wait_for_market();
    assert!(says(&doctor(&wallet), "began anew"), "{:?}", doctor(&wallet));
    let total = new.total(&wallet).await;
    let (answer, said) = ask(&wallet);
    assert_eq!(answer["text"], first["text"], "{said}");
    let told = said.lines().filter(|line| line.contains(ANEW) && !line.contains("WARN")).count();
    assert_eq!(told, 1, "{said}");
    let fees = units(&answer["fees"]);
    assert!(fees > 0);
    assert_eq!(total - new.total(&wallet).await, fees, "one fee, and it is the one that was told");
    let (again, said) = ask(&wallet);
    assert_eq!((&again["text"], units(&again["fees"])), (&first["text"], 0), "{said}");
    assert!(!said.contains(ANEW), "{said}");
    assert_eq!(total - new.total(&wallet).await, fees);
    assert!(!says(&doctor(&wallet), "began anew"));
    let names = fs::read_dir(&wallet.home)
        .expect("readable")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("text"));
    let aside: Vec<String> =
        names.filter(|name| name.starts_with("state-") && name.ends_with(".redb")).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    let kept = Store::open(&wallet.home.join(&aside[0])).expect("a payer's database");
    assert_eq!(kept.sessions().expect("readable").len(), 2, "nothing is lost");

    let after = eventually("the gateway answers on the new chain", FINAL, || {
        let answer = generate();
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(after.json()["response"], before.json()["response"]);
    let said = gateway.process.output();
    assert_eq!(
        said.lines().filter(|line| line.contains(ANEW) && !line.contains("WARN")).count(),
        1,
        "{said}"
    );
    let next = generate();
    assert_eq!(
        (next.status, &next.json()["response"]),
        (200, &before.json()["response"]),
        "{}",
        next.body
    );
}
