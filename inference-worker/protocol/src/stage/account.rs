//! What a worker keeps about one channel: the ledger, and whether its sessions get paid for.

use mica_primitives::PublicKey;

use super::{SessionEnd, refusal::Refusal};
use crate::{
    FaultCode,
    channel::PayeeLedger,
    limits::{MAX_UNPAID_SESSIONS, UNPAID_PAUSE_MS},
};

/// A channel at its payee.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) ledger: PayeeLedger,
    /// The chain does not know the channel any more: nothing can be redeemed.
    pub(super) is_gone: bool,
    /// Mishaps since the last settled session: one that ended with something unpaid, or all that a
    /// lost payer left unpaid at once.
    mishaps: u32,
    /// The payer that was lost last, and until when what it left behind ends.
    lost: Option<(PublicKey, u64)>,
    /// No session begins before then, once there were too many mishaps.
    refused_until_ms: u64,
}

impl Account {
    /// A channel of which nothing is known but its ledger.
    pub(super) const fn new(ledger: PayeeLedger) -> Self {
        Self { ledger, is_gone: false, mishaps: 0, lost: None, refused_until_ms: 0 }
    }

    /// Whether one more session may begin after those that ended unpaid.
    ///
    /// # Errors
    /// [`FaultCode::Underpaid`].
    pub(super) fn check_paid(&self, now_ms: u64) -> Result<(), Refusal> {
        if self.mishaps < MAX_UNPAID_SESSIONS || now_ms >= self.refused_until_ms {
            return Ok(());
        }
        let seconds = (self.refused_until_ms - now_ms).div_ceil(1_000);
        let text = format!(
            "sessions on this channel ended unpaid {} times: the next may begin in {seconds} s",
            self.mishaps
        );
        Err(Refusal::new(FaultCode::Underpaid, text))
    }

    /// A session begins. After too many mishaps it is the only one for a while: it may be settled,
    /// and then all is well again.
    pub(super) const fn begin(&mut self, now_ms: u64) {
        if self.mishaps >= MAX_UNPAID_SESSIONS {
            self.refused_until_ms = now_ms.saturating_add(UNPAID_PAUSE_MS);
        }
    }

    /// A session has ended. A program that dies takes all its sessions with it, which is one
    /// mishap: they end within `settle_ms` of each other. Nobody gains by it. A session that begins
    /// after the first of them has ended takes longer than that to end in the same way, so one
    /// mishap is never more than the sessions that one peer may have at once. One that only makes
    /// room for the next on its lane ends sooner, and therefore without that fault: it counts by
    /// itself.
    pub(super) fn ended(&mut self, end: &SessionEnd, now_ms: u64, settle_ms: u64) {
        if end.unpaid == 0 {
            if end.settled {
                (self.mishaps, self.lost) = (0, None);
            }
            return;
        }
        if end.fault == Some(FaultCode::PeerLost) {
            if self.lost.is_some_and(|(payer, until_ms)| payer == end.payer && now_ms < until_ms) {
                return;
            }
            self.lost = Some((end.payer, now_ms.saturating_add(settle_ms)));
        }
        self.mishaps = self.mishaps.saturating_add(1);
        if self.mishaps >= MAX_UNPAID_SESSIONS {
            self.refused_until_ms = now_ms.saturating_add(UNPAID_PAUSE_MS);
        }
    }
}
