//! Redeems of the hub's own promises that are read from blocks: a payer may have shown a worker
//! ticks that it has kept from the hub, and the worker shows them to the chain.
//!
//! What is to be looked at is a set of channels and a range of blocks; a block that could not be
//! read is read again later, so that nothing is missed because a node is away for a moment.
//!
//! Limits: one look at a time, [`STEP`] blocks at once, the last [`MOST`] blocks at most, and of
//! each chain the tick that pays most.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use mica_chain::Chain;
use mica_primitives::{
    BlockNumber, ChannelId, Hash32, LaneId, PublicKey, Redeem, domain::blake2_256,
};
use mica_protocol::{limits::VOUCHER_LIFETIME_BLOCKS, signing};
use tokio::task::JoinSet;

/// Blocks that are read at once.
const STEP: BlockNumber = 64;
/// Most blocks that are read: what the hub promised earlier has ended, unless its payer's channel
/// has an uncommonly long window.
pub(crate) const MOST: BlockNumber = VOUCHER_LIFETIME_BLOCKS;

/// Channels of the hub's own, with the keys that sign for them.
pub(crate) type Channels = BTreeMap<ChannelId, PublicKey>;

/// What is still to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Due {
    channels: Channels,
    /// Nothing if there is nothing.
    blocks: Option<(BlockNumber, BlockNumber)>,
}

impl Due {
    fn add(&mut self, channels: Channels, (first, last): (BlockNumber, BlockNumber)) {
        self.channels.extend(channels);
        let (first, last) = match self.blocks {
            Some((from, to)) => (from.min(first), to.max(last)),
            None => (first, last),
        };
        self.blocks = Some((first.max(last.saturating_sub(MOST - 1)), last));
    }

    /// Takes the newest blocks: what they show expires first of all that can still be claimed.
    fn take(&mut self) -> Option<(Channels, RangeInclusive<BlockNumber>)> {
        let (first, last) = self.blocks.take()?;
        let from = first.max(last.saturating_sub(STEP - 1));
        let channels = self.channels.clone();
        if from > first {
            self.blocks = Some((first, from - 1));
        } else {
            self.channels.clear();
        }
        Some((channels, from..=last))
    }
}

/// What one look has found; nothing if the chain could not be asked.
pub(crate) struct Look {
    channels: Channels,
    blocks: RangeInclusive<BlockNumber>,
    found: Option<Vec<Redeem>>,
}

/// All looks of a hub.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    due: Due,
    running: JoinSet<Look>,
}

impl Looks {
    /// Looks at redeems of `channels` in these blocks, as soon as what is due before is done.
    pub(crate) fn add(&mut self, channels: Channels, first: BlockNumber, last: BlockNumber) {
        if !channels.is_empty() && first <= last {
            self.due.add(channels, (first, last));
        }
    }

    /// Begins the next look, if none runs.
    pub(crate) fn go_on(&mut self, chain: &Chain, genesis: Hash32) {
        if !self.running.is_empty() {
            return;
        }
        let Some((channels, blocks)) = self.due.take() else { return };
        let chain = chain.clone();
        self.running.spawn(async move {
            let of: BTreeSet<ChannelId> = channels.keys().copied().collect();
            let mut best = Best::default();
            let read = chain
                .redeems_of(&of, blocks.clone(), |redeem| best.take(redeem, &channels, &genesis))
                .await;
            let read = read.inspect_err(
                |error| tracing::warn!(%error, "redeems could not be read: they are read again"),
            );
            let found = read.is_ok().then(|| best.0.into_values().collect());
            Look { channels, blocks, found }
        });
    }

    /// What the next look has found, once it is done; never without one.
    pub(crate) async fn next(&mut self) -> Option<Vec<Redeem>> {
        let look = self.running.join_next().await?.ok()?;
        if look.found.is_none() {
            self.due.add(look.channels, (*look.blocks.start(), *look.blocks.end()));
        }
        look.found
    }

    /// Whether a look runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }
}

/// Of each chain on each lane the redeem with most ticks.
#[derive(Debug, Default)]
struct Best(BTreeMap<(ChannelId, LaneId, Hash32), Redeem>);

impl Best {
    /// Takes what was found, if the hub has signed it and its tick lies on its chain: anybody can
    /// put bytes into a block.
    fn take(&mut self, redeem: Redeem, channels: &Channels, genesis: &Hash32) {
        let voucher = &redeem.voucher;
        let (Some(tick), Some(proof)) = (voucher.tick, redeem.tick) else { return };
        let place = (voucher.channel, voucher.lane, tick.anchor);
        let known = self.0.get(&place).and_then(|known| known.tick).map_or(0, |proof| proof.n);
        let Some(signer) = channels.get(&voucher.channel).filter(|_| proof.n > known) else {
            return;
        };
        let bytes = voucher.signing_bytes(genesis);
        if signing::verify(signer, &bytes, &redeem.signature) && tick.verify(&proof, blake2_256) {
            self.0.insert(place, redeem);
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use mica_primitives::{Tick, TickProof, Voucher};

    use super::*;

    const CHANNEL: ChannelId = ChannelId([7; 32]);

    fn channels() -> Channels {
        Channels::from([(CHANNEL, signing::public_key(&SigningKey::from_bytes(&[1; 32])))])
    }

    /// A redeem with `n` ticks of a chain of three.
    fn redeem(n: u16, signer: u8) -> Redeem {
        let values: Vec<Hash32> =
            std::iter::successors(Some([9; 32]), |value| Some(blake2_256(value))).take(4).collect();
        let voucher = Voucher {
            channel: CHANNEL,
            lane: 2,
            seq: 1,
            cumulative: 0,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 9,
            tick: Some(Tick { anchor: values[3], unit: 1, max: 3 }),
            lock: None,
            bounty: 0,
        };
        let key = SigningKey::from_bytes(&[signer; 32]);
        let signature = signing::sign(&key, &voucher.signing_bytes(&[0; 32]));
        let tick = Some(TickProof { n, preimage: values[3 - usize::from(n)] });
        Redeem { voucher, signature, tick, preimage: None }
    }

    #[test]
    fn only_what_the_hub_signed_and_somebody_revealed_counts() {
        let mut best = Best::default();
        let mut invented = redeem(2, 1);
        invented.tick = Some(TickProof { n: 3, preimage: [1; 32] });
        let mut without = redeem(2, 1);
        without.tick = None;
        for found in [redeem(3, 2), invented, without, redeem(1, 1), redeem(2, 1), redeem(1, 1)] {
            best.take(found, &channels(), &[0; 32]);
        }
        assert_eq!(best.0.into_values().collect::<Vec<_>>(), [redeem(2, 1)]);
    }

    #[test]
    fn every_block_is_looked_at_newest_first_and_again_where_that_failed() {
        let mut due = Due::default();
        due.add(channels(), (100, 250));
        let taken: Vec<_> = std::iter::from_fn(|| due.take().map(|(_, blocks)| blocks)).collect();
        assert_eq!(taken, [187..=250, 123..=186, 100..=122]);
        due.add(channels(), (123, 186));
        due.add(channels(), (251, 251));
        assert_eq!(due.take().map(|(_, blocks)| blocks), Some(188..=251));
        due.add(channels(), (MOST + 200, MOST + 300));
        assert_eq!(due.blocks, Some((301, MOST + 300)), "the last ones");
    }
}
