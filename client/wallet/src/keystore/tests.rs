use super::*;
use crate::WordCount;

/// Cheap, so that hundreds of openings take no time.
const CHEAP: KdfCost = KdfCost { memory_kib: 8, passes: 1, lanes: 1 };

fn keystore() -> (tempfile::TempDir, Keystore) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let keystore = Keystore::new(folder.path().to_owned()).with_cost(CHEAP);
    (folder, keystore)
}

fn password() -> Password {
    Password::new("correct horse")
}

#[test]
fn a_wallet_opens_with_its_password_and_gives_the_same_keys() {
    let (_folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    let file = keystore.create("mine", &secret, &password()).expect("created");
    let opened = keystore.unlock("mine", &password()).expect("opened");
    assert_eq!(opened.bytes(), secret.bytes());
    assert_eq!(opened.account().account().to_string(), file.address);
    assert_eq!(
        hex::encode(opened.channel_signer().verifying_key().as_bytes()),
        file.channel_signer
    );
}

#[test]
fn the_secret_is_nowhere_in_the_file() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::TwentyFour).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let text = std::fs::read_to_string(folder.path().join("mine.json")).expect("read");
    assert!(!text.contains(&hex::encode(secret.bytes())));
    assert!(!text.contains(secret.phrase().expect("phrase").as_str()));
}

#[test]
fn a_wrong_password_is_told_and_changes_nothing() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let before = std::fs::read(folder.path().join("mine.json")).expect("read");
    for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
        let error = keystore.unlock("mine", &Password::new(wrong)).err().expect("refused");
        assert!(matches!(&error, KeystoreError::WrongPassword(name) if name == "mine"), "{error}");
    }
    assert_eq!(std::fs::read(folder.path().join("mine.json")).expect("read"), before);
    assert!(keystore.unlock("mine", &password()).is_ok());
}

#[test]
fn an_existing_wallet_is_never_overwritten() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let before = std::fs::read(folder.path().join("mine.json")).expect("read");
    let other = Secret::generate(WordCount::Twelve).expect("randomness");
    assert!(matches!(keystore.create("mine", &other, &password()), Err(KeystoreError::Exists(_))));
    assert_eq!(std::fs::read(folder.path().join("mine.json")).expect("read"), before);
}

#[test]
fn any_changed_value_is_noticed() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let path = folder.path().join("mine.json");
    let original: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("json");
    let other = Secret::generate(WordCount::Twelve).expect("randomness");
    let swap =
        |text: &str| text.chars().rev().map(|c| if c == '0' { '1' } else { c }).collect::<String>();
    let changes: Vec<(&str, serde_json::Value)> = vec![
        ("address", other.account().account().to_string().into()),
        ("channel_signer", hex::encode(other.channel_signer().verifying_key().as_bytes()).into()),
        ("kind", "seed".into()),
        ("path", "//other".into()),
        ("version", 1.into()),
        ("kdf", serde_json::json!({"memory_kib": 16, "passes": 1, "lanes": 1})),
        ("salt", swap(original["salt"].as_str().expect("text")).into()),
        ("nonce", swap(original["nonce"].as_str().expect("text")).into()),
        ("sealed", swap(original["sealed"].as_str().expect("text")).into()),
    ];
    for (field, value) in changes {
        let mut changed = original.clone();
        changed[field] = value;
        std::fs::write(&path, changed.to_string()).expect("written");
        let error = keystore
            .unlock("mine", &password())
            .err()
            .unwrap_or_else(|| panic!("{field} was changed unnoticed"));
        assert!(matches!(error, KeystoreError::WrongPassword(_)), "{field}: {error}");
    }
}

#[test]
fn a_truncated_file_is_malformed_at_every_length() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let path = folder.path().join("mine.json");
    let whole = std::fs::read(&path).expect("read");
    // The last two bytes are the closing brace and a line end.
    for length in 0..whole.len() - 2 {
        std::fs::write(&path, &whole[..length]).expect("written");
        let error = keystore.unlock("mine", &password()).err().expect("refused");
        assert!(matches!(error, KeystoreError::Malformed { .. }), "{length} bytes: {error}");
    }
}

#[test]
fn foreign_large_later_and_greedy_files_are_refused() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let path = folder.path().join("mine.json");
    let original: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("json");
    let refused = |content: String| {
        std::fs::write(&path, content).expect("written");
        keystore.unlock("mine", &password()).err().expect("refused")
    };
    let with = |field: &str, value: serde_json::Value| {
        let mut changed = original.clone();
        changed[field] = value;
        changed.to_string()
    };
    assert!(matches!(refused("[]".into()), KeystoreError::Malformed { .. }));
    assert!(matches!(refused(with("format", "other".into())), KeystoreError::Malformed { .. }));
    assert!(matches!(refused(with("version", 4.into())), KeystoreError::Version { found: 4, .. }));
    assert!(matches!(refused(with("salt", "00".into())), KeystoreError::Malformed { .. }));
    assert!(matches!(refused(with("more", 1.into())), KeystoreError::Malformed { .. }));
    let greedy = serde_json::json!({"memory_kib": u32::MAX, "passes": 1, "lanes": 1});
    assert!(matches!(refused(with("kdf", greedy)), KeystoreError::Malformed { .. }));
    assert!(matches!(refused(" ".repeat(20_000)), KeystoreError::File(FileError::TooLarge { .. })));
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let (_folder, keystore) = keystore();
    for name in ["", "../mine", "a/b", "a b", ".", "ä", &"a".repeat(65)] {
        assert!(matches!(keystore.read(name), Err(KeystoreError::Name(_))), "{name}");
    }
    assert!(matches!(keystore.read("mine"), Err(KeystoreError::NoWallet(_))));
}

#[test]
fn the_list_is_sorted_and_shows_broken_files() {
    let (folder, keystore) = keystore();
    assert!(Keystore::new(folder.path().join("none")).list().expect("empty").is_empty());
    for name in ["b", "a"] {
        keystore
            .create(name, &Secret::generate(WordCount::Twelve).expect("randomness"), &password())
            .expect("created");
    }
    std::fs::write(folder.path().join("c.json"), "{").expect("written");
    std::fs::write(folder.path().join("notes.txt"), "").expect("written");
    let list = keystore.list().expect("listed");
    assert_eq!(
        list.iter().map(|(name, file)| (name.as_str(), file.is_ok())).collect::<Vec<_>>(),
        [("a", true), ("b", true), ("c", false)]
    );
}

/// Written by the first format's program.
const FIRST_FORMAT: &str = include_str!("../../tests/wallets/format-1.json");

#[test]
fn a_wallet_of_the_first_format_opens_and_a_changed_password_brings_it_to_the_second() {
    let (folder, keystore) = keystore();
    let path = folder.path().join("old.json");
    std::fs::write(&path, FIRST_FORMAT).expect("written");
    let read = keystore.read("old").expect("readable");
    assert_eq!((read.kind, read.path.as_str()), (crate::SecretKind::Phrase, ""));
    let secret = keystore.unlock("old", &password()).expect("opened");
    assert_eq!(secret.account().account().to_string(), read.address);
    assert_eq!(
        hex::encode(secret.channel_signer().verifying_key().as_bytes()),
        read.channel_signer
    );

    keystore
        .change_password("old", &password(), &Password::new("battery staple"))
        .expect("changed");
    assert!(std::fs::read_to_string(&path).expect("read").contains("\"version\": 2"));
    assert!(matches!(keystore.unlock("old", &password()), Err(KeystoreError::WrongPassword(_))));
    assert_eq!(
        keystore.unlock("old", &Password::new("battery staple")).expect("opened").bytes(),
        secret.bytes()
    );

    let pretended = FIRST_FORMAT.replace("\"kdf\"", "\"path\": \"//other\", \"kdf\"");
    std::fs::write(&path, pretended).expect("written");
    assert!(matches!(keystore.read("old"), Err(KeystoreError::Malformed { .. })));
}

#[test]
fn a_password_that_is_not_changed_leaves_the_file_as_it_is() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let before = std::fs::read(folder.path().join("mine.json")).expect("read");
    let refused = keystore.change_password(
        "mine",
        &Password::new("wrong horse"),
        &Password::new("battery staple"),
    );
    assert!(matches!(refused, Err(KeystoreError::WrongPassword(_))));
    assert_eq!(std::fs::read(folder.path().join("mine.json")).expect("read"), before);
    assert!(matches!(
        keystore.change_password("none", &password(), &password()),
        Err(KeystoreError::NoWallet(_))
    ));
}

#[test]
fn wallets_of_every_kind_open_with_the_same_account() {
    let (_folder, keystore) = keystore();
    let phrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
    let seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
    for (name, text) in [
        ("path", format!("{phrase}//hard/soft")),
        ("seed", seed.to_owned()),
        ("both", format!("{seed}//x")),
    ] {
        let secret = Secret::from_text(&text).expect("valid");
        let file = keystore.create(name, &secret, &password()).expect("created");
        let opened = keystore.unlock(name, &password()).expect("opened");
        assert_eq!(opened.account().account().to_string(), file.address);
        assert_eq!((opened.kind(), opened.path()), (secret.kind(), secret.path()));
        let hot = keystore.hot_key(name, &file).expect("readable").expect("there");
        assert_eq!(hot.current().to_bytes(), secret.channel_signer().to_bytes());
    }
}

#[test]
fn a_hot_key_is_private_its_wallets_own_and_may_be_lost() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    let file = keystore.create("mine", &secret, &password()).expect("created");
    let other = keystore
        .create("other", &Secret::generate(WordCount::Twelve).expect("randomness"), &password())
        .expect("created");
    let path = folder.path().join("mine.hot");
    let whole = std::fs::read_to_string(&path).expect("read");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("there").permissions())
            & 0o777,
        0o600
    );
    assert!(
        matches!(keystore.hot_key("mine", &other), Err(KeystoreError::HotKey { .. })),
        "another wallet's"
    );

    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(&path, readable).expect("changed");
    let exposed = keystore.hot_key("mine", &file).expect_err("others may read it");
    assert!(
        matches!(exposed, KeystoreError::Exposed(_)) && exposed.to_string().contains("chmod 600"),
        "{exposed}"
    );

    std::fs::remove_file(&path).expect("removed");
    assert!(keystore.hot_key("mine", &file).expect("readable").is_none());
    keystore.write_hot_key("mine", &file, &secret.channel_signers(0)).expect("written");
    assert!(keystore.hot_key("mine", &file).expect("readable").is_some());

    let seed = hex::encode(secret.channel_signer().to_bytes());
    for broken in [
        &whole[..whole.len() / 2],
        "",
        "{}",
        &whole.replace(&seed, &"00".repeat(32)),
        &whole.replace(&seed, "zz"),
    ] {
        crate::files::replace_private(&path, broken.as_bytes()).expect("written");
        let error = keystore.hot_key("mine", &file).expect_err("broken");
        assert!(matches!(error, KeystoreError::HotKey { .. }), "{broken}: {error}");
        assert!(!error.to_string().contains(&seed), "{error}");
    }
}

#[test]
fn a_removed_wallet_is_gone_with_its_hot_key_and_no_other() {
    let (folder, keystore) = keystore();
    for name in ["mine", "other"] {
        keystore
            .create(name, &Secret::generate(WordCount::Twelve).expect("randomness"), &password())
            .expect("created");
    }
    keystore.remove("mine").expect("removed");
    let mut left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("listed")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["other.hot", "other.json"]);
    assert!(matches!(keystore.remove("mine"), Err(KeystoreError::NoWallet(_))));
}

#[test]
fn a_new_hot_key_signs_from_now_on_and_the_old_ones_for_their_channels() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    let first = keystore.create("mine", &secret, &password()).expect("created");
    let old_hot = std::fs::read(folder.path().join("mine.hot")).expect("read");
    let wrong = keystore.set_hot_key("mine", &Password::new("wrong horse"), 1);
    assert!(matches!(wrong, Err(KeystoreError::WrongPassword(_))));
    for number in [1, 2] {
        let file = keystore.set_hot_key("mine", &password(), number).expect("set");
        assert_eq!((file.hot_key, &file.address), (number, &first.address));
        let keys = keystore.hot_key("mine", &file).expect("readable").expect("there");
        let public = |number| secret.channel_signer_at(number).verifying_key().to_bytes();
        assert_eq!(keys.current_public(), public(number));
        for known in 0..=number {
            assert!(keys.of(&public(known)).is_some(), "key {known} of {number}");
            assert_eq!(secret.number_of_channel_signer(&public(known)), Some(known));
        }
        assert!(keys.of(&public(number + 1)).is_none());
        let seeds: Vec<_> = (0..=number).map(|n| secret.channel_signer_at(n).to_bytes()).collect();
        assert!((1..seeds.len()).all(|at| !seeds[..at].contains(&seeds[at])));
    }
    let file = keystore.read("mine").expect("readable");
    assert_eq!(
        keystore.unlock("mine", &password()).expect("opened").bytes(),
        secret.bytes(),
        "the secret stays"
    );
    let new = Password::new("battery staple");
    keystore.change_password("mine", &password(), &new).expect("changed");
    let changed = keystore.read("mine").expect("readable");
    assert_eq!((changed.hot_key, &changed.channel_signer), (2, &file.channel_signer));
    // A crash between the two files leaves old hot keys: they are made again, not refused.
    crate::files::replace_private(&folder.path().join("mine.hot"), &old_hot).expect("written");
    assert!(keystore.hot_key("mine", &file).expect("readable").is_none());
    assert!(matches!(
        keystore.set_hot_key("mine", &new, crate::MAX_HOT_KEYS),
        Err(KeystoreError::HotKeys)
    ));
    // The number is sealed like everything else.
    let path = folder.path().join("mine.json");
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.replace("\"hot_key\": 2", "\"hot_key\": 1")).expect("written");
    assert!(matches!(keystore.unlock("mine", &new), Err(KeystoreError::WrongPassword(_))));
}

#[test]
fn an_older_copy_of_a_wallet_does_not_lead_back_to_its_old_hot_key() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::Twelve).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let wallet_path = folder.path().join("mine.json");
    let old = std::fs::read(&wallet_path).expect("read");
    for number in [1, 2] {
        keystore.set_hot_key("mine", &password(), number).expect("set");
    }
    for found in [0, 1, 2, 3] {
        crate::files::replace_private(&wallet_path, &old).expect("written");
        let file = keystore.read("mine").expect("readable");
        let refused = keystore.hot_key("mine", &file).expect_err("an older copy");
        assert!(matches!(refused, KeystoreError::OlderWallet(_)), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("find-hot-key --wallet mine") && !text.contains("rm "), "{text}");
        let file = keystore.set_hot_key("mine", &password(), found).expect("set");
        assert_eq!(file.hot_key, found.max(2));
        let keys = keystore.hot_key("mine", &file).expect("readable").expect("there");
        let newest = secret.channel_signer_at(found.max(2));
        assert_eq!(keys.current().to_bytes(), newest.to_bytes());
    }
    // A file that claims a later key which is not the secret's counts for nothing.
    let hot_path = folder.path().join("mine.hot");
    let text = std::fs::read_to_string(&hot_path).expect("read");
    let public = keystore.read("mine").expect("readable").channel_signer;
    crate::files::replace_private(&hot_path, text.replace(&public, &"00".repeat(32)).as_bytes())
        .expect("written");
    assert_eq!(keystore.set_hot_key("mine", &password(), 1).expect("set").hot_key, 1);
}
