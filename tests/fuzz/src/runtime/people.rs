//! Who acts: the development accounts, and their keys for transactions and for promises.

use std::sync::LazyLock;

use codec::Encode;
use mica_runtime::{AccountId, Address, SessionKeys};
use sp_core::{Pair, ed25519, hexdisplay::HexDisplay, sr25519};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring as Name;
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::MultiAddress;

/// A person, by its place in [`NAMES`].
pub type Who = usize;

/// Everybody. The validators of the preset have stashes of their own.
const NAMES: [Name; 14] = [
    Name::Alice,
    Name::Bob,
    Name::Charlie,
    Name::Dave,
    Name::Eve,
    Name::Ferdie,
    Name::AliceStash,
    Name::BobStash,
    Name::CharlieStash,
    Name::DaveStash,
    Name::EveStash,
    Name::FerdieStash,
    Name::One,
    Name::Two,
];

/// May do everything on the presets for tests.
pub(crate) const SUDO: Who = 0;
/// Who pays for work.
pub(crate) const PAYERS: [Who; 3] = [0, 1, 5];
/// Who serves layers.
pub(crate) const WORKERS: [Who; 4] = [2, 3, 4, 13];
/// Owns models, nominates, and has proxies.
pub(crate) const OWNER: Who = 5;
/// Who validates: four from the beginning, and two newcomers.
pub(crate) const STASHES: [Who; 6] = [6, 7, 8, 9, 10, 11];
/// The newcomers among them.
pub(crate) const NEWCOMERS: [Who; 2] = [10, 11];
/// Everybody's hot account.
pub(crate) const PROXY: Who = 12;
/// Somebody with little money whom nobody knows.
pub(crate) const STRANGER: Who = 13;
/// How many there are.
pub(crate) const COUNT: usize = NAMES.len();

/// The keys of one person.
pub(crate) struct Person {
    /// Signs transactions.
    pub pair: sr25519::Pair,
    /// The account of that key.
    pub account: AccountId,
    /// Signs vouchers and progress.
    pub hot: ed25519::Pair,
    /// Signs heartbeats and closes, as a worker.
    pub peer: ed25519::Pair,
    /// Session keys, and the proof that the account holds them.
    pub session: (SessionKeys, Vec<u8>),
}

static PEOPLE: LazyLock<Vec<Person>> = LazyLock::new(|| {
    let mut state = TestExternalities::new_empty();
    state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    state.execute_with(|| NAMES.iter().enumerate().map(person_of).collect())
});

fn person_of((who, name): (Who, &Name)) -> Person {
    let account = name.to_account_id();
    let seed = [who as u8 + 1; 32];
    let keys = SessionKeys::generate(
        &account.encode(),
        Some(format!("0x{}", HexDisplay::from(&seed)).into_bytes()),
    );
    Person {
        pair: name.pair(),
        account,
        hot: ed25519::Pair::from_seed(&[who as u8 + 100; 32]),
        peer: ed25519::Pair::from_seed(&seed),
        session: (keys.keys, keys.proof.encode()),
    }
}

/// Somebody's keys.
pub(crate) fn person(who: Who) -> &'static Person {
    &PEOPLE[who]
}

/// Somebody's account.
pub fn account(who: Who) -> AccountId {
    person(who).account.clone()
}

/// Whose account this is; nothing for one that only code speaks for.
pub(crate) fn who_is(account: &AccountId) -> Option<Who> {
    PEOPLE.iter().position(|person| person.account == *account)
}

/// Somebody's name, as far as it has one.
pub(crate) fn name(address: &Address) -> String {
    let MultiAddress::Id(account) = address else { return format!("{address:?}") };
    who_is(account).map_or_else(|| account.to_string(), |who| NAMES[who].to_string())
}
