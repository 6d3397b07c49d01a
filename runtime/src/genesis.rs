//! What a chain starts with.
//!
//! The presets `development` and `local_testnet` are complete starting states that a chain
//! specification names instead of spelling out. Their keys are the well-known development keys:
//! anybody can sign for them, so neither chain may ever carry value. Times are those for tests, and
//! Alice may do everything ([`pallet_sudo`]).
//!
//! The preset `staging` is `local_testnet` by the times of a public network, and with nobody who
//! may do everything: to rehearse one. The module `staging` makes the state of the network itself,
//! whose keys are not ours to know, from the accounts and validators that it is given.

use alloc::{string::ToString, vec, vec::Vec};

use frame_support::build_struct_json_patch;
use mica_primitives::UNIT;
use pallet_mica_timing::Timing;
use pallet_staking::StakerStatus;
use serde_json::Value;
use sp_authority_discovery::AuthorityId as AuthorityDiscoveryId;
use sp_consensus_babe::AuthorityId as BabeId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, PresetId};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::Perbill;

use crate::{
    AccountId, Balance, BalancesConfig, RuntimeGenesisConfig, SessionConfig, SessionKeys,
    StakingConfig, SudoConfig, TimingConfig, configs::babe::GENESIS_EPOCH,
    constants::MAX_VALIDATOR_CANDIDATES,
};

#[cfg(feature = "std")]
pub mod staging;

/// Name of the preset that is like a public network, but for its keys.
pub const STAGING_PRESET: &str = "staging";

/// What each development account starts with.
pub const DEV_ENDOWMENT: Balance = 1_000_000 * UNIT;
/// What each validator's stash bonds; it starts with twice as much.
pub const VALIDATOR_BOND: Balance = 100_000 * UNIT;
/// Validators that an era elects at most, until governance says otherwise.
const VALIDATOR_COUNT: u32 = 16;
/// What a validator must bond at least.
pub const MIN_VALIDATOR_BOND: Balance = 1_000 * UNIT;
/// What a nominator must bond at least.
const MIN_NOMINATOR_BOND: Balance = 10 * UNIT;

/// A validator at genesis.
struct Validator {
    /// Holds the bond. Apart from the account of the same name, so that fees and rewards do not
    /// disturb that one's balance.
    stash: AccountId,
    keys: SessionKeys,
}

impl Validator {
    fn new(stash: Sr25519Keyring, babe: Sr25519Keyring, grandpa: Ed25519Keyring) -> Self {
        let keys = SessionKeys {
            babe: BabeId::from(babe.public()),
            grandpa: GrandpaId::from(grandpa.public()),
            authority_discovery: AuthorityDiscoveryId::from(babe.public()),
        };
        Self { stash: stash.to_account_id(), keys }
    }
}

fn alice() -> Validator {
    Validator::new(Sr25519Keyring::AliceStash, Sr25519Keyring::Alice, Ed25519Keyring::Alice)
}

fn bob() -> Validator {
    Validator::new(Sr25519Keyring::BobStash, Sr25519Keyring::Bob, Ed25519Keyring::Bob)
}

fn charlie() -> Validator {
    Validator::new(Sr25519Keyring::CharlieStash, Sr25519Keyring::Charlie, Ed25519Keyring::Charlie)
}

fn dave() -> Validator {
    Validator::new(Sr25519Keyring::DaveStash, Sr25519Keyring::Dave, Ed25519Keyring::Dave)
}

/// The accounts that people play with: they validate nothing and start with [`DEV_ENDOWMENT`].
pub const DEV_ACCOUNTS: [Sr25519Keyring; 6] = [
    Sr25519Keyring::Alice,
    Sr25519Keyring::Bob,
    Sr25519Keyring::Charlie,
    Sr25519Keyring::Dave,
    Sr25519Keyring::Eve,
    Sr25519Keyring::Ferdie,
];

/// The state of a chain with the development accounts, whose validators bond alike.
fn preset(timing: Timing, validators: Vec<Validator>) -> Value {
    let balances = DEV_ACCOUNTS
        .iter()
        .map(|account| (account.to_account_id(), DEV_ENDOWMENT))
        .chain(validators.iter().map(|validator| (validator.stash.clone(), 2 * VALIDATOR_BOND)))
        .collect();
    let validators = validators.into_iter().map(|validator| (validator, VALIDATOR_BOND)).collect();
    let sudo = (timing == Timing::Test).then(|| Sr25519Keyring::Alice.to_account_id());
    chain(timing, sudo, balances, validators)
}

/// The state of a chain, with each validator's bond.
fn chain(
    timing: Timing,
    sudo: Option<AccountId>,
    balances: Vec<(AccountId, Balance)>,
    validators: Vec<(Validator, Balance)>,
) -> Value {
    let stakers = validators
        .iter()
        .map(|(Validator { stash, .. }, bond)| {
            (stash.clone(), stash.clone(), *bond, StakerStatus::Validator)
        })
        .collect::<Vec<_>>();
    let keys =
        validators.into_iter().map(|(v, _)| (v.stash.clone(), v.stash, v.keys)).collect::<Vec<_>>();

    build_struct_json_patch!(RuntimeGenesisConfig {
        timing: TimingConfig { timing },
        balances: BalancesConfig { balances },
        babe: pallet_babe::GenesisConfig { epoch_config: GENESIS_EPOCH },
        session: SessionConfig { keys },
        staking: StakingConfig {
            validator_count: VALIDATOR_COUNT,
            minimum_validator_count: 1,
            slash_reward_fraction: Perbill::from_percent(10),
            min_validator_bond: MIN_VALIDATOR_BOND,
            min_nominator_bond: MIN_NOMINATOR_BOND,
            max_validator_count: Some(MAX_VALIDATOR_CANDIDATES),
            stakers,
        },
        sudo: SudoConfig { key: sudo },
    })
}

/// The preset named `id`, as a JSON patch over the default genesis; nothing for an unknown name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
    // So many that one may stop: with three, two left are no more than two thirds, and finality
    // stops too.
    let four = || vec![alice(), bob(), charlie(), dave()];
    let patch = match id.as_ref() {
        // One validator, which finalizes alone.
        DEV_RUNTIME_PRESET => preset(Timing::Test, vec![alice()]),
        LOCAL_TESTNET_RUNTIME_PRESET => preset(Timing::Test, four()),
        STAGING_PRESET => preset(Timing::Public, four()),
        _ => return None,
    };
    Some(patch.to_string().into_bytes())
}

/// Names of the presets.
pub fn preset_names() -> Vec<PresetId> {
    [DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, STAGING_PRESET].map(PresetId::from).into()
}
