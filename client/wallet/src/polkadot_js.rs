//! Account files of polkadot-js and of the wallets that follow it: read and written, so that an
//! account can move both ways.
//!
//! A file is JSON. `encoded` is base64 of `salt 32 ‖ N ‖ p ‖ r (u32, little endian each) ‖ nonce 24
//! ‖ box`; scrypt turns the password into a key and xsalsa20-poly1305 opens the box. Inside lies
//! what polkadot-js calls pkcs8: a header of 16 bytes, the expanded secret key (64), a divider of
//! 5, the public key (32).
//!
//! Limits: version 3 with sr25519 keys. Older versions, other kinds of keys, files without a
//! password and files of several accounts are refused by name. Only the costs of scrypt that
//! polkadot-js itself allows are accepted.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{
    Nonce, XSalsa20Poly1305,
    aead::{Aead, KeyInit},
};
use mica_chain::{AccountId, Signer};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Password;

/// Most bytes of a file.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;

const VERSION: &str = "3";
const CONTENT: [&str; 2] = ["pkcs8", "sr25519"];
const CIPHERS: [&str; 2] = ["scrypt", "xsalsa20-poly1305"];
const HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];
const PLAIN_BYTES: usize = HEADER.len() + 64 + DIVIDER.len() + 32;
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// (log₂ N, p, r) that are accepted: the list of polkadot-js, so that a foreign file cannot eat the
/// machine.
const COSTS: [(u8, u32, u32); 6] =
    [(13, 10, 8), (14, 5, 8), (15, 3, 8), (15, 1, 8), (16, 2, 8), (17, 1, 8)];
/// What is written: the cost that polkadot-js itself writes.
const COST: (u8, u32, u32) = (17, 1, 8);

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolkadotJsError {
    /// Not JSON of that shape.
    #[error("this is no account file of polkadot-js ({0}): export the account again")]
    Shape(String),
    /// A file of several accounts.
    #[error("this file holds several accounts: export each of them alone")]
    Batch,
    /// Another version.
    #[error(
        "this file has version {0} and only version {VERSION} is read: export the account again \
         with a newer wallet"
    )]
    Version(String),
    /// Another kind of key.
    #[error(
        "this file holds a key of kind {0} and accounts here are sr25519: import an sr25519 \
         account"
    )]
    Content(String),
    /// Encrypted in another way, or not at all.
    #[error(
        "this file is protected by {0} and only scrypt with xsalsa20-poly1305 is read: export the \
         account again with a password"
    )]
    Cipher(String),
    /// A cost of scrypt that is not on the list.
    #[error(
        "this file asks for scrypt with N = {n}, p = {p}, r = {r}, which polkadot-js does not \
         allow: export the account again"
    )]
    Cost {
        /// Cost of memory and time.
        n: u32,
        /// Parallel runs.
        p: u32,
        /// Block size.
        r: u32,
    },
    /// The box does not open.
    #[error("wrong password for this file, or the file was changed; nothing was imported")]
    WrongPassword,
    /// It opens, but holds something else.
    #[error("this file opens, but {0}: it is damaged, so export the account again")]
    Damaged(&'static str),
    /// The system gives no randomness or scrypt refuses.
    #[error("cannot encrypt the account: {0}")]
    Encrypt(String),
}

#[derive(Serialize, Deserialize)]
struct PairJson {
    encoded: String,
    encoding: Encoding,
    address: String,
    #[serde(default)]
    meta: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Encoding {
    content: Names,
    r#type: Names,
    version: String,
}

/// Older versions write one name where newer ones write a list.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn of(names: [&str; 2]) -> Self {
        Self::Many(names.map(str::to_owned).to_vec())
    }

    fn are(&self, names: [&str; 2]) -> bool {
        matches!(self, Self::Many(found) if found.iter().map(String::as_str).eq(names))
    }

    fn to_text(&self) -> String {
        match self {
            Self::One(name) => name.clone(),
            Self::Many(names) => names.join(" with "),
        }
    }
}

/// What a file says in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The account, as the file says.
    pub address: AccountId,
    /// The account's name in the other wallet.
    pub name: Option<String>,
}

/// Reads what a file says in clear and checks that it can be opened, before anyone is asked for a
/// password.
///
/// # Errors
/// [`PolkadotJsError`] names what is not as it should be.
pub fn heading(json: &[u8]) -> Result<Heading, PolkadotJsError> {
    let file = parse(json)?;
    let address = account(&file.address)?;
    Ok(Heading {
        address,
        name: file.meta.get("name").and_then(|name| name.as_str()).map(str::to_owned),
    })
}

/// Opens a file: the account's expanded secret key.
///
/// # Errors
/// [`PolkadotJsError::WrongPassword`], or what is not as it should be.
pub fn open(json: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, PolkadotJsError> {
    let file = parse(json)?;
    let damaged = PolkadotJsError::Damaged;
    let sealed = STANDARD
        .decode(file.encoded.trim())
        .map_err(|_| PolkadotJsError::Shape("its secret is no base64".into()))?;
    let short = || PolkadotJsError::Shape("its secret is too short".into());
    let (salt, rest) = sealed.split_at_checked(SALT_BYTES).ok_or_else(short)?;
    let (cost, rest) = rest.split_at_checked(12).ok_or_else(short)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or_else(short)?;
    let number = |at: usize| {
        cost.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
    };
    let (n, p, r) = (number(0), number(4), number(8));
    let log_n = COSTS
        .iter()
        .find(|known| (1 << known.0, known.1, known.2) == (n, p, r))
        .map(|known| known.0);
    let cipher = cipher(password, salt, (log_n.ok_or(PolkadotJsError::Cost { n, p, r })?, p, r))?;
    let plain = cipher
        .decrypt(Nonce::from_slice(nonce), sealed)
        .map_err(|_| PolkadotJsError::WrongPassword)?;
    let plain = Zeroizing::new(plain);
    if plain.len() != PLAIN_BYTES {
        return Err(damaged("what is in it has another length"));
    }
    let (header, rest) = plain.split_at(HEADER.len());
    let (secret, rest) = rest.split_at(64);
    let (divider, public) = rest.split_at(DIVIDER.len());
    if header != HEADER || divider != DIVIDER {
        return Err(damaged("what is in it is no pkcs8 key"));
    }
    if secret.len() != 64 {
        return Err(damaged("what is in it has another length"));
    }
    let mut bytes = Zeroizing::new([0; 64]);
    bytes.copy_from_slice(secret);
    let signer =
        Signer::from_expanded(&bytes).map_err(|_| damaged("what is in it is no sr25519 key"))?;
    if signer.account().0 != public || signer.account() != account(&file.address)? {
        return Err(damaged("the key in it belongs to another address"));
    }
    Ok(Zeroizing::new(secret.to_vec()))
}

/// Writes the file of `signer`'s account under `name`, made at `unix_ms`.
///
/// # Errors
/// [`PolkadotJsError::Encrypt`].
pub fn seal(
    signer: &Signer,
    name: &str,
    unix_ms: u64,
    password: &Password,
) -> Result<Vec<u8>, PolkadotJsError> {
    let failed = |reason: String| PolkadotJsError::Encrypt(reason);
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
    OsRng.try_fill_bytes(&mut salt).map_err(|error| failed(error.to_string()))?;
    OsRng.try_fill_bytes(&mut nonce).map_err(|error| failed(error.to_string()))?;
    let secret = signer.expanded();
    let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES));
    for part in [&HEADER[..], secret.as_slice(), &DIVIDER, &signer.account().0] {
        plain.extend_from_slice(part);
    }
    let sealed = cipher(password, &salt, COST)?
        .encrypt(Nonce::from_slice(&nonce), plain.as_slice())
        .map_err(|_| failed("the cipher refuses the key".into()))?;
    let (log_n, p, r) = COST;
    let cost = [1u32 << log_n, p, r].map(u32::to_le_bytes).concat();
    let file = PairJson {
        encoded: STANDARD.encode([&salt[..], &cost, &nonce, &sealed].concat()),
        encoding: Encoding {
            content: Names::of(CONTENT),
            r#type: Names::of(CIPHERS),
            version: VERSION.into(),
        },
        address: signer.account().to_string(),
        meta: serde_json::json!({ "name": name, "whenCreated": unix_ms }),
    };
    let mut text = serde_json::to_vec_pretty(&file).map_err(|error| failed(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

fn parse(json: &[u8]) -> Result<PairJson, PolkadotJsError> {
    let shape = |error: serde_json::Error| PolkadotJsError::Shape(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(json).map_err(shape)?;
    if value.get("accounts").is_some() {
        return Err(PolkadotJsError::Batch);
    }
    // The version first: other versions have another shape.
    if let Some(version) = value.pointer("/encoding/version").and_then(|version| version.as_str())
        && version != VERSION
    {
        return Err(PolkadotJsError::Version(version.into()));
    }
    let file: PairJson = serde_json::from_value(value).map_err(shape)?;
    if !file.encoding.content.are(CONTENT) {
        return Err(PolkadotJsError::Content(file.encoding.content.to_text()));
    }
    if !file.encoding.r#type.are(CIPHERS) {
        return Err(PolkadotJsError::Cipher(file.encoding.r#type.to_text()));
    }
    Ok(file)
}

/// An address of any network, or the public key in hexadecimal.
fn account(address: &str) -> Result<AccountId, PolkadotJsError> {
    let wrong = || PolkadotJsError::Shape("its address is none".into());
    match address.strip_prefix("0x") {
        Some(digits) => {
            let mut key = [0; 32];
            hex::decode_to_slice(digits, &mut key).map_err(|_| wrong())?;
            Ok(AccountId::from(key))
        }
        None => address.parse().map_err(|_| wrong()),
    }
}

fn cipher(
    password: &Password,
    salt: &[u8],
    (log_n, p, r): (u8, u32, u32),
) -> Result<XSalsa20Poly1305, PolkadotJsError> {
    let failed = |reason: String| PolkadotJsError::Encrypt(reason);
    let params = scrypt::Params::new(log_n, r, p, 32).map_err(|error| failed(error.to_string()))?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password.as_bytes(), salt, &params, key.as_mut_slice())
        .map_err(|error| failed(error.to_string()))?;
    Ok(XSalsa20Poly1305::new(key.as_slice().into()))
}

#[cfg(test)]
mod tests;
