//! What redeems have shown: their extrinsics hold the vouchers, the ticks and the preimages by
//! which somebody was paid.

use std::ops::RangeInclusive;

use codec::Decode;
use mica_primitives::{BlockNumber, ChannelId, Redeem};
use subxt::backend::Backend;

use crate::{
    Chain, ReadError,
    connection::{missing, within},
};

/// Most blocks that are looked through at once.
const MAX_BLOCKS: BlockNumber = 64;

impl Chain {
    /// What the extrinsics of these blocks of the best chain, the last 64 of them at most, show of
    /// vouchers of `channel`: in a call of its own, in a batch or through a proxy. Neither whether
    /// it was paid nor whether anybody signed it is looked at.
    ///
    /// # Errors
    /// [`ReadError`] if the node does not answer.
    pub async fn redeems_of(
        &self,
        channel: ChannelId,
        blocks: RangeInclusive<BlockNumber>,
    ) -> Result<Vec<Redeem>, ReadError> {
        let (first, last) = blocks.into_inner();
        let mut found = Vec::new();
        for number in first.max(last.saturating_sub(MAX_BLOCKS - 1))..=last {
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
            found.extend(body.iter().flat_map(|bytes| named(bytes, channel)));
        }
        Ok(found)
    }
}

/// Every redeem in `bytes` that begins with the id of `channel`: a digest, which is nothing else by
/// chance.
fn named(bytes: &[u8], channel: ChannelId) -> Vec<Redeem> {
    let places = bytes.windows(channel.0.len()).enumerate();
    let begins = places.filter(|(_, window)| *window == channel.0).map(|(at, _)| at);
    begins.filter_map(|at| Redeem::decode(&mut bytes.get(at..)?).ok()).collect()
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
        assert_eq!(named(&one, channel), vec![redeem.clone()]);
        assert_eq!(named(&two, channel), vec![redeem.clone(), redeem.clone()]);
        assert_eq!(named(&one, ChannelId([8; 32])), vec![]);
        let cut = &one[..one.len() - 1];
        assert_eq!(named(cut, channel), vec![], "the end is missing");
    }
}
