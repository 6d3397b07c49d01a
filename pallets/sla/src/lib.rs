//! # Service-level agreements
//!
//! A payer proposes price, amount and time for a piece of work and puts the money in escrow; a
//! worker accepts and backs its word with its stake; the chain pays, refunds or punishes. Every
//! agreement ends by itself, whatever the two do.
//!
//! ## State machine
//! ```text
//!  propose          accept                        claim                    object
//!  ──────▶ Proposed ──────▶ Active ───────────────────────▶ Claimed ────────────────▶ Disputed
//!             │ cancel        │ acknowledge records           │ acknowledge against      │
//!             │               │                               │ a short claim: breach    │
//!             │               ├─ complete (co-signed) ─▶ paid or breach ◀─ complete ──────┤
//!             ▼ until         ▼ after the deadline            ▼ until                    ▼ until
//!          refunded        refunded, or breach if          paid as claimed          signed part paid, both lose
//!                          acknowledged                                             the unsigned part
//! ```
//! | end | escrow | worker's stake |
//! |---|---|---|
//! | paid | tokens · layers · price to the worker, the rest back to the payer | – |
//! | refunded | back to the payer | – |
//! | breach | back to the payer | `penalty` is slashed: at least half of it is burned, the payer receives the reporter's part |
//! | disputed to the end | the signed part to the worker, the unsigned part is burned, the rest back | as much as was burned is slashed and burned |
//!
//! ## Why neither side can profit from a lie
//! The chain cannot see work. It sees what both signed, and what one side admits.
//! * **Both signed** ([`Completion`]): tokens and milliseconds are facts, and the terms decide
//!   between paid and breach.
//! * **The payer signed on the way** ([`Progress`], as often as it received a window of tokens):
//!   these tokens are paid, whatever else happens. A payer that signs only for what it has, and a
//!   worker that stops when nothing more is signed, risk one window and no more.
//! * **The worker admitted that it had everything** ([`Acknowledgement`], signed by its peer key):
//!   then only the worker can be the reason for a missed deadline, because a claim needs nobody
//!   else, or for a claim that stops short of a window beyond what the payer signed. That is a
//!   breach. *Without* it a missed deadline is a refund and no more, or a payer could keep its
//!   prompt to itself and collect penalties.
//! * **The word of one against the other** is left for at most [`MAX_UNSIGNED_TOKENS`] tokens of a
//!   claim, worth `v`. No rule can tell who lies, so lying must not pay: a payer that objects to
//!   true work saves `v` and burns `v`; a worker whose false claim is objected to burns `v` of its
//!   stake. Nobody receives what the other loses. A payer that does not care to object can lose `v`
//!   to a liar, which is the window that it risks anyway; more than that cannot be claimed. What
//!   was signed for cannot be objected to. Until the dispute ends the two may still sign what
//!   happened, and both gain by it. Re-execution of receipts can decide instead in a later version:
//!   it would start from `Disputed`, and the claim has fixed the root of the receipts.
//!
//! A worker backs each agreement with `max(penalty, escrow)` of stake, and all together with no
//! more than [`Config::MaxStakeAtRisk`] of it, so that what is threatened can be taken. Slashing
//! takes what is there.
//!
//! A worker can be its own payer. It gains nothing: its fees are gone, and of a penalty that it
//! pays to itself at least half is burned, so that stake cannot leave before an expected slash
//! without losing as much.
//!
//! Both should sign one `Completion` per agreement, at its end: the first signed one to arrive
//! counts.
//!
//! ## Ending by itself [`Agenda`] lists agreements under the block in which they end. Each block
//! settles at most [`Config::MaxSettlementsPerBlock`] of them; what does not fit is settled in the
//! blocks that follow, in the order of due blocks, and nothing is lost or refused for lack of room.
//! Late settlement changes nobody's rights: a deadline that has passed has passed, settled or not.
//! [`Pallet::settle`] lets anybody settle a due agreement at once.
//!
//! ## Bounds
//! [`Config::MaxPerPayer`] agreements per payer, proposals included, each with at least
//! [`Config::MinEscrow`] on hold; [`Config::MaxPerWorker`] accepted ones per worker. Proposals do
//! not count for the worker: strangers could fill its places.
//!
//! ## Invariants (checked by `try_state`)
//! 1. `balance_on_hold(payer) = Σ escrow` over the payer's agreements; `escrow = terms.escrow() >=
//!    MinEscrow`.
//! 2. Per payer the number of agreements, per worker the number of open ones and the stake at risk,
//!    are as recorded.
//! 3. Every agreement is on the agenda under the block in which it ends, once, and nothing else is
//!    (an agreement whose settlement failed has left it and waits for [`Pallet::settle`]).
//! 4. Escrow in = paid + refunded + burned + what is still held.
//!
//! [`Completion`]: mica_primitives::Completion
//! [`MAX_UNSIGNED_TOKENS`]: mica_primitives::MAX_UNSIGNED_TOKENS
//! [`Progress`]: mica_primitives::Progress
//! [`Acknowledgement`]: mica_primitives::Acknowledgement
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod agenda;
mod claim;
mod complete;
mod propose;
mod reads;
pub mod runtime_api;
mod settle;
#[cfg(any(feature = "try-runtime", test))]
mod try_state;
pub mod weights;

// Benchmarks run once each as tests.
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use propose::WorkerLoad;
pub use weights::WeightInfo;

/// Most agreements that one page of a read holds.
pub const MAX_PAGE: u32 = 256;

#[frame_support::pallet]
pub mod pallet {
    use frame_support::{pallet_prelude::*, traits::fungible};
    use frame_system::pallet_prelude::*;
    use mica_primitives::{
        Acknowledgement, Agreement, AgreementId, Balance, BlockNumber, Claim, Completion, Hash32,
        Signature, Terms,
        hooks::{SlashWorker, Workers},
    };
    use sp_core::H256;
    use sp_runtime::{Percent, traits::BlockNumberProvider};

    use crate::{WeightInfo, WorkerLoad};

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>, Hash = H256> {
        /// The money.
        type Currency: fungible::Mutate<Self::AccountId, Balance = Balance>
            + fungible::hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason>;

        /// The runtime's reasons for holds.
        type RuntimeHoldReason: From<HoldReason>;

        /// What counts as a block for periods and deadlines.
        type Clock: BlockNumberProvider<BlockNumber = BlockNumber>;

        /// Who knows what a worker serves, with which key it signs and what stake backs it.
        type Workers: Workers<Self::AccountId>;

        /// Who takes penalties from stake.
        type SlashWorker: SlashWorker<Self::AccountId>;

        /// Least escrow; at least the existential deposit. Stands for the storage deposit as well.
        #[pallet::constant]
        type MinEscrow: Get<Balance>;

        /// Blocks in which a worker may accept a proposal, at least 1.
        #[pallet::constant]
        type ProposalPeriod: Get<BlockNumber>;

        /// Most blocks that terms may give for the work.
        #[pallet::constant]
        type MaxDuration: Get<BlockNumber>;

        /// Blocks in which a payer may object to a claim, at least 1: longer than a payer may be
        /// offline.
        #[pallet::constant]
        type ChallengePeriod: Get<BlockNumber>;

        /// Blocks in which the two may still settle a disputed claim, at least 1.
        #[pallet::constant]
        type DisputePeriod: Get<BlockNumber>;

        /// Most agreements of one payer at one time, proposals included.
        #[pallet::constant]
        type MaxPerPayer: Get<u32>;

        /// Most accepted agreements of one worker at one time.
        #[pallet::constant]
        type MaxPerWorker: Get<u32>;

        /// Most of a worker's stake that its open agreements may put at risk together.
        #[pallet::constant]
        type MaxStakeAtRisk: Get<Percent>;

        /// Most agreements that one block settles by itself.
        #[pallet::constant]
        type MaxSettlementsPerBlock: Get<u32>;

        /// Prepares workers for benchmarks.
        #[cfg(any(feature = "runtime-benchmarks", test))]
        type BenchmarkWorkers: mica_primitives::hooks::BenchmarkWorkers<Self::AccountId>;

        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// Why money is on hold.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// The price of work that is agreed on or proposed.
        Escrow,
    }

    /// The agreements that are not over.
    #[pallet::storage]
    pub type Agreements<T: Config> =
        StorageMap<_, Twox64Concat, AgreementId, Agreement<T::AccountId>>;

    /// Number of the next agreement. Never falls, so that no signature fits a second agreement.
    #[pallet::storage]
    pub type NextId<T: Config> = StorageValue<_, AgreementId, ValueQuery>;

    /// Number of agreements per payer, proposals included. No entry for none.
    #[pallet::storage]
    pub type PayerLoad<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

    /// What a worker is bound by. No entry for nothing.
    #[pallet::storage]
    pub type WorkerLoads<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, WorkerLoad, ValueQuery>;

    /// The agreements of an account, as payer or as worker.
    #[pallet::storage]
    pub type ByAccount<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, AgreementId, ()>;

    /// The agreements that end in a block.
    #[pallet::storage]
    pub type Agenda<T: Config> =
        StorageDoubleMap<_, Twox64Concat, BlockNumber, Twox64Concat, AgreementId, ()>;

    /// First block whose agenda may not be empty. None before the first block.
    #[pallet::storage]
    pub type NextDue<T: Config> = StorageValue<_, BlockNumber>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A payer proposed an agreement.
        Proposed {
            /// The agreement.
            agreement: AgreementId,
            /// Who pays.
            payer: T::AccountId,
            /// Who is to work.
            worker: T::AccountId,
            /// Base units on hold.
            escrow: Balance,
            /// First block in which the proposal is void.
            until: BlockNumber,
        },
        /// The worker accepted.
        Accepted {
            /// The agreement.
            agreement: AgreementId,
            /// Last block in which the work may be completed.
            deadline: BlockNumber,
        },
        /// The payer withdrew the proposal or the worker declined it; the escrow went back.
        Cancelled {
            /// The agreement.
            agreement: AgreementId,
            /// Base units that went back to the payer.
            refunded: Balance,
        },
        /// The worker's acknowledgement of the request is on chain.
        Acknowledged {
            /// The agreement.
            agreement: AgreementId,
            /// blake3 of the request.
            request_hash: Hash32,
        },
        /// The worker claims to be done.
        Claimed {
            /// The agreement.
            agreement: AgreementId,
            /// What it claims.
            claim: Claim,
            /// First block in which it is paid.
            until: BlockNumber,
        },
        /// The payer objected to the claim.
        Objected {
            /// The agreement.
            agreement: AgreementId,
            /// First block in which both lose.
            until: BlockNumber,
        },
        /// The worker was paid.
        Paid {
            /// The agreement.
            agreement: AgreementId,
            /// Base units that the worker received.
            paid: Balance,
            /// Base units that went back to the payer.
            refunded: Balance,
        },
        /// The agreement ended without work; the escrow went back.
        Expired {
            /// The agreement.
            agreement: AgreementId,
            /// Base units that went back to the payer.
            refunded: Balance,
        },
        /// The worker broke the agreement.
        Breached {
            /// The agreement.
            agreement: AgreementId,
            /// Base units that went back to the payer.
            refunded: Balance,
            /// Base units taken from the worker's stake.
            penalty: Balance,
            /// The part of them that the payer received.
            reward: Balance,
        },
        /// A disputed claim was not settled: both lost its unsigned part.
        Burned {
            /// The agreement.
            agreement: AgreementId,
            /// Base units that the worker received for what the payer had signed for.
            paid: Balance,
            /// Base units of the escrow that were burned.
            escrow: Balance,
            /// Base units of the worker's stake that were burned.
            stake: Balance,
            /// Base units that went back to the payer.
            refunded: Balance,
        },
        /// A due agreement could not be settled by itself; `settle` tries again.
        SettlementFailed {
            /// The agreement.
            agreement: AgreementId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such agreement: it was never proposed, or it is over.
        NoAgreement,
        /// Only the payer may do this.
        NotPayer,
        /// Only the worker may do this.
        NotWorker,
        /// Only the payer or the worker may do this.
        NotParty,
        /// Payer and worker are one account.
        SelfAgreement,
        /// The terms name no tokens, no layers, or no time, or more time than the chain allows.
        BadTerms,
        /// The price is below the least escrow or does not fit a balance.
        BadEscrow,
        /// The worker is not registered and active, or serves another model or other layers.
        NotServed,
        /// The payer has as many agreements as it may have.
        TooManyOfPayer,
        /// The worker is bound by as many agreements as it may have.
        TooManyOfWorker,
        /// The worker's stake does not cover this agreement with the others: top it up.
        StakeTooLow,
        /// The agreement does not stand where this is possible.
        WrongState,
        /// The time for this is over.
        TooLate,
        /// It is not due yet.
        NotDue,
        /// More tokens than agreed on.
        TooManyTokens,
        /// The signature is not by the key that must sign, over these bytes, for this chain.
        BadSignature,
        /// The acknowledgement is for another agreement or from the future.
        BadAcknowledgement,
        /// The worker acknowledged the whole request, so it may not claim less than it could.
        ShortClaim,
        /// The claim goes too far beyond what the payer signed for.
        TooManyUnsigned,
        /// The payer signed for everything that is claimed.
        NothingToObject,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            Self::settle_due()
        }

        fn integrity_test() {
            use frame_support::traits::fungible::Inspect;
            assert!(
                T::MinEscrow::get() >= T::Currency::minimum_balance(),
                "an escrow must be able to create its worker's account"
            );
            assert!(
                T::ProposalPeriod::get() >= 1 && T::MaxDuration::get() >= 1,
                "periods must hold a block"
            );
            assert!(
                T::ChallengePeriod::get() >= 1 && T::DisputePeriod::get() >= 1,
                "periods must hold a block"
            );
            assert!(
                T::MaxPerPayer::get() >= 1 && T::MaxPerWorker::get() >= 1,
                "an agreement must be possible"
            );
            assert!(T::MaxSettlementsPerBlock::get() >= 1, "the agenda must move");
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Proposes `terms` to `worker` and puts their price on hold.
        ///
        /// Origin: signed, the payer. Void after `ProposalPeriod` blocks, unless accepted.
        ///
        /// Errors: `SelfAgreement`, `BadTerms`, `BadEscrow`, `NotServed`, `TooManyOfPayer`, and
        /// those of a hold. Event: `Proposed`.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::propose())]
        pub fn propose(origin: OriginFor<T>, worker: T::AccountId, terms: Terms) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            Self::do_propose(payer, worker, terms)
        }

        /// Binds the worker, from this block on.
        ///
        /// Origin: signed, the worker. Its stake must cover the risk of all its agreements.
        ///
        /// Errors: `NoAgreement`, `NotWorker`, `WrongState`, `TooLate`, `NotServed`,
        /// `TooManyOfWorker`, `StakeTooLow`. Event: `Accepted`.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::accept())]
        pub fn accept(origin: OriginFor<T>, agreement: AgreementId) -> DispatchResult {
            let worker = ensure_signed(origin)?;
            Self::do_accept(&worker, agreement)
        }

        /// Takes a proposal back (payer) or declines it (worker). The escrow is released.
        ///
        /// Origin: signed, payer or worker. Errors: `NoAgreement`, `NotParty`, `WrongState`. Event:
        /// `Cancelled`.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::cancel())]
        pub fn cancel(origin: OriginFor<T>, agreement: AgreementId) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_cancel(&who, agreement)
        }

        /// Settles by what both measured: paid, or breach.
        ///
        /// Origin: signed, payer or worker. `signature` is the other side's: the worker's peer key
        /// if the payer submits, the terms' signer if the worker does. Not after the deadline,
        /// unless a claim or dispute keeps the agreement alive.
        ///
        /// Errors: `NoAgreement`, `NotParty`, `WrongState`, `TooLate`, `TooManyTokens`,
        /// `NotServed`, `BadSignature`. Events: `Paid` or `Breached`.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::complete())]
        pub fn complete(
            origin: OriginFor<T>,
            completion: Completion,
            signature: Signature,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            Self::do_complete(&who, &completion, &signature)
        }

        /// Says what was delivered, without the payer's consent. Paid after `ChallengePeriod`
        /// blocks unless the payer objects.
        ///
        /// Origin: signed, the worker. `progress` is the most tokens that the payer signed for,
        /// with the signature of the terms' signer; `tokens` may go `MAX_UNSIGNED_TOKENS` further.
        ///
        /// Errors: `NoAgreement`, `NotWorker`, `WrongState`, `TooLate`, `TooManyTokens`,
        /// `BadSignature`, `TooManyUnsigned`, `ShortClaim`. Event: `Claimed`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(
            origin: OriginFor<T>,
            agreement: AgreementId,
            tokens: u32,
            receipts_root: Hash32,
            receipts: u64,
            progress: Option<(u32, Signature)>,
        ) -> DispatchResult {
            let worker = ensure_signed(origin)?;
            let signed = progress.as_ref().map_or(0, |(signed, _)| *signed);
            let claim = Claim { tokens, signed, receipts_root, receipts };
            Self::do_claim(&worker, agreement, claim, progress.map(|(_, signature)| signature))
        }

        /// Objects to the unsigned part of a claim: unless the two settle within `DisputePeriod`
        /// blocks, both lose it.
        ///
        /// Origin: signed, the payer. Errors: `NoAgreement`, `NotPayer`, `WrongState`, `TooLate`,
        /// `NothingToObject`. Event: `Objected`.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::object())]
        pub fn object(origin: OriginFor<T>, agreement: AgreementId) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            Self::do_object(&payer, agreement)
        }

        /// Puts the worker's acknowledgement of the whole request on chain. From then on a missed
        /// deadline is a breach; against a claim that stops short of what the worker could have
        /// claimed it is one at once.
        ///
        /// Origin: signed, the payer. `signature` is the worker's peer key's.
        ///
        /// Errors: `NoAgreement`, `NotPayer`, `WrongState`, `TooLate`, `BadAcknowledgement`,
        /// `NotServed`, `BadSignature`. Events: `Acknowledged` or `Breached`.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::acknowledge())]
        pub fn acknowledge(
            origin: OriginFor<T>,
            acknowledgement: Acknowledgement,
            signature: Signature,
        ) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            Self::do_acknowledge(&payer, &acknowledgement, &signature)
        }

        /// Settles a due agreement without waiting for its place on the agenda.
        ///
        /// Origin: signed, anybody. Errors: `NoAgreement`, `NotDue`. Events: those of its end.
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::settle())]
        pub fn settle(origin: OriginFor<T>, agreement: AgreementId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::do_settle(agreement)
        }
    }
}
