//! `pallet_mica_seats`: which winners of an election may validate, and what becomes of those that
//! do not work.

use core::ops::Range;

use alloc::vec::Vec;

use codec::Encode;
use frame_support::{
    parameter_types,
    traits::{ConstU32, FindAuthor},
    weights::Weight,
};
use pallet_mica_seats::{Chill, Slots, Voters};
use sp_consensus_babe::Slot;
use sp_consensus_grandpa::{AuthorityId, KEY_TYPE, SetId};
use sp_core::U256;
use sp_staking::SessionIndex;

use crate::{
    AccountId, Babe, Grandpa, Historical, Offences, Runtime, Seats, Session, Staking, System,
    configs::{consensus_weights, timing::IdleAfterMissedSlots},
    constants::{
        IDLE_AFTER_SILENT_WINDOWS, MAX_BACKERS_PER_VALIDATOR, MAX_BLAMED_GAP_SLOTS,
        MAX_IDLE_REPORTS, MAX_VALIDATORS,
    },
};

/// BABE's schedule.
pub struct BabeSlots;

impl Slots<AccountId> for BabeSlots {
    fn current() -> Option<u64> {
        Self::author().map(|_| *Babe::current_slot())
    }

    fn epoch() -> Range<u64> {
        let start = *Babe::current_epoch_start();
        start..start.saturating_add(<Runtime as pallet_babe::Config>::EpochDuration::get())
    }

    fn secondary_author(slot: u64) -> Option<u32> {
        secondary_author(Babe::randomness(), slot, Babe::authorities().len())
    }

    fn disabled() -> Vec<u32> {
        Session::disabled_validators()
    }

    fn author() -> Option<u32> {
        let digest = System::digest();
        Babe::find_author(digest.logs.iter().filter_map(|log| log.as_pre_runtime()))
    }

    fn first_author() -> Option<AccountId> {
        let author = Self::author()?;
        let (account, _) = Session::queued_keys().into_iter().nth(author as usize)?;
        Some(account)
    }
}

/// Index of the secondary author of `slot`, as `sc_consensus_babe` computes it.
pub fn secondary_author(randomness: [u8; 32], slot: u64, authorities: usize) -> Option<u32> {
    let digest = (randomness, Slot::from(slot)).using_encoded(sp_io::hashing::blake2_256);
    let index = U256::from_big_endian(&digest).checked_rem(U256::from(authorities))?;
    Some(index.low_u32())
}

/// GRANDPA's voters.
pub struct GrandpaVoters;

impl Voters<AccountId> for GrandpaVoters {
    fn set_id() -> SetId {
        Grandpa::current_set_id()
    }

    fn voters() -> Vec<(AccountId, AuthorityId)> {
        let (validators, voters) = (Session::validators(), Grandpa::grandpa_authorities());
        // Until a change is in force, the voters are the validators of an older session.
        if pallet_grandpa::PendingChange::<Runtime>::exists() || validators.len() != voters.len() {
            return Vec::new();
        }
        // A change that took longer than a session leaves the voters behind for good, until the
        // next one: then keys are of somebody else. One that was replaced is nobody's.
        let is_of = |account: &AccountId, key: &AuthorityId| {
            let owner = Session::key_owner(KEY_TYPE, key.as_ref());
            owner.is_none_or(|owner| owner == *account)
        };
        let pairs = validators.into_iter().zip(voters.into_iter().map(|(key, _)| key));
        pairs.filter(|(account, key)| is_of(account, key)).collect()
    }
}

/// Takes validators out of the next elections.
pub struct Candidates;

impl Chill<AccountId> for Candidates {
    fn chill(stash: &AccountId) {
        Staking::do_remove_validator(stash);
    }
}

parameter_types! {
    /// A slash of one validator and of all of its nominators.
    pub ReportWeight: Weight = consensus_weights::slash(MAX_BACKERS_PER_VALIDATOR);
}

impl pallet_mica_seats::Config for Runtime {
    type ValidatorSet = Historical;
    type Slots = BabeSlots;
    type Voters = GrandpaVoters;
    type ReportIdle = Offences;
    type Chill = Candidates;
    type IdleAfter = IdleAfterMissedSlots;
    type SilentAfter = ConstU32<IDLE_AFTER_SILENT_WINDOWS>;
    type MaxGap = ConstU32<MAX_BLAMED_GAP_SLOTS>;
    type MaxReports = ConstU32<MAX_IDLE_REPORTS>;
    type ReportWeight = ReportWeight;
    type MaxValidators = ConstU32<MAX_VALIDATORS>;
    type WeightInfo = pallet_mica_seats::weights::SubstrateWeight<Runtime>;
}

/// Staking's sessions, whose ends count what validators missed.
pub struct CountedSessions;

/// Keeps the roots of past sets, and asks staking for the next.
type Sessions = pallet_session::historical::NoteHistoricalRoot<Runtime, Staking>;

impl pallet_session::SessionManager<AccountId> for CountedSessions {
    fn new_session(index: SessionIndex) -> Option<Vec<AccountId>> {
        <Sessions as pallet_session::SessionManager<AccountId>>::new_session(index)
    }

    fn new_session_genesis(index: SessionIndex) -> Option<Vec<AccountId>> {
        <Sessions as pallet_session::SessionManager<AccountId>>::new_session_genesis(index)
    }

    fn start_session(index: SessionIndex) {
        <Sessions as pallet_session::SessionManager<AccountId>>::start_session(index);
    }

    fn end_session(index: SessionIndex) {
        // First: an offence belongs to the era that is active, which may end with the session.
        Seats::end_session(index);
        <Sessions as pallet_session::SessionManager<AccountId>>::end_session(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configs::system::RuntimeBlockWeights;

    #[test]
    fn the_reports_of_a_session_leave_half_of_a_block_to_the_election() {
        let reports = ReportWeight::get().saturating_mul(MAX_IDLE_REPORTS.into());
        let block = RuntimeBlockWeights::get().max_block;
        assert!(2 * reports.ref_time() < block.ref_time(), "{reports:?} of {block:?}");
    }
}
