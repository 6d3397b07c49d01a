//! Signed messages: proof that the sender holds an account's key.
//!
//! A message is put between `<Bytes>` and `</Bytes>` before it is signed, as every Polkadot wallet
//! does. An extrinsic never begins like that, so none can be passed off as a message to get it
//! signed.

use mica_chain::{AccountId, Signer, verify as verify_bytes};

/// Most bytes of a message.
pub const MAX_MESSAGE_BYTES: u64 = 1 << 20;

const BEFORE: &[u8] = b"<Bytes>";
const AFTER: &[u8] = b"</Bytes>";

/// Signs `message`, marked as a message unless it is already.
pub fn sign(signer: &Signer, message: &[u8]) -> [u8; 64] {
    signer.sign(&marked(message))
}

/// Whether `signature` is `account`'s over `message`, marked or as it is.
pub fn verify(account: &AccountId, message: &[u8], signature: &[u8; 64]) -> bool {
    verify_bytes(account, &marked(message), signature) || verify_bytes(account, message, signature)
}

/// Reads a signature: `0x` and 128 hexadecimal digits, optionally preceded by sr25519's byte `01`.
///
/// # Errors
/// A text that says what a signature looks like.
pub fn parse_signature(text: &str) -> Result<[u8; 64], String> {
    let wrong = || "a signature is written as 0x and 128 hexadecimal digits".to_owned();
    let bytes = hex::decode(text.trim().trim_start_matches("0x")).map_err(|_| wrong())?;
    let bare = match bytes.as_slice() {
        [1, bare @ ..] if bare.len() == 64 => bare,
        all => all,
    };
    bare.try_into().map_err(|_| wrong())
}

fn marked(message: &[u8]) -> Vec<u8> {
    if message.starts_with(BEFORE) && message.ends_with(AFTER) {
        message.to_vec()
    } else {
        [BEFORE, message, AFTER].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_marked_once_and_an_extrinsic_cannot_be_signed_as_one() {
        let alice = Signer::from_suri("//Alice").expect("a development key");
        let signature = sign(&alice, b"hello");
        assert!(verify(&alice.account(), b"hello", &signature));
        assert!(verify(&alice.account(), b"<Bytes>hello</Bytes>", &signature));
        assert!(
            !verify_bytes(&alice.account(), b"hello", &signature),
            "what was signed is not the bare message"
        );
        assert!(!verify(&alice.account(), b"hell", &signature));
        assert!(
            verify(&alice.account(), b"raw", &alice.sign(b"raw")),
            "what others sign without the mark is recognised"
        );
        assert!(verify(&alice.account(), b"", &sign(&alice, b"")));
    }

    #[test]
    fn signatures_are_read_in_each_form_and_nothing_else_is() {
        let digits = "ab".repeat(64);
        for text in [
            digits.clone(),
            format!("0x{digits}"),
            format!("0x01{digits}"),
            format!(" 0x{digits}\n"),
        ] {
            assert_eq!(parse_signature(&text), Ok([0xab; 64]), "{text}");
        }
        for text in
            ["", "0x", "0x12", &format!("0x00{digits}"), &"zz".repeat(64), &format!("{digits}ab")]
        {
            assert!(parse_signature(text).is_err(), "{text}");
        }
    }
}
