//! Signing, sending and following an extrinsic.
//!
//! A caller who is told that nothing happened will send again, so it is said only when it is
//! certain. The node's reports can stop too early: a connection breaks, a node restarts, a pool
//! drops what another node's pool still holds. Then the blocks have the last word: they are
//! searched for the extrinsic's hash. An extrinsic is valid for [`MORTAL_BLOCKS`] blocks, and for
//! the runtime that it was signed for; once those are final without it, or an upgrade is, or
//! another extrinsic with its nonce, it can no longer be included. Then it is sent anew while there
//! is time. What a pool has dropped is signed anew with the same nonce, so that at most one of them
//! is done.

use std::{ops::RangeInclusive, time::Duration};

use mica_primitives::{Balance, BlockNumber, Hash32};
use subxt::{
    OnlineClientAtBlock,
    backend::BlockRef,
    client::OnlineClientAtBlockImpl,
    config::DefaultExtrinsicParamsBuilder,
    error::{BackendError, ExtrinsicError, RpcError},
    rpcs::UserError,
    tx::{TransactionProgress, TransactionStatus},
};
use tokio::time::Instant;

use crate::{
    AccountId, Call, Chain, ChainEvent, Head, MicaEvent, ReadError, Signer, SubmitError,
    connection::{Config, REQUEST_TIMEOUT, missing, printable, root_cause, within},
    fate::{Included, Place, Search, Signed},
    signer::Unsigned,
};

/// Longest wait from sending to inclusion or finality, unless somebody asks for another.
pub const SUBMIT_TIMEOUT: Duration = Duration::from_secs(180);
/// Blocks in which an extrinsic is valid: one that is lost cannot appear much later.
const MORTAL_BLOCKS: u64 = 64;
/// Blocks that finality may lie behind before extrinsics are made valid from a newer block on:
/// from the last final one on their time would be over before it began.
const MAX_LAG: BlockNumber = 16;
/// Blocks below the newest from which extrinsics are valid while finality lies behind. The newest
/// blocks may be replaced, and what is valid from a replaced block on is valid nowhere.
const SAFE_DEPTH: BlockNumber = 8;
/// How often a nonce taken by somebody else is chosen again.
const NONCE_ATTEMPTS: usize = 4;
/// Pause between two searches for an extrinsic of which the node tells nothing any more.
const SEARCH_PAUSE: Duration = Duration::from_secs(2);
/// Codes with which a node's pool refuses an extrinsic.
const POOL_CODES: RangeInclusive<i32> = 1_000..=1_099;
/// The pool has had these very bytes: it bans them for a while once a block holds them.
const POOL_BANNED: i32 = 1_012;
/// The pool has these very bytes.
const POOL_HAS_IT: i32 = 1_013;

type Progress = TransactionProgress<Config, OnlineClientAtBlockImpl<Config>>;

/// What an extrinsic is made for.
struct Birth {
    /// The newest block, with the runtime that will check the extrinsic. An upgrade is in force
    /// before its block is final.
    at: OnlineClientAtBlock<Config>,
    /// The block from which it is valid.
    from: Head,
}

impl Birth {
    fn params(&self) -> DefaultExtrinsicParamsBuilder<Config> {
        let Head { number, hash } = self.from;
        DefaultExtrinsicParamsBuilder::new().mortal_from_unchecked(
            MORTAL_BLOCKS,
            number.into(),
            hash.into(),
        )
    }
}

/// How far an extrinsic has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// The node's pool has it, under this hash.
    Pool(Hash32),
    /// It is in a block of the best chain, which may still be replaced.
    Block(Hash32),
    /// That block is final.
    Final(Hash32),
}

/// How long a submission waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Until it is in a block of the best chain.
    InBlock,
    /// Until that block is final.
    Finalized,
}

/// A successful extrinsic.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The block that holds it.
    pub block: Head,
    /// Its hash.
    pub extrinsic: Hash32,
    /// What it cost the signer, base units; 0 if it was free.
    pub fee: Balance,
    /// The events that it left, in order.
    pub events: Vec<ChainEvent>,
}

impl Submitted {
    /// The events that this crate knows, in order.
    pub fn known(&self) -> impl Iterator<Item = &MicaEvent> {
        self.events.iter().filter_map(|event| event.event.as_ref())
    }
}

/// An extrinsic that was given to the node.
struct Sent {
    what: String,
    /// Where it may be found.
    search: Search,
    /// The node's news of it; why there are none otherwise.
    progress: Result<Progress, String>,
}

/// How the watch over an extrinsic ended without a result.
enum Lost {
    /// The pool gave it up, for this reason, and no block that could be read holds it.
    Dropped(Box<Search>, String),
    /// This is known of it.
    Known(SubmitError),
}

impl From<SubmitError> for Lost {
    fn from(error: SubmitError) -> Self {
        Self::Known(error)
    }
}

impl Lost {
    /// What a caller is told for whom it is not sent again.
    fn told(self, what: String) -> SubmitError {
        match self {
            Self::Dropped(search, reason) => unknown(what, &search, reason),
            Self::Known(error) => error,
        }
    }
}

/// What came of handing an extrinsic to the node.
enum Handed {
    /// Its pool has it or may have it: the node's news of it, or why there are none.
    Taken(Result<Progress, String>),
    /// Its pool does not have it and never had it: the node's reason.
    Refused(String),
}

/// Why the node's news of an extrinsic ended.
enum Silence {
    /// The time is over.
    Late,
    /// The connection or the subscription broke: the extrinsic goes its way.
    Broken(String),
    /// The node's pool has given it up.
    Dropped(String),
}

impl Chain {
    /// Signs `call`, sends it and waits `until` it is where it should be, at most
    /// [`SUBMIT_TIMEOUT`].
    ///
    /// Submissions of one account through one connection queue for their nonces and then wait side
    /// by side; another program that signs for the same account at the same moment is met by
    /// choosing the nonce again.
    ///
    /// # Errors [`SubmitError`]: refused before it ran, failed when it ran (the fee is spent), in a
    /// block that is not final, or not heard of again.
    pub async fn submit(
        &self,
        signer: &Signer,
        call: Call,
        until: Until,
    ) -> Result<Submitted, SubmitError> {
        self.submit_watched(signer, call, until, SUBMIT_TIMEOUT, &mut |_| {}).await
    }

    /// The same with another longest wait; `reached` is told how far the extrinsic has got, at each
    /// step once. One that the pool drops or no block can hold any more, for example because
    /// another runtime came into force, is sent anew within that wait, and `reached` is told of it
    /// from the beginning.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_watched(
        &self,
        signer: &Signer,
        call: Call,
        until: Until,
        patience: Duration,
        reached: &mut (dyn FnMut(Reached) + Send),
    ) -> Result<Submitted, SubmitError> {
        let deadline = Instant::now() + patience;
        let mut dropped = None;
        loop {
            let sent = self.send(signer, &call, NONCE_ATTEMPTS, dropped.clone()).await;
            let sent = match (sent, dropped.take()) {
                (Ok(sent), _) => sent,
                (Err(error), None) => return Err(error),
                // What was dropped may be in another node's pool.
                (Err(error), Some(search)) => {
                    return Err(unknown(call.to_string(), &search, error.to_string()));
                }
            };
            let has_time = Instant::now() + SEARCH_PAUSE < deadline;
            match self.watch(sent, until, (patience, deadline), reached).await {
                Ok(submitted) => return Ok(submitted),
                Err(Lost::Dropped(search, _)) if has_time => {
                    dropped = Some(*search);
                    tokio::time::sleep(SEARCH_PAUSE).await;
                }
                Err(Lost::Known(SubmitError::Expired { .. })) if has_time => {}
                Err(lost) => return Err(lost.told(call.to_string())),
            }
        }
    }

    /// As [`Self::submit`], but refused if another program that signs for the same account was
    /// faster: for a call that may not be wanted any more then.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_once(
        &self,
        signer: &Signer,
        call: Call,
        until: Until,
    ) -> Result<Submitted, SubmitError> {
        let deadline = Instant::now() + SUBMIT_TIMEOUT;
        let sent = self.send(signer, &call, 1, None).await?;
        let watched = self.watch(sent, until, (SUBMIT_TIMEOUT, deadline), &mut |_| {}).await;
        watched.map_err(|lost| lost.told(call.to_string()))
    }

    /// Sends a call that carries its own proof, such as a heartbeat, without a signature and a fee
    /// around it, and waits `until` it is where it should be, at most [`SUBMIT_TIMEOUT`].
    ///
    /// # Errors
    /// As [`Self::submit`]; [`SubmitError::Refused`] also where the pool has another of its kind.
    pub async fn submit_unsigned(
        &self,
        call: Call,
        until: Until,
    ) -> Result<Submitted, SubmitError> {
        let deadline = Instant::now() + SUBMIT_TIMEOUT;
        let what = call.to_string();
        let Birth { at, from } = self.birth().await?;
        let payload = call.payload(at.metadata_ref())?;
        let transactions = at.tx();
        let unsigned = within("metadata", async { transactions.create_unsigned(&payload) }).await?;
        let search = search_from(from.number, unsigned.hash().0, None);
        match hand_over(unsigned.submit_and_watch()).await {
            Handed::Taken(progress) => {
                let sent = Sent { what, search, progress };
                let watched =
                    self.watch(sent, until, (SUBMIT_TIMEOUT, deadline), &mut |_| {}).await;
                watched.map_err(|lost| lost.told(call.to_string()))
            }
            Handed::Refused(reason) => Err(SubmitError::Refused { what, reason }),
        }
    }

    /// Waits until what was sent is where it should be.
    async fn watch(
        &self,
        sent: Sent,
        until: Until,
        (patience, deadline): (Duration, Instant),
        reached: &mut (dyn FnMut(Reached) + Send),
    ) -> Result<Submitted, Lost> {
        let Sent { what, mut search, progress } = sent;
        let told = match progress {
            Ok(progress) => {
                reached(Reached::Pool(search.extrinsic));
                follow(progress, &mut search, until, deadline, reached).await
            }
            Err(reason) => Err(Silence::Broken(reason)),
        };
        match told {
            Ok(block) => Ok(self.read_outcome(&what, search, block).await?),
            Err(silence) => self.settle(&what, search, until, (patience, deadline), silence).await,
        }
    }

    /// Signs `call` and hands it to the node's pool, without waiting for a block. Returns the
    /// extrinsic's hash.
    ///
    /// # Errors
    /// [`SubmitError`] if the node refuses it. What the call does when it runs is not known yet.
    pub async fn hand_in(&self, signer: &Signer, call: &Call) -> Result<Hash32, SubmitError> {
        let Sent { what, search, progress } = self.send(signer, call, NONCE_ATTEMPTS, None).await?;
        match progress {
            Ok(_) => Ok(search.extrinsic),
            Err(reason) => Err(unknown(what, &search, reason)),
        }
    }

    /// Estimates the fee of `call`, base units.
    ///
    /// # Errors
    /// [`SubmitError`] if the chain does not know the call or the node does not answer.
    pub async fn estimate_fee(&self, signer: &Signer, call: &Call) -> Result<Balance, SubmitError> {
        self.estimate_fee_for(signer.own_account(), &signer.wrapped(call.clone())).await
    }

    /// The same for an account whose key is locked: a fee hangs on the length of a signature, not
    /// on its bytes.
    ///
    /// # Errors
    /// As [`Self::estimate_fee`].
    pub async fn estimate_fee_for(
        &self,
        account: AccountId,
        call: &Call,
    ) -> Result<Balance, SubmitError> {
        let birth = self.birth().await?;
        let payload = call.payload(birth.at.metadata_ref())?;
        let params = birth.params().build();
        let mut transactions = birth.at.tx();
        let signed = within(
            "AccountNonceApi_account_nonce",
            transactions.create_signed(&payload, &Unsigned(account), params),
        )
        .await?;
        Ok(within("TransactionPaymentApi_query_info", signed.partial_fee_estimate()).await?)
    }

    /// What an extrinsic is made for now: the newest block's runtime, and valid from the last final
    /// block on, or while finality lies behind from one that is [`SAFE_DEPTH`] blocks old.
    async fn birth(&self) -> Result<Birth, ReadError> {
        let (last, best) = (self.finalized().await?, self.best().await?);
        let mut from = last;
        if best.number.saturating_sub(last.number) > MAX_LAG {
            let number = best.number.saturating_sub(SAFE_DEPTH);
            let hash = within(
                "chain_getBlockHash",
                self.methods().chain_get_block_hash(Some(number.into())),
            )
            .await?
            .ok_or_else(|| missing(&best.hash))?;
            from = Head { number, hash: hash.0 };
        }
        let block = BlockRef::from_hash(best.hash.into());
        let at = within("Core_version", self.client().at_block(block)).await?;
        Ok(Birth { at, from })
    }

    /// Chooses a nonce, at most `attempts` times, signs and sends; the lock is held until the pool
    /// has the extrinsic, so that the next nonce is the next one. Signs again if another runtime
    /// came into force meanwhile. One that was `dropped` gives its nonce, and is still searched
    /// for.
    async fn send(
        &self,
        signer: &Signer,
        call: &Call,
        attempts: usize,
        dropped: Option<Search>,
    ) -> Result<Sent, SubmitError> {
        let (what, call) = (call.to_string(), signer.wrapped(call.clone()));
        let lock = self.nonce_lock(signer.own_account());
        let _turn = lock.lock().await;
        let mut refusal = String::new();
        for attempt in 1..=NONCE_ATTEMPTS {
            let birth = self.birth().await?;
            let version = birth.at.spec_version();
            let payload = call.payload(birth.at.metadata_ref())?;
            let nonce = match dropped.as_ref().and_then(|search| search.signed) {
                Some(signed) => signed.nonce,
                None => {
                    within(
                        "system_accountNextIndex",
                        self.methods().system_account_next_index(&signer.own_account()),
                    )
                    .await?
                }
            };
            let params = birth.params().nonce(nonce).build();
            let mut transactions = birth.at.tx();
            let signed =
                within("state_call", transactions.create_signed(&payload, signer, params)).await?;
            let bound = Signed { by: signer.own_account(), nonce, version };
            let mut search = search_from(birth.from.number, signed.hash().0, Some(bound));
            if let Some(earlier) = &dropped {
                search.from = search.from.min(earlier.from);
                search.others.clone_from(&earlier.others);
                search.others.push(earlier.extrinsic);
            }
            match hand_over(signed.submit_and_watch()).await {
                Handed::Taken(progress) => return Ok(Sent { what, search, progress }),
                Handed::Refused(reason) => refusal = reason,
            }
            if dropped.is_none() && refusal.contains("Inability to pay some fees") {
                return Err(SubmitError::NoFunds { account: signer.own_account().to_string() });
            }
            let again = if is_about_nonce(&refusal) {
                let again = attempt < attempts && dropped.is_none();
                // At first another program may have been quicker. Then the node's pool and its
                // newest block disagree, as they do for a moment when that block is replaced.
                if again && attempt > 1 {
                    tokio::time::sleep(SEARCH_PAUSE).await;
                }
                again
            } else {
                self.version_after(self.best().await?.hash).await? != version
            };
            if !again {
                break;
            }
        }
        match dropped {
            // What becomes of it is open all the same.
            Some(search) => Ok(Sent { what, search, progress: Err(refusal) }),
            None => Err(SubmitError::Refused { what, reason: refusal }),
        }
    }

    /// Finds out what became of an extrinsic of which the node tells nothing any more.
    async fn settle(
        &self,
        what: &str,
        mut search: Search,
        until: Until,
        (patience, deadline): (Duration, Instant),
        silence: Silence,
    ) -> Result<Submitted, Lost> {
        let reason = match &silence {
            Silence::Late => format!("nothing was heard of it within {} s", patience.as_secs()),
            Silence::Broken(reason) | Silence::Dropped(reason) => reason.clone(),
        };
        let mut unread = String::new();
        loop {
            // The deadline is over when the last search begins, so it has one of its own.
            let found = tokio::time::timeout(REQUEST_TIMEOUT, self.search(&mut search)).await;
            let is_last = Instant::now() + SEARCH_PAUSE > deadline;
            match found {
                Ok(Ok(Some(place))) if place.is_final || until == Until::InBlock => {
                    return Ok(self.read_outcome(what, search, place).await?);
                }
                Ok(Ok(Some(place))) if is_last => {
                    let Submitted { block, extrinsic, fee, .. } =
                        self.read_outcome(what, search, place).await?;
                    let what = what.to_owned();
                    let block = block.number;
                    return Err(SubmitError::NotFinal { what, block, extrinsic, fee }.into());
                }
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) if search.from > search.to => {
                    let what = what.to_owned();
                    return Err(SubmitError::Expired { what, last: search.to }.into());
                }
                // A pool that has given it up will not change its mind.
                Ok(Ok(None)) if matches!(silence, Silence::Dropped(_)) => {
                    return Err(Lost::Dropped(Box::new(search), reason));
                }
                Ok(Ok(None)) => unread.clear(),
                Ok(Err(error)) => unread = format!("; {error}"),
                Err(_) => {
                    unread =
                        format!("; the node did not answer within {} s", REQUEST_TIMEOUT.as_secs())
                }
            }
            if is_last {
                break;
            }
            tokio::time::sleep(SEARCH_PAUSE).await;
        }
        Err(unknown(what.to_owned(), &search, format!("{reason}{unread}")).into())
    }

    /// Reads what the extrinsic did in the block that holds it.
    async fn read_outcome(
        &self,
        what: &str,
        search: Search,
        place: Place,
    ) -> Result<Submitted, SubmitError> {
        let extrinsic = search.extrinsic;
        match self.included(place, extrinsic).await {
            Ok(Included { block, fee, failure: None, events, .. }) => {
                Ok(Submitted { block, extrinsic, fee, events })
            }
            Ok(Included { block, is_final, fee, failure: Some(failure), .. }) => {
                let failure = Box::new(failure);
                Err(SubmitError::Failed {
                    what: what.to_owned(),
                    failure,
                    block: block.number,
                    is_final,
                    fee,
                })
            }
            Err(error) => {
                let reason = format!(
                    "block 0x{} has it, and what it did there could not be read: {error}",
                    hex::encode(place.block)
                );
                Err(unknown(what.to_owned(), &search, reason))
            }
        }
    }
}

fn unknown(what: String, search: &Search, reason: String) -> SubmitError {
    SubmitError::Unknown { what, extrinsic: search.extrinsic, last: search.to, reason }
}

/// Where an extrinsic may be found that is valid from block `born` on.
fn search_from(born: BlockNumber, extrinsic: Hash32, signed: Option<Signed>) -> Search {
    let to = born.saturating_add(MORTAL_BLOCKS as BlockNumber - 1);
    let from = born.saturating_add(1);
    Search { extrinsic, others: Vec::new(), from, to, seen: None, signed }
}

/// Waits for the node's answer to an extrinsic that is given to it by `sending`.
async fn hand_over(sending: impl Future<Output = Result<Progress, ExtrinsicError>>) -> Handed {
    match tokio::time::timeout(REQUEST_TIMEOUT, sending).await {
        Ok(Ok(progress)) => Handed::Taken(Ok(progress)),
        // Its pool may have the extrinsic all the same.
        Err(_) => Handed::Taken(Err(format!(
            "the node did not answer within {} s",
            REQUEST_TIMEOUT.as_secs()
        ))),
        Ok(Err(error)) => match answer(&error).filter(|answer| is_refusal(answer.code)) {
            None => Handed::Taken(Err(root_cause(&error))),
            Some(answer) => Handed::Refused(why_refused(&error, answer)),
        },
    }
}

/// The node's own answer to an extrinsic that it does not follow.
fn answer(error: &ExtrinsicError) -> Option<&UserError> {
    let ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(error))) =
        error
    else {
        return None;
    };
    if let subxt::rpcs::Error::User(answer) = error { Some(answer) } else { None }
}

/// Whether an answer with this code says that the pool does not have the extrinsic and never had
/// it. Any other failure leaves that open. No two signatures over the same call are alike, so bytes
/// that the pool knows are our own: signing anew could pay twice.
fn is_refusal(code: i32) -> bool {
    POOL_CODES.contains(&code) && ![POOL_BANNED, POOL_HAS_IT].contains(&code)
}

/// The pool's reason, which is in the data of the node's answer and not in its message.
fn why_refused(error: &ExtrinsicError, answer: &UserError) -> String {
    let data = answer.data.as_ref();
    data.map_or_else(
        || root_cause(error),
        |data| format!("{}: {}", root_cause(error), printable(data.get().trim_matches('"'))),
    )
}

/// Follows the node's news until the extrinsic is where `until` wants it. Returns the block that
/// holds it.
async fn follow(
    mut progress: Progress,
    search: &mut Search,
    until: Until,
    deadline: Instant,
    reached: &mut (dyn FnMut(Reached) + Send),
) -> Result<Place, Silence> {
    loop {
        let status = match tokio::time::timeout_at(deadline, progress.next()).await {
            Err(_) => return Err(Silence::Late),
            Ok(None) => return Err(Silence::Broken("the node ended the subscription".to_owned())),
            Ok(Some(Err(error))) => return Err(Silence::Broken(root_cause(&error))),
            Ok(Some(Ok(status))) => status,
        };
        match status {
            TransactionStatus::InBestBlock(included) => {
                let hash = included.block_hash().0;
                // Whatever comes now, it need not be searched for.
                search.seen = Some(hash);
                reached(Reached::Block(hash));
                if until == Until::InBlock {
                    return Ok(Place { block: hash, is_final: false });
                }
            }
            TransactionStatus::InFinalizedBlock(included) => {
                let hash = included.block_hash().0;
                reached(Reached::Final(hash));
                return Ok(Place { block: hash, is_final: true });
            }
            TransactionStatus::Error { message }
            | TransactionStatus::Invalid { message }
            | TransactionStatus::Dropped { message } => return Err(Silence::Dropped(message)),
            _ => {}
        }
    }
}

/// Whether the pool refused because another extrinsic took the nonce first.
fn is_about_nonce(refusal: &str) -> bool {
    ["outdated", "stale", "priority is too low", "Priority is too low"]
        .iter()
        .any(|sign| refusal.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::{is_about_nonce, is_refusal};

    #[test]
    fn only_a_pool_that_never_had_it_refuses() {
        // Bad format, invalid, unknown validity, priority too low, dropped at once, another reason.
        for code in [1_001, 1_010, 1_011, 1_014, 1_016, 1_040] {
            assert!(is_refusal(code), "{code}");
        }
        // Had before, in the pool, another pallet's or a proxy's errors, JSON-RPC's own.
        for code in [1_012, 1_013, 999, 1_100, 503, 0, -1, -32_000, -32_601, -32_603] {
            assert!(!is_refusal(code), "{code}");
        }
    }

    #[test]
    fn a_taken_nonce_is_told_from_other_refusals() {
        assert!(is_about_nonce("Invalid Transaction: Transaction is outdated"));
        assert!(is_about_nonce("Priority is too low: (12 vs 12)"));
        assert!(!is_about_nonce("Invalid Transaction: Inability to pay some fees"));
        assert!(!is_about_nonce("Transaction has a bad signature"));
        assert!(!is_about_nonce("Transaction Already Imported"));
    }
}
