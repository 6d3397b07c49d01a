//! What pallets ask of one another, so that none depends on another's crate: the runtime connects
//! them.
//!
//! Each trait is implemented by one pallet and named by the `Config` of those that use it. The unit
//! type stands for "nobody listens" or "nothing is known" in a pallet's own tests. None of these
//! may fail: whoever calls them has already decided, and money must not hang on a listener. Their
//! cost is part of the caller's benchmarked weight, which is measured with the runtime's real
//! listeners.

use crate::{
    Balance, ChannelId, Hash32, LaneId, ModelId, PublicKey, WorkerRecord, settlement::Submitter,
};

/// Hears of every redeemed voucher that fixes receipts. Implemented by the receipts pallet, which
/// keeps their root, and by the registry, which keeps the stake of a leaving worker for as long as
/// they can be judged; called by the channels pallet.
pub trait OnRedeem<AccountId> {
    /// A voucher was redeemed; it fixes the root of the receipts that the payer accepted for the
    /// money. Returns what it did not need of its worst case, which the caller's weight has.
    fn on_redeem(redeemed: &Redeemed<AccountId>) -> Saved;
}

/// Accesses to storage that a listener makes at worst and did not make this time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Saved {
    /// Entries that were not read.
    pub reads: u32,
    /// Entries that were not written.
    pub writes: u32,
}

impl<AccountId, A: OnRedeem<AccountId>, B: OnRedeem<AccountId>> OnRedeem<AccountId> for (A, B) {
    fn on_redeem(redeemed: &Redeemed<AccountId>) -> Saved {
        let (a, b) = (A::on_redeem(redeemed), B::on_redeem(redeemed));
        Saved { reads: a.reads.saturating_add(b.reads), writes: a.writes.saturating_add(b.writes) }
    }
}

/// A redeemed voucher, as its listeners see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redeemed<AccountId> {
    /// Who signed the voucher's channel into being.
    pub payer: AccountId,
    /// Who was paid.
    pub payee: AccountId,
    /// The channel.
    pub channel: ChannelId,
    /// The lane.
    pub lane: LaneId,
    /// Number of the voucher on its lane.
    pub seq: u64,
    /// Root of the lane's receipts.
    pub receipts_root: Hash32,
    /// Number of receipts under the root.
    pub receipts: u64,
    /// Who submitted it: the payee's own submission is its consent to the root.
    pub by: Submitter,
}

impl<AccountId> OnRedeem<AccountId> for () {
    fn on_redeem(_: &Redeemed<AccountId>) -> Saved {
        Saved::default()
    }
}

/// Knows the peer key of a worker. Implemented by the registry, asked by the channels pallet when
/// both sides close together.
pub trait PeerKeys<AccountId> {
    /// The ed25519 key that signs for `account`'s peer, from its registration to its withdrawal;
    /// nothing for anybody else.
    fn peer_key(account: &AccountId) -> Option<PublicKey>;
}

impl<AccountId> PeerKeys<AccountId> for () {
    fn peer_key(_: &AccountId) -> Option<PublicKey> {
        None
    }
}

/// Looks up a worker. Implemented by the registry, asked by whoever needs to know that a worker
/// serves a range and what backs it.
pub trait Workers<AccountId> {
    /// The worker's record, with its status as of this block (a worker silent for too long is
    /// [`crate::WorkerStatus::Jailed`]).
    fn worker(account: &AccountId) -> Option<WorkerRecord<AccountId>>;
}

/// Says whether a worker is bound. Implemented by the agreements pallet, asked by the registry
/// before a worker moves or leaves.
pub trait OpenAgreements<AccountId> {
    /// Whether `worker` accepted an agreement that is not settled yet.
    ///
    /// A proposal that it has not accepted does not count, or anybody could keep it from leaving.
    fn has_open_agreements(worker: &AccountId) -> bool;
}

impl<AccountId> OpenAgreements<AccountId> for () {
    fn has_open_agreements(_: &AccountId) -> bool {
        false
    }
}

/// Says who may be paid through a new channel. Implemented by the registry, asked by the channels
/// pallet.
pub trait Payees<AccountId> {
    /// Whether `account` takes new channels: everybody but a worker that is leaving, which must be
    /// able to see the last of its channels end before it has its stake back.
    fn takes_channels(account: &AccountId) -> bool;
}

impl<AccountId> Payees<AccountId> for () {
    fn takes_channels(_: &AccountId) -> bool {
        true
    }
}

/// Says whether a channel to an account exists. Implemented by the channels pallet, asked by the
/// registry before a worker has its stake back: a voucher of such a channel may still fix receipts
/// for which the stake answers.
pub trait OpenChannels<AccountId> {
    /// Whether any channel pays `payee`, one that is closing included.
    fn has_channels(payee: &AccountId) -> bool;
}

impl<AccountId> OpenChannels<AccountId> for () {
    fn has_channels(_: &AccountId) -> bool {
        false
    }
}

/// Takes stake from a worker that did wrong. Implemented by the registry.
pub trait SlashWorker<AccountId> {
    /// Takes `min(amount, stake)` from `worker`: part of it goes to `reporter`, at least half is
    /// burned.
    ///
    /// `offence` names what was done and is punished once: a second call with the same one takes
    /// nothing. An account that holds no stake loses nothing. A worker that is left with less than
    /// the minimum for its layers is jailed.
    fn slash(
        worker: &AccountId,
        amount: Balance,
        offence: Offence,
        reporter: Option<&AccountId>,
    ) -> Slashed;
}

/// What was done wrong, as the name under which it is punished once.
///
/// Build it from something that never comes back, for example `blake2_256(domain("breach") ‖
/// agreement id)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offence(pub Hash32);

/// What a slash took and where it went; `burned + reward` is everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slashed {
    /// Base units destroyed.
    pub burned: Balance,
    /// Base units paid to the reporter.
    pub reward: Balance,
}

impl Slashed {
    /// Everything that was taken.
    pub const fn total(&self) -> Balance {
        self.burned.saturating_add(self.reward)
    }
}

/// Prepares what another pallet's benchmark needs from the registry.
pub trait BenchmarkWorkers<AccountId> {
    /// Registers a funded `worker` with `peer` for all layers of some model, with no more stake
    /// than it must have, so that any slash jails it; returns the model. Whether the worker holds
    /// the key is not asked.
    fn register_worker(worker: &AccountId, peer: PublicKey) -> ModelId;
}
