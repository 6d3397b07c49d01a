//! Payment channels: unidirectional, payer to payee, with lanes (Filecoin) and hash-chain ticks
//! (PayWord).
//!
//! A **voucher** is a signed promise of a cumulative amount on one lane. A **tick** chain inside it
//! promises `unit` more for each preimage revealed, so that paying for one token costs one hash and
//! no signature. A **lock** promises an amount to whoever shows what its hash was made of, until a
//! block: with it a sum passes through a hub that neither side has to trust.
//!
//! **Two channels, one chain of preimages.** An anchor belongs to no channel: a hub may sign its
//! own voucher to a worker over the anchor that its payer gave it, with a unit lower by its fee and
//! an earlier `expires`. Each preimage that pays the worker then pays the hub as well. The same
//! holds for the hash of a lock.
//!
//! What the hub signs must end while its own payer's channel is there, whatever the payer does
//! next. A payer that asks to close in the next block can finish `window` blocks later, so the hub
//! signs and takes nothing with
//! ```text
//!   expires + margin >= now + window of the payer's channel      while that channel is open
//!   expires + margin >= ends                                     once it is closing
//! ```
//! `margin` is the blocks that the hub needs to see what the worker has shown and to redeem it.
//! Otherwise a worker in league with the payer shows its preimages when the payer has its deposit
//! back.

use bounded_collections::{BoundedBTreeMap, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

use crate::{
    Balance, BlockNumber, Hash32, PublicKey, Signature,
    domain::{blake2_256, domain, signing_bytes},
};

/// Most lanes in one channel.
pub const MAX_LANES: u32 = 16;
/// Most ticks in one voucher: bounds the hashing that a redeem asks of the chain.
pub const MAX_TICKS: u16 = 1024;

/// A lane's number within its channel, `0..MAX_LANES`.
pub type LaneId = u16;

/// `blake2_256(domain("channel") ‖ payer ‖ payee ‖ payer's counter)`: never used twice.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct ChannelId(pub Hash32);

impl ChannelId {
    /// The id of the channel that `payer` opens to `payee` as its `counter`-th (from 0).
    pub fn derive(
        genesis: &Hash32,
        payer: &impl Encode,
        payee: &impl Encode,
        counter: u64,
    ) -> Self {
        let mut bytes = domain("channel", genesis).to_vec();
        payer.encode_to(&mut bytes);
        payee.encode_to(&mut bytes);
        counter.encode_to(&mut bytes);
        Self(blake2_256(&bytes))
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A promise to pay `unit` for each step up a hash chain: `H^n(preimage) = anchor` pays `n · unit`,
/// `n <= max`.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Tick {
    /// End of the chain, blake2-256 applied `max` times to the payer's secret.
    pub anchor: Hash32,
    /// Base units per tick.
    pub unit: Balance,
    /// Ticks in the chain, `1..=MAX_TICKS`.
    pub max: u16,
}

/// A preimage `n` steps before the anchor: pays `n` ticks.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct TickProof {
    /// Ticks paid.
    pub n: u16,
    /// `H^(max − n)` of the payer's secret.
    pub preimage: Hash32,
}

impl Tick {
    /// Whether `proof` lies on this chain, hashing at most [`MAX_TICKS`] times with `hash` (the
    /// chain passes its host function).
    pub fn verify(&self, proof: &TickProof, hash: impl Fn(&[u8]) -> Hash32) -> bool {
        if self.max > MAX_TICKS || proof.n > self.max {
            return false;
        }
        (0..proof.n).fold(proof.preimage, |value, _| hash(&value)) == self.anchor
    }
}

/// A promise of `amount` to whoever shows what `hash` was made of, up to and including block
/// `expires`.
///
/// What is not claimed by then stays the payer's: its next voucher goes on without the lock.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Lock {
    /// blake2-256 of the preimage.
    pub hash: Hash32,
    /// Base units on top of the voucher's `cumulative`.
    pub amount: Balance,
    /// Last block in which the preimage counts.
    pub expires: BlockNumber,
}

impl Lock {
    /// Whether `preimage` opens the lock, by `hash` (the chain passes its host function).
    pub fn opens(&self, preimage: &Hash32, hash: impl Fn(&[u8]) -> Hash32) -> bool {
        hash(preimage) == self.hash
    }
}

/// A payer's signed promise of `cumulative` on one lane, over the channel's life.
///
/// It also fixes the receipts that the payer accepted for the money: their root and their number.
/// It carries a tick chain or a lock, never both, so that a redeem stays short.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Voucher {
    /// The channel.
    pub channel: ChannelId,
    /// The lane.
    pub lane: LaneId,
    /// Number of the voucher on its lane; each new one is higher.
    pub seq: u64,
    /// Paid on this lane since the channel was opened; never falls.
    pub cumulative: Balance,
    /// Root of the lane's receipts (see [`crate::receipt::ReceiptTree`]).
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
    /// Last block in which it can be redeemed.
    pub expires: BlockNumber,
    /// Payment per token on top of `cumulative`.
    pub tick: Option<Tick>,
    /// Payment for a preimage on top of `cumulative`.
    pub lock: Option<Lock>,
    /// What somebody else may keep of the money that it redeems for an absent payee, base units.
    /// [`crate::settlement::bounty`] says when and how much at most.
    pub bounty: Balance,
}

impl Voucher {
    /// The bytes that the channel's signer signs: `domain("voucher") ‖ SCALE(self)`.
    pub fn signing_bytes(&self, genesis: &Hash32) -> alloc::vec::Vec<u8> {
        signing_bytes("voucher", genesis, self)
    }
}

/// What is presented to the chain for payment.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Redeem {
    /// The promise.
    pub voucher: Voucher,
    /// The channel signer's ed25519 signature over [`Voucher::signing_bytes`].
    pub signature: Signature,
    /// The furthest tick revealed.
    pub tick: Option<TickProof>,
    /// What opens the voucher's lock.
    pub preimage: Option<Hash32>,
}

impl Redeem {
    /// One as long as any, which pays nobody: to ask a node what a redeem costs.
    pub const fn longest() -> Self {
        let voucher = Voucher {
            channel: ChannelId([0; 32]),
            lane: 0,
            seq: 1,
            cumulative: 0,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 0,
            tick: Some(Tick { anchor: [0; 32], unit: 1, max: 1 }),
            lock: None,
            bounty: 0,
        };
        let tick = Some(TickProof { n: 1, preimage: [0; 32] });
        Self { voucher, signature: [0; 64], tick, preimage: None }
    }

    /// Ticks that are shown: so many hashes does the chain compute.
    pub fn shown_ticks(&self) -> u32 {
        self.tick.as_ref().map_or(0, |proof| u32::from(proof.n))
    }

    /// `cumulative + n · unit`, and the lock's amount if it is opened; nothing on overflow, or if a
    /// proof comes without a tick chain or a preimage without a lock.
    pub fn promised(&self) -> Option<Balance> {
        let voucher = &self.voucher;
        let ticks = match (&voucher.tick, &self.tick) {
            (_, None) => 0,
            (Some(tick), Some(proof)) => tick.unit.checked_mul(proof.n.into())?,
            (None, Some(_)) => return None,
        };
        let locked = match (&voucher.lock, &self.preimage) {
            (_, None) => 0,
            (Some(lock), Some(_)) => lock.amount,
            (None, Some(_)) => return None,
        };
        voucher.cumulative.checked_add(ticks)?.checked_add(locked)
    }
}

/// What has been claimed on one lane.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Lane {
    /// Number of the last voucher that the payee redeemed.
    pub seq: u64,
    /// The most that any voucher redeemed here promised, ticks and locks included.
    pub cumulative: Balance,
    /// Amount paid out on this lane; less than `cumulative` only after a shortfall.
    pub claimed: Balance,
    /// Root of the receipts that the payee fixed.
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
    /// Highest number of a voucher that anybody redeemed: its receipts are fixed too, whoever
    /// submitted it.
    pub shown: u64,
}

/// A payer has asked to close: the payee has until `ends` to redeem.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Closing {
    /// Block of the request.
    pub at: BlockNumber,
    /// First block in which `finish` succeeds.
    pub ends: BlockNumber,
    /// How often a late redeem has moved `ends`.
    pub extended: u8,
}

/// Where a channel stands.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub enum ChannelState {
    /// Takes vouchers.
    Open,
    /// Still takes redeems, until its window ends.
    Closing(Closing),
}

/// A channel as the chain knows it.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Channel<AccountId> {
    /// Whose money it is until it is claimed.
    pub payer: AccountId,
    /// Who is paid.
    pub payee: AccountId,
    /// ed25519 hot key that signs vouchers: the wallet's own key stays cold.
    pub signer: PublicKey,
    /// Everything ever put in.
    pub deposit: Balance,
    /// Everything ever paid out; `deposit − claimed` is on hold from the payer.
    pub claimed: Balance,
    /// What has been claimed on each lane.
    pub lanes: BoundedBTreeMap<LaneId, Lane, ConstU32<MAX_LANES>>,
    /// Blocks that a payee has to redeem after the payer asked to close.
    pub window: BlockNumber,
    /// Where it stands.
    pub state: ChannelState,
}

/// One channel of a batch that is opened for a whole path.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ChannelOpening<AccountId> {
    /// Who is to be paid.
    pub payee: AccountId,
    /// ed25519 key that will sign vouchers.
    pub signer: PublicKey,
    /// Base units to put on hold.
    pub deposit: Balance,
    /// Close window in blocks; at least the chain's minimum.
    pub window: BlockNumber,
}

/// Both sides agree on the final amount; closes at once. Signed by the channel's signer and
/// submitted by the payee, or signed by the payee's peer key and submitted by the payer — the chain
/// checks the one who did not submit.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct CooperativeClose {
    /// The channel.
    pub channel: ChannelId,
    /// Final total over all lanes, `claimed <= total <= deposit`.
    pub total: Balance,
    /// Last block in which the agreement may be submitted.
    pub expires: BlockNumber,
}

impl CooperativeClose {
    /// `domain("close") ‖ SCALE(self)`.
    pub fn signing_bytes(&self, genesis: &Hash32) -> alloc::vec::Vec<u8> {
        signing_bytes("close", genesis, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(secret: Hash32, max: u16) -> Hash32 {
        (0..max).fold(secret, |value, _| blake2_256(&value))
    }

    #[test]
    fn each_tick_is_one_hash_nearer_to_the_secret() {
        let secret = [7; 32];
        let tick = Tick { anchor: chain(secret, 10), unit: 3, max: 10 };
        for n in 0..=10 {
            assert!(tick.verify(&TickProof { n, preimage: chain(secret, 10 - n) }, blake2_256));
        }
        assert!(!tick.verify(&TickProof { n: 4, preimage: chain(secret, 7) }, blake2_256));
        assert!(!tick.verify(&TickProof { n: 11, preimage: secret }, blake2_256));
    }

    #[test]
    fn a_chain_longer_than_the_bound_never_verifies() {
        let secret = [1; 32];
        let tick = Tick { anchor: chain(secret, MAX_TICKS + 1), unit: 1, max: MAX_TICKS + 1 };
        assert!(!tick.verify(&TickProof { n: 1, preimage: chain(secret, MAX_TICKS) }, blake2_256));
    }

    #[test]
    fn a_promise_that_overflows_is_none() {
        let voucher = Voucher {
            channel: ChannelId([0; 32]),
            lane: 0,
            seq: 1,
            cumulative: 1,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 1,
            tick: Some(Tick { anchor: [0; 32], unit: Balance::MAX, max: 2 }),
            lock: None,
            bounty: 0,
        };
        let redeem = Redeem {
            voucher: voucher.clone(),
            signature: [0; 64],
            tick: Some(TickProof { n: 1, preimage: [0; 32] }),
            preimage: None,
        };
        assert_eq!(redeem.promised(), None);
        let lock = Lock { hash: [0; 32], amount: Balance::MAX, expires: 1 };
        let voucher = Voucher { tick: None, lock: Some(lock), ..voucher };
        let redeem = Redeem { voucher, signature: [0; 64], tick: None, preimage: Some([0; 32]) };
        assert_eq!(redeem.promised(), None);
    }

    #[test]
    fn a_lock_pays_for_its_preimage_alone() {
        let lock = Lock { hash: blake2_256(&[7; 32]), amount: 30, expires: 1 };
        assert!(lock.opens(&[7; 32], blake2_256));
        assert!(!lock.opens(&[8; 32], blake2_256));
    }

    /// With the longest call around it (two bytes of indices, and what a signed extrinsic adds: at
    /// most 113) a redeem is at most 400 bytes.
    #[test]
    fn a_redeem_is_short_whatever_it_carries() {
        let longest = Redeem::longest();
        let lock = Lock { hash: [0; 32], amount: 1, expires: 1 };
        let locked = Redeem {
            voucher: Voucher { tick: None, lock: Some(lock), ..longest.voucher.clone() },
            tick: None,
            preimage: Some([0; 32]),
            ..longest.clone()
        };
        assert!(locked.encoded_size() <= longest.encoded_size());
        assert!(longest.encoded_size() + 2 + 113 <= 400, "{}", longest.encoded_size());
    }

    #[test]
    fn signed_bytes_differ_by_chain_and_purpose() {
        let close = CooperativeClose { channel: ChannelId([1; 32]), total: 5, expires: 9 };
        assert_ne!(close.signing_bytes(&[0; 32]), close.signing_bytes(&[1; 32]));
        assert_ne!(domain("close", &[0; 32]), domain("voucher", &[0; 32]));
    }
}
