//! How messages identify a stage of a path: by the same number, whichever program says it.

use std::{path::Path, process::Command, time::Duration};

use mica_tests::{Process, Worker, process::command};

/// Longest time of a question whose worker is gone.
const PATIENCE: Duration = Duration::from_secs(120);

/// The second of two workers dies after the path was chosen and before its session is open: the
/// error has the number that stands beside it in `mica quote`, and in the path that `mica ask`
/// shows.
///
/// The wallet in `home` has no channels, so that opening them takes a block: time enough to die in.
pub fn a_failure_names_the_stage_as_the_quote_does(
    node_url: &str,
    home: &Path,
    worker: &mut Worker,
) {
    let mica = |arguments: &[&str]| -> Command {
        let mut mica = command("mica");
        mica.env("MICA_HOME", home)
            .env("MICA_NODE_URL", node_url)
            .env("MICA_PASSWORD", "correct horse")
            .args(arguments);
        mica
    };
    let question = ["What is a blockchain?", "--max-tokens", "8"];
    let quote = mica(&[&["quote"][..], &question].concat()).output().expect("mica starts");
    let quote = String::from_utf8_lossy(&quote.stdout).into_owned();
    let number = number_of_the_last_stage(&quote).unwrap_or_else(|| panic!("no path in {quote}"));
    assert_eq!(number, "2", "{quote}");

    let mut asking =
        Process::start(mica(&[&["ask"][..], &question].concat()), home.join("asking.log"));
    let shown = asking.wait_for_line("the path is shown", PATIENCE, |line| {
        line.contains("[5, 8)").then(|| line.trim().to_owned())
    });
    worker.kill();
    assert!(shown.starts_with(&format!("{number} ")), "{shown}");
    let status = asking.wait(PATIENCE);
    let said = asking.output();
    assert!(!status.success() && said.contains(&format!("stage {number}: ")), "{status}: {said}");
    assert!(!said.contains("stage 0") && !said.contains("stage 1:"), "{said}");
}

/// What stands in the first column of the row of the layers 5 to 7.
fn number_of_the_last_stage(table: &str) -> Option<String> {
    table.lines().find(|line| line.contains("[5, 8)"))?.split_whitespace().next().map(str::to_owned)
}
