//! Where a worker goes that was not told where, and that it stays there over a restart.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mica_chain::{AccountId, Chain};
use mica_primitives::LayerRange;
use mica_tests::{DevNode, Operator, Process, eventually_async, run};
use serde_json::{Value, json};

/// Longest time until a change has reached the registry.
const REGISTRY: Duration = Duration::from_secs(120);

async fn range(chain: &Chain, account: &str) -> Option<LayerRange> {
    let account: AccountId = account.parse().expect("an SS58 account");
    let found = chain.at_best().await.ok()?.worker(account).await.ok()?;
    found.map(|(record, _)| record.range)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_layers_a_worker_takes_what_fits_where_it_is_needed_and_comes_back_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    bob.serve(&node.url, &["--layers", "0..4", "--no-pricing"]);

    // Nothing is configured: the little model fits whole.
    let mut charlie = Operator::init(&folder.path().join("charlie"), "//Charlie");
    charlie.serve(&node.url, &["--no-pricing"]);
    assert_eq!(range(&chain, &charlie.account).await, LayerRange::new(0, 8));

    // At most four layers: those that only one other serves.
    let mut dave = Operator::init(&folder.path().join("dave"), "//Dave");
    let set = run(dave.command(&["config", "set", "width", "4"]), "");
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    dave.serve(&node.url, &["--no-pricing", "--share", "0.5"]);
    assert_eq!(range(&chain, &dave.account).await, LayerRange::new(4, 8));
    dave.kill();
    // Meanwhile others have come: it goes back to where it was all the same.
    let mut eve = Operator::init(&folder.path().join("eve"), "//Eve");
    eve.serve(&node.url, &["--layers", "4..8", "--no-pricing"]);
    dave.serve(&node.url, &["--no-pricing"]);
    assert_eq!(dave.events("serving")[0]["layers"], json!([4, 8]));
    // Told where, it goes there.
    dave.kill();
    dave.serve(&node.url, &["--no-pricing", "--layers", "0..4"]);
    eventually_async("the registry follows", REGISTRY, || async {
        (range(&chain, &dave.account).await == LayerRange::new(0, 4)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_sessions_in_its_hours_only_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    // One minute, half a day from now: whoever runs this at that minute has two more.
    let hours = {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let minute = (now.expect("after 1970").as_secs() / 60 + 12 * 60) % (24 * 60);
        let next = (minute + 1) % (24 * 60);
        format!("{:02}:{:02}-{:02}:{:02}", minute / 60, minute % 60, next / 60, next % 60)
    };
    let set = run(bob.command(&["config", "set", "machine.hours", &hours]), "");
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let utc = [("TZ", "UTC")];
    bob.start_with(&node.url, &["--layers", "0..8", "--no-pricing"], &utc);
    let paused = bob.wait_for("paused", REGISTRY, |_| true);
    assert_eq!(paused["code"], "out_of_hours", "{paused}");
    let status = bob.wait_for_status(&node.url, 22, REGISTRY, |status| status["serving"] == false);
    assert_eq!(status["problems"][0]["code"], "paused", "{status}");
}

/// A control group of memory with a limit, of either version; gone when this is dropped.
struct Group(PathBuf);

impl Group {
    /// Nothing if this user may not make one.
    fn with_limit(bytes: u64) -> Option<Self> {
        let name = format!("mica-test-{}", std::process::id());
        let kinds =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        kinds.iter().find_map(|(root, limit)| {
            let group = Self(Path::new(root).join(&name));
            std::fs::create_dir(&group.0).ok()?;
            // Without the controller there is no such file.
            let file = std::fs::OpenOptions::new().write(true).open(group.0.join(limit));
            file.and_then(|mut file| file.write_all(bytes.to_string().as_bytes())).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_a_small_control_group_takes_fewer_layers() {
    // The little model with its caches needs some megabytes more.
    let Some(group) = Group::with_limit(12 << 20) else {
        eprintln!("NOT TESTED: this user may not make a control group of memory");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let bob = Operator::init(&folder.path().join("bob"), "//Bob");
    let run = bob.command(&["run", "--json", "--register-model", "--node-url", &node.url]);
    let mut inside = Command::new("sh");
    mica_tests::process::mark(&mut inside);
    inside.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]).arg(&group.0);
    inside.arg(run.get_program()).args(run.get_args());
    let mut worker = Process::start(inside, folder.path().join("bob.log"));
    let loaded = worker.wait_for_line("layers are chosen", REGISTRY, |line| {
        serde_json::from_str::<Value>(line).ok().filter(|event| event["event"] == "loaded")
    });
    let layers = &loaded["layers"];
    let width = layers[1].as_u64().expect("the end") - layers[0].as_u64().expect("the first");
    assert!((1..8).contains(&width), "{loaded}");
    worker.kill();
}
