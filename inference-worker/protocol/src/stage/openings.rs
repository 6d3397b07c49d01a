//! Openings that wait for the chain's word on their channel.
//!
//! They keep no room: whoever names a channel that does not exist must not keep others out. There
//! are at most [`MAX_OPENINGS`], of which [`MAX_UNKNOWN_OPENINGS`] on channels that the worker does
//! not know, so that strangers do not keep its payers waiting. A channel that the chain did not know
//! [`MAX_UNKNOWN_ANSWERS`] times in a row is refused for [`UNKNOWN_CHANNEL_MS`] without asking again;
//! not the first time, because the worker's node may learn of a block a moment after the payer's.

use mica_primitives::{ChannelId, PublicKey};
use std::collections::BTreeMap;

use super::refusal::Refusal;
use crate::{
    FaultCode, SessionId,
    limits::{
        MAX_OPENINGS, MAX_UNKNOWN_ANSWERS, MAX_UNKNOWN_CHANNELS, MAX_UNKNOWN_OPENINGS,
        UNKNOWN_CHANNEL_MS,
    },
    messages::Open,
};

/// An opening, and until when the chain may answer.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) from: PublicKey,
    pub(super) open: Box<Open>,
    /// Whether the worker has a ledger of the channel.
    pub(super) is_known: bool,
    pub(super) deadline_ms: u64,
}

/// A channel that the chain did not know.
#[derive(Clone, Copy, Debug)]
struct Unknown {
    /// How often it did not, one after the other.
    times: u32,
    /// When that is forgotten.
    until_ms: u64,
}

/// All openings that wait.
#[derive(Debug)]
pub(super) struct Openings {
    waiting: BTreeMap<SessionId, Opening>,
    unknown: BTreeMap<ChannelId, Unknown>,
}

impl Openings {
    pub(super) const fn new() -> Self {
        Self { waiting: BTreeMap::new(), unknown: BTreeMap::new() }
    }

    pub(super) fn contains(&self, session: &SessionId) -> bool {
        self.waiting.contains_key(session)
    }

    /// How many are `peer`'s.
    pub(super) fn count_of(&self, peer: &PublicKey) -> usize {
        self.waiting.values().filter(|opening| opening.from == *peer).count()
    }

    /// When the first of them has waited too long.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.waiting.values().map(|opening| opening.deadline_ms).min()
    }

    /// Whether one more may wait.
    ///
    /// # Errors
    /// [`FaultCode::TooManySessions`], [`FaultCode::UnknownChannel`].
    pub(super) fn check(
        &self,
        channel: &ChannelId,
        is_known: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let unknown = self.waiting.values().filter(|opening| !opening.is_known).count();
        if self.waiting.len() >= MAX_OPENINGS || (!is_known && unknown >= MAX_UNKNOWN_OPENINGS) {
            return Err(Refusal::new(
                FaultCode::TooManySessions,
                "too many openings wait for the chain",
            ));
        }
        let is_refused =
            |known: &Unknown| known.times >= MAX_UNKNOWN_ANSWERS && now_ms < known.until_ms;
        if self.unknown.get(channel).is_some_and(is_refused) {
            return Err(Refusal::new(
                FaultCode::UnknownChannel,
                format!("the chain knew no channel {channel} a moment ago"),
            ));
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, opening: Opening) {
        self.waiting.insert(opening.open.session, opening);
    }

    /// Takes back what `peer` asked for; returns whether it waited.
    pub(super) fn withdraw(&mut self, session: &SessionId, peer: &PublicKey) -> bool {
        let is_theirs = self.waiting.get(session).is_some_and(|opening| opening.from == *peer);
        is_theirs && self.waiting.remove(session).is_some()
    }

    /// Forgets what a peer asked for that is gone.
    pub(super) fn disconnected(&mut self, peer: &PublicKey) {
        self.waiting.retain(|_, opening| opening.from != *peer);
    }

    /// Those that waited for this channel.
    pub(super) fn answered(&mut self, channel: ChannelId) -> Vec<Opening> {
        self.take(|opening| opening.open.channel == channel)
    }

    /// Those that have waited too long.
    pub(super) fn late(&mut self, now_ms: u64) -> Vec<Opening> {
        self.take(|opening| opening.deadline_ms <= now_ms)
    }

    /// The chain does not know this channel, or it is not to this worker.
    pub(super) fn refuse(&mut self, channel: ChannelId, now_ms: u64) {
        if self.unknown.len() >= MAX_UNKNOWN_CHANNELS {
            self.unknown.retain(|_, known| now_ms < known.until_ms);
        }
        // Still as many: the chain is asked again rather than more remembered.
        if self.unknown.len() >= MAX_UNKNOWN_CHANNELS && !self.unknown.contains_key(&channel) {
            return;
        }
        let known = self.unknown.entry(channel).or_insert(Unknown { times: 0, until_ms: 0 });
        let times = if now_ms < known.until_ms { known.times.saturating_add(1) } else { 1 };
        *known = Unknown { times, until_ms: now_ms.saturating_add(UNKNOWN_CHANNEL_MS) };
    }

    /// The chain knows this channel.
    pub(super) fn allow(&mut self, channel: &ChannelId) {
        self.unknown.remove(channel);
    }

    fn take(&mut self, wanted: impl Fn(&Opening) -> bool) -> Vec<Opening> {
        let ids: Vec<SessionId> =
            self.waiting.iter().filter(|(_, opening)| wanted(opening)).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.waiting.remove(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_were_refused_are_remembered_for_a_block_and_no_more_than_there_may_be() {
        let mut openings = Openings::new();
        let channel = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_le_bytes());
            ChannelId(id)
        };
        for number in 0..=MAX_UNKNOWN_CHANNELS {
            (0..MAX_UNKNOWN_ANSWERS).for_each(|_| openings.refuse(channel(number), 0));
        }
        assert_eq!(openings.unknown.len(), MAX_UNKNOWN_CHANNELS);
        let code = |openings: &Openings, number, now_ms| {
            openings.check(&channel(number), false, now_ms).err().map(|refusal| refusal.code)
        };
        let unknown = Some(FaultCode::UnknownChannel);
        assert_eq!(code(&openings, 0, UNKNOWN_CHANNEL_MS - 1), unknown);
        assert_eq!(code(&openings, MAX_UNKNOWN_CHANNELS, 0), None, "the chain is asked again");
        assert_eq!(code(&openings, 0, UNKNOWN_CHANNEL_MS), None);
        openings.refuse(channel(MAX_UNKNOWN_CHANNELS), UNKNOWN_CHANNEL_MS);
        assert_eq!(openings.unknown.len(), 1, "old ones make room");
        let next = UNKNOWN_CHANNEL_MS + 1;
        assert_eq!(code(&openings, MAX_UNKNOWN_CHANNELS, next), None, "once is not enough");
        openings.refuse(channel(MAX_UNKNOWN_CHANNELS), next);
        openings.refuse(channel(MAX_UNKNOWN_CHANNELS), next);
        assert_eq!(code(&openings, MAX_UNKNOWN_CHANNELS, next), unknown);
        openings.allow(&channel(MAX_UNKNOWN_CHANNELS));
        assert_eq!(code(&openings, MAX_UNKNOWN_CHANNELS, next), None, "it is there after all");
    }
}
