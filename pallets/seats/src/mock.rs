//! A runtime with the pallet alone; the tests choose validators, slots and their authors.

use core::ops::Range;

use frame_support::{
    derive_impl, parameter_types,
    traits::{Hooks, ValidatorSet, ValidatorSetWithIdentification},
    weights::Weight,
};
use sp_consensus_grandpa::AuthorityId;
use sp_keyring::Ed25519Keyring;
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::{BuildStorage, traits::ConvertInto};
use sp_staking::{
    SessionIndex,
    offence::{Offence, OffenceError, ReportOffence},
};

use crate as pallet_mica_seats;

type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Seats: pallet_mica_seats,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

/// Slots of an epoch.
pub const EPOCH: u64 = 20;
pub const IDLE_AFTER: u32 = 3;
pub const MAX_GAP: u32 = 4;
pub const SILENT_AFTER: u32 = 2;

parameter_types! {
    pub const IdleAfter: u32 = IDLE_AFTER;
    pub const MaxGap: u32 = MAX_GAP;
    pub const SilentAfter: u32 = SILENT_AFTER;
    pub const MaxReports: u32 = 2;
    pub const MaxValidators: u32 = 10;
    pub const ReportWeight: Weight = Weight::from_parts(1, 0);
    pub static Validators: Vec<u64> = vec![10, 11, 12, 13];
    /// Slot and index of the author of this block.
    pub static Current: Option<(u64, u32)> = None;
    pub static FirstAuthor: Option<u64> = None;
    pub static Disabled: Vec<u32> = vec![];
    pub static SetId: u64 = 7;
    /// Validators that are not among the voters.
    pub static Voteless: Vec<u64> = vec![];
    pub static EpochStart: u64 = 0;
    pub static Chilled: Vec<u64> = vec![];
    pub static Together: u32 = 0;
    pub static Reports: Vec<(SessionIndex, Vec<u64>)> = vec![];
}

pub struct Set;
impl ValidatorSet<u64> for Set {
    type ValidatorId = u64;
    type ValidatorIdOf = ConvertInto;
    fn session_index() -> SessionIndex {
        0
    }
    fn validators() -> Vec<u64> {
        Validators::get()
    }
}
impl ValidatorSetWithIdentification<u64> for Set {
    type Identification = u64;
    type IdentificationOf = ConvertInto;
}

/// Slot `s` belongs to the validator at index `s mod n`.
pub struct Schedule;
impl crate::Slots<u64> for Schedule {
    fn current() -> Option<u64> {
        Current::get().map(|(slot, _)| slot)
    }
    fn epoch() -> Range<u64> {
        EpochStart::get()..EpochStart::get() + EPOCH
    }
    fn secondary_author(slot: u64) -> Option<u32> {
        (slot as u32).checked_rem(Validators::get().len() as u32)
    }
    fn disabled() -> Vec<u32> {
        Disabled::get()
    }
    fn author() -> Option<u32> {
        Current::get().map(|(_, author)| author)
    }
    fn first_author() -> Option<u64> {
        FirstAuthor::get()
    }
}

/// The key that `validator` votes with.
pub fn key_of(validator: u64) -> Ed25519Keyring {
    Ed25519Keyring::iter().nth(validator as usize - 10).expect("one of the first")
}

pub struct Keys;
impl crate::Voters<u64> for Keys {
    fn set_id() -> u64 {
        SetId::get()
    }
    fn voters() -> Vec<(u64, AuthorityId)> {
        let key = |validator: u64| AuthorityId::from(key_of(validator).public());
        let mut voters = Validators::get();
        voters.retain(|validator| !Voteless::get().contains(validator));
        voters.into_iter().map(|validator| (validator, key(validator))).collect()
    }
}

pub struct Chill;
impl crate::Chill<u64> for Chill {
    fn chill(stash: &u64) {
        Chilled::mutate(|all| all.push(*stash));
    }
}

pub struct Report;
impl ReportOffence<u64, (u64, u64), crate::Idle<(u64, u64)>> for Report {
    fn report_offence(_: Vec<u64>, idle: crate::Idle<(u64, u64)>) -> Result<(), OffenceError> {
        Together::set(idle.together);
        let who = idle.offenders().into_iter().map(|(account, _)| account).collect();
        Reports::mutate(|all| all.push((idle.session_index(), who)));
        Ok(())
    }
    fn is_known_offence(_: &[(u64, u64)], _: &SessionIndex) -> bool {
        false
    }
}

impl crate::Config for Test {
    type ValidatorSet = Set;
    type Slots = Schedule;
    type Voters = Keys;
    type ReportIdle = Report;
    type Chill = Chill;
    type IdleAfter = IdleAfter;
    type SilentAfter = SilentAfter;
    type MaxGap = MaxGap;
    type MaxReports = MaxReports;
    type ReportWeight = ReportWeight;
    type MaxValidators = MaxValidators;
    type WeightInfo = ();
}

/// Genesis with the validators of [`Validators`].
pub fn new_test_ext() -> sp_io::TestExternalities {
    // A property's cases share a thread.
    Validators::set(vec![10, 11, 12, 13]);
    Current::set(None);
    FirstAuthor::set(None);
    Disabled::set(vec![]);
    SetId::set(7);
    Voteless::set(vec![]);
    EpochStart::set(0);
    Chilled::set(vec![]);
    Reports::set(vec![]);
    let storage =
        RuntimeGenesisConfig::default().build_storage().expect("a genesis without fields builds");
    let mut ext = sp_io::TestExternalities::from(storage);
    // The benchmarks sign.
    ext.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    ext.execute_with(|| System::set_block_number(1));
    ext
}

/// Runs `test` on fresh storage and checks the invariants afterwards.
pub fn run(test: impl FnOnce()) {
    new_test_ext().execute_with(|| {
        test();
        Seats::do_try_state().expect("invariants hold after the test");
    });
}

/// A block in `slot` of the epoch in force, by the validator at `author`.
pub fn block(slot: u64, author: u32) {
    Current::set(Some((slot, author)));
    Seats::on_initialize(System::block_number());
    Seats::do_try_state().expect("invariants hold after each block");
}

/// Ends `session` in `slot`, in which the next epoch begins, with `validators`.
pub fn rotate(session: SessionIndex, slot: u64, author: u32, validators: Vec<u64>) {
    Current::set(Some((slot, author)));
    FirstAuthor::set(validators.get(author as usize).copied());
    Seats::end_session(session);
    EpochStart::mutate(|start| *start += EPOCH);
    Validators::set(validators);
    Seats::on_initialize(System::block_number());
    Seats::do_try_state().expect("invariants hold after each block");
}
