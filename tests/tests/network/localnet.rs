//! `mica localnet`, by its page: a network that stays when the command has ended, bears the loss of
//! a validator, and is gone when it is told to.

use std::{path::Path, process::Command, time::Duration};

use mica_chain::Chain;
use mica_tests::{Reader, eventually, eventually_async, process::command};
use serde_json::Value;

/// Longest time until a block is final, or a process gone.
const PATIENCE: Duration = Duration::from_secs(90);

fn read(record: &Path) -> Value {
    let text = std::fs::read_to_string(record).expect("the record is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Process ids in a list of the record.
fn pids(record: &Value, list: &str) -> Vec<u32> {
    let pid = |one: &Value| u32::try_from(one["pid"].as_u64().expect("a pid")).expect("a pid");
    record[list].as_array().expect("a list").iter().map(pid).collect()
}

fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim().starts_with('Z'))
}

/// Ends what runs whatever a test has found.
struct End<'a>(&'a Path);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut down = command("mica");
        let _ = down.current_dir(self.0).args(["localnet", "down"]).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_network_stays_bears_the_loss_of_a_validator_and_is_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _end = End(folder.path());
    let mut page = Reader::open("docs/operations/localnet.md", folder.path())
        .variable("MICA_PASSWORD", "correct horse")
        .variable("MICA_HOME", &folder.path().join("home").display().to_string());
    page.until("export MICA_WALLET=faucet");
    let path = folder.path().join("target/localnet.json");
    let record = read(&path);
    let (nodes, workers) = (pids(&record, "nodes"), pids(&record, "workers"));
    assert_eq!((nodes.len(), workers.len()), (4, 3), "{record}");
    assert!(nodes.iter().chain(&workers).all(|pid| is_running(*pid)), "{record}");
    assert_eq!(record["nodes"][3]["name"], "dave");

    // A second one in the same place is refused, and changes nothing.
    let mut again = command("mica");
    let again = again.current_dir(folder.path()).args(["--json", "localnet", "up"]).output();
    let again = again.expect("mica starts");
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(20) && said.contains("mica localnet down"), "{said}");
    assert_eq!(read(&path), record);

    page.until("mica localnet down");
    assert!(Command::new("kill").args(["-9", &nodes[3].to_string()]).status().is_ok());
    let url = record["nodes"][0]["ws"].as_str().expect("an address");
    let chain = Chain::connect(url).await.expect("alice answers");
    let next = chain.best().await.expect("the node answers").number + 2;
    eventually_async("blocks are final without dave", PATIENCE, || async {
        chain.finalized().await.ok().filter(|head| head.number >= next)
    })
    .await;

    let said = page.finish();
    assert!(said.contains("stopped: 6 processes"), "{said}");
    eventually("nothing of it runs", PATIENCE, || {
        nodes.iter().chain(&workers).all(|pid| !is_running(*pid)).then_some(())
    });
    assert!(!path.exists(), "the record is gone");
}
