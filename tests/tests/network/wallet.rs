//! The payer's wallet against a real chain and real workers: what it asks for and when, what it
//! sends and what it does not.

use std::{path::PathBuf, process::Command, time::Duration};

use mica_tests::{DevNode, Ran, Terminal, Worker, eventually, process::command, run, units};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(60);
/// What is on hold for the storage of one channel, base units.
const CHANNEL_STORAGE_DEPOSIT: u128 = 100_000_000_000;
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

/// A chain, two workers that cover the embedded model, and a funded wallet.
pub(super) struct World {
    pub(super) node: DevNode,
    workers: [Worker; 2],
    pub(super) home: PathBuf,
    address: String,
    _folder: tempfile::TempDir,
}

/// A chain and two workers that cover the embedded model; what they have registered is final.
pub async fn market() -> (DevNode, [Worker; 2], tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")]
        .map(|(suri, layers)| Worker::launch(folder.path(), &node.url, suri, layers, &[]));
    workers.iter_mut().for_each(Worker::wait_until_serving);
    // Payers read the market at the last final block.
    eventually("the market is final", FINAL, || {
        let mut looking = command("mica");
        looking.env("MICA_HOME", folder.path().join("nobody")).args([
            "--node-url",
            &node.url,
            "--json",
            "market",
        ]);
        let ran = run(looking, "");
        let models = (ran.code == Some(0)).then(|| ran.json()["models"].clone())?;
        models[0]["uncovered"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    (node, workers, folder)
}

impl World {
    pub(super) async fn new() -> Self {
        let (node, workers, folder) = market().await;
        let home = folder.path().join("home");
        let mut world = Self { node, workers, home, address: String::new(), _folder: folder };
        world.address =
            world.ok(&["wallet", "new"]).json()["address"].as_str().expect("an address").to_owned();
        let address = world.address.clone();
        world.ok(&[
            "wallet",
            "transfer",
            &address,
            "100",
            "--dev-account",
            "Alice",
            "--wait",
            "finalized",
        ]);
        world
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut mica = command("mica");
        mica.env("MICA_HOME", &self.home).env("MICA_NODE_URL", &self.node.url).args(arguments);
        for variable in ["MICA_PASSWORD", "MICA_WALLET", "MICA_WAIT", "MICA_OUTPUT"] {
            mica.env_remove(variable);
        }
        mica
    }

    /// With the password, as JSON.
    pub(super) fn open(&self, arguments: &[&str]) -> Ran {
        let mut mica = self.command(&[arguments, &["--json", "--quiet"]].concat());
        mica.env("MICA_PASSWORD", "correct horse");
        run(mica, "")
    }

    /// The same for what works.
    pub(super) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.open(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran
    }

    /// Without the password, as JSON.
    pub(super) fn locked(&self, arguments: &[&str], input: &str) -> Ran {
        run(self.command(&[arguments, &["--json", "--quiet"]].concat()), input)
    }

    fn free(&self) -> u128 {
        units(&self.ok(&["wallet", "balance"]).json()["free"])
    }

    pub(super) fn channels(&self) -> usize {
        self.ok(&["channel", "list"]).json().as_array().expect("a list").len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_stays_locked_while_vouchers_are_signed_and_a_dry_run_sends_nothing() {
    let world = World::new().await;

    // A dry run needs no password, changes nothing, and its fee is the one that is paid, within a
    // little.
    let before = world.free();
    let dry = world.locked(&["wallet", "transfer", ALICE, "1.5", "--dry-run"], "").json();
    assert_eq!((&dry["dry_run"], units(&dry["sent"])), (&true.into(), 1_500_000_000_000));
    assert_eq!(units(&dry["left"]), before - 1_500_000_000_000 - units(&dry["fee"]));
    let poor = world.locked(&["wallet", "transfer", ALICE, "1000", "--dry-run"], "").json();
    assert!(units(&poor["missing"]) > 0, "{poor}");
    assert_eq!(world.free(), before);
    let sent = world.ok(&["wallet", "transfer", ALICE, "1.5", "--wait", "included"]).json();
    // The price of a block's room moves a little from block to block.
    let (paid, estimated) = (units(&sent["fee"]), units(&dry["fee"]));
    assert!(paid.abs_diff(estimated) < estimated / 50, "{paid} paid, {estimated} estimated");
    assert_eq!(world.free(), before - 1_500_000_000_000 - units(&sent["fee"]));

    // Each level of waiting says what is known then.
    let none = world.ok(&["wallet", "transfer", ALICE, "1u", "--wait", "none"]).json();
    assert!(
        none["extrinsic"].as_str().is_some_and(|hash| hash.len() == 66)
            && none.get("block").is_none(),
        "{none}"
    );
    let last = world.ok(&["wallet", "transfer", ALICE, "1u"]).json();
    assert!(last["wait"] == "finalized" && last["block"].as_u64().is_some(), "{last}");
    let progress = run(
        {
            let mut mica =
                world.command(&["wallet", "transfer", ALICE, "1u", "--wait", "included"]);
            mica.env("MICA_PASSWORD", "correct horse");
            mica
        },
        "",
    );
    assert!(
        progress.stderr.contains("in block") && !progress.stdout.contains("..."),
        "{}",
        progress.stderr
    );

    // What a prompt would lock is shown without a password; the prompt itself needs one, once.
    let rehearsed = world
        .locked(&["ask", "What is a blockchain?", "--max-tokens", "8", "--dry-run"], "")
        .json();
    assert!(units(&rehearsed["locked"]) > 0 && units(&rehearsed["fee"]) > 0, "{rehearsed}");
    assert_eq!(rehearsed["stages"].as_array().map(Vec::len), Some(2));
    let many =
        ["ask", "What is a blockchain?", "--max-tokens", "8", "--headroom", "2000", "--dry-run"];
    let many = world.locked(&many, "").json();
    assert_eq!(
        units(&many["locked"]),
        2000 * units(&many["most"]) + 2 * CHANNEL_STORAGE_DEPOSIT,
        "a deposit for so many answers, and one for each channel's storage: {many}"
    );
    assert_eq!(world.channels(), 0);
    let refused = world.locked(&["ask", "What is a blockchain?", "--max-tokens", "8"], "");
    assert_eq!(refused.code, Some(10), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("opening or topping up channels")
            && refused.stderr.contains("MICA_PASSWORD")
    );
    assert_eq!(world.channels(), 0);
    let first = world.ok(&["ask", "What is a blockchain?", "--max-tokens", "8"]).json();
    assert_eq!(world.channels(), 2);
    for channel in world.ok(&["channel", "list"]).json().as_array().expect("a list") {
        let id = channel["channel"].as_str().expect("an id");
        let dry = world.locked(&["channel", "top-up", id, "5", "--dry-run"], "").json();
        assert_eq!(units(&dry["locked"]), 5_000_000_000_000 - units(&channel["deposit"]), "{dry}");
        world.ok(&["channel", "top-up", id, "5"]);
    }

    // From now on the hot key is enough: a prompt from a pipe, and a conversation.
    let again = world.locked(&["ask", "-", "--max-tokens", "8"], "What is a blockchain?\n");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(
        (again.json()["tokens"].clone(), units(&again.json()["fees"])),
        (first["tokens"].clone(), 0)
    );
    let chat = world
        .locked(&["chat", "--max-tokens", "8"], "Hello\n\n/nonsense\nWhy is\\\nthat?\n/cost\n");
    assert_eq!(chat.code, Some(0), "{}", chat.stderr);
    let turns: Vec<Value> =
        chat.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(turns.len(), 2, "{}", chat.stdout);
    let tokens = |turn: &Value| turn["prompt_tokens"].as_u64().expect("a number");
    assert!(tokens(&turns[1]) > tokens(&turns[0]) + 8);

    // A chain that the settings do not allow is refused before anything is paid.
    world.ok(&["config", "set", "genesis", &format!("0x{}", "ab".repeat(32))]);
    let foreign = world.locked(&["ask", "Hello"], "");
    assert_eq!(foreign.code, Some(12), "{}", foreign.stderr);
    let report = world.locked(&["doctor"], "");
    assert_eq!(report.code, Some(22), "{}{}", report.stdout, report.stderr);
    let findings = report.json();
    let chain = findings["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["check"] == "chain")
        .expect("looked at");
    let mend = chain["mend"].as_str().expect("a remedy");
    world.ok(&mend.split(' ').skip(1).collect::<Vec<_>>());
    let healthy = world.ok(&["doctor"]).json();
    assert_eq!(healthy["healthy"], true, "{healthy}");

    let dry = world.locked(&["channel", "close", "--all", "--dry-run"], "").json();
    assert_eq!(dry["calls"].as_array().map(Vec::len), Some(2), "{dry}");
    assert_eq!(world.locked(&["channel", "close", "--all"], "").code, Some(10));
    assert_eq!(world.channels(), 2);
    world.ok(&["channel", "close", "--all"]);
    assert_eq!(world.channels(), 0);

    let World { node, mut workers, home, .. } = world;
    crate::stages::a_failure_names_the_stage_as_the_quote_does(&node.url, &home, &mut workers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_is_asked_and_can_talk() {
    let world = World::new().await;
    let at_terminal = |arguments: &[&str]| Terminal::start(&world.command(arguments));

    // Passwords are asked for twice, hidden, and must agree.
    let mut new = at_terminal(&["wallet", "new", "--wallet", "typed"]);
    new.wait_for("New password");
    new.types_unseen("battery staple\n");
    new.wait_for("The same again");
    new.types_unseen("battery stable\n");
    assert_eq!(new.ends(), 10, "{}", new.screen());
    assert!(!world.home.join("wallets/typed.json").exists());
    let mut new = at_terminal(&["wallet", "new", "--wallet", "typed"]);
    for question in ["New password", "The same again"] {
        new.wait_for(question);
        new.types_unseen("battery staple\n");
    }
    new.wait_for("Write these words");
    assert_eq!(new.ends(), 0, "{}", new.screen());
    assert!(!new.screen().contains("battery"), "{}", new.screen());

    // The words of a phrase are typed unseen; from a pipe they are read as ever.
    let words = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
    let mut import = at_terminal(&["wallet", "import", "--wallet", "words"]);
    import.wait_for("they are not shown");
    import.types_unseen(&format!("{words}//Alice\n"));
    for question in ["New password", "The same again"] {
        import.wait_for(question);
        import.types_unseen("battery staple\n");
    }
    import.wait_for(ALICE);
    assert_eq!(import.ends(), 0, "{}", import.screen());
    assert!(!import.screen().contains("obey lake"), "{}", import.screen());
    let mut piped = world.command(&["wallet", "import", "--wallet", "piped", "--json", "--quiet"]);
    piped.env("MICA_PASSWORD", "battery staple");
    let piped = run(piped, &format!("{words}//Alice\n"));
    assert_eq!(piped.json()["address"], ALICE, "{}", piped.stderr);

    // A transfer is confirmed before the password is asked for.
    let before = world.free();
    let mut transfer = at_terminal(&["wallet", "transfer", ALICE, "2"]);
    transfer.wait_for("[y/N]");
    transfer.types("n\n");
    assert_eq!(transfer.ends(), 1, "{}", transfer.screen());
    let mut transfer = at_terminal(&["wallet", "transfer", ALICE, "2", "--wait", "included"]);
    transfer.wait_for("[y/N]");
    transfer.types("y\n");
    transfer.wait_for("for sending money: ");
    transfer.types_unseen("correct horse\n");
    transfer.wait_for("sent 2 MICA");
    assert_eq!(transfer.ends(), 0, "{}", transfer.screen());
    assert!(world.free() < before);

    // A wallet is deleted only after a yes.
    for (answer, code) in [("\n", 1), ("yes\n", 0)] {
        let mut remove = at_terminal(&["wallet", "remove", "--wallet", "typed"]);
        remove.wait_for("Password of wallet 'typed'");
        remove.types_unseen("battery staple\n");
        remove.wait_for("[y/N]");
        remove.types(answer);
        assert_eq!(remove.ends(), code, "{}", remove.screen());
    }
    assert!(!world.home.join("wallets/typed.json").exists());

    // A chat: the first answer opens channels, so the password is asked for once.
    let mut chat = at_terminal(&["chat", "--max-tokens", "8"]);
    chat.wait_for("/help lists the commands");
    chat.wait_for("> ");
    chat.types("Hello\r");
    chat.wait_for("channels: ");
    chat.types_unseen("correct horse\n");
    chat.wait_for("> ");
    chat.types("/cost\r");
    chat.wait_for("1 answers");
    chat.wait_for("> ");
    // A pasted text of several lines is one turn.
    chat.types("\u{1b}[200~Why is that?\nTell me more.\u{1b}[201~");
    chat.wait_for("more.");
    chat.types("\r");
    // The editor draws its prompt again while somebody types; the next one comes on a new line.
    chat.wait_for("\n");
    chat.wait_for("> ");
    chat.types("/path\r");
    chat.wait_for("base units per token");
    chat.wait_for("> ");
    chat.types("/model no-such-file.gguf\r");
    chat.wait_for("error: ");
    chat.wait_for("> ");
    // Ctrl-C at the prompt drops the line, not the chat.
    chat.types("never mind");
    chat.wait_for("mind");
    chat.types("\u{3}");
    chat.wait_for("\n");
    chat.wait_for("> ");
    chat.types("/cost\r");
    let cost = chat.wait_for("in fees");
    assert!(cost.contains("2 answers"), "{cost}");
    chat.wait_for("> ");
    chat.types("\u{4}");
    assert_eq!(chat.ends(), 0, "{}", chat.screen());
    let history = std::fs::read_to_string(world.home.join("chat-history")).expect("kept");
    assert!(history.contains("\"Why is that?\\nTell me more.\""), "{history}");
    let mode = std::fs::metadata(world.home.join("chat-history")).expect("there").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);

    // The next chat knows what was typed.
    let mut chat = at_terminal(&["chat"]);
    chat.wait_for("> ");
    chat.types("\u{1b}[A");
    chat.wait_for("/cost");
    chat.types("\r");
    chat.wait_for("0 answers");
    chat.types("/quit\r");
    assert_eq!(chat.ends(), 0, "{}", chat.screen());
}
