//! The secret of a wallet and the two keys that follow from it.

use bip39::{Language, Mnemonic};
use ed25519_dalek::SigningKey;
use mica_chain::Signer;
use zeroize::Zeroizing;

/// Context string of the channel signer's derivation. A change of it would lose the keys of every open channel.
const CHANNEL_SIGNER_CONTEXT: &str = "mica/channel-signer/v1";

/// Length of a new phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordCount {
    /// 128 bits.
    Twelve,
    /// 256 bits.
    TwentyFour,
}

impl WordCount {
    const fn words(self) -> usize {
        match self {
            Self::Twelve => 12,
            Self::TwentyFour => 24,
        }
    }
}

/// Why a phrase is not a wallet's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// A word that is not on the list, a wrong number of words, or a wrong checksum.
    #[error("this is not a BIP-39 phrase ({0}): check the spelling and the order of the words")]
    Invalid(bip39::Error),
    /// The system gives no randomness.
    #[error("the system gives no random bytes ({0}); no wallet was made")]
    NoRandomness(bip39::Error),
    /// Entropy that no phrase stands for.
    #[error("the wallet holds {0} bytes where a phrase has 16 to 32")]
    Entropy(usize),
    /// The signer refuses the phrase.
    #[error("no account follows from this phrase: {0}")]
    Account(String),
}

/// Entropy of a BIP-39 phrase, 16 to 32 bytes; wiped when dropped.
pub struct Secret {
    entropy: Zeroizing<Vec<u8>>,
}

impl Secret {
    /// A new secret from the system's randomness.
    ///
    /// # Errors
    /// [`PhraseError::NoRandomness`].
    pub fn generate(words: WordCount) -> Result<Self, PhraseError> {
        let mnemonic = Mnemonic::generate_in(Language::English, words.words()).map_err(PhraseError::NoRandomness)?;
        Ok(Self { entropy: Zeroizing::new(mnemonic.to_entropy()) })
    }

    /// The secret of an English phrase of 12 to 24 words; case and spaces do not matter.
    ///
    /// # Errors
    /// [`PhraseError::Invalid`].
    pub fn from_phrase(phrase: &str) -> Result<Self, PhraseError> {
        let normal = Zeroizing::new(phrase.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" "));
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &normal).map_err(PhraseError::Invalid)?;
        Ok(Self { entropy: Zeroizing::new(mnemonic.to_entropy()) })
    }

    /// The secret with this entropy.
    ///
    /// # Errors
    /// [`PhraseError::Entropy`] unless it has 16, 20, 24, 28 or 32 bytes.
    pub fn from_entropy(entropy: Zeroizing<Vec<u8>>) -> Result<Self, PhraseError> {
        match Mnemonic::from_entropy_in(Language::English, &entropy) {
            Ok(_) => Ok(Self { entropy }),
            Err(_) => Err(PhraseError::Entropy(entropy.len())),
        }
    }

    /// The entropy, to be encrypted.
    pub fn entropy(&self) -> &[u8] {
        &self.entropy
    }

    /// The phrase to be written down on paper.
    ///
    /// # Errors
    /// [`PhraseError::Entropy`], which the constructors rule out.
    pub fn phrase(&self) -> Result<Zeroizing<String>, PhraseError> {
        let mnemonic =
            Mnemonic::from_entropy_in(Language::English, &self.entropy).map_err(|_| PhraseError::Entropy(self.entropy.len()))?;
        Ok(Zeroizing::new(mnemonic.to_string()))
    }

    /// The account that pays: sr25519, as every Substrate wallet derives it from the phrase.
    ///
    /// # Errors
    /// [`PhraseError::Account`] if the signer refuses the phrase, which valid entropy rules out.
    pub fn account(&self) -> Result<Signer, PhraseError> {
        Signer::from_mnemonic(&self.phrase()?).map_err(|error| PhraseError::Account(error.to_string()))
    }

    /// The key that signs vouchers.
    pub fn channel_signer(&self) -> SigningKey {
        let seed = Zeroizing::new(blake3::derive_key(CHANNEL_SIGNER_CONTEXT, &self.entropy));
        SigningKey::from_bytes(&seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The development phrase of Substrate, whose root account every wallet shows as this address.
    const DEVELOPMENT_PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
    const DEVELOPMENT_ADDRESS: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";

    #[test]
    fn the_account_is_the_one_of_standard_wallets() {
        let secret = Secret::from_phrase(DEVELOPMENT_PHRASE).expect("valid");
        assert_eq!(secret.account().expect("account").account().to_string(), DEVELOPMENT_ADDRESS);
    }

    #[test]
    fn case_and_spaces_of_a_phrase_do_not_matter() {
        let untidy = format!("  {}\n", DEVELOPMENT_PHRASE.to_uppercase().replace(' ', "   "));
        let secret = Secret::from_phrase(&untidy).expect("valid");
        assert_eq!(*secret.phrase().expect("phrase"), DEVELOPMENT_PHRASE);
    }

    #[test]
    fn the_channel_signer_is_fixed_and_its_own() {
        let secret = Secret::from_phrase(DEVELOPMENT_PHRASE).expect("valid");
        let again = Secret::from_entropy(Zeroizing::new(secret.entropy().to_vec())).expect("valid");
        assert_eq!(secret.channel_signer().to_bytes(), again.channel_signer().to_bytes());
        let other = Secret::generate(WordCount::Twelve).expect("randomness");
        assert_ne!(secret.channel_signer().to_bytes(), other.channel_signer().to_bytes());
    }

    #[test]
    fn new_phrases_have_the_length_asked_for_and_read_back() {
        for (words, bytes) in [(WordCount::Twelve, 16), (WordCount::TwentyFour, 32)] {
            let secret = Secret::generate(words).expect("randomness");
            assert_eq!(secret.entropy().len(), bytes);
            let phrase = secret.phrase().expect("phrase");
            assert_eq!(phrase.split(' ').count(), words.words());
            assert_eq!(Secret::from_phrase(&phrase).expect("valid").entropy(), secret.entropy());
        }
    }

    #[test]
    fn broken_phrases_are_refused() {
        for phrase in [
            "",
            "bottom",
            "bottom drive obey lake curtain smoke basket hold race lonely fit fit",
            "not a phrase at all of twelve words but something else entirely sir",
        ] {
            assert!(matches!(Secret::from_phrase(phrase), Err(PhraseError::Invalid(_))), "{phrase}");
        }
        assert!(matches!(Secret::from_entropy(Zeroizing::new(vec![1; 15])), Err(PhraseError::Entropy(15))));
    }
}
