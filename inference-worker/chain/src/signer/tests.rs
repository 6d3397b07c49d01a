use super::*;

#[test]
fn development_keys_have_their_known_accounts() {
    let alice = Signer::from_suri("//Alice").expect("a development key");
    assert_eq!(alice.account().to_string(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
    let bob = Signer::from_suri(" //Bob\n").expect("a development key");
    assert_eq!(bob.account().to_string(), "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty");
    assert_eq!(format!("{bob:?}"), "Signer(5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty)");
}

#[test]
fn a_new_mnemonic_gives_the_same_account_both_ways() {
    let words = Signer::mnemonic([7; 16]).expect("16 bytes");
    assert_eq!(words.split(' ').count(), 12);
    let by_words = Signer::from_mnemonic(&words).expect("just made").account();
    assert_eq!(by_words, Signer::from_suri(&words).expect("just made").account());
}

#[test]
fn a_path_and_a_secret_uri_lead_to_the_same_account() {
    let words = Signer::mnemonic([7; 16]).expect("16 bytes");
    let root = Signer::from_mnemonic(&words).expect("just made");
    let mut accounts = vec![root.account()];
    for path in
        ["//hard", "/soft", "//hard/soft", "//1/2", "//a-name-that-is-longer-than-thirty-two-bytes"]
    {
        let derived = root.derive(&path.parse().expect("a path")).account();
        assert_eq!(
            derived,
            Signer::from_suri(&format!("{words}{path}")).expect("a secret URI").account(),
            "{path}"
        );
        assert!(!accounts.contains(&derived), "{path}");
        accounts.push(derived);
    }
}

#[test]
fn an_expanded_key_is_the_same_key() {
    for uri in ["//Alice", "//Alice/soft", "//Alice/soft//hard/1"] {
        let signer = Signer::from_suri(uri).expect("a development key");
        let again = Signer::from_expanded(&signer.expanded()).expect("its own bytes");
        assert_eq!(again.account(), signer.account(), "{uri}");
        assert!(verify(&signer.account(), b"message", &again.sign(b"message")), "{uri}");
    }
    assert!(matches!(Signer::from_expanded(&[0xff; 64]), Err(SignerError::Expanded)));
}

#[test]
fn signatures_hold_for_one_message_of_one_account() {
    let (alice, bob) =
        (Signer::from_suri("//Alice").expect("a key"), Signer::from_suri("//Bob").expect("a key"));
    let signature = alice.sign(b"message");
    assert!(verify(&alice.account(), b"message", &signature));
    assert!(!verify(&alice.account(), b"messagf", &signature));
    assert!(!verify(&bob.account(), b"message", &signature));
    for at in [0, 31, 32, 63] {
        let mut changed = signature;
        changed[at] ^= 1;
        assert!(!verify(&alice.account(), b"message", &changed), "byte {at}");
    }
    assert!(!verify(&AccountId::from([0xff; 32]), b"message", &signature));
}

#[test]
fn a_wrong_word_is_refused_without_repeating_it() {
    let error = Signer::from_suri(
        "horse horse horse horse horse horse horse horse horse horse horse horse",
    )
    .unwrap_err();
    assert!(!error.to_string().contains("horse"));
    assert!(Signer::from_suri("0x1234").is_err());
    assert!(Signer::from_mnemonic("").is_err());
}

#[test]
fn a_secret_uri_whose_path_wallets_read_differently_is_for_those_who_use_it_already() {
    for (path, read) in
        [("//+5", "//5"), ("//0x12", "//0x12"), ("/18446744073709551616", "/18446744073709551616")]
    {
        let words = Signer::mnemonic([7; 16]).expect("16 bytes");
        let suri = format!("{words}{path}///password");
        assert!(
            matches!(Signer::from_suri(&suri), Err(SignerError::Path(PathError::Ambiguous { .. }))),
            "{path}"
        );
        let kept = Signer::from_suri_as_subkey(&suri).expect("a secret URI").account();
        let pair = <sp_core::sr25519::Pair as sp_core::Pair>::from_string(
            &format!("{words}{read}"),
            Some("password"),
        );
        assert_eq!(kept.0, sp_core::Pair::public(&pair.expect("a secret URI")).0, "{path}");
    }
}
