//! The money of an account: what it has, what must stay, what can be spent.
//!
//! The rules are those of `pallet_balances`. A fee and a transfer leave the account at least its
//! existential deposit and whatever is frozen beyond what is on hold; a hold leaves the existential
//! deposit. This module always keeps both back: an account with nothing left cannot pay the fee for
//! reclaiming its deposits.

use mica_primitives::Balance;

/// A fee is estimated for one block and paid in a later one. It rises by less than one part in
/// 100,000 per full block, so one part in this many is room for more than a hundred of them.
const FEE_ROOM: Balance = 1_000;

/// Money and nonce of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Base units not on hold.
    pub free: Balance,
    /// Base units on hold: stake, channels, escrow, deposits.
    pub held: Balance,
    /// Base units, free or on hold, that may not leave the account.
    pub frozen: Balance,
    /// Extrinsics signed so far.
    pub nonce: u32,
    /// Base units without which the chain keeps no account: its constant
    /// `Balances.ExistentialDeposit`.
    pub existential_deposit: Balance,
}

impl Account {
    /// Base units in all.
    pub fn total(&self) -> Balance {
        self.free.saturating_add(self.held)
    }

    /// Base units of the free ones that must stay.
    pub fn stays(&self) -> Balance {
        self.existential_deposit.max(self.frozen.saturating_sub(self.held))
    }

    /// Base units that can be sent, put on hold or paid as a fee.
    pub fn spendable(&self) -> Balance {
        self.free.saturating_sub(self.stays())
    }

    /// Free base units that it takes to move `amount` for a fee that was estimated at `fee`: both,
    /// room for the fee to rise, and what must stay.
    pub fn needed(&self, amount: Balance, fee: Balance) -> Balance {
        amount.saturating_add(with_room(fee)).saturating_add(self.stays())
    }

    /// How many base units are missing for that; 0 if it can be done.
    pub fn missing(&self, amount: Balance, fee: Balance) -> Balance {
        self.needed(amount, fee).saturating_sub(self.free)
    }

    /// The most base units that can be moved for a fee that was estimated at `fee`.
    pub fn most(&self, fee: Balance) -> Balance {
        self.spendable().saturating_sub(with_room(fee))
    }

    /// The least base units that can arrive here: an account that has less than its existential
    /// deposit takes no smaller sum.
    pub fn least_arrival(&self) -> Balance {
        self.existential_deposit.saturating_sub(self.free)
    }
}

fn with_room(fee: Balance) -> Balance {
    fee.saturating_add(fee.div_ceil(FEE_ROOM))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(free: Balance, held: Balance, frozen: Balance) -> Account {
        Account { free, held, frozen, nonce: 0, existential_deposit: 1_000 }
    }

    #[test]
    fn what_must_stay_cannot_be_spent() {
        assert_eq!(account(5_000, 0, 0).spendable(), 4_000);
        assert_eq!(account(999, 0, 0).spendable(), 0);
        // What is frozen may be on hold as well.
        assert_eq!(account(5_000, 0, 3_000).spendable(), 2_000);
        assert_eq!(account(5_000, 2_500, 3_000).spendable(), 4_000);
        assert_eq!(account(5_000, 0, 9_000).spendable(), 0);
    }

    #[test]
    fn the_exact_sum_is_enough_and_one_less_is_not() {
        let needed = account(0, 0, 0).needed(2_000, 500);
        assert_eq!(needed, 2_000 + 501 + 1_000);
        assert_eq!(account(needed, 0, 0).missing(2_000, 500), 0);
        assert_eq!(account(needed - 1, 0, 0).missing(2_000, 500), 1);
        assert_eq!(account(needed, 0, 0).most(500), 2_000);
        assert_eq!(account(1_000, 0, 0).most(500), 0);
        assert_eq!(
            account(Balance::MAX, 0, 0).missing(Balance::MAX, Balance::MAX),
            0,
            "sums end at the largest number"
        );
    }

    #[test]
    fn a_new_account_takes_no_less_than_the_existential_deposit() {
        assert_eq!(account(0, 0, 0).least_arrival(), 1_000);
        assert_eq!(account(400, 7_000, 0).least_arrival(), 600);
        assert_eq!(account(1_000, 0, 0).least_arrival(), 0);
    }
}
