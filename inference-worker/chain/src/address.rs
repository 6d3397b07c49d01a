//! Addresses as people write them: SS58 of this chain's network.
//!
//! An account is a public key, and every Substrate network writes it with a prefix of its own in
//! front. The same key may be somebody's on one network and nobody's on another: an exchange's
//! deposit address, for example. So an address of another network is refused rather than converted:
//! only the user can know whether the key is theirs here.

use base58::FromBase58;
use thiserror::Error;

use crate::AccountId;

/// Prefix of this chain's addresses: its constant `System.SS58Prefix`.
pub const PREFIX: u16 = 42;

/// Why a text is no address of this network.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// Not SS58 of an account, or mistyped.
    #[error(
        "this is no address: one begins with 5 and has about 48 letters and digits; copy it \
         again, a wrong one is noticed"
    )]
    Malformed,
    /// An address of another network.
    #[error(
        "this is an address of another network ({network}), where it may belong to an exchange or \
         to another program that does not see this chain. Here the same key has the address \
         {here}: give that one if its owner has the key here as well"
    )]
    Foreign {
        /// The network, as far as its prefix tells.
        network: String,
        /// The address of the same key on this network.
        here: AccountId,
    },
}

/// Reads an address of this network.
///
/// # Errors
/// [`AddressError::Foreign`] names the network and the same key's address here.
pub fn parse(text: &str) -> Result<AccountId, AddressError> {
    let text = text.trim();
    let account: AccountId = text.parse().map_err(|_| AddressError::Malformed)?;
    let prefix =
        text.from_base58().ok().and_then(|bytes| prefix(&bytes)).ok_or(AddressError::Malformed)?;
    if prefix == PREFIX {
        Ok(account)
    } else {
        Err(AddressError::Foreign { network: network(prefix), here: account })
    }
}

/// The prefix at the beginning of the bytes: one byte up to 63, two bytes with 14 bits otherwise.
fn prefix(bytes: &[u8]) -> Option<u16> {
    match *bytes {
        [first @ 0..=63, ..] => Some(first.into()),
        [first @ 64..=127, second, ..] => {
            let (first, second) = (u16::from(first), u16::from(second));
            // The first byte has bits 2 to 7, the second bits 0 and 1 at its top and bits 8 to 13
            // below.
            Some(((first & 0b11_1111) << 2) | (second >> 6) | ((second & 0b11_1111) << 8))
        }
        _ => None,
    }
}

fn network(prefix: u16) -> String {
    match prefix {
        0 => "Polkadot, prefix 0".to_owned(),
        2 => "Kusama, prefix 2".to_owned(),
        prefix => format!("prefix {prefix}"),
    }
}

#[cfg(test)]
mod tests {
    use sp_core::crypto::{AccountId32, Ss58AddressFormat, Ss58Codec};

    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    #[test]
    fn only_addresses_of_this_network_are_taken() {
        let alice: AccountId = ALICE.parse().expect("an address");
        assert_eq!(parse(ALICE), Ok(alice));
        assert_eq!(parse(&format!(" {ALICE}\n")), Ok(alice));
        for prefix in [0, 1, 2, 5, 41, 43, 63, 64, 255, 256, 2_032, 16_383] {
            let text = AccountId32::new(alice.0)
                .to_ss58check_with_version(Ss58AddressFormat::custom(prefix));
            let error = parse(&text).expect_err("another network");
            assert_eq!(
                error,
                AddressError::Foreign { network: network(prefix), here: alice },
                "{text}"
            );
            assert!(
                error.to_string().contains(ALICE)
                    && error.to_string().contains(&format!("prefix {prefix}")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let mistyped = ALICE.replace('v', "w");
        for text in ["", "5", "Alice", "0x1234", &ALICE[1..], &mistyped, &format!("{ALICE}1")] {
            assert_eq!(parse(text), Err(AddressError::Malformed), "{text}");
        }
    }
}
