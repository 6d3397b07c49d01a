//! What news of the chain mean for sessions: one lives no longer than its channel, and no longer
//! than the worker can see what becomes of channels.

use mica_primitives::{BlockNumber, ChannelId};

use super::{StageOffer, StageOutput, StageTable, refusal::Refusal, table::send};
use crate::{
    FaultCode, channel::ChannelFacts, clock::Now, limits::FINALITY_DEADLINE_MS, messages::Message,
};

/// Milliseconds of a block: by them a window is reckoned while no block comes.
const BLOCK_MS: u64 = 3_000;

/// Milliseconds without a new final block after which nothing is lent over a channel with this
/// window. A close that the worker has not seen came after the last block that it saw, so half of
/// the window later there is still the other half to redeem in.
fn patience_ms(window: BlockNumber) -> u64 {
    match window {
        // A record that was written before it was kept.
        0 => FINALITY_DEADLINE_MS,
        window => FINALITY_DEADLINE_MS.min(u64::from(window / 2) * BLOCK_MS),
    }
}

/// When the chain last had a new final block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finality {
    /// Milliseconds of [`Now::ms`]; nothing as long as nobody has told of one.
    last_ms: Option<u64>,
}

impl Finality {
    /// Nobody has told of a block yet.
    pub(super) const UNKNOWN: Self = Self { last_ms: None };

    /// A block has become final.
    pub(super) const fn moved(&mut self, now_ms: u64) {
        self.last_ms = Some(now_ms);
    }

    /// When nothing is lent any more over a channel with this window, unless a block becomes final
    /// before.
    pub(super) fn deadline_ms(&self, window: BlockNumber) -> Option<u64> {
        self.last_ms.map(|last| last.saturating_add(patience_ms(window)))
    }

    /// Whether the chain moves, as far as a channel with this window depends on it.
    ///
    /// # Errors
    /// [`FaultCode::ChainStalled`].
    pub(super) fn check(&self, now_ms: u64, window: BlockNumber) -> Result<(), Refusal> {
        if self.deadline_ms(window).is_none_or(|deadline| now_ms < deadline) {
            return Ok(());
        }
        let text = format!("no new final block for {} s", patience_ms(window) / 1_000);
        Err(Refusal::new(FaultCode::ChainStalled, text))
    }
}

/// Whether the worker has enough time to redeem when the payer asks to close.
///
/// # Errors
/// [`FaultCode::WindowTooShort`].
pub(super) fn check_window(offer: &StageOffer, facts: &ChannelFacts) -> Result<(), Refusal> {
    if facts.window >= offer.min_window {
        return Ok(());
    }
    let text = format!(
        "the channel's window is {} blocks and this worker asks for {}: open one with a longer \
         window",
        facts.window, offer.min_window
    );
    Err(Refusal::new(FaultCode::WindowTooShort, text))
}

impl StageTable {
    /// Ends the sessions of a channel that is gone or ends soon.
    pub(super) fn end_with_channel(
        &mut self,
        now: Now,
        channel: ChannelId,
        out: &mut Vec<StageOutput>,
    ) {
        let Some(ledger) = self.ledgers.get(&channel) else { return };
        let facts = ledger.facts();
        let refusal = if ledger.is_gone() {
            Refusal::new(FaultCode::UnknownChannel, "the channel is closed and gone")
        } else if let Some(ends) = facts.ends.filter(|_| facts.ends_soon(now.block)) {
            let text = format!("the channel is being closed and ends in block {ends}");
            Refusal::new(FaultCode::ChannelClosing, text)
        } else {
            return;
        };
        self.each(now, out, |session, context| {
            if session.agreed().channel == channel && session.is_working() {
                session.fail(refusal.clone(), context);
            }
        });
    }

    /// Ends the sessions for whose channels no block has become final for too long.
    pub(super) fn end_in_stall(&mut self, now: Now, out: &mut Vec<StageOutput>) {
        let finality = self.finality;
        self.each(now, out, |session, context| {
            let checked = finality.check(now.ms, context.ledger.facts().window);
            if let Err(refusal) = checked
                && session.is_working()
            {
                session.fail(refusal, context);
            }
        });
    }

    /// Refuses the openings that wait for a channel which the worker cannot follow.
    pub(super) fn refuse_unfollowed(&mut self, channel: ChannelId, out: &mut Vec<StageOutput>) {
        for opening in self.openings.answered(channel) {
            let refusal = Refusal::new(
                FaultCode::TooManySessions,
                "the worker follows as many channels as it can",
            );
            out.push(send(opening.from, Message::Fault(refusal.fault(opening.open.session))));
        }
    }
}
