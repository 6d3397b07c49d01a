//! The genesis of a network whose keys are not ours to know, made from the public keys that its
//! founders name. `mica-node staging-spec` reads them from a file.

use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::UNIT;
use pallet_mica_seats::rules::{Winner, seated};
use pallet_mica_timing::Timing;
use serde::Deserialize;
use serde_json::Value;
use sp_authority_discovery::AuthorityId as AuthorityDiscoveryId;
use sp_consensus_babe::AuthorityId as BabeId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

use super::{MIN_VALIDATOR_BOND, Validator, chain};
use crate::{AccountId, Balance, SessionKeys};

/// What a network of other people's starts with: who has money, and who validates. All keys are
/// public ones, as `mica-node key inspect` shows them.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staging {
    /// Accounts and their money.
    pub accounts: Vec<StagingAccount>,
    /// The first validators.
    pub validators: Vec<StagingValidator>,
}

/// An account of a staging network.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagingAccount {
    /// Its address.
    pub account: AccountId,
    /// Whole MICA that it starts with.
    pub mica: u32,
}

/// A validator of a staging network.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagingValidator {
    /// Address of the account that bonds; one of the accounts.
    pub stash: AccountId,
    /// Whole MICA that it bonds.
    pub bond_mica: u32,
    /// Its node's key for blocks, sr25519.
    pub babe: BabeId,
    /// Its node's key for finality, ed25519.
    pub grandpa: GrandpaId,
    /// Its node's key for being found, sr25519.
    pub authority_discovery: AuthorityDiscoveryId,
}

/// Fewest validators of which one may stop.
const MIN_VALIDATORS: usize = 4;

/// Why a staging network cannot start as it was asked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StagingError {
    /// With fewer, finality stops when one of them does.
    FewValidators,
    /// Two validators share a key or an account, or two accounts an address.
    Twice,
    /// A validator bonds less than the chain asks of every other, or more than its account has.
    Bond,
    /// The bonds are so unequal that the first election would take a founder's seat.
    Uneven,
    /// A key or an account is one of the development keys, for which anybody can sign.
    WellKnown,
}

impl std::error::Error for StagingError {}

impl std::fmt::Display for StagingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FewValidators => {
                "name at least four validators: with fewer, one that stops takes \
                                    finality along"
            }
            Self::Twice => {
                "each account and each key may occur once: give every validator keys of \
                            its own"
            }
            Self::Bond => {
                "a validator's bond must be at least 1,000 MICA and less than what its \
                           account has"
            }
            Self::Uneven => {
                "the bonds are too far apart, and the smallest would lose its seat at the first \
                            election: each must be at least half of the average, to which none \
                            counts for more than twice the best one outside of the best third"
            }
            Self::WellKnown => {
                "it has a development key, for which anybody can sign: make new keys \
                                with `mica-node key generate`"
            }
        })
    }
}

/// The genesis of a staging network, as a JSON patch over the default one.
///
/// # Errors
/// [`StagingError`] says what is wrong with the keys, the accounts or the bonds.
pub fn patch(staging: Staging) -> Result<Value, StagingError> {
    let Staging { accounts, validators } = staging;
    if validators.len() < MIN_VALIDATORS {
        return Err(StagingError::FewValidators);
    }
    let mut balances = BTreeMap::new();
    for StagingAccount { account, mica } in accounts {
        if balances.insert(account, Balance::from(mica) * UNIT).is_some() {
            return Err(StagingError::Twice);
        }
    }
    let mut keys = BTreeSet::new();
    for validator in &validators {
        let bond = Balance::from(validator.bond_mica) * UNIT;
        let has = balances.get(&validator.stash).copied().unwrap_or_default();
        if bond < MIN_VALIDATOR_BOND || bond >= has {
            return Err(StagingError::Bond);
        }
        for key in validator.public_keys() {
            if !keys.insert(key) {
                return Err(StagingError::Twice);
            }
        }
    }
    if seated(founders(&validators)).len() < validators.len() {
        return Err(StagingError::Uneven);
    }
    let known = |key: &[u8; 32]| {
        Sr25519Keyring::iter().any(|known| known.public().0 == *key)
            || Ed25519Keyring::iter().any(|known| known.public().0 == *key)
    };
    if keys.iter().any(known) || balances.keys().any(|account| known(account.as_ref())) {
        return Err(StagingError::WellKnown);
    }
    let validators = validators
        .into_iter()
        .map(|validator| {
            let bond = Balance::from(validator.bond_mica) * UNIT;
            let StagingValidator { stash, babe, grandpa, authority_discovery, .. } = validator;
            let keys = SessionKeys { babe, grandpa, authority_discovery };
            (Validator { stash, keys }, bond)
        })
        .collect();
    Ok(chain(Timing::Public, None, balances.into_iter().collect(), validators))
}

/// The validators as the first election after the genesis sees them.
fn founders(validators: &[StagingValidator]) -> Vec<Winner<AccountId>> {
    validators
        .iter()
        .map(|validator| Winner {
            account: validator.stash.clone(),
            backing: validator.bond_mica.into(),
            proven: true,
        })
        .collect()
}

impl StagingValidator {
    /// The account and the keys, as bytes.
    fn public_keys(&self) -> [[u8; 32]; 4] {
        let bytes = |key: &[u8]| key.try_into().expect("public keys and accounts have 32 bytes");
        [
            bytes(self.stash.as_ref()),
            bytes(self.babe.as_ref()),
            bytes(self.grandpa.as_ref()),
            bytes(self.authority_discovery.as_ref()),
        ]
    }
}
