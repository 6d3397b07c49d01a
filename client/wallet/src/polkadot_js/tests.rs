//! Files made by polkadot-js open here; `client/wallet/tests/polkadot-js/README.md` says how they
//! were made, and how it was checked that files made here open there.

use serde_json::{Value, json};

use super::*;

/// Made by polkadot-js.
const HARD_AND_SOFT: &[u8] = include_bytes!("../../tests/polkadot-js/hard-and-soft.json");
const PLAIN: &[u8] = include_bytes!("../../tests/polkadot-js/plain.json");
/// What both files' passwords and accounts are.
const FACTS: &str = include_str!("../../tests/polkadot-js/facts.json");

fn facts(file: &str, field: &str) -> String {
    let facts: Value = serde_json::from_str(FACTS).expect("json");
    facts[file][field].as_str().unwrap_or_else(|| panic!("{file}.{field}")).to_owned()
}

fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(PLAIN).expect("json");
    change(&mut file);
    file.to_string().into_bytes()
}

#[test]
fn files_of_polkadot_js_open_and_hold_the_account_that_they_name() {
    for (name, json) in [("plain", PLAIN), ("hard-and-soft", HARD_AND_SOFT)] {
        let heading = heading(json).expect("readable");
        assert_eq!(heading.address.to_string(), facts(name, "address"));
        assert_eq!(heading.name.as_deref(), Some(facts(name, "name").as_str()));
        let secret = open(json, &Password::new(&facts(name, "password"))).expect("opens");
        let signer =
            Signer::from_expanded(secret.as_slice().try_into().expect("64 bytes")).expect("a key");
        assert_eq!(signer.account().to_string(), facts(name, "address"));
        assert_eq!(
            Signer::from_suri(&facts(name, "suri")).expect("a key").account(),
            signer.account()
        );
        let signature =
            crate::message::parse_signature(&facts(name, "signature")).expect("a signature");
        assert!(crate::message::verify(
            &signer.account(),
            facts(name, "message").as_bytes(),
            &signature
        ));
    }
}

#[test]
fn what_is_written_is_read_back_and_looks_like_theirs() {
    for suri in ["//Alice", "//Alice/soft//hard"] {
        let signer = Signer::from_suri(suri).expect("a key");
        let written = seal(&signer, "mine", 1_700_000_000_000, &Password::new("correct horse"))
            .expect("sealed");
        let secret = open(&written, &Password::new("correct horse")).expect("opens");
        assert_eq!(secret.as_slice(), signer.expanded().as_slice());
        let (ours, theirs): (Value, Value) = (
            serde_json::from_slice(&written).expect("json"),
            serde_json::from_slice(PLAIN).expect("json"),
        );
        assert_eq!(ours["encoding"], theirs["encoding"]);
        let length = |file: &Value| file["encoded"].as_str().map(str::len);
        assert_eq!(length(&ours), length(&theirs));
        assert!(matches!(
            open(&written, &Password::new("wrong horse")),
            Err(PolkadotJsError::WrongPassword)
        ));
    }
}

#[test]
fn other_versions_kinds_and_ciphers_are_refused_by_name() {
    let refused = |change: fn(&mut Value)| heading(&changed(change)).expect_err("refused");
    assert!(
        matches!(refused(|file| file["encoding"]["version"] = "2".into()), PolkadotJsError::Version(found) if found == "2")
    );
    assert!(matches!(
        refused(|file| file["encoding"]["version"] = "4".into()),
        PolkadotJsError::Version(_)
    ));
    let ed25519 = refused(|file| file["encoding"]["content"] = json!(["pkcs8", "ed25519"]));
    assert!(
        matches!(&ed25519, PolkadotJsError::Content(_)) && ed25519.to_string().contains("ed25519"),
        "{ed25519}"
    );
    let open = refused(|file| file["encoding"]["type"] = json!(["none"]));
    assert!(
        matches!(&open, PolkadotJsError::Cipher(_)) && open.to_string().contains("none"),
        "{open}"
    );
    assert!(matches!(
        refused(|file| file["encoding"]["type"] = json!("xsalsa20-poly1305")),
        PolkadotJsError::Cipher(_)
    ));
    assert!(matches!(
        refused(|file| *file = json!({"encoded": "", "accounts": []})),
        PolkadotJsError::Batch
    ));
    assert!(matches!(
        refused(|file| file["address"] = "5Nobody".into()),
        PolkadotJsError::Shape(_)
    ));
    for shape in ["", "{", "[]", "{}", "null", "\u{0}", r#"{"encoding":7}"#] {
        assert!(matches!(heading(shape.as_bytes()), Err(PolkadotJsError::Shape(_))), "{shape}");
    }
}

#[test]
fn a_cut_or_changed_secret_never_opens() {
    let password = Password::new(&facts("plain", "password"));
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        changed(|file| {
            let mut bytes =
                STANDARD.decode(file["encoded"].as_str().expect("text")).expect("base64");
            change(&mut bytes);
            file["encoded"] = STANDARD.encode(bytes).into();
        })
    };
    for length in [0, 1, 31, 32, 43, 44, 67] {
        let error = open(&sealed(&|bytes| bytes.truncate(length)), &password).expect_err("cut");
        assert!(matches!(error, PolkadotJsError::Shape(_)), "{length}: {error}");
    }
    assert!(matches!(
        open(&sealed(&|bytes| bytes.truncate(100)), &password),
        Err(PolkadotJsError::WrongPassword)
    ));
    for at in [0, 44, 68, 100] {
        assert!(
            matches!(
                open(&sealed(&|bytes| bytes[at] ^= 1), &password),
                Err(PolkadotJsError::WrongPassword)
            ),
            "byte {at}"
        );
    }
    // N = 2^31 would take all memory.
    let greedy = open(
        &sealed(&|bytes| bytes[32..36].copy_from_slice(&(1u32 << 31).to_le_bytes())),
        &password,
    );
    assert!(matches!(greedy, Err(PolkadotJsError::Cost { n: 0x8000_0000, .. })));
    assert!(matches!(
        open(&changed(|file| file["encoded"] = "???".into()), &password),
        Err(PolkadotJsError::Shape(_))
    ));
    let other = Signer::from_suri("//Bob").expect("a key").account().to_string();
    assert!(matches!(
        open(&changed(|file| file["address"] = other.into()), &password),
        Err(PolkadotJsError::Damaged(_))
    ));
}
