//! What is known of the channels that are followed: the word of final blocks, and what the newest
//! block says of their end.
//!
//! Deposits and payments count when they are final: a fork that takes them back pays nobody. A
//! request to close counts as soon as any block has it, because the window runs from there.

use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::{BlockNumber, ChannelId};
use mica_protocol::{
    channel::ChannelFacts,
    limits::{MAX_LEDGERS, MAX_OPENINGS},
};

/// Most channels that are followed: those with a ledger, and those of openings that wait.
pub(super) const MAX_FOLLOWED: usize = MAX_LEDGERS + MAX_OPENINGS;

/// What the newest block says of a channel's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Best {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// There is no such channel any more.
    Gone,
    /// It is there, and ends with this block if its payer asked to close.
    Open(Option<BlockNumber>),
}

#[derive(Clone, Debug, Default)]
struct Followed {
    /// What the newest final block says; nothing if that is to be read yet.
    facts: Option<ChannelFacts>,
    /// Newest final block that is known to have it; 0 if none is.
    seen_in: BlockNumber,
    best: Best,
    /// Openings that wait for the chain's word on it.
    openings: usize,
}

/// The channels, at most [`MAX_FOLLOWED`].
#[derive(Clone, Debug, Default)]
pub(super) struct FollowedChannels(BTreeMap<ChannelId, Followed>);

impl FollowedChannels {
    /// Channels of which nothing is known yet.
    pub(super) fn new(channels: impl IntoIterator<Item = ChannelId>) -> Self {
        Self(channels.into_iter().map(|channel| (channel, Followed::default())).collect())
    }

    /// Follows the channel of an opening until [`Self::end_opening`]; false if there is no room.
    #[must_use]
    pub(super) fn begin_opening(&mut self, channel: ChannelId) -> bool {
        if self.0.len() >= MAX_FOLLOWED && !self.0.contains_key(&channel) {
            return false;
        }
        // What is known stays; what is new is read with the next block, because this one may have
        // been heard already.
        self.0.entry(channel).or_default().openings += 1;
        true
    }

    /// The opening is decided. A channel without a ledger is not followed any more, unless another
    /// opening waits for it: refused openings take no room.
    pub(super) fn end_opening(&mut self, channel: ChannelId, has_ledger: bool) {
        if let Some(followed) = self.0.get_mut(&channel) {
            followed.openings = followed.openings.saturating_sub(1);
            if followed.openings == 0 && !has_ledger {
                self.0.remove(&channel);
            }
        }
    }

    /// Drops what has no ledger any more.
    pub(super) fn retain(&mut self, ledgers: &BTreeSet<ChannelId>) {
        self.0.retain(|channel, followed| followed.openings > 0 || ledgers.contains(channel));
    }

    /// Notes what the final block with this number says; a channel that is gone is forgotten.
    pub(super) fn set_final(
        &mut self,
        channel: ChannelId,
        number: BlockNumber,
        facts: Option<ChannelFacts>,
    ) {
        match facts {
            None => drop(self.0.remove(&channel)),
            Some(facts) => {
                self.note_seen(channel, number);
                if let Some(followed) = self.0.get_mut(&channel) {
                    followed.facts = Some(facts);
                }
            }
        }
    }

    /// Notes that the final block with this number has the channel. An opening reads it there, and
    /// the final blocks before that one may still be on their way to whoever follows them.
    pub(super) fn note_seen(&mut self, channel: ChannelId, number: BlockNumber) {
        if let Some(followed) = self.0.get_mut(&channel) {
            followed.seen_in = followed.seen_in.max(number);
        }
    }

    /// Whether a newer final block than this one has the channel: what this one says of it is no
    /// news, not even that it is not there.
    pub(super) fn knows_newer(&self, channel: ChannelId, number: BlockNumber) -> bool {
        self.0.get(&channel).is_some_and(|followed| number < followed.seen_in)
    }

    /// Notes what the newest block says.
    pub(super) fn set_best(&mut self, channel: ChannelId, best: Best) {
        if let Some(followed) = self.0.get_mut(&channel) {
            followed.best = best;
        }
    }

    /// Whether blocks were missed: everything is to be read again.
    pub(super) fn forget_facts(&mut self) {
        for followed in self.0.values_mut() {
            (followed.facts, followed.best) = (None, Best::Unknown);
        }
    }

    /// Whether an opening waits for the first word on the channel, which may be in no final block
    /// yet: that it is not there is no news.
    pub(super) fn is_awaited(&self, channel: ChannelId) -> bool {
        let followed = self.0.get(&channel);
        followed.is_some_and(|followed| followed.facts.is_none() && followed.openings > 0)
    }

    /// What the session actor is told: final facts with the earliest end that any block shows, and
    /// nothing in them if the newest block has no such channel. Nothing at all as long as no final
    /// block was asked.
    pub(super) fn news(&self, channel: ChannelId) -> Option<Option<ChannelFacts>> {
        let followed = self.0.get(&channel)?;
        let facts = followed.facts.clone()?;
        Some(merge(facts, followed.best))
    }

    /// The channels that `is_wanted` picks by their final facts.
    pub(super) fn pick(
        &self,
        is_wanted: impl Fn(&ChannelId, Option<&ChannelFacts>) -> bool,
    ) -> Vec<ChannelId> {
        let wanted = self.0.iter().filter(|(id, followed)| is_wanted(id, followed.facts.as_ref()));
        wanted.map(|(id, _)| *id).collect()
    }

    /// Channels that are being closed: what is left of their windows changes with every block.
    pub(super) fn closing(&self) -> Vec<ChannelId> {
        let closing = self.0.iter().filter(|(_, followed)| {
            followed.best == Best::Gone
                || matches!(followed.best, Best::Open(Some(_)))
                || followed.facts.as_ref().is_some_and(|facts| facts.ends.is_some())
        });
        closing.map(|(id, _)| *id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Final facts and what the newest block says of the end.
pub(super) fn merge(facts: ChannelFacts, best: Best) -> Option<ChannelFacts> {
    let ends = match best {
        Best::Gone => return None,
        Best::Unknown | Best::Open(None) => facts.ends,
        Best::Open(Some(ends)) => Some(facts.ends.map_or(ends, |known| known.min(ends))),
    };
    Some(ChannelFacts { ends, ..facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ChannelId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        ChannelId(id)
    }

    fn facts(ends: Option<BlockNumber>) -> ChannelFacts {
        ChannelFacts {
            channel: id(1),
            payer: [1; 32],
            signer: [2; 32],
            deposit: 5,
            lanes: BTreeMap::new(),
            window: 20,
            ends,
        }
    }

    /// Attack: open empty channels and ask for a session on each, so that the watcher has no room
    /// for the one that is closed later.
    #[test]
    fn refused_openings_take_no_room_and_a_full_watcher_says_so() {
        let mut followed = FollowedChannels::default();
        for number in 0..3 * MAX_FOLLOWED {
            assert!(followed.begin_opening(id(number)), "opening {number}");
            followed.end_opening(id(number), false);
        }
        assert!(followed.is_empty());
        for number in 0..MAX_FOLLOWED {
            assert!(followed.begin_opening(id(number)));
            followed.end_opening(id(number), true);
        }
        assert!(!followed.begin_opening(id(MAX_FOLLOWED)), "it cannot be followed");
        assert!(followed.begin_opening(id(0)), "one that is followed already can");
        // Ledgers that were dropped make room again, and openings that wait stay.
        followed.retain(&BTreeSet::from([id(7)]));
        assert_eq!(followed.pick(|_, _| true), vec![id(0), id(7)]);
    }

    #[test]
    fn a_channel_that_is_not_final_yet_is_not_gone() {
        let mut followed = FollowedChannels::new([id(2)]);
        assert!(followed.begin_opening(id(1)));
        assert!(followed.is_awaited(id(1)), "its opening waits for a final block");
        assert!(!followed.is_awaited(id(2)), "what the store knows was final once");
        followed.set_final(id(1), 7, Some(facts(None)));
        assert!(!followed.is_awaited(id(1)));
    }

    /// The opening reads the newest final block and is over before those in between were heard.
    #[test]
    fn an_older_final_block_has_no_say() {
        let mut followed = FollowedChannels::default();
        assert!(followed.begin_opening(id(1)));
        assert!(!followed.knows_newer(id(1), 0), "nothing is known yet");
        followed.note_seen(id(1), 9);
        followed.end_opening(id(1), true);
        assert!(followed.knows_newer(id(1), 8), "it was not there, and it is now");
        assert!(!followed.knows_newer(id(1), 9) && !followed.knows_newer(id(1), 10));
        followed.set_final(id(1), 12, Some(facts(None)));
        followed.note_seen(id(1), 11);
        followed.forget_facts();
        assert!(followed.knows_newer(id(1), 11), "a lost subscription does not take that back");
        assert!(!followed.knows_newer(id(2), 1), "of others nothing is known");
    }

    #[test]
    fn a_close_counts_as_soon_as_any_block_has_it() {
        let mut followed = FollowedChannels::new([id(1)]);
        assert_eq!(followed.news(id(1)), None, "nothing is known yet");
        followed.set_best(id(1), Best::Open(Some(30)));
        assert_eq!(followed.news(id(1)), None, "nor is the deposit");
        followed.set_final(id(1), 7, Some(facts(None)));
        assert_eq!(followed.news(id(1)), Some(Some(facts(Some(30)))));
        assert_eq!(followed.closing(), vec![id(1)]);
        // A fork without the request.
        followed.set_best(id(1), Best::Open(None));
        assert_eq!(followed.news(id(1)), Some(Some(facts(None))));
        // Extended in a block that is not final: the earlier end is the safe one.
        followed.set_final(id(1), 8, Some(facts(Some(30))));
        followed.set_best(id(1), Best::Open(Some(32)));
        assert_eq!(followed.news(id(1)), Some(Some(facts(Some(30)))));
        followed.set_best(id(1), Best::Gone);
        assert_eq!(followed.news(id(1)), Some(None));
        followed.set_final(id(1), 9, None);
        assert!(followed.news(id(1)).is_none() && followed.is_empty());
    }
}
