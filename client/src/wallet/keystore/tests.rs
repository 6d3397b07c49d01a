use super::*;
use crate::wallet::WordCount;

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
    assert_eq!(opened.entropy(), secret.entropy());
    assert_eq!(opened.account().expect("account").account().to_string(), file.address);
    assert_eq!(hex::encode(opened.channel_signer().verifying_key().as_bytes()), file.channel_signer);
}

#[test]
fn the_secret_is_nowhere_in_the_file() {
    let (folder, keystore) = keystore();
    let secret = Secret::generate(WordCount::TwentyFour).expect("randomness");
    keystore.create("mine", &secret, &password()).expect("created");
    let text = std::fs::read_to_string(folder.path().join("mine.json")).expect("read");
    assert!(!text.contains(&hex::encode(secret.entropy())));
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
    let original: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("json");
    let other = Secret::generate(WordCount::Twelve).expect("randomness");
    let swap = |text: &str| text.chars().rev().map(|c| if c == '0' { '1' } else { c }).collect::<String>();
    let changes: Vec<(&str, serde_json::Value)> = vec![
        ("address", other.account().expect("account").account().to_string().into()),
        ("channel_signer", hex::encode(other.channel_signer().verifying_key().as_bytes()).into()),
        ("kdf", serde_json::json!({"memory_kib": 16, "passes": 1, "lanes": 1})),
        ("salt", swap(original["salt"].as_str().expect("text")).into()),
        ("nonce", swap(original["nonce"].as_str().expect("text")).into()),
        ("sealed", swap(original["sealed"].as_str().expect("text")).into()),
    ];
    for (field, value) in changes {
        let mut changed = original.clone();
        changed[field] = value;
        std::fs::write(&path, changed.to_string()).expect("written");
        let error = keystore.unlock("mine", &password()).err().unwrap_or_else(|| panic!("{field} was changed unnoticed"));
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
    let original: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("json");
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
    assert!(matches!(refused(with("version", 2.into())), KeystoreError::Version { found: 2, .. }));
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
        keystore.create(name, &Secret::generate(WordCount::Twelve).expect("randomness"), &password()).expect("created");
    }
    std::fs::write(folder.path().join("c.json"), "{").expect("written");
    std::fs::write(folder.path().join("notes.txt"), "").expect("written");
    let list = keystore.list().expect("listed");
    assert_eq!(
        list.iter().map(|(name, file)| (name.as_str(), file.is_ok())).collect::<Vec<_>>(),
        [("a", true), ("b", true), ("c", false)]
    );
}
