//! Payers that leave relays unsettled wait.
//!
//! A worker takes a hub for the payer of all its sessions: who does not pay a worker to the end
//! spoils the hub's name with it. So accounts whose sessions repeatedly end without the exact sum
//! get one in a while; one that is settled makes one other good. A session that nobody was paid for
//! counts a quarter if it was short, because its worker may have refused it; one that was not has
//! held lanes that others may have needed.
//!
//! An account that has kept ticks from the hub which cost it money gets none for a long time. Not
//! for ever: another account costs a thief nothing, and one that is another hub may have been
//! deceived by its own payer.

use std::collections::BTreeMap;

use mica_primitives::BlockNumber;

use crate::{
    FaultCode, Now, SessionId,
    limits::{BAN_BLOCKS, MAX_BANNED, MAX_SCORES, MAX_UNPAID_SESSIONS, UNPAID_PAUSE_MS},
    messages::Account,
    stage::refusal::Refusal,
};

/// What a session that was left counts.
pub(super) const LEFT: u32 = 4;
/// What a session counts that was short and of which nothing was paid.
pub(super) const UNUSED: u32 = 1;
/// From so much on an account waits.
const MOST: u32 = LEFT * MAX_UNPAID_SESSIONS;

#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    /// Sessions that were left, each [`LEFT`] or [`UNUSED`].
    unsettled: u32,
    /// The last of them: its stages count once.
    last: Option<SessionId>,
    /// No relay begins before then, once there were too many.
    until_ms: u64,
}

/// What is known of accounts; at most [`MAX_SCORES`], of which those with the fewest mishaps make
/// room.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    accounts: BTreeMap<Account, Pause>,
    /// Accounts that get none, each with the last block of that; at most [`MAX_BANNED`].
    banned: BTreeMap<Account, u64>,
}

impl Pauses {
    /// Whether one more relay of the account may begin.
    ///
    /// # Errors
    /// [`FaultCode::Underpaid`].
    pub(super) fn check(&self, account: &Account, now: Now) -> Result<(), Refusal> {
        if let Some(last) = self.banned.get(account).filter(|last| **last >= u64::from(now.block)) {
            let text = format!(
                "this account has paid with ticks that it kept from this hub, which takes nothing \
                 of it before block {}",
                last.saturating_add(1)
            );
            return Err(Refusal::new(FaultCode::Underpaid, text));
        }
        match self.accounts.get(account) {
            Some(pause) if pause.unsettled >= MOST && now.ms < pause.until_ms => {
                let seconds = (pause.until_ms - now.ms).div_ceil(1_000);
                let text = format!(
                    "too many sessions of this account ended without their final sum: the next \
                     may begin in {seconds} s"
                );
                Err(Refusal::new(FaultCode::Underpaid, text))
            }
            _ => Ok(()),
        }
    }

    /// A relay of the account came to its exact sum.
    pub(super) fn settled(&mut self, account: &Account) {
        let Some(pause) = self.accounts.get_mut(account) else { return };
        pause.unsettled = pause.unsettled.saturating_sub(LEFT);
        if pause.unsettled == 0 {
            self.accounts.remove(account);
        }
    }

    /// A relay of the account has ended in this session without its exact sum, which counts
    /// [`LEFT`] or [`UNUSED`].
    pub(super) fn left(&mut self, account: Account, session: SessionId, counts: u32, now: Now) {
        let pause = self.entry(account);
        if pause.last == Some(session) {
            return;
        }
        pause.unsettled = pause.unsettled.saturating_add(counts);
        pause.last = Some(session);
        pause.until_ms = now.ms.saturating_add(UNPAID_PAUSE_MS);
    }

    /// No relay of the account begins for [`BAN_BLOCKS`]. Returns the last of them, if that is
    /// news, and the account that is forgotten for it.
    pub(super) fn ban(&mut self, account: Account, now: Now) -> Option<(u64, Option<Account>)> {
        if self.banned.get(&account).is_some_and(|last| *last >= u64::from(now.block)) {
            return None;
        }
        let last = u64::from(now.block.saturating_add(BAN_BLOCKS));
        Some((last, self.restore_ban(account, last)))
    }

    /// Forgets bans that are over, and returns whose.
    pub(super) fn keep(&mut self, block: BlockNumber) -> Vec<Account> {
        let over = self.banned.extract_if(.., |_, last| *last < u64::from(block));
        over.map(|(account, _)| account).collect()
    }

    /// Takes a ban back after a restart. Returns the account that is forgotten for it.
    pub(super) fn restore_ban(&mut self, account: Account, last: u64) -> Option<Account> {
        self.banned.insert(account, last);
        if self.banned.len() <= MAX_BANNED {
            return None;
        }
        let first = self.banned.iter().min_by_key(|(_, last)| **last);
        let first = first.map(|(account, _)| *account)?;
        self.banned.remove(&first);
        Some(first)
    }

    /// Accounts that get none.
    pub(super) fn banned(&self) -> usize {
        self.banned.len()
    }

    fn entry(&mut self, account: Account) -> &mut Pause {
        if self.accounts.len() >= MAX_SCORES && !self.accounts.contains_key(&account) {
            let all = self.accounts.iter();
            let least = all.min_by_key(|(_, pause)| (pause.unsettled, pause.until_ms));
            if let Some(account) = least.map(|(account, _)| *account) {
                self.accounts.remove(&account);
            }
        }
        self.accounts.entry(account).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> SessionId {
        SessionId(account(number))
    }

    fn account(number: usize) -> Account {
        let mut account = [0; 32];
        account[..8].copy_from_slice(&(number as u64).to_le_bytes());
        account
    }

    #[test]
    fn whoever_leaves_too_much_waits_and_what_is_settled_makes_it_good() {
        let mut pauses = Pauses::default();
        let now = Now::new(1_000, 5);
        for number in 0..MAX_UNPAID_SESSIONS as usize {
            assert!(pauses.check(&account(1), now).is_ok());
            pauses.left(account(1), session(number), LEFT, now);
            pauses.left(account(1), session(number), LEFT, now);
        }
        let refused = pauses.check(&account(1), now).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(FaultCode::Underpaid));
        assert!(pauses.check(&account(2), now).is_ok(), "another account");
        let later = Now::new(1_000 + UNPAID_PAUSE_MS, 5);
        assert!(pauses.check(&account(1), later).is_ok());
        for _ in 0..MAX_UNPAID_SESSIONS {
            pauses.settled(&account(1));
            assert!(pauses.check(&account(1), now).is_ok());
        }
        assert!(pauses.accounts.is_empty());
    }

    #[test]
    fn as_many_accounts_are_remembered_as_there_may_be() {
        let mut pauses = Pauses::default();
        pauses.left(account(0), session(0), LEFT, Now::new(0, 0));
        for number in 0..MAX_SCORES {
            pauses.left(account(number), session(1), LEFT, Now::new(1, 0));
        }
        pauses.left(account(MAX_SCORES), session(2), LEFT, Now::new(2, 0));
        assert_eq!(pauses.accounts.len(), MAX_SCORES);
        assert!(pauses.accounts.contains_key(&account(0)), "it has more than one");
    }

    #[test]
    fn sessions_that_are_opened_for_nothing_count_a_quarter() {
        let (mut pauses, now) = (Pauses::default(), Now::new(1_000, 5));
        for number in 0..(4 * MAX_UNPAID_SESSIONS) as usize {
            assert!(pauses.check(&account(1), now).is_ok());
            pauses.left(account(1), session(number), UNUSED, now);
        }
        assert!(pauses.check(&account(1), now).is_err());
        pauses.settled(&account(1));
        assert!(pauses.check(&account(1), now).is_ok());
    }

    #[test]
    fn a_ban_is_not_made_good_and_ends() {
        let (mut pauses, now) = (Pauses::default(), Now::new(1_000, 5));
        let last = 5 + BAN_BLOCKS;
        assert_eq!(pauses.ban(account(1), now), Some((u64::from(last), None)));
        assert_eq!(pauses.ban(account(1), now), None, "it is no news");
        pauses.settled(&account(1));
        for number in 0..2 * MAX_SCORES {
            pauses.left(account(2 + number), session(number), LEFT, now);
        }
        let later = Now::new(u64::MAX, last);
        let refused = pauses.check(&account(1), later).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(FaultCode::Underpaid));
        assert!(pauses.keep(last).is_empty());
        assert!(pauses.check(&account(1), Now::new(u64::MAX, last + 1)).is_ok());
        assert_eq!(pauses.keep(last + 1), [account(1)]);
        assert_eq!(pauses.banned(), 0);
    }

    #[test]
    fn as_many_are_banned_as_there_may_be_and_the_first_make_room() {
        let mut pauses = Pauses::default();
        let at = |number: usize| Now::new(0, number as BlockNumber);
        for number in 0..MAX_BANNED {
            assert!(matches!(pauses.ban(account(number), at(number)), Some((_, None))));
        }
        let more = pauses.ban(account(MAX_BANNED), at(MAX_BANNED));
        assert!(matches!(more, Some((_, Some(first))) if first == account(0)));
        assert!(pauses.check(&account(0), Now::new(0, 0)).is_ok());
        assert!(pauses.check(&account(1), Now::new(0, 0)).is_err());
    }
}
