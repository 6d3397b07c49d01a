//! What redeems have shown: their extrinsics hold the vouchers, the ticks and the preimages by
//! which somebody was paid.

use std::{collections::BTreeSet, ops::RangeInclusive};

use codec::Decode;
use mica_primitives::{BlockNumber, ChannelId, Redeem};
use subxt::backend::Backend;

use crate::{
    Chain, ReadError,
    connection::{missing, within},
};

impl Chain {
    /// Gives `found` whatever the extrinsics of these blocks of the best chain show of vouchers of
    /// `channels`: in a call of its own, in a batch or through a proxy. Neither whether it was paid
    /// nor whether anybody signed it is looked at.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer, or does not have one of the blocks.
    pub async fn redeems_of(
        &self,
        channels: &BTreeSet<ChannelId>,
        blocks: RangeInclusive<BlockNumber>,
        mut found: impl FnMut(Redeem) + Send,
    ) -> Result<(), ReadError> {
        for number in blocks {
            let hash = within(
                "chain_getBlockHash",
                self.methods().chain_get_block_hash(Some(number.into())),
            )
            .await?;
            // A node whose best chain has just become shorter.
            let Some(hash) = hash else { continue };
            let body = within("chain_getBlock", self.backend().block_body(hash))
                .await?
                .ok_or_else(|| missing(&hash.0))?;
            body.iter().flat_map(|bytes| named(bytes, channels)).for_each(&mut found);
        }
        Ok(())
    }
}

/// Every redeem in `bytes` that begins with the id of one of `channels`: a digest, which is nothing
/// else by chance.
fn named<'a>(
    bytes: &'a [u8],
    channels: &'a BTreeSet<ChannelId>,
) -> impl Iterator<Item = Redeem> + 'a {
    let places = bytes.windows(size_of::<ChannelId>()).enumerate();
    let begins = places.filter_map(|(at, window)| {
        let id = ChannelId(window.try_into().ok()?);
        channels.contains(&id).then_some(at)
    });
    begins.filter_map(|at| Redeem::decode(&mut bytes.get(at..)?).ok())
}

#[cfg(test)]
mod tests {
    use codec::Encode;
    use mica_primitives::{Tick, TickProof, Voucher};

    use super::*;

    #[test]
    fn a_redeem_is_found_wherever_it_lies_in_an_extrinsic() {
        let channel = ChannelId([7; 32]);
        let voucher = Voucher {
            channel,
            lane: 3,
            seq: 2,
            cumulative: 100,
            receipts_root: [1; 32],
            receipts: 4,
            expires: 900,
            tick: Some(Tick { anchor: [2; 32], unit: 5, max: 64 }),
            lock: None,
            bounty: 6,
        };
        let tick = Some(TickProof { n: 9, preimage: [3; 32] });
        let redeem = Redeem { voucher, signature: [4; 64], tick, preimage: None };
        let one = [&[132, 0, 9][..], &redeem.encode()].concat();
        let two = [&one[..], &[1, 2], &redeem.encode(), &[0; 5]].concat();
        let found = |bytes: &[u8], channel: ChannelId| {
            named(bytes, &BTreeSet::from([channel])).collect::<Vec<_>>()
        };
        assert_eq!(found(&one, channel), vec![redeem.clone()]);
        assert_eq!(found(&two, channel), vec![redeem.clone(), redeem.clone()]);
        assert_eq!(found(&one, ChannelId([8; 32])), vec![]);
        let cut = &one[..one.len() - 1];
        assert_eq!(found(cut, channel), vec![], "the end is missing");
    }
}
