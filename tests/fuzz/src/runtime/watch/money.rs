//! Money: all of it is somebody's, none is made but as rewards or destroyed without a cause, and
//! nobody loses any in whose name nothing was sent.

use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::Balance;
use mica_runtime::{AccountId, Runtime, Treasury};

use super::facts::{Facts, issuance};

/// What everybody has, free and on hold, and what there is.
pub(super) struct Money {
    accounts: BTreeMap<AccountId, Balance>,
    issuance: Balance,
}

impl Money {
    pub(super) fn now() -> Self {
        let accounts = frame_system::Account::<Runtime>::iter()
            .map(|(account, info)| (account, info.data.free + info.data.reserved))
            .collect();
        Self { accounts, issuance: issuance() }
    }

    /// `lost` is what each account may have lost without having sent anything.
    pub(super) fn check(
        &mut self,
        facts: &Facts,
        principals: &BTreeSet<AccountId>,
        lost: &BTreeMap<AccountId, Balance>,
    ) {
        let now = Self::now();
        let all: Balance = now.accounts.values().sum();
        assert_eq!(all, now.issuance, "all money is somebody's");
        let (before, after) = (self.issuance, now.issuance);
        assert!(
            after <= before + facts.minted,
            "{} was made beside {} of rewards",
            after - before,
            facts.minted
        );
        assert!(
            before <= after + facts.burned,
            "{} was destroyed, with cause at most {}",
            before - after,
            facts.burned
        );
        // The treasury pays what was decided.
        let treasury = Treasury::account_id();
        for (account, before) in &self.accounts {
            if principals.contains(account) || *account == treasury {
                continue;
            }
            let after = now.accounts.get(account).copied().unwrap_or_default();
            let may_lose = lost.get(account).copied().unwrap_or_default();
            assert!(
                *before <= after + may_lose,
                "{account} sent nothing and lost {}, with cause {may_lose}",
                before - after
            );
        }
        *self = now;
    }
}
