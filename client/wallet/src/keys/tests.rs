use super::*;

/// The development phrase of Substrate, whose root account every wallet shows as this address.
const DEVELOPMENT_PHRASE: &str =
    "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
const DEVELOPMENT_ADDRESS: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

fn address(secret: &Secret) -> String {
    secret.account().account().to_string()
}

fn signer(secret: &Secret) -> [u8; 32] {
    secret.channel_signer().to_bytes()
}

#[test]
fn the_account_is_the_one_of_standard_wallets() {
    assert_eq!(
        address(&Secret::from_phrase(DEVELOPMENT_PHRASE).expect("valid")),
        DEVELOPMENT_ADDRESS
    );
    assert_eq!(
        address(&Secret::from_text(&format!("{DEVELOPMENT_PHRASE}//Alice")).expect("valid")),
        ALICE
    );
    // The seed behind //Alice, as every Substrate documentation shows it.
    let seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
    assert_eq!(address(&Secret::from_text(seed).expect("valid")), ALICE);
}

#[test]
fn case_and_spaces_of_a_phrase_do_not_matter() {
    let untidy = format!("  {}\n", DEVELOPMENT_PHRASE.to_uppercase().replace(' ', "   "));
    let secret = Secret::from_phrase(&untidy).expect("valid");
    assert_eq!(*secret.phrase().expect("phrase"), DEVELOPMENT_PHRASE);
    let with_path = Secret::from_text(&format!("{untidy} //Alice")).expect("valid");
    assert_eq!(address(&with_path), ALICE);
}

#[test]
fn the_channel_signer_is_fixed_and_each_accounts_own() {
    let secret = Secret::from_phrase(DEVELOPMENT_PHRASE).expect("valid");
    let again = Secret::from_bytes(
        SecretKind::Phrase,
        Zeroizing::new(secret.bytes().to_vec()),
        DerivationPath::default(),
    );
    assert_eq!(signer(&secret), signer(&again.expect("valid")));
    let alice = Secret::from_text(&format!("{DEVELOPMENT_PHRASE}//Alice")).expect("valid");
    let bob = Secret::from_text(&format!("{DEVELOPMENT_PHRASE}//Bob")).expect("valid");
    let other = Secret::generate(WordCount::Twelve).expect("randomness");
    let keys = [signer(&secret), signer(&alice), signer(&bob), signer(&other)];
    assert!((0..4).all(|one| (0..one).all(|two| keys[one] != keys[two])));
}

#[test]
fn one_account_has_one_channel_signer_whichever_way_it_came() {
    let alice = Secret::from_text(&format!("{DEVELOPMENT_PHRASE}//Alice")).expect("valid");
    let expanded = alice.account().expanded();
    let key = Secret::from_bytes(
        SecretKind::Key,
        Zeroizing::new(expanded.to_vec()),
        DerivationPath::default(),
    );
    let key = key.expect("valid");
    assert_eq!((address(&alice), signer(&alice)), (address(&key), signer(&key)));
    assert!(matches!(key.phrase(), Err(PhraseError::NoPhrase(SecretKind::Key))));
    assert!(matches!(key.with_path("//x".parse().expect("a path")), Err(PhraseError::NoPathHere)));
}

#[test]
fn new_phrases_have_the_length_asked_for_and_read_back() {
    for (words, bytes) in [(WordCount::Twelve, 16), (WordCount::TwentyFour, 32)] {
        let secret = Secret::generate(words).expect("randomness");
        assert_eq!(secret.bytes().len(), bytes);
        let phrase = secret.phrase().expect("phrase");
        assert_eq!(phrase.split(' ').count(), words.words());
        assert_eq!(Secret::from_phrase(&phrase).expect("valid").bytes(), secret.bytes());
    }
}

#[test]
fn broken_secrets_are_refused_and_never_repeated() {
    for phrase in [
        "",
        "bottom",
        "bottom drive obey lake curtain smoke basket hold race lonely fit fit",
        "not a phrase at all of twelve words but something else entirely sir",
    ] {
        let error = Secret::from_phrase(phrase).err().expect("refused");
        assert!(matches!(error, PhraseError::Invalid(_)), "{phrase}");
        assert!(!error.to_string().contains("curtain"), "{error}");
    }
    let refused = |text: &str| Secret::from_text(text).err().expect("refused");
    for seed in ["0x", "0x12", &format!("0x{}", "z".repeat(64)), &format!("0x{}", "0".repeat(66))] {
        assert!(matches!(refused(seed), PhraseError::Seed), "{seed}");
    }
    assert!(matches!(
        refused(&format!("{DEVELOPMENT_PHRASE}///password")),
        PhraseError::Path(PathError::Password)
    ));
    assert!(matches!(
        refused(&format!("{DEVELOPMENT_PHRASE}//")),
        PhraseError::Path(PathError::Malformed)
    ));
    for (kind, length) in [(SecretKind::Phrase, 15), (SecretKind::Seed, 31), (SecretKind::Key, 32)]
    {
        let bytes = Zeroizing::new(vec![1; length]);
        let error =
            Secret::from_bytes(kind, bytes, DerivationPath::default()).err().expect("refused");
        assert!(matches!(error, PhraseError::Length { found, .. } if found == length), "{error}");
    }
}

#[test]
fn a_soft_step_has_the_same_channel_signer_each_time() {
    let read = || Secret::from_text(&format!("{DEVELOPMENT_PHRASE}//hard/soft")).expect("valid");
    assert_eq!(signer(&read()), signer(&read()));
}

#[test]
fn a_path_alone_is_of_the_development_phrase() {
    let alice = Secret::from_suri("//Alice").expect("a development account");
    let known = Signer::from_suri("//Alice").expect("a development account");
    assert_eq!(alice.account().account(), known.account());
    let seed = format!("0x{}", "01".repeat(32));
    let (one, other) = (Secret::from_suri(&seed), Secret::from_text(&seed));
    assert_eq!(
        one.expect("a seed").account().account(),
        other.expect("a seed").account().account()
    );
    assert!(Secret::from_suri("no phrase").is_err());
}
