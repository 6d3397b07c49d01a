//! What people sign off chain, true or damaged, and the most that they ever promised.

use std::collections::BTreeMap;

use mica_primitives::{
    AgreementId, Balance, ChannelId, CooperativeClose, Hash32, LaneId, Lock, Progress, Redeem,
    Signature, Tick, TickProof, Voucher, domain::blake2_256,
};
use mica_runtime::{AccountId, Clock, Runtime};
use pallet_mica_channels::Channels;
use sp_core::{Pair, ed25519};
use sp_runtime::traits::BlockNumberProvider;

use super::{
    super::{
        genesis_hash,
        people::{Who, person, who_is},
    },
    amounts,
};
use crate::reader::Reader;

/// Most vouchers that are kept to be shown again.
const MAX_KEPT: usize = 32;
/// Signs what it has no right to.
const FOREIGN: [u8; 32] = [99; 32];

/// What was signed by whoever has the right to.
#[derive(Default)]
pub(crate) struct Promises {
    /// Vouchers, to be shown again.
    pub kept: Vec<Redeem>,
    /// The most that was promised on a lane, and shown with it.
    pub lanes: BTreeMap<(ChannelId, LaneId), Balance>,
    /// The highest total that the channel's key agreed to.
    pub totals: BTreeMap<ChannelId, Balance>,
    /// The most tokens that the payer signed for.
    pub tokens: BTreeMap<AgreementId, u32>,
}

/// Signs as `key`, or not quite. Returns whether it is as it should be.
fn sign(key: &ed25519::Pair, bytes: &[u8], reader: &mut Reader<'_>) -> (Signature, bool) {
    match reader.below(16) {
        0 => (ed25519::Pair::from_seed(&FOREIGN).sign(bytes).0, false),
        1 => {
            let mut signature = key.sign(bytes).0;
            signature[usize::from(reader.byte() % 64)] ^= 1;
            (signature, false)
        }
        _ => (key.sign(bytes).0, true),
    }
}

/// The key that signs for the payer of a channel or of an agreement.
fn hot_key(payer: &AccountId) -> &'static ed25519::Pair {
    &person(who_is(payer).unwrap_or_default()).hot
}

fn near(value: u64, reader: &mut Reader<'_>) -> u64 {
    let step = reader.pick(&[1, 1, 1, 2, 0, 200]);
    if reader.below(8) == 0 { value.saturating_sub(step) } else { value.saturating_add(step) }
}

/// A block around now.
fn expiry(reader: &mut Reader<'_>) -> u32 {
    let now = Clock::current_block_number();
    match reader.below(8) {
        0 => now.saturating_sub(1),
        1 => now,
        2 => u32::MAX,
        _ => now + u32::from(reader.byte()),
    }
}

impl Promises {
    /// A voucher for `id` with whatever it is redeemed with.
    pub(crate) fn redeem(&mut self, id: ChannelId, reader: &mut Reader<'_>) -> Redeem {
        if reader.below(4) == 0 && !self.kept.is_empty() {
            let kept = self.kept[reader.below(self.kept.len())].clone();
            return self.changed(kept, reader);
        }
        let channel = Channels::<Runtime>::get(id);
        let lane: LaneId = reader.pick(&[0, 0, 0, 1, 2, 15, 16]);
        let before = channel.as_ref().and_then(|channel| channel.lanes.get(&lane).copied());
        let before = before.unwrap_or_default();
        let step = if reader.below(8) == 0 { amounts::any(reader) } else { amounts::usual(reader) };
        let cumulative = match reader.below(8) {
            0 => before.cumulative.saturating_sub(step),
            _ => before.cumulative.saturating_add(step),
        };
        let seq = near(before.seq.max(before.shown), reader);
        let secret = blake2_256(&[&id.0[..], &lane.to_le_bytes(), &seq.to_le_bytes()].concat());
        let mut redeem = Redeem {
            voucher: Voucher {
                channel: id,
                lane,
                seq,
                cumulative,
                receipts_root: [seq as u8; 32],
                receipts: reader.pick(&[0, 1, before.receipts, before.receipts + 1]),
                expires: expiry(reader),
                tick: None,
                lock: None,
                bounty: reader.pick(&[0, 0, 1, 1_000_000_000, Balance::MAX]),
            },
            signature: [0; 64],
            tick: None,
            preimage: None,
        };
        let mut is_true = pay_by_steps(&mut redeem, secret, reader);
        let key = channel.map_or(&person(0).hot, |channel| hot_key(&channel.payer));
        let bytes = redeem.voucher.signing_bytes(&genesis_hash());
        let (signature, is_signed) = sign(key, &bytes, reader);
        redeem.signature = signature;
        is_true &= is_signed;
        if reader.below(16) == 0 {
            redeem.voucher.cumulative = redeem.voucher.cumulative.saturating_add(1);
            is_true = false;
        }
        if is_true {
            self.promise(&redeem);
        }
        redeem
    }

    /// The voucher as it was, or with something that does not belong to it.
    fn changed(&mut self, mut redeem: Redeem, reader: &mut Reader<'_>) -> Redeem {
        let voucher = &mut redeem.voucher;
        match reader.below(8) {
            0 => voucher.seq += 1,
            1 => voucher.lane ^= 1,
            2 => voucher.expires = u32::MAX,
            3 => redeem.signature[0] ^= 1,
            4 => redeem.preimage = Some([1; 32]),
            5 => {
                if let Some(proof) = &mut redeem.tick {
                    proof.n = proof.n.saturating_add(1);
                }
            }
            _ => {}
        }
        redeem
    }

    fn promise(&mut self, redeem: &Redeem) {
        let place = (redeem.voucher.channel, redeem.voucher.lane);
        let most = self.lanes.entry(place).or_default();
        *most = (*most).max(redeem.promised().unwrap_or_default());
        // Whoever redeems may leave out what it knows.
        *most = (*most).max(redeem.voucher.cumulative);
        if self.kept.len() < MAX_KEPT {
            self.kept.push(redeem.clone());
        } else {
            let at = redeem.voucher.seq as usize % MAX_KEPT;
            self.kept[at] = redeem.clone();
        }
    }

    /// An end that both sides of `id` agree on, and the signature of whoever does not submit it.
    pub(crate) fn close(
        &mut self,
        id: ChannelId,
        by_payee: bool,
        reader: &mut Reader<'_>,
    ) -> (CooperativeClose, Signature) {
        let channel = Channels::<Runtime>::get(id);
        let (claimed, deposit) =
            channel.as_ref().map_or((0, 0), |channel| (channel.claimed, channel.deposit));
        let total = match reader.below(4) {
            0 => amounts::any(reader),
            1 => deposit,
            _ => claimed.saturating_add(amounts::usual(reader)),
        };
        let close = CooperativeClose { channel: id, total, expires: expiry(reader) };
        let key = match channel {
            Some(channel) if by_payee => hot_key(&channel.payer),
            Some(channel) => &person(who_is(&channel.payee).unwrap_or_default()).peer,
            None => &person(0).hot,
        };
        let (signature, is_true) = sign(key, &close.signing_bytes(&genesis_hash()), reader);
        if is_true && by_payee {
            let most = self.totals.entry(id).or_default();
            *most = (*most).max(total);
        }
        (close, signature)
    }

    /// What `payer` says that it has received.
    pub(crate) fn progress(
        &mut self,
        payer: Who,
        progress: Progress,
        reader: &mut Reader<'_>,
    ) -> Signature {
        let bytes = progress.signing_bytes(&genesis_hash());
        let (signature, is_true) = sign(&person(payer).hot, &bytes, reader);
        if is_true {
            let most = self.tokens.entry(progress.agreement).or_default();
            *most = (*most).max(progress.tokens);
        }
        signature
    }
}

/// Adds a tick chain or a lock with what opens it. Returns whether that opens it.
fn pay_by_steps(redeem: &mut Redeem, secret: Hash32, reader: &mut Reader<'_>) -> bool {
    let chain = |steps: u16| (0..steps).fold(secret, |value, _| blake2_256(&value));
    match reader.below(4) {
        0 => {
            let max = reader.pick(&[1, 3, 30, 1_024, 1_025]);
            let unit = amounts::usual(reader) / 10;
            redeem.voucher.tick = Some(Tick { anchor: chain(max), unit, max });
            let n = max.saturating_sub(u16::from(reader.byte() % 4));
            let shown = if reader.below(8) == 0 { n.saturating_sub(1) } else { n };
            redeem.tick = Some(TickProof { n, preimage: chain(max - shown) });
            shown == n
        }
        1 => {
            let (hash, expires) = (blake2_256(&secret), expiry(reader));
            let amount = amounts::usual(reader);
            redeem.voucher.lock = Some(Lock { hash, amount, expires });
            let opens = reader.below(8) != 0;
            redeem.preimage = Some(if opens { secret } else { hash });
            opens
        }
        _ => true,
    }
}
