//! `mica config`, `mica man`, `mica completions` and what is wrong with a home that the doctor
//! looks at without a node.

mod program;

use program::{Home, mode, names};

#[test]
fn a_setting_is_written_read_and_goes_before_its_default() {
    let home = Home::new();
    assert_eq!(home.mica(&["config", "get", "alpha"]).ok().stdout, "0.5\n");
    home.mica(&["config", "set", "alpha", "0.8"]).ok();
    home.mica(&["config", "set", "wallet", "savings"]).ok();
    assert_eq!(home.mica(&["config", "get", "alpha"]).ok().stdout, "0.8\n");
    assert_eq!(mode(&home.path().join("config.toml")), 0o600);
    home.mica(&["wallet", "show"]).fails(10, "'savings'");
    home.mica(&["wallet", "show", "--wallet", "flag"]).fails(10, "'flag'");
    home.mica(&["wallet", "show"]).env("MICA_WALLET", "variable").fails(10, "'variable'");
    let listed = home.mica(&["config", "list", "--json"]).env("MICA_ALPHA", "0.1").json();
    let find = |key: &str| {
        listed
            .as_array()
            .expect("a list")
            .iter()
            .find(|one| one["key"] == key)
            .expect("listed")
            .clone()
    };
    assert_eq!(
        (&find("alpha")["value"], &find("alpha")["from"]),
        (&"0.1".into(), &"environment".into())
    );
    assert_eq!(
        (&find("wallet")["value"], &find("wallet")["from"]),
        (&"savings".into(), &"file".into())
    );
    assert_eq!(
        (&find("max-tokens")["value"], &find("max-tokens")["from"]),
        (&"128".into(), &"default".into())
    );
    home.mica(&["config", "unset", "wallet"]).ok();
    home.mica(&["wallet", "show"]).fails(10, "'default'");
    let path = home.mica(&["config", "path"]).ok().stdout;
    assert_eq!(path.trim(), home.path().join("config.toml").to_str().expect("text"));
}

#[test]
fn impossible_settings_are_refused_and_nothing_is_written() {
    let home = Home::new();
    home.mica(&["config", "set", "alpha", "2"]).fails(2, "from 0");
    home.mica(&["config", "set", "alfa", "1"]).fails(2, "alpha");
    home.mica(&["config", "set", "max-total", "1 apple"]).fails(2, "2.5");
    assert!(!home.path().join("config.toml").exists());
}

#[test]
fn a_broken_file_stops_every_command_but_those_that_mend_it() {
    let home = Home::with_wallet();
    let file = home.path().join("config.toml");
    for (text, said) in [
        ("alpha = \n", "not TOML"),
        ("alfa = 1\n", "'alfa'"),
        ("alpha = 7\n", "config unset alpha"),
    ] {
        std::fs::write(&file, text).expect("written");
        home.mica(&["wallet", "show"]).fails(2, said);
        let report = home.mica(&["--json", "doctor", "--offline"]).run();
        assert_eq!(report.code, 22, "{}", report.stderr);
        assert!(
            report.stdout.contains("\"settings\"") && report.stdout.contains("\"mend\""),
            "{}",
            report.stdout
        );
        home.mica(&["config", "path"]).ok();
        home.mica(&["completions", "fish"]).ok();
    }
    home.mica(&["config", "unset", "alpha"]).ok();
    home.mica(&["wallet", "show"]).ok();
}

#[test]
fn the_doctor_names_what_is_wrong_and_the_command_that_mends_it() {
    let home = Home::new();
    let report = home.mica(&["doctor"]).fails(22, "how to mend it");
    assert!(report.stdout.contains("mica wallet new --wallet default"), "{}", report.stdout);
    assert!(report.stdout.contains("mica-node --dev"), "{}", report.stdout);

    let home = Home::with_wallet();
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("changed");
    let report = home.mica(&["--json", "doctor", "--offline"]).json();
    assert_eq!(report["healthy"], true, "{report}");
    let state = |report: &serde_json::Value, check: &str| {
        let findings = report["findings"].as_array().expect("a list").iter();
        findings
            .filter(|finding| finding["check"] == check)
            .map(|finding| finding["state"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(state(&report, "password"), ["good"]);
    assert_eq!(state(&report, "node"), ["skipped"]);

    let hot = home.path().join("wallets/default.hot");
    for path in [home.path().to_owned(), hot.clone()] {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("changed");
    }
    let report = home
        .mica(&["doctor", "--offline"])
        .env("MICA_PASSWORD", "wrong horse")
        .fails(22, "3 of the checks");
    let chmod = |digits: &str, path: &std::path::Path| format!("chmod {digits} {}", path.display());
    for said in [chmod("700", home.path()), chmod("600", &hot), "wrong password".to_owned()] {
        assert!(report.stdout.contains(&said), "{said}: {}", report.stdout);
    }
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let home = Home::new();
    let folder = home.path().join("man");
    home.mica(&["man", "--out", folder.to_str().expect("text")]).ok();
    let pages = names(&folder);
    for page in [
        "mica.1",
        "mica-wallet.1",
        "mica-wallet-transfer.1",
        "mica-ask.1",
        "mica-chat.1",
        "mica-doctor.1",
        "mica-config-set.1",
    ] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    let transfer = std::fs::read_to_string(folder.join("mica-wallet-transfer.1")).expect("read");
    assert!(transfer.contains(".TH") && transfer.contains("dry\\-run"), "{transfer}");
    assert!(home.mica(&["man"]).ok().stdout.contains("doctor"));
    home.mica(&["man", "--out", "/proc/man"]).fails(11, "/proc/man");
}

#[test]
fn every_shell_has_completions() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.mica(&["completions", shell]).ok().stdout;
        assert!(script.contains("change-password") && script.contains("doctor"), "{shell}");
    }
}
