use clap::Parser;

use super::*;
use crate::cli::Cli;
use crate::options::{Output, Wait};

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).expect("written");
    (folder, path)
}

fn settings(arguments: &[&str], text: &str) -> Result<Settings, ConfigError> {
    let (_folder, path) = file(text);
    let cli = Cli::parse_from([&["mica"], arguments, &["market"]].concat());
    Settings::new(&cli.global, &ConfigFile::load(&path)?)
}

#[test]
fn the_command_line_goes_before_the_file_and_the_file_before_the_default() {
    let text = "node-url = \"ws://file:1\"\nalpha = 1\nwait = \"none\"\nmax-total = \"2.5 \
                MICA\"\noutput = \"json\"\nwindow = 2400\n";
    let found = settings(&["--node-url", "ws://flag:1"], text).expect("settings");
    assert_eq!((found.node_url.as_str(), found.wallet.as_str()), ("ws://flag:1", "default"));
    assert_eq!((found.alpha, found.wait, found.max_tokens), (1.0, Some(Wait::None), 128));
    assert_eq!((found.max_total, found.output), (Some(2_500_000_000_000), Output::Json));
    assert_eq!((found.max_total(None), found.window), (2_500_000_000_000, Some(2_400)));
    assert_eq!(found.max_total(Some(7)), 7, "the command's own word counts most");
    let usual = Key::MaxTotal.default().map(mica_chain::amount::parse);
    let nothing = settings(&[], "").expect("settings");
    assert_eq!(usual, Some(Ok(nothing.max_total(None))), "there is a limit from the first run on");
    assert_eq!(settings(&["--output", "text"], text).expect("settings").output, Output::Text);
    assert_eq!(settings(&["--json"], "output = \"text\"").expect("settings").output, Output::Json);
}

#[test]
fn comments_and_foreign_tables_survive_a_change() {
    let (_folder, path) = file("# mine\nalpha = 0.25 # cheap\n\n[gateway]\nport = 1\n");
    let mut config = ConfigFile::load(&path).expect("read");
    config.check().expect("a table is somebody else's");
    config.set(Key::Alpha, "0.75").expect("possible");
    config.set(Key::Wallet, "savings").expect("possible");
    config.save().expect("written");
    let text = std::fs::read_to_string(&path).expect("read");
    assert!(
        text.contains("# mine")
            && text.contains("alpha = 0.75 # cheap")
            && text.contains("[gateway]\nport = 1"),
        "{text}"
    );
    let mut again = ConfigFile::load(&path).expect("read");
    again.check().expect("consistent");
    assert_eq!(again.get(Key::Wallet).expect("possible").as_deref(), Some("savings"));
    assert!(again.unset(Key::Wallet) && !again.unset(Key::Wallet));
    assert_eq!(again.get(Key::Wallet).expect("possible"), None);
}

#[test]
fn impossible_values_are_refused_with_what_would_be_possible() {
    let cases = [
        (Key::NodeUrl, "http://x"),
        (Key::Genesis, "0x12"),
        (Key::Wallet, "../x"),
        (Key::PasswordFile, ""),
        (Key::Output, "xml"),
        (Key::Alpha, "1.5"),
        (Key::Alpha, "NaN"),
        (Key::Wait, "forever"),
        (Key::MaxTokens, "0"),
        (Key::MaxTotal, "1 apple"),
        (Key::Window, "-1"),
    ];
    for (key, value) in cases {
        let error =
            ConfigFile::empty(Path::new("config.toml")).set(key, value).expect_err("impossible");
        assert!(error.to_string().contains("mica config"), "{error}");
        let error =
            settings(&[], &format!("{key} = \"{value}\"")).expect_err("impossible in a file too");
        assert!(matches!(error, ConfigError::Value { key: found, .. } if found == key), "{error}");
    }
}

#[test]
fn misspelt_keys_and_broken_files_are_told_with_their_place() {
    let (_folder, path) = file("alfa = 1\n");
    let error = ConfigFile::load(&path).expect("TOML").check().expect_err("unknown");
    assert!(matches!(&error, ConfigError::Unknown { key, .. } if key == "alfa"), "{error}");
    for text in ["alpha = ", "alpha", "alpha = 1\nalpha = 2", "[gateway\n"] {
        let (_folder, path) = file(text);
        let error = ConfigFile::load(&path).expect_err("no TOML");
        assert!(
            matches!(&error, ConfigError::Malformed { reason, .. } if reason.contains("line")),
            "{text}: {error}"
        );
    }
    std::fs::write(&path, [0xff, 0xfe]).expect("written");
    assert!(matches!(ConfigFile::load(&path), Err(ConfigError::Malformed { .. })));
    std::fs::write(&path, "#".repeat(70_000)).expect("written");
    assert!(matches!(ConfigFile::load(&path), Err(ConfigError::File(FileError::TooLarge { .. }))));
}

#[test]
fn every_key_has_its_own_name_and_a_possible_default() {
    for key in Key::ALL {
        assert_eq!(key.name().parse(), Ok(key));
        if let Some(default) = key.default() {
            key.check(default).expect("possible");
        }
    }
    assert!("alfa".parse::<Key>().is_err_and(|text| text.contains("alpha")));
}
