//! Payers that leave relays unsettled wait.
//!
//! A worker takes a hub for the payer of all its sessions: who does not pay a worker to the end
//! spoils the hub's name with it. So accounts whose sessions repeatedly end without the exact sum
//! get one in a while; one that is settled makes one other good. A session that nobody was paid for
//! counts for nothing if it was short, because its worker refused it; one that was not has held
//! lanes that others may have needed.

use std::collections::BTreeMap;

use crate::{
    FaultCode, Now, SessionId,
    limits::{MAX_SCORES, MAX_UNPAID_SESSIONS, UNPAID_PAUSE_MS},
    messages::Account,
    stage::refusal::Refusal,
};

#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    unsettled: u32,
    /// The last of them: its stages count once.
    last: Option<SessionId>,
    /// No relay begins before then, once there were too many.
    until_ms: u64,
}

/// What is known of accounts; at most [`MAX_SCORES`], of which those with the fewest mishaps make
/// room.
#[derive(Debug, Default)]
pub(super) struct Pauses(BTreeMap<Account, Pause>);

impl Pauses {
    /// Whether one more relay of the account may begin.
    ///
    /// # Errors
    /// [`FaultCode::Underpaid`].
    pub(super) fn check(&self, account: &Account, now: Now) -> Result<(), Refusal> {
        match self.0.get(account) {
            Some(pause) if pause.unsettled >= MAX_UNPAID_SESSIONS && now.ms < pause.until_ms => {
                let seconds = (pause.until_ms - now.ms).div_ceil(1_000);
                let text = format!(
                    "{} sessions of this account ended without their final sum: the next may \
                     begin in {seconds} s",
                    pause.unsettled
                );
                Err(Refusal::new(FaultCode::Underpaid, text))
            }
            _ => Ok(()),
        }
    }

    /// A relay of the account has ended in this session, of which something was paid.
    pub(super) fn ended(&mut self, account: Account, session: SessionId, settled: bool, now: Now) {
        if settled {
            if let Some(pause) = self.0.get_mut(&account) {
                pause.unsettled = pause.unsettled.saturating_sub(1);
                if pause.unsettled == 0 {
                    self.0.remove(&account);
                }
            }
            return;
        }
        if self.0.len() >= MAX_SCORES && !self.0.contains_key(&account) {
            let least = self.0.iter().min_by_key(|(_, pause)| (pause.unsettled, pause.until_ms));
            if let Some(account) = least.map(|(account, _)| *account) {
                self.0.remove(&account);
            }
        }
        let pause = self.0.entry(account).or_default();
        if pause.last == Some(session) {
            return;
        }
        (pause.unsettled, pause.last) = (pause.unsettled.saturating_add(1), Some(session));
        pause.until_ms = now.ms.saturating_add(UNPAID_PAUSE_MS);
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
            pauses.ended(account(1), session(number), false, now);
            pauses.ended(account(1), session(number), false, now);
        }
        let refused = pauses.check(&account(1), now).map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(FaultCode::Underpaid));
        assert!(pauses.check(&account(2), now).is_ok(), "another account");
        let later = Now::new(1_000 + UNPAID_PAUSE_MS, 5);
        assert!(pauses.check(&account(1), later).is_ok());
        for _ in 0..MAX_UNPAID_SESSIONS {
            pauses.ended(account(1), session(9), true, later);
            assert!(pauses.check(&account(1), now).is_ok());
        }
        assert!(pauses.0.is_empty());
    }

    #[test]
    fn as_many_accounts_are_remembered_as_there_may_be() {
        let mut pauses = Pauses::default();
        pauses.ended(account(0), session(0), false, Now::new(0, 0));
        for number in 0..MAX_SCORES {
            pauses.ended(account(number), session(1), false, Now::new(1, 0));
        }
        pauses.ended(account(MAX_SCORES), session(2), false, Now::new(2, 0));
        assert_eq!(pauses.0.len(), MAX_SCORES);
        assert!(pauses.0.contains_key(&account(0)), "it has more than one");
    }
}
