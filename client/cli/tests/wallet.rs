//! `mica wallet …` as a user meets it, without a node.

mod program;

use std::path::Path;

use program::{ADDRESS, ALICE, Home, PHRASE, mode, names};
use serde_json::Value;

/// Made by polkadot-js, with its facts beside it.
const THEIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wallet/tests/polkadot-js/plain.json");

fn facts() -> Value {
    let path = Path::new(THEIRS).with_file_name("facts.json");
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("json")
}

fn fact(name: &str) -> String {
    facts()["plain"][name].as_str().expect("a text").to_owned()
}

#[test]
fn what_a_file_says_in_clear_needs_no_password() {
    let home = Home::with_wallet();
    let shown = home.mica(&["--json", "wallet", "show"]).without_password().json();
    assert_eq!(
        (&shown["address"], &shown["kind"], &shown["path"]),
        (&ADDRESS.into(), &"phrase".into(), &"".into())
    );
    assert_eq!(shown["hot_key"], "ready");
    let listed = home.mica(&["--output", "json", "wallet", "list"]).without_password().json();
    assert_eq!(listed[0]["address"], ADDRESS);
    assert_eq!(listed[0]["selected"], true);
    assert!(home.mica(&["wallet", "show"]).without_password().ok().stdout.contains(ADDRESS));
}

#[test]
fn every_file_of_a_wallet_is_its_owners_alone() {
    let home = Home::with_wallet();
    assert_eq!(mode(home.path().join("wallets").as_path()), 0o700);
    for name in names(&home.path().join("wallets")) {
        assert_eq!(mode(&home.path().join("wallets").join(&name)), 0o600, "{name}");
    }
    assert_eq!(names(&home.path().join("wallets")), ["default.hot", "default.json"]);
}

#[test]
fn paths_lead_to_the_accounts_that_other_wallets_show() {
    let home = Home::new();
    let alice = home
        .mica(&["--json", "wallet", "import", "--wallet", "a", "--derive", "//Alice"])
        .says(PHRASE)
        .json();
    let inline = home
        .mica(&["--json", "wallet", "import", "--wallet", "b"])
        .says(format!("{PHRASE}//Alice\n"))
        .json();
    assert_eq!((&alice["address"], &inline["address"]), (&ALICE.into(), &ALICE.into()));
    assert_eq!(alice["channel_signer"], inline["channel_signer"]);
    let seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
    assert_eq!(
        home.mica(&["--json", "wallet", "import", "--wallet", "c"]).says(seed).json()["address"],
        ALICE
    );
    let exported = home.mica(&["--json", "wallet", "export", "--wallet", "a", "--phrase"]).json();
    assert_eq!((&exported["phrase"], &exported["path"]), (&PHRASE.into(), &"//Alice".into()));
    home.mica(&["wallet", "export", "--wallet", "c", "--phrase"]).fails(10, "--polkadot-js");
}

#[test]
fn broken_secrets_and_paths_make_no_wallet() {
    let home = Home::new();
    for (text, said) in [
        ("", "BIP-39"),
        ("bottom drive", "BIP-39"),
        ("0x1234", "64 hexadecimal"),
        (&format!("{PHRASE}///secret")[..], "///password"),
        (&format!("{PHRASE}//")[..], "//hard/soft"),
    ] {
        home.mica(&["wallet", "import"]).says(text).fails(10, said);
    }
    home.mica(&["wallet", "import", "--derive", "//a"])
        .says(format!("{PHRASE}//b"))
        .fails(2, "already");
    home.mica(&["wallet", "new", "--derive", "a"]).fails(2, "//hard/soft");
    // A phrase on the command line would be seen by everybody on the machine.
    home.mica(&["wallet", "import", PHRASE]).fails(2, "unexpected argument");
    assert!(!home.path().join("wallets/default.json").exists());
}

#[test]
fn a_path_that_wallets_read_differently_is_for_those_who_use_it_already() {
    let home = Home::new();
    for (step, said) in [
        ("//18446744073709551616", "18446744073709551615"),
        ("//+5", "plus sign"),
        ("/0x12", "hexadecimal digits"),
    ] {
        home.mica(&["wallet", "import"]).says(format!("{PHRASE}{step}")).fails(10, said);
        home.mica(&["wallet", "import", "--derive", step]).says(PHRASE).fails(2, said);
        home.mica(&["wallet", "new", "--derive", step]).fails(2, said);
    }
    assert!(!home.path().join("wallets/default.json").exists());
    // As subkey reads it, a plus sign is none.
    let plain = home
        .mica(&["--json", "wallet", "import", "--wallet", "a", "--derive", "//5"])
        .says(PHRASE)
        .json();
    for (wallet, arguments, text) in [
        ("b", &["--path-as-subkey", "--derive", "//+5"][..], PHRASE.to_owned()),
        ("c", &["--path-as-subkey"], format!("{PHRASE}//+5")),
    ] {
        let import = [&["--json", "wallet", "import", "--wallet", wallet], arguments].concat();
        let made = home.mica(&import).says(text).json();
        assert_eq!((&made["address"], &made["path"]), (&plain["address"], &"//+5".into()));
        // It opens like any other.
        let signature = home.mica(&["wallet", "sign", "--wallet", wallet, "hello"]).ok().stdout;
        home.mica(&["wallet", "verify", "--wallet", "a", "hello", "--signature", signature.trim()])
            .ok();
    }
}

#[test]
fn an_address_of_another_network_is_not_taken_for_one_of_this() {
    let home = Home::with_wallet();
    // Alice's key as Polkadot writes it; no node is asked.
    let polkadot = "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5";
    let signature = "0".repeat(128);
    for arguments in [
        &["wallet", "transfer", polkadot, "1"][..],
        &["wallet", "balance", polkadot],
        &["wallet", "verify", "hello", "--signature", &signature, "--signer", polkadot],
    ] {
        home.mica(arguments).fails(2, ALICE);
        home.mica(arguments).fails(2, "Polkadot, prefix 0");
    }
}

#[test]
fn twenty_four_words_are_as_good_as_twelve() {
    let home = Home::new();
    let made = home.mica(&["--json", "wallet", "new", "--words", "24", "--derive", "//x/y"]).json();
    let phrase = made["phrase"].as_str().expect("shown once");
    assert_eq!(phrase.split(' ').count(), 24);
    let again = home
        .mica(&["--json", "wallet", "import", "--wallet", "again"])
        .says(format!("{phrase}//x/y"))
        .json();
    assert_eq!(again["address"], made["address"]);
}

#[test]
fn an_account_moves_to_polkadot_js_and_back() {
    let home = Home::with_wallet();
    let file = home.path().join("account.json");
    let path = file.to_str().expect("text");
    let export = ["wallet", "export", "--polkadot-js", path];
    home.mica(&export).env("MICA_FILE_PASSWORD", "short").fails(10, "8 characters");
    assert!(!file.exists());
    home.mica(&export).env("MICA_FILE_PASSWORD", "battery staple").ok();
    assert_eq!(mode(&file), 0o600);
    let before = std::fs::read(&file).expect("read");
    home.mica(&export).env("MICA_FILE_PASSWORD", "battery staple").fails(11, "already");
    assert_eq!(std::fs::read(&file).expect("read"), before);

    let import = ["--json", "wallet", "import", "--wallet", "back", "--polkadot-js", path];
    home.mica(&import).fails(10, "MICA_FILE_PASSWORD");
    home.mica(&import).env("MICA_FILE_PASSWORD", "wrong").fails(10, "wrong password for this file");
    let back = home.mica(&import).env("MICA_FILE_PASSWORD", "battery staple").json();
    assert_eq!(back["address"], ADDRESS);
    let signature = home.mica(&["wallet", "sign", "--wallet", "back", "hello"]).ok().stdout;
    home.mica(&["wallet", "verify", "hello", "--signature", signature.trim()]).ok();
}

#[test]
fn a_file_of_polkadot_js_opens_with_its_password_and_no_other() {
    let home = Home::new();
    let import = ["--json", "wallet", "import", "--polkadot-js", THEIRS];
    let made = home.mica(&import).env("MICA_FILE_PASSWORD", fact("password")).json();
    assert_eq!(made["address"], fact("address").as_str());
    let password = home.path().join("password");
    std::fs::write(&password, format!("{}\nmore\n", fact("password"))).expect("written");
    let with_file =
        [&import[..], &["--wallet", "b", "--file-password-file", password.to_str().expect("text")]]
            .concat();
    assert_eq!(home.mica(&with_file).json()["address"], made["address"]);

    let text = std::fs::read_to_string(THEIRS).expect("read");
    for (change, said) in [
        (text[..text.len() / 2].to_owned(), "no account file"),
        (text.replace("\"version\":\"3\"", "\"version\":\"9\""), "version 9"),
        (text.replace("sr25519", "ed25519"), "ed25519"),
        ("x".repeat(70_000), "larger"),
    ] {
        let broken = home.path().join("broken.json");
        std::fs::write(&broken, change).expect("written");
        let import =
            ["wallet", "import", "--wallet", "c", "--polkadot-js", broken.to_str().expect("text")];
        let ran = home.mica(&import).env("MICA_FILE_PASSWORD", fact("password")).run();
        assert!(
            [10, 11].contains(&ran.code) && ran.stderr.contains(said),
            "{said}: {}",
            ran.stderr
        );
    }
    assert!(!home.path().join("wallets/c.json").exists());
}

#[test]
fn signatures_of_polkadot_js_are_recognised() {
    let home = Home::new();
    let (message, signature, address) = (fact("message"), fact("signature"), fact("address"));
    home.mica(&["wallet", "verify", &message, "--signature", &signature, "--signer", &address])
        .ok();
    home.mica(&["wallet", "verify", &message, "--signature", &signature, "--signer", ADDRESS])
        .fails(21, ADDRESS);
}

#[test]
fn a_message_is_signed_and_any_change_is_noticed() {
    let home = Home::with_wallet();
    let file = home.path().join("message");
    std::fs::write(&file, [0, 159, 146, 150]).expect("written");
    let file = file.to_str().expect("text");
    for (sign, verify, input) in [
        (["wallet", "sign", "hello"].to_vec(), ["wallet", "verify", "hello"].to_vec(), ""),
        (["wallet", "sign", "-"].to_vec(), ["wallet", "verify", "-"].to_vec(), "from a pipe\n"),
        (
            ["wallet", "sign", "--file", file].to_vec(),
            ["wallet", "verify", "--file", file].to_vec(),
            "",
        ),
    ] {
        let signature = home.mica(&sign).says(input).ok().stdout;
        let signature = signature.trim();
        home.mica(&[&verify[..], &["--signature", signature]].concat())
            .says(input)
            .without_password()
            .ok();
        let other = if signature.ends_with('0') { "1" } else { "0" };
        let changed = format!("{}{other}", &signature[..signature.len() - 1]);
        home.mica(&[&verify[..], &["--signature", &changed]].concat())
            .says(input)
            .fails(21, ADDRESS);
    }
    let signature = home.mica(&["wallet", "sign", "hello"]).ok().stdout;
    home.mica(&["wallet", "verify", "hellO", "--signature", signature.trim()]).fails(21, "not");
    home.mica(&["wallet", "verify", "hello", "--signature", "0x12"]).fails(2, "128 hexadecimal");
    home.mica(&["wallet", "sign", "hello"]).without_password().fails(10, "MICA_PASSWORD");
    home.mica(&["wallet", "sign", "-"]).says(vec![b'a'; (1 << 20) + 1]).fails(11, "larger");
}

#[test]
fn a_password_is_changed_in_one_step_or_not_at_all() {
    let home = Home::with_wallet();
    let path = home.path().join("wallets/default.json");
    let before = std::fs::read(&path).expect("read");
    let change = ["wallet", "change-password"];
    home.mica(&change).fails(10, "MICA_NEW_PASSWORD");
    home.mica(&change).env("MICA_NEW_PASSWORD", "short").fails(10, "8 characters");
    home.mica(&change)
        .env("MICA_NEW_PASSWORD", "battery staple")
        .env("MICA_PASSWORD", "wrong")
        .fails(10, "wrong password");
    assert_eq!(std::fs::read(&path).expect("read"), before);
    home.mica(&change).env("MICA_NEW_PASSWORD", "battery staple").ok();
    assert_eq!(mode(&path), 0o600);
    home.mica(&["wallet", "sign", "x"]).fails(10, "wrong password");
    home.mica(&["wallet", "sign", "x"]).env("MICA_PASSWORD", "battery staple").ok();
    assert_eq!(home.mica(&["--json", "wallet", "show"]).json()["address"], ADDRESS);
}

#[test]
fn a_wallet_is_removed_only_by_who_knows_its_password_and_means_it() {
    let home = Home::with_wallet();
    home.mica(&["wallet", "remove"]).fails(1, "--yes");
    home.mica(&["wallet", "remove", "--yes"])
        .env("MICA_PASSWORD", "wrong horse")
        .fails(10, "wrong password");
    assert_eq!(names(&home.path().join("wallets")), ["default.hot", "default.json"]);
    home.mica(&["wallet", "remove", "--yes"]).ok();
    assert!(names(&home.path().join("wallets")).is_empty());
    home.mica(&["wallet", "remove", "--yes"]).fails(10, "no wallet");
}

#[test]
fn what_the_node_is_needed_for_asks_for_no_password_before_it_answers() {
    let home = Home::with_wallet();
    for arguments in [
        &["wallet", "transfer", ALICE, "1"][..],
        &["wallet", "transfer", ALICE, "1", "--dry-run"],
        &["channel", "close", "--all"],
        &["ask", "hello"],
        &["chat"],
        &["wallet", "balance"],
    ] {
        home.mica(arguments).without_password().fails(12, "mica-node --dev");
    }
    home.mica(&["wallet", "transfer", ALICE, "0"]).fails(2, "zero");
    home.mica(&["wallet", "transfer", ALICE, "1", "--wait", "forever"]).fails(2, "--wait");
}

#[test]
fn an_exposed_or_foreign_hot_key_signs_nothing() {
    let home = Home::with_wallet();
    home.mica(&["wallet", "new", "--wallet", "other"]).ok();
    let hot = home.path().join("wallets/default.hot");
    let whole = std::fs::read(&hot).expect("read");
    std::fs::set_permissions(&hot, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("changed");
    home.mica(&["ask", "hello"]).fails(10, "chmod 600");
    std::fs::copy(home.path().join("wallets/other.hot"), &hot).expect("copied");
    home.mica(&["ask", "hello"]).fails(10, "another wallet");
    std::fs::remove_file(&hot).expect("removed");
    // Only the password makes it again, and it is the same.
    home.mica(&["ask", "hello"]).without_password().fails(10, "MICA_PASSWORD");
    home.mica(&["wallet", "sign", "x"]).ok();
    assert_eq!(std::fs::read(&hot).expect("read"), whole);
}

#[test]
fn a_home_that_cannot_be_written_is_told() {
    let home = Home::new();
    let file = home.path().join("file");
    std::fs::write(&file, "").expect("written");
    for place in [Path::new("/proc/mica"), &file.join("below")] {
        home.mica(&["wallet", "new"])
            .env("MICA_HOME", place)
            .fails(11, &place.display().to_string());
    }
}

#[test]
fn errors_are_json_where_results_are() {
    let home = Home::new();
    for form in [&["--json"][..], &["--output", "json"]] {
        let ran = home.mica(&[form, &["wallet", "show"]].concat()).fails(10, "");
        let error: Value = serde_json::from_str(&ran.stderr).expect("json");
        assert_eq!(error["error"]["class"], "wallet");
    }
    let ran = home.mica(&["wallet", "show"]).env("MICA_OUTPUT", "json").fails(10, "");
    assert!(serde_json::from_str::<Value>(&ran.stderr).is_ok(), "{}", ran.stderr);
}
