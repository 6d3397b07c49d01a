//! Signing, sending and following an extrinsic.

use std::time::Duration;

use mica_primitives::{Balance, Hash32};
use subxt::{
    client::OnlineClientAtBlockImpl,
    config::DefaultExtrinsicParamsBuilder,
    error::{BackendError, ExtrinsicError, RpcError},
    tx::{TransactionInBlock, TransactionProgress, TransactionStatus},
};

use crate::{
    AccountId, Call, Chain, ChainEvent, DispatchFailure, Head, MicaEvent, ReadError, Signer, SubmitError,
    connection::{Config, REQUEST_TIMEOUT, root_cause, within},
    signer::Unsigned,
};

/// Longest wait from sending to inclusion or finality.
pub const SUBMIT_TIMEOUT: Duration = Duration::from_secs(180);
/// Blocks in which an extrinsic is valid: one that is lost cannot appear much later.
const MORTAL_BLOCKS: u64 = 64;
/// How often a nonce taken by somebody else is chosen again.
const NONCE_ATTEMPTS: usize = 4;

type Progress = TransactionProgress<Config, OnlineClientAtBlockImpl<Config>>;
type InBlock = TransactionInBlock<Config, OnlineClientAtBlockImpl<Config>>;

/// How far an extrinsic has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reached {
    /// The node's pool has it.
    Pool,
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

impl Chain {
    /// Signs `call`, sends it and waits `until` it is where it should be.
    ///
    /// Submissions of one account through one connection queue for their nonces and then wait side by side; another program that
    /// signs for the same account at the same moment is met by choosing the nonce again.
    ///
    /// # Errors
    /// [`SubmitError`]: refused before it ran, failed when it ran (the fee is spent), or not heard of in time.
    pub async fn submit(&self, signer: &Signer, call: Call, until: Until) -> Result<Submitted, SubmitError> {
        self.submit_watched(signer, call, until, &mut |_| {}).await
    }

    /// The same; `reached` is told how far the extrinsic has got, at each step once.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_watched(
        &self,
        signer: &Signer,
        call: Call,
        until: Until,
        reached: &mut (dyn FnMut(Reached) + Send),
    ) -> Result<Submitted, SubmitError> {
        let what = call.to_string();
        let followed = async {
            let progress = self.send(signer, &call).await?;
            reached(Reached::Pool);
            let included = follow(progress, &what, until, reached).await?;
            self.outcome(&included, signer.account(), &what).await
        };
        match tokio::time::timeout(SUBMIT_TIMEOUT, followed).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SubmitError::Timeout { what, seconds: SUBMIT_TIMEOUT.as_secs() }),
        }
    }

    /// Signs `call` and hands it to the node's pool, without waiting for a block. Returns the extrinsic's hash.
    ///
    /// # Errors
    /// [`SubmitError`] if the node refuses it. What the call does when it runs is not known yet.
    pub async fn hand_in(&self, signer: &Signer, call: &Call) -> Result<Hash32, SubmitError> {
        self.send(signer, call).await.map(|progress| progress.extrinsic_hash().0)
    }

    /// Estimates the fee of `call`, base units.
    ///
    /// # Errors
    /// [`SubmitError`] if the chain does not know the call or the node does not answer.
    pub async fn estimate_fee(&self, signer: &Signer, call: &Call) -> Result<Balance, SubmitError> {
        self.estimate_fee_for(signer.account(), call).await
    }

    /// The same for an account whose key is locked: a fee hangs on the length of a signature, not on its bytes.
    ///
    /// # Errors
    /// As [`Self::estimate_fee`].
    pub async fn estimate_fee_for(&self, account: AccountId, call: &Call) -> Result<Balance, SubmitError> {
        let at = within("chain_getFinalizedHead", self.client().at_current_block()).await?;
        let payload = call.payload(at.metadata_ref())?;
        let params = DefaultExtrinsicParamsBuilder::new().mortal(MORTAL_BLOCKS).build();
        let mut transactions = at.tx();
        let signed =
            within("AccountNonceApi_account_nonce", transactions.create_signed(&payload, &Unsigned(account), params)).await?;
        Ok(within("TransactionPaymentApi_query_info", signed.partial_fee_estimate()).await?)
    }

    /// Chooses a nonce, signs and sends; the lock is held until the pool has the extrinsic, so that the next nonce is the next one.
    async fn send(&self, signer: &Signer, call: &Call) -> Result<Progress, SubmitError> {
        let what = call.to_string();
        let lock = self.nonce_lock(signer.account());
        let _turn = lock.lock().await;
        let mut refusal = String::new();
        for _ in 0..NONCE_ATTEMPTS {
            let at = within("chain_getFinalizedHead", self.client().at_current_block()).await?;
            let payload = call.payload(at.metadata_ref())?;
            let nonce = within("system_accountNextIndex", self.methods().system_account_next_index(&signer.account())).await?;
            let params = DefaultExtrinsicParamsBuilder::new().nonce(nonce).mortal(MORTAL_BLOCKS).build();
            let mut transactions = at.tx();
            let signed = within("state_call", transactions.create_signed(&payload, signer, params)).await?;
            let sent = tokio::time::timeout(REQUEST_TIMEOUT, signed.submit_and_watch()).await;
            let sent = sent.map_err(|_| SubmitError::Timeout { what: what.clone(), seconds: REQUEST_TIMEOUT.as_secs() })?;
            match sent {
                Ok(progress) => return Ok(progress),
                // Its pool may have the extrinsic all the same.
                Err(error) if !is_answer(&error) => return Err(SubmitError::Lost { what, reason: root_cause(&error) }),
                Err(error) => refusal = why_refused(&error),
            }
            if refusal.contains("Inability to pay some fees") {
                return Err(SubmitError::NoFunds { account: signer.account().to_string() });
            }
            if !is_about_nonce(&refusal) {
                break;
            }
        }
        Err(SubmitError::Refused { what, reason: refusal })
    }

    /// Reads what the extrinsic did in the block that holds it.
    async fn outcome(&self, included: &InBlock, account: AccountId, what: &str) -> Result<Submitted, SubmitError> {
        let at = within("chain_getHeader", included.at()).await?;
        let block = Head { number: at.block_number() as u32, hash: included.block_hash().0 };
        let all = within("System.Events", included.fetch_events()).await?;
        let mut events = Vec::new();
        for event in all.iter() {
            let event = event.map_err(|error| ReadError::Shape { what: "System.Events".to_owned(), reason: root_cause(&error) })?;
            if event.pallet_name() == "System" && event.event_name() == "ExtrinsicFailed" {
                let failure = DispatchFailure::decode(event.field_bytes(), at.metadata_ref());
                return Err(SubmitError::Failed { what: what.to_owned(), failure });
            }
            events.push(ChainEvent::from_subxt(&event));
        }
        let fees = events.iter().filter_map(|event| match event.event {
            Some(MicaEvent::FeePaid { who, fee, .. }) if who == account => Some(fee),
            _ => None,
        });
        let fee = fees.fold(0, Balance::saturating_add);
        Ok(Submitted { block, extrinsic: included.extrinsic_hash().0, fee, events })
    }
}

/// Whether the node itself said no. Any other failure leaves open whether its pool has the extrinsic.
fn is_answer(error: &ExtrinsicError) -> bool {
    let ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(error))) = error else { return false };
    matches!(error, subxt::rpcs::Error::User(_))
}

/// The pool's reason, which is in the data of the node's error and not in its message.
fn why_refused(error: &ExtrinsicError) -> String {
    let data = match error {
        ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(subxt::rpcs::Error::User(error)))) => {
            error.data.as_ref()
        }
        _ => None,
    };
    data.map_or_else(|| root_cause(error), |data| format!("{}: {}", root_cause(error), data.get().trim_matches('"')))
}

/// Waits until the extrinsic is where `until` wants it.
async fn follow(
    mut progress: Progress,
    what: &str,
    until: Until,
    reached: &mut (dyn FnMut(Reached) + Send),
) -> Result<InBlock, SubmitError> {
    while let Some(status) = progress.next().await {
        let status = status.map_err(|error| SubmitError::Lost { what: what.to_owned(), reason: root_cause(&error) })?;
        match (status, until) {
            (TransactionStatus::InBestBlock(included), Until::InBlock) => {
                reached(Reached::Block(included.block_hash().0));
                return Ok(included);
            }
            (TransactionStatus::InFinalizedBlock(included), _) => {
                reached(Reached::Final(included.block_hash().0));
                return Ok(included);
            }
            (TransactionStatus::InBestBlock(included), Until::Finalized) => reached(Reached::Block(included.block_hash().0)),
            (TransactionStatus::Error { message } | TransactionStatus::Invalid { message }, _) => {
                return Err(SubmitError::Refused { what: what.to_owned(), reason: message });
            }
            // Dropped by this node, or not final in time: it may be in a block already.
            (TransactionStatus::Dropped { message }, _) => {
                return Err(SubmitError::Lost { what: what.to_owned(), reason: message });
            }
            _ => {}
        }
    }
    Err(SubmitError::Lost { what: what.to_owned(), reason: "the node ended the subscription".to_owned() })
}

/// Whether the pool refused because another extrinsic took the nonce first.
fn is_about_nonce(refusal: &str) -> bool {
    ["outdated", "stale", "priority is too low", "Priority is too low", "already imported", "Already Imported"]
        .iter()
        .any(|sign| refusal.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::is_about_nonce;

    #[test]
    fn a_taken_nonce_is_told_from_other_refusals() {
        assert!(is_about_nonce("Invalid Transaction: Transaction is outdated"));
        assert!(is_about_nonce("Priority is too low: (12 vs 12)"));
        assert!(!is_about_nonce("Invalid Transaction: Inability to pay some fees"));
        assert!(!is_about_nonce("Transaction has a bad signature"));
    }
}
