//! # Service-level agreements
//!
//! A payer proposes price, amount and time for a piece of work and puts the money in escrow; a
//! worker accepts and backs its word with its stake. The chain pays what the payer signed for, and
//! burns where one of the two says that the other failed. Every agreement ends by itself, whatever
//! the two do.
//!
//! ## State machine
//! ```text
//!  propose           accept            request                acknowledge
//!  ───────▶ Proposed ──────▶ Active ─────────────▶ Requested ─────────────▶ Working
//!              │ cancel        │   └────────────── acknowledge ───────────────▲ │
//!              ▼ until         ▼ until                ▼ until                   ▼ until
//!          refunded        refunded                failed                    failed
//!
//!            the worker ends it at once, from Active, Requested and Working by a
//!            claim ──▶ paid, or failed if it is short or late
//!            and from Requested and Working by a dispute ──▶ disputed
//! ```
//! With `n` tokens for which the worker shows the payer's [`Progress`] (none where it shows
//! nothing), `w` tokens of a credit window ([`Terms::window`]), `d` = price of `w` (the deposit),
//! `f` = price of `w / 2` (the forfeit):
//!
//! | end | when | escrow | stake |
//! |---|---|---|---|
//! | paid | the progress says all tokens, or an early end, in time | price of `n` to the worker, the rest back | – |
//! | refunded | nothing of the request is on chain, so no work has begun | all back | – |
//! | failed | the worker is silent, or claims what is short or late | price of `n` to the worker, the rest back | `f` burned |
//! | disputed | the worker says that the payer kept it from finishing | price of `n` to the worker, `d` burned, the rest back | `f` burned |
//!
//! Nobody ever receives what the other loses. A dispute burns no more of the deposit than twice
//! what the stake really lost, so that a worker whose stake is gone destroys nothing. Claims and
//! disputes cost no fee, so that silence saves none.
//!
//! ## How it goes
//! 1. The payer proposes; its escrow is `price of tokens + d`. The worker accepts: `f` of its stake
//!    is bound.
//! 2. Off chain the payer sends the request. The worker acknowledges its hash **on chain**, and
//!    begins when that block is final: nothing else starts work. If it does not acknowledge, the
//!    payer calls [`Call::request`] with the hash, and the worker must acknowledge (or claim, or
//!    dispute) within [`Config::AnswerPeriod`] blocks, or it has failed.
//! 3. The worker goes at most `w / 2` tokens ahead of the payer's signatures. The payer signs a
//!    [`Progress`] at least that often: tokens received, blocks that the worker took for them,
//!    receipts accepted. Positions of the prompt are tokens like all others: a prompt longer than
//!    `w / 2` goes out, and is signed for, in parts.
//! 4. When the last token is an end token, or the payer wants no more, it signs that the generation
//!    `ended`: then what was generated is all that was owed, and all that is paid. If others of the
//!    path were so slow that the rest cannot come in time, it signs that too.
//! 5. The worker claims with the best progress that it holds. Time is in the progress, not in the
//!    block of the claim. It counts from the acknowledgement's block, without the time in which the
//!    worker waited for input, and `n` tokens may have taken [`Terms::blocks_for`]`(n)` of it:
//!    [`Terms::first_blocks`] for what comes before the first, then in proportion. The claim itself
//!    may come `AnswerPeriod` blocks later than the last token could.
//!
//! ## Honest programs
//! * *Payer*: signs for what it has, at once; never for what it has not. Sends nothing more if the
//!   hash on chain is not its request's. Signs `ended` before it goes away and before the time for
//!   the work is over.
//! * *Worker*: acknowledges what it has received, nothing else. Stops when `w / 2` tokens are
//!   unsigned. Claims when the progress meets the terms. Where the payer withheld a signature,
//!   signed something that is not so, kept back the input of the next token, or asked on chain for
//!   what it never sent: it disputes, with the last true progress.
//!
//! ## Why no lie pays
//! The chain sees no work, only signatures and silence. So it never moves money on one side's word:
//! it pays what the payer signed, and what is contested burns. What each lie does, compared with
//! honest ends; the other side is honest, and values a token at its price:
//!
//! | who lies | how | it gains | the other loses |
//! |---|---|---|---|
//! | worker | claims tokens that it did not compute | nothing: only signed tokens are paid | nothing |
//! | worker | accepts and does nothing: answers no request | `−f` | nothing |
//! | worker | acknowledges late | nothing: the payer calls `request`, which leaves it `AnswerPeriod` blocks | nothing |
//! | worker | acknowledges and does nothing, or stops half-way | `−f` and the price of the rest | nothing: it pays what it received |
//! | worker | acknowledges what was not sent to it, or another request | as doing nothing | nothing |
//! | worker | sends rubbish, or says that an end token came which did not | as stopping there: the payer does not sign | nothing |
//! | worker | is late, in the prefill or after it | `−f` | nothing: it pays what it received |
//! | worker | fails in any of these ways, or has finished, and disputes | `−f` | `d` |
//! | payer | takes the last tokens and does not sign | at most `f − d ≤ −f` | at most `f` unpaid and `f` of stake: `2f ≤ d` |
//! | payer | signs for fewer tokens, an end that was none, or more blocks than it took | the same | the same |
//! | payer | keeps back input until it is too late, or goes away without signing `ended` | `−d` | `f` |
//! | payer | sends input late, lets the worker wait for others, or wants no more after long waiting | nothing | nothing: that time does not count; its `f` is bound, and more of the payer's, for no longer than the terms say |
//! | payer | asks on chain for an answer to what it never sent | `−d` | `f` |
//! | payer | proposes and sends nothing | nothing | nothing: its `f` is bound for `start_blocks` |
//! | payer | sends a request, and signs at once that it wants no more | nothing | nothing: two fees |
//!
//! Thus: **no lie gains; a lie that costs the other anything costs the liar at least half as much;
//! and nobody loses more than `d`, the price of one credit window, to any lie.** An end that comes
//! early is no failure of a worker that kept the pace: an end token after a slow prefill has
//! `first_blocks`. The pace is promised for each token, not only for the last; a payer may want no
//! more at the moment when the worker is behind it.
//!
//! ## A selfish worker
//! Work begins on chain only, so there is no work that can end in a refund. Once it has begun,
//! every end costs the worker the same `f`, except one that the payer signed. What a worker with
//! `n` signed tokens gets, whatever happened before:
//!
//! | it | is paid | loses |
//! |---|---|---|
//! | is silent | nothing | `f` |
//! | disputes | the price of `n` | `f` |
//! | claims what is short or late | the price of `n` | `f` |
//! | claims what meets the terms | the price of `n` | nothing |
//!
//! So silence is never better than honesty, and a dispute is as good as the admission of a failure:
//! the worker that was wronged has no reason to keep quiet, the one that failed has none to accuse.
//! More cannot be had: if one of the two cost less, all workers would say that one, true or not.
//! `tests/game.rs` plays every behaviour of either side against the honest other, of both against
//! each other, and of every payer against a worker that ends as it likes, on this pallet, with
//! prefills slower than the tokens after them and paths that make the worker wait.
//!
//! ## What is left to bargaining
//! Two that talk can sign what is not so. No rule without evidence prevents it:
//!
//! | who asks | for what | who gives in loses | refusing costs |
//! |---|---|---|---|
//! | payer | an end with fewer tokens than it has, up to `w / 2` fewer | the worker, at most `f` | the worker `f`, as much as giving in to all of it; the payer `d` |
//! | worker | more tokens than it sent, or it disputes | the payer, at most `d` | the payer `d`; the worker `f`, which one that has failed loses anyway |
//! | worker | an end, or fewer blocks than it took, after it failed or was late | the payer nothing; the worker keeps its `f` | the payer `d` if the worker disputes |
//!
//! A side that minds only its own money, and only once, gives in. A payer that forgives a late
//! worker may do so. Programs refuse, as the one that asks has no gain from its threat, and whom
//! one has given in to is asked again. Re-execution of receipts can decide instead of burning in a
//! later version: it would start from `dispute`.
//!
//! A worker may be its own payer. It gains nothing: forfeits are burned.
//!
//! Whoever fills all blocks of an `AnswerPeriod` can make an honest worker silent. It receives
//! nothing of what the worker forfeits, but the payer keeps the price of tokens that were signed
//! and not claimed. So workers claim as soon as they can, and the period must hold more full blocks
//! than an escrow is worth. Who keeps an acknowledgement that was not asked for out of the blocks
//! keeps the work from beginning, and no more.
//!
//! ## Ending by itself
//! [`Agenda`] lists agreements under the block in which they end. Each block settles at most
//! [`Config::MaxSettlementsPerBlock`] of them; what does not fit is settled in the blocks that
//! follow, in the order of due blocks, and nothing is lost or refused for lack of room. Late
//! settlement changes nobody's rights: what is over is over, settled or not. [`Pallet::settle`]
//! lets anybody settle a due agreement at once.
//!
//! ## Bounds
//! A worker backs each agreement with `f` of stake, and all together with no more than
//! [`Config::MaxStakeAtRisk`] of it. [`Config::MaxPerPayer`] agreements per payer, proposals
//! included, each with at least [`Config::MinEscrow`] on hold; [`Config::MaxPerWorker`] accepted
//! ones per worker. Proposals do not count for the worker: strangers could fill its places. A
//! worker is bound without a request for `start_blocks`, at most [`Config::ProposalPeriod`]: no
//! longer than a payer's escrow waits for a worker. An agreement is over `start_blocks +
//! first_blocks + work_blocks + 2 · AnswerPeriod` blocks after its acceptance at the latest.
//!
//! ## Invariants (checked by `try_state`)
//! 1. `balance_on_hold(account) = Σ escrow` over the account's agreements as a payer, for every
//!    account of the chain: no escrow is orphaned. `escrow = terms.escrow() >= MinEscrow`.
//! 2. Per payer the number of agreements, per worker the number of open ones and the stake at risk,
//!    are as recorded.
//! 3. Every agreement is on the agenda under the block in which it ends, once, and nothing else is
//!    (an agreement whose settlement failed has left it and waits for [`Pallet::settle`]).
//! 4. Escrow in = paid + refunded + burned + what is still held ([`Books`]).
//! 5. Twice the forfeit is at most the deposit.
//!
//! [`Terms::window`]: mica_primitives::Terms::window
//! [`Terms::blocks_for`]: mica_primitives::Terms::blocks_for
//! [`Terms::first_blocks`]: mica_primitives::Terms::first_blocks
//! [`Progress`]: mica_primitives::Progress
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod agenda;
mod books;
mod claim;
mod propose;
mod reads;
mod request;
pub mod runtime_api;
mod settle;
mod signed;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
pub mod weights;

// Benchmarks run once each as tests.
#[cfg(any(feature = "runtime-benchmarks", test))]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use books::Totals;
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
        Agreement, AgreementId, Balance, BlockNumber, Hash32, Progress, Signature, Terms,
        hooks::{SlashWorker, Workers},
    };
    use sp_core::H256;
    use sp_runtime::{Percent, traits::BlockNumberProvider};

    use crate::{Totals, WeightInfo, WorkerLoad};

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

        /// The market's clock: what counts as a block for every period here. It may stand still
        /// while blocks are made, and never goes back.
        type Clock: BlockNumberProvider<BlockNumber = BlockNumber>;

        /// Who knows what a worker serves, with which key it signs and what stake backs it.
        type Workers: Workers<Self::AccountId>;

        /// Who burns forfeits from stake.
        type SlashWorker: SlashWorker<Self::AccountId>;

        /// Least escrow; at least the existential deposit. Stands for the storage deposit as well.
        #[pallet::constant]
        type MinEscrow: Get<Balance>;

        /// Blocks in which a worker may accept a proposal, at least 1; and most blocks that terms
        /// may give for the request, in which the worker is bound and may wait for nothing.
        #[pallet::constant]
        type ProposalPeriod: Get<BlockNumber>;

        /// Most blocks that terms may give for the request and the work together.
        #[pallet::constant]
        type MaxDuration: Get<BlockNumber>;

        /// Blocks that a worker has to answer a request, and to claim or dispute when the time for
        /// the work is over, at least 1: longer than an honest worker may be offline, or be kept
        /// out of blocks by others' fees.
        #[pallet::constant]
        type AnswerPeriod: Get<BlockNumber>;

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
        /// The price of work that is agreed on or proposed, and the payer's deposit.
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

    /// All escrow that ever came in, and where it went.
    #[pallet::storage]
    pub type Books<T: Config> = StorageValue<_, Totals, ValueQuery>;

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
            /// First block in which it is over, if nothing of the request comes on chain.
            until: BlockNumber,
        },
        /// The payer withdrew the proposal or the worker declined it; the escrow went back.
        Cancelled {
            /// The agreement.
            agreement: AgreementId,
            /// Base units that went back to the payer.
            refunded: Balance,
        },
        /// The payer asks the worker to acknowledge a request.
        Requested {
            /// The agreement.
            agreement: AgreementId,
            /// blake3 of the request.
            request_hash: Hash32,
            /// First block in which silence is the worker's failure.
            until: BlockNumber,
        },
        /// The worker's acknowledgement of the request is on chain.
        Acknowledged {
            /// The agreement.
            agreement: AgreementId,
            /// blake3 of the request.
            request_hash: Hash32,
            /// Block from which the time for the work counts.
            anchor: BlockNumber,
            /// First block in which silence is the worker's failure.
            until: BlockNumber,
        },
        /// The work was done and paid.
        Paid {
            /// The agreement.
            agreement: AgreementId,
            /// What the payer signed for.
            progress: Progress,
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
        /// The worker failed: it was silent, or what it claimed was short or late.
        Failed {
            /// The agreement.
            agreement: AgreementId,
            /// What the payer signed for; nothing if the worker was silent.
            progress: Option<Progress>,
            /// Base units that the worker received.
            paid: Balance,
            /// Base units that went back to the payer.
            refunded: Balance,
            /// Base units of the worker's stake that were burned.
            forfeited: Balance,
        },
        /// The worker says that the payer kept it from finishing: both lost.
        Disputed {
            /// The agreement.
            agreement: AgreementId,
            /// What the payer signed for, as far as the worker shows it.
            progress: Option<Progress>,
            /// Base units that the worker received.
            paid: Balance,
            /// Base units that went back to the payer.
            refunded: Balance,
            /// Base units of the escrow that were burned.
            burned: Balance,
            /// Base units of the worker's stake that were burned.
            forfeited: Balance,
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
        /// The terms name no tokens, no layers, no time for the work or more time than the chain
        /// allows for the request or the whole, a window below 2, or one of which half is more than
        /// the tokens.
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
        /// The acknowledgement is of another request than the one that the payer put on chain.
        WrongRequest,
        /// The progress is of another agreement.
        BadProgress,
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
            assert!(T::AnswerPeriod::get() >= 1, "a worker must be able to answer");
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
        /// Proposes `terms` to `worker` and puts their price and the deposit on hold.
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
        /// Origin: signed, the worker. Its stake must cover the forfeits of all its agreements.
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

        /// Asks the worker to acknowledge the request with this hash. If it neither does nor ends
        /// the agreement within `AnswerPeriod` blocks, it has failed.
        ///
        /// For a payer whose request is not acknowledged. It must have sent the bytes: a worker
        /// that cannot get them disputes, which costs the payer its deposit.
        ///
        /// Origin: signed, the payer. Once, within `start_blocks` of the acceptance.
        ///
        /// Errors: `NoAgreement`, `NotPayer`, `WrongState`, `TooLate`. Event: `Requested`.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::request())]
        pub fn request(
            origin: OriginFor<T>,
            agreement: AgreementId,
            request_hash: Hash32,
        ) -> DispatchResult {
            let payer = ensure_signed(origin)?;
            Self::do_request(&payer, agreement, request_hash)
        }

        /// The worker has the request with this hash and begins: the time for the work counts from
        /// this block, and silence is the worker's failure, `AnswerPeriod` blocks after that time.
        ///
        /// Origin: signed, the worker, within `start_blocks` of the acceptance or as the answer to
        /// [`Call::request`].
        ///
        /// Errors: `NoAgreement`, `NotWorker`, `WrongState`, `TooLate`, `WrongRequest`. Event:
        /// `Acknowledged`.
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::acknowledge())]
        pub fn acknowledge(
            origin: OriginFor<T>,
            agreement: AgreementId,
            request_hash: Hash32,
        ) -> DispatchResult {
            let worker = ensure_signed(origin)?;
            Self::do_acknowledge(&worker, agreement, request_hash)
        }

        /// Ends the agreement by what the payer signed: paid if it meets the terms; else the worker
        /// is paid for it all the same, and has failed.
        ///
        /// Origin: signed, the worker. `signature` is the terms' signer's. No fee: an agreement
        /// ends once.
        ///
        /// Errors: `NoAgreement`, `NotWorker`, `WrongState`, `TooLate`, `TooManyTokens`,
        /// `BadSignature`. Events: `Paid` or `Failed`.
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::claim())]
        pub fn claim(
            origin: OriginFor<T>,
            progress: Progress,
            signature: Signature,
        ) -> DispatchResultWithPostInfo {
            let worker = ensure_signed(origin)?;
            Self::do_claim(&worker, &progress, &signature)?;
            Ok(Pays::No.into())
        }

        /// Ends the agreement as one that the payer kept the worker from finishing. The worker is
        /// paid for what the payer signed; its forfeit and the payer's deposit are burned.
        ///
        /// Origin: signed, the worker. `progress` is the last true one, with the signature of the
        /// terms' signer, or nothing. Not before the request is on chain. No fee, so that silence,
        /// which costs the same forfeit, saves nothing.
        ///
        /// Errors: `NoAgreement`, `NotWorker`, `WrongState`, `TooLate`, `BadProgress`,
        /// `TooManyTokens`, `BadSignature`. Event: `Disputed`.
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::dispute())]
        pub fn dispute(
            origin: OriginFor<T>,
            agreement: AgreementId,
            progress: Option<(Progress, Signature)>,
        ) -> DispatchResultWithPostInfo {
            let worker = ensure_signed(origin)?;
            Self::do_dispute(&worker, agreement, progress)?;
            Ok(Pays::No.into())
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
