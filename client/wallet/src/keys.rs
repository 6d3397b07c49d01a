//! The secret of a wallet and the two keys that follow from it.

use bip39::{Language, Mnemonic};
use ed25519_dalek::SigningKey;
use mica_chain::{DerivationPath, PathError, Signer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ChannelSigners;

/// Context of the channel signer of a phrase without a path. A change of it would lose the keys of
/// every open channel.
const CHANNEL_SIGNER_CONTEXT: &str = "mica/channel-signer/v1";
/// Context of the channel signer of every other account, over its expanded key. The same warning
/// holds.
const ACCOUNT_CHANNEL_SIGNER_CONTEXT: &str = "mica/channel-signer/account/v1";

/// Context of every later channel signer, over what the first one follows from and its number. The
/// same warning holds.
const NEXT_CHANNEL_SIGNER_CONTEXT: &str = "mica/channel-signer/next/v1";
/// Most hot keys of one wallet, so that all that there can be are tried in a moment.
pub const MAX_HOT_KEYS: u32 = 64;

/// What the well-known accounts of development chains are derived from.
const DEVELOPMENT_PHRASE: &str =
    "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

/// How a derivation path is read: [`DerivationPath::from_str`](std::str::FromStr::from_str) or
/// [`DerivationPath::as_subkey`].
pub type PathReader = fn(&str) -> Result<DerivationPath, PathError>;

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

/// Why a text or bytes are not a wallet's secret. Never repeats them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// A word that is not on the list, a wrong number of words, or a wrong checksum.
    #[error("this is not a BIP-39 phrase ({0}): check the spelling and the order of the words")]
    Invalid(bip39::Error),
    /// Hexadecimal digits that are no seed.
    #[error("a seed is written as 0x and 64 hexadecimal digits: check that none is missing")]
    Seed,
    /// What follows the phrase or seed is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A path for a key that comes from a file.
    #[error("a key from a polkadot-js file takes no derivation path: leave --derive out")]
    NoPathHere,
    /// The system gives no randomness.
    #[error("the system gives no random bytes ({0}); no wallet was made")]
    NoRandomness(bip39::Error),
    /// Bytes of a length that the kind of secret does not have.
    #[error("the wallet holds {found} bytes where a {kind} has another number")]
    Length {
        /// What it should be.
        kind: SecretKind,
        /// Bytes found.
        found: usize,
    },
    /// A wallet that was not made from words.
    #[error(
        "this wallet was made from a {0}, so it has no phrase: export it with --polkadot-js FILE \
         instead"
    )]
    NoPhrase(SecretKind),
    /// The signer refuses the secret.
    #[error("no account follows from this secret: {0}")]
    Account(String),
}

/// What a wallet was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// Words, kept as their entropy.
    #[default]
    Phrase,
    /// 32 bytes that an sr25519 key is expanded from.
    Seed,
    /// 64 bytes of an expanded sr25519 key, as polkadot-js files hold it.
    Key,
}

impl std::fmt::Display for SecretKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Phrase => "phrase",
            Self::Seed => "seed",
            Self::Key => "key",
        })
    }
}

/// The bytes that everything of a wallet follows from, and the path from them to its account; wiped
/// when dropped.
pub struct Secret {
    kind: SecretKind,
    bytes: Zeroizing<Vec<u8>>,
    path: DerivationPath,
    account: Signer,
}

impl Secret {
    /// A new secret from the system's randomness.
    ///
    /// # Errors
    /// [`PhraseError::NoRandomness`].
    pub fn generate(words: WordCount) -> Result<Self, PhraseError> {
        Self::of_mnemonic(
            &Mnemonic::generate_in(Language::English, words.words())
                .map_err(PhraseError::NoRandomness)?,
        )
    }

    /// The secret of an English phrase of 12 to 24 words; case and spaces do not matter.
    ///
    /// # Errors
    /// [`PhraseError::Invalid`].
    pub fn from_phrase(phrase: &str) -> Result<Self, PhraseError> {
        let mut normal = Zeroizing::new(String::with_capacity(phrase.len()));
        for word in phrase.split_whitespace() {
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.extend(word.chars().flat_map(char::to_lowercase));
        }
        Self::of_mnemonic(
            &Mnemonic::parse_in_normalized(Language::English, &normal)
                .map_err(PhraseError::Invalid)?,
        )
    }

    /// The secret that people write down: a phrase or a seed (`0x…`), with a derivation path after
    /// it or without.
    ///
    /// # Errors
    /// [`PhraseError`] says which part is wrong.
    pub fn from_text(text: &str) -> Result<Self, PhraseError> {
        Self::from_text_with(text, str::parse)
    }

    /// As [`Self::from_text`]; a path alone (`//Alice`) starts from the phrase of development
    /// chains, which everybody knows.
    ///
    /// # Errors
    /// As [`Self::from_text`].
    pub fn from_suri(text: &str) -> Result<Self, PhraseError> {
        match text.trim() {
            path if path.starts_with('/') => {
                Self::from_text(&format!("{DEVELOPMENT_PHRASE}{path}"))
            }
            text => Self::from_text(text),
        }
    }

    /// The same; `read` reads the path.
    ///
    /// # Errors
    /// As [`Self::from_text`].
    pub fn from_text_with(text: &str, read: PathReader) -> Result<Self, PhraseError> {
        let text = text.trim();
        let (secret, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let root = match secret.trim_end().strip_prefix("0x") {
            Some(digits) => {
                let mut seed = Zeroizing::new(vec![0; 32]);
                hex::decode_to_slice(digits, &mut seed).map_err(|_| PhraseError::Seed)?;
                Self::from_bytes(SecretKind::Seed, seed, DerivationPath::default())?
            }
            None => Self::from_phrase(secret)?,
        };
        root.with_path(read(path)?)
    }

    /// The secret of this kind with these bytes.
    ///
    /// # Errors
    /// [`PhraseError::Length`] or [`PhraseError::Account`] if the bytes are none of that kind.
    pub fn from_bytes(
        kind: SecretKind,
        bytes: Zeroizing<Vec<u8>>,
        path: DerivationPath,
    ) -> Result<Self, PhraseError> {
        if kind == SecretKind::Key && !path.is_empty() {
            return Err(PhraseError::NoPathHere);
        }
        let root = match kind {
            SecretKind::Phrase => Signer::from_mnemonic(&words(&bytes)?),
            SecretKind::Seed => Signer::from_seed(sized(kind, &bytes)?),
            SecretKind::Key => Signer::from_expanded(&Zeroizing::new(sized(kind, &bytes)?)),
        };
        let account = root.map_err(|error| PhraseError::Account(error.to_string()))?.derive(&path);
        Ok(Self { kind, bytes, path, account })
    }

    /// The same secret with another path to its account.
    ///
    /// # Errors
    /// [`PhraseError::NoPathHere`] for a key from a file, of which nobody could say where it lies.
    pub fn with_path(self, path: DerivationPath) -> Result<Self, PhraseError> {
        Self::from_bytes(self.kind, self.bytes, path)
    }

    /// What it was made from.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The bytes, to be encrypted.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path to the account.
    pub fn path(&self) -> &DerivationPath {
        &self.path
    }

    /// The phrase to be written down on paper, without the path.
    ///
    /// # Errors
    /// [`PhraseError::NoPhrase`] for a wallet of another kind.
    pub fn phrase(&self) -> Result<Zeroizing<String>, PhraseError> {
        if self.kind == SecretKind::Phrase {
            words(&self.bytes)
        } else {
            Err(PhraseError::NoPhrase(self.kind))
        }
    }

    /// The account that pays: sr25519, as every Substrate wallet derives it.
    pub fn account(&self) -> &Signer {
        &self.account
    }

    /// The first key that signs vouchers.
    pub fn channel_signer(&self) -> SigningKey {
        self.channel_signer_at(0)
    }

    /// The key of this number that signs vouchers. Each follows from the secret; none follows from
    /// another, so that a stolen one leads to no other.
    pub fn channel_signer_at(&self, number: u32) -> SigningKey {
        let is_plain = self.kind == SecretKind::Phrase && self.path.is_empty();
        // The scalar alone: a soft step draws the other half, the seed of nonces, at random.
        let expanded = self.account.expanded();
        let root = if is_plain { self.bytes.as_slice() } else { expanded.split_at(32).0 };
        let seed = Zeroizing::new(match (number, is_plain) {
            (0, true) => blake3::derive_key(CHANNEL_SIGNER_CONTEXT, root),
            (0, false) => blake3::derive_key(ACCOUNT_CHANNEL_SIGNER_CONTEXT, root),
            (number, _) => {
                let mut material = Zeroizing::new(Vec::with_capacity(root.len() + 5));
                material.extend_from_slice(root);
                material.push(u8::from(is_plain));
                material.extend_from_slice(&number.to_le_bytes());
                blake3::derive_key(NEXT_CHANNEL_SIGNER_CONTEXT, &material)
            }
        });
        SigningKey::from_bytes(&seed)
    }

    /// The keys that sign vouchers when the one of `number` is the present one.
    pub fn channel_signers(&self, number: u32) -> ChannelSigners {
        let earlier = (0..number.min(MAX_HOT_KEYS)).map(|number| self.channel_signer_at(number));
        ChannelSigners::new(self.channel_signer_at(number), earlier.collect())
    }

    /// The number of the key whose public key this is: how a wallet that was made again from its
    /// words finds the keys of its channels.
    pub fn number_of_channel_signer(&self, public: &[u8; 32]) -> Option<u32> {
        (0..MAX_HOT_KEYS)
            .find(|number| self.channel_signer_at(*number).verifying_key().as_bytes() == public)
    }

    fn of_mnemonic(mnemonic: &Mnemonic) -> Result<Self, PhraseError> {
        Self::from_bytes(
            SecretKind::Phrase,
            Zeroizing::new(mnemonic.to_entropy()),
            DerivationPath::default(),
        )
    }
}

/// The words for some entropy.
fn words(entropy: &[u8]) -> Result<Zeroizing<String>, PhraseError> {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy)
        .map_err(|_| PhraseError::Length { kind: SecretKind::Phrase, found: entropy.len() })?;
    Ok(Zeroizing::new(mnemonic.to_string()))
}

fn sized<const N: usize>(kind: SecretKind, bytes: &[u8]) -> Result<[u8; N], PhraseError> {
    bytes.try_into().map_err(|_| PhraseError::Length { kind, found: bytes.len() })
}

#[cfg(test)]
mod tests;
