//! Domain separation: what is signed for one purpose on one chain means nothing for another.

use alloc::vec::Vec;
use blake2::{Blake2b, Digest, digest::consts::U32};
use codec::Encode;

use crate::Hash32;

/// blake2-256, equal to the chain's `blake2_256` host function.
pub fn blake2_256(bytes: &[u8]) -> Hash32 {
    Blake2b::<U32>::digest(bytes).into()
}

/// Version of what is signed under `tag`: it rises when the type's bytes change, so that a
/// signature over the old ones is never read as one over the new.
fn version(tag: &str) -> &'static [u8] {
    match tag {
        "voucher" | "progress" => b"/v2",
        _ => b"/v1",
    }
}

/// `blake2_256("mica/" ‖ tag ‖ "/v" ‖ version ‖ genesis hash)`: the prefix of everything that is
/// signed under `tag`. The version is 2 for `voucher`, which got locks and bounties, and for
/// `progress`, which got ends, times and receipts; it is 1 for all others.
///
/// The genesis hash keeps a signature from being replayed on another chain, the tag from being read
/// as another type (compare Raiden's `MessageTypeId`).
pub fn domain(tag: &str, genesis: &Hash32) -> Hash32 {
    let mut bytes = Vec::with_capacity(8 + tag.len() + 32);
    bytes.extend_from_slice(b"mica/");
    bytes.extend_from_slice(tag.as_bytes());
    bytes.extend_from_slice(version(tag));
    bytes.extend_from_slice(genesis);
    blake2_256(&bytes)
}

/// `domain(tag) ‖ SCALE(value)`: the bytes that a key signs.
pub fn signing_bytes(tag: &str, genesis: &Hash32, value: &impl Encode) -> Vec<u8> {
    let mut bytes = domain(tag, genesis).to_vec();
    value.encode_to(&mut bytes);
    bytes
}
