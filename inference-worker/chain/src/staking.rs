//! Validators: what the chain knows about one, and the session keys that its node generates.
//!
//! An account bonds money, names the session keys of its node, and stands for election. Once
//! elected, it authors blocks and votes from the session after next until it is no longer elected.

use std::collections::BTreeMap;

use codec::{Compact, Decode, Encode};
use mica_primitives::Balance;
use subxt::rpcs::rpc_params;

use crate::{AccountId, Chain, ReadError, View, connection::within};

/// Most eras that are looked through for rewards: more than any chain keeps.
const MAX_ERAS: u32 = 1_024;

/// Bytes of a validator's session keys: public keys for blocks, for finality and for being found.
const KEYS_BYTES: usize = 3 * 32;

/// Where the rewards of a bond go. The bytes are those of the pallet's `RewardDestination`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub enum Rewards {
    /// Into the bond, which grows.
    #[codec(index = 0)]
    Bonded,
    /// To the account, free.
    #[codec(index = 1)]
    Free,
}

/// Public session keys of a node, and its proof that it holds the secret ones for one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionKeys {
    /// SCALE bytes of the runtime's `SessionKeys`.
    pub keys: Vec<u8>,
    /// Signatures over the account by each of them.
    pub proof: Vec<u8>,
}

impl SessionKeys {
    /// Zeros of the same length as real ones, for the estimate of a fee: three keys with a
    /// signature each.
    pub fn placeholder() -> Self {
        Self { keys: vec![0; KEYS_BYTES], proof: vec![0; 2 * KEYS_BYTES] }
    }
}

/// What the chain knows of a validator, or of an account that wants to be one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValidatorState {
    /// Whether the account has a bond, be it one of which offences have left nothing.
    pub has_bond: bool,
    /// Base units at stake.
    pub bonded: Balance,
    /// Base units that come free, and the era in which each part does.
    pub unlocking: Vec<(u32, Balance)>,
    /// Base units that a validator must have at stake at least.
    pub least_bond: Balance,
    /// Base units that a nominator must have at stake at least.
    pub least_nomination: Balance,
    /// The session keys that it has set.
    pub keys: Option<Vec<u8>>,
    /// Its commission in billionths, if it stands for election.
    pub commission_ppb: Option<u32>,
    /// The validators that it stands behind.
    pub nominates: Vec<AccountId>,
    /// Whether the next session has it.
    pub is_queued: bool,
    /// Whether this session has it: it signs blocks and votes.
    pub is_active: bool,
    /// Validators of this session.
    pub validators: usize,
    /// The session.
    pub session: u32,
    /// The era that rewards are earned in now.
    pub era: u32,
    /// The newest era, which an election plans ahead of the one before: by it unbonded money comes
    /// free.
    pub planned_era: u32,
    /// Base units below which the chain keeps no bond.
    pub existential_deposit: Balance,
    /// Slashing spans that the chain keeps for it.
    pub slashing_spans: u32,
}

impl ValidatorState {
    /// Base units that have come free and can be withdrawn.
    pub fn withdrawable(&self) -> Balance {
        let free = self.unlocking.iter().filter(|(era, _)| *era <= self.planned_era);
        free.fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount))
    }

    /// Whether a withdrawal takes the last of the bond. The chain then forgets the bond, and pays
    /// out no more of its rewards.
    pub fn is_last_withdrawal(&self) -> bool {
        self.has_bond
            && self.bonded < self.existential_deposit.max(1)
            && self.unlocking.iter().all(|(era, _)| *era <= self.planned_era)
    }

    /// Whether the session keys can be given up, so that their deposit comes back: some are set,
    /// and no session needs them.
    pub fn can_give_up_keys(&self) -> bool {
        self.keys.is_some() && !self.is_active && !self.is_queued
    }
}

/// One page of rewards of a past era that nobody has paid out yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnpaidReward {
    /// The era.
    pub era: u32,
    /// The page, from 0.
    pub page: u32,
}

/// `pallet_staking::StakingLedger`.
#[derive(Decode)]
struct Ledger {
    _stash: AccountId,
    #[codec(compact)]
    _total: Balance,
    #[codec(compact)]
    active: Balance,
    unlocking: Vec<(Compact<Balance>, Compact<u32>)>,
    _claimed: Vec<u32>,
}

/// `pallet_staking::slashing::SlashingSpans`.
#[derive(Decode)]
struct Spans {
    _index: u32,
    _last_start: u32,
    _last_slash: u32,
    prior: Vec<u32>,
}

/// `sp_staking::PagedExposureMetadata`.
#[derive(Decode)]
struct Exposure {
    #[codec(compact)]
    _total: Balance,
    #[codec(compact)]
    _own: Balance,
    _nominators: u32,
    pages: u32,
}

impl View {
    /// What the chain knows of the validator `account`.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn validator(&self, account: AccountId) -> Result<ValidatorState, ReadError> {
        let ledger: Option<Ledger> = self.stored("Staking", "Ledger", (account,)).await?;
        let has_bond = ledger.is_some();
        let (bonded, unlocking) = ledger.map_or((0, Vec::new()), |ledger| {
            let parts = ledger.unlocking.into_iter().map(|(amount, era)| (era.0, amount.0));
            (ledger.active, parts.collect())
        });
        let prefs: Option<(Compact<u32>, bool)> =
            self.stored("Staking", "Validators", (account,)).await?;
        // `pallet_staking::Nominations`: whom, since which era, and a flag that is never set.
        let nominations: Option<(Vec<AccountId>, u32, bool)> =
            self.stored("Staking", "Nominators", (account,)).await?;
        let spans: Option<Spans> = self.stored("Staking", "SlashingSpans", (account,)).await?;
        let queued: Vec<(AccountId, [u8; KEYS_BYTES])> =
            self.stored("Session", "QueuedKeys", ()).await?.unwrap_or_default();
        let keys: Option<[u8; KEYS_BYTES]> = self.stored("Session", "NextKeys", (account,)).await?;
        let active: Vec<AccountId> =
            self.stored("Session", "Validators", ()).await?.unwrap_or_default();
        let era = self.active_era().await?;
        Ok(ValidatorState {
            has_bond,
            bonded,
            unlocking,
            least_bond: self.stored("Staking", "MinValidatorBond", ()).await?.unwrap_or_default(),
            least_nomination: self
                .stored("Staking", "MinNominatorBond", ())
                .await?
                .unwrap_or_default(),
            keys: keys.map(|keys| keys.to_vec()),
            commission_ppb: prefs.map(|(commission, _)| commission.0),
            nominates: nominations.map(|(targets, _, _)| targets).unwrap_or_default(),
            is_queued: queued.iter().any(|(queued, _)| *queued == account),
            is_active: active.contains(&account),
            validators: active.len(),
            session: self.stored("Session", "CurrentIndex", ()).await?.unwrap_or_default(),
            era,
            planned_era: self.stored("Staking", "CurrentEra", ()).await?.unwrap_or(era),
            existential_deposit: self.constant("Balances", "ExistentialDeposit").await?,
            slashing_spans: spans.map_or(0, |spans| {
                u32::try_from(spans.prior.len()).unwrap_or(u32::MAX).saturating_add(1)
            }),
        })
    }

    /// Rewards of past eras that `validator` earned and nobody has paid out, oldest first. The
    /// chain forgets old eras with theirs, and pays nothing out to an account without a bond.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn unpaid_rewards(
        &self,
        validator: AccountId,
    ) -> Result<Vec<UnpaidReward>, ReadError> {
        let mut unpaid = Vec::new();
        let ledger: Option<Ledger> = self.stored("Staking", "Ledger", (validator,)).await?;
        if ledger.is_none() {
            return Ok(unpaid);
        }
        for era in (0..self.active_era().await?).rev().take(MAX_ERAS as usize) {
            let reward: Option<Balance> =
                self.stored("Staking", "ErasValidatorReward", (era,)).await?;
            if reward.is_none() {
                break;
            }
            let exposure: Option<Exposure> =
                self.stored("Staking", "ErasStakersOverview", (era, validator)).await?;
            let Some(exposure) = exposure else { continue };
            let paid: Vec<u32> = self
                .stored("Staking", "ClaimedRewards", (era, validator))
                .await?
                .unwrap_or_default();
            // A validator without nominators has one page all the same: its own.
            let pages = (0..exposure.pages.max(1)).rev().filter(|page| !paid.contains(page));
            unpaid.extend(pages.map(|page| UnpaidReward { era, page }));
        }
        unpaid.reverse();
        Ok(unpaid)
    }

    /// What setting session keys for the first time holds, base units.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn session_key_deposit(&self) -> Result<Balance, ReadError> {
        self.constant("Session", "KeyDeposit").await
    }

    /// Eras from unbonding to the withdrawal.
    ///
    /// # Errors
    /// [`ReadError`], as every read of a view.
    pub async fn bonding_duration_eras(&self) -> Result<u32, ReadError> {
        self.constant("Staking", "BondingDuration").await
    }

    async fn active_era(&self) -> Result<u32, ReadError> {
        let era: Option<(u32, Option<u64>)> = self.stored("Staking", "ActiveEra", ()).await?;
        Ok(era.map_or(0, |(index, _)| index))
    }
}

impl Chain {
    /// Makes new session keys in the node's own key store, for `owner` to set.
    ///
    /// # Errors
    /// [`ReadError::Node`] if the node refuses: it does so for anybody who is not on its own
    /// machine.
    pub async fn rotate_session_keys(&self, owner: AccountId) -> Result<SessionKeys, ReadError> {
        const WHAT: &str = "author_rotateKeysWithOwner";
        let owner = format!("0x{}", hex::encode(owner.0));
        let made = self.rpc().request::<BTreeMap<String, String>>(WHAT, rpc_params![owner]);
        let made = within(WHAT, made).await?;
        let bytes = |field: &str| {
            let digits =
                made.get(field).and_then(|text| text.strip_prefix("0x")).unwrap_or_default();
            let bytes = hex::decode(digits).ok().filter(|bytes| !bytes.is_empty());
            bytes.ok_or_else(|| ReadError::Shape {
                what: WHAT.into(),
                reason: format!("there are no bytes `{field}` in it"),
            })
        };
        Ok(SessionKeys { keys: bytes("keys")?, proof: bytes("proof")? })
    }

    /// Whether the node holds the secrets of these session keys.
    ///
    /// # Errors
    /// As [`Self::rotate_session_keys`].
    pub async fn has_session_keys(&self, keys: &[u8]) -> Result<bool, ReadError> {
        const WHAT: &str = "author_hasSessionKeys";
        let keys = format!("0x{}", hex::encode(keys));
        within(WHAT, self.rpc().request::<bool>(WHAT, rpc_params![keys])).await
    }
}

#[cfg(test)]
mod tests {
    use codec::{DecodeAll, Encode};

    use super::*;

    #[test]
    fn a_ledger_is_read_as_the_pallet_writes_it() {
        let stored = (
            AccountId::from([7; 32]),
            Compact(30u128),
            Compact(10u128),
            vec![(Compact(15u128), Compact(3u32)), (Compact(5u128), Compact(9u32))],
            Vec::<u32>::new(),
        );
        let ledger = Ledger::decode_all(&mut &stored.encode()[..]).expect("a ledger");
        assert_eq!((ledger.active, ledger.unlocking.len()), (10, 2));
    }

    fn leaving() -> ValidatorState {
        ValidatorState {
            has_bond: true,
            bonded: 0,
            unlocking: vec![(3, 15), (9, 5)],
            least_bond: 0,
            least_nomination: 0,
            nominates: vec![],
            keys: None,
            commission_ppb: None,
            is_queued: false,
            is_active: false,
            validators: 0,
            session: 0,
            era: 1,
            planned_era: 2,
            existential_deposit: 10,
            slashing_spans: 0,
        }
    }

    #[test]
    fn only_what_has_come_free_can_be_withdrawn() {
        let mut state = leaving();
        assert_eq!(state.withdrawable(), 0);
        // The planned era counts, which may be ahead of the one that earns.
        state.planned_era = 3;
        assert_eq!(state.withdrawable(), 15);
        state.planned_era = 9;
        assert_eq!(state.withdrawable(), 20);
    }

    #[test]
    fn the_last_withdrawal_is_the_one_that_leaves_no_bond() {
        let at = |planned_era, bonded| ValidatorState { planned_era, bonded, ..leaving() };
        assert!(!at(8, 0).is_last_withdrawal(), "a part comes free later");
        assert!(at(9, 0).is_last_withdrawal());
        assert!(at(9, 9).is_last_withdrawal(), "dust is no bond");
        assert!(!at(9, 10).is_last_withdrawal());
        assert!(!ValidatorState { has_bond: false, ..at(9, 0) }.is_last_withdrawal());
        // An offence can take all of a bond.
        assert!(ValidatorState { unlocking: Vec::new(), ..leaving() }.is_last_withdrawal());
    }

    #[test]
    fn keys_that_a_session_needs_are_not_given_up() {
        let keyed = ValidatorState { keys: Some(vec![1; KEYS_BYTES]), ..leaving() };
        assert!(keyed.can_give_up_keys() && !leaving().can_give_up_keys());
        assert!(!ValidatorState { is_active: true, ..keyed.clone() }.can_give_up_keys());
        assert!(!ValidatorState { is_queued: true, ..keyed }.can_give_up_keys());
    }
}
