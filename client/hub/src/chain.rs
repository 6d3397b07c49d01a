//! What the chain says: with each final block everything that a hub must know of it, and the answer
//! to a question about one channel.
//!
//! Deposits and payments count when they are final. A request to close is in a final block some
//! seconds after it was made; nothing more is lent from before the middle of a window on
//! ([`mica_protocol::channel::ChannelFacts::ends_soon`]).
//!
//! Limits: [`MAX_PAGES`] pages of channels to the hub, [`MARKET_BLOCKS`] between two looks at the
//! workers.

use std::collections::BTreeMap;
use std::time::Duration;

use mica_chain::{Account, AccountId, Chain, ReadError, View};
use mica_primitives::{BlockNumber, Channel, ChannelId, ModelId, PublicKey, WorkerStatus};
use mica_protocol::{
    channel::ChannelFacts,
    limits::{MAX_LEDGERS, OPENING_DEADLINE_MS},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Channels of one page: as many as the chain gives.
const PAGE: u32 = 256;
/// Most pages that are read: twice as many channels as the hub keeps ledgers of.
const MAX_PAGES: usize = 2 * MAX_LEDGERS / PAGE as usize;
/// Final blocks from one look at the workers to the next.
const MARKET_BLOCKS: u32 = 10;
/// Pause before a lost subscription is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// Pause between two looks for a channel that is not final yet.
const POLL: Duration = Duration::from_millis(500);

/// What one final block says.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) block: BlockNumber,
    /// The market's clock as of the newest block.
    pub(crate) clock: BlockNumber,
    /// The hub's own channels.
    pub(crate) own: BTreeMap<ChannelId, Channel<AccountId>>,
    /// The channels to the hub.
    pub(crate) incoming: BTreeMap<ChannelId, Channel<AccountId>>,
    /// The hub's money.
    pub(crate) money: Account,
    /// Workers that may be paid, if they were looked at: account and peer key.
    pub(crate) workers: Option<Vec<(AccountId, PublicKey)>>,
}

/// Whom a hub pays.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) account: AccountId,
    /// Models whose workers are paid; all if there are none.
    pub(crate) models: Vec<ModelId>,
}

/// Tells of every final block until `stop` is cancelled, or nobody listens.
pub(crate) async fn follow(
    chain: Chain,
    watched: Watched,
    news: mpsc::Sender<News>,
    stop: CancellationToken,
) {
    let mut read = 0;
    while !stop.is_cancelled() && !news.is_closed() {
        let followed = stop.run_until_cancelled(heads(&chain, &watched, &news, &mut read)).await;
        if let Some(Err(error)) = followed {
            tracing::warn!(%error, "the chain cannot be followed for the moment");
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
    }
}

async fn heads(
    chain: &Chain,
    watched: &Watched,
    news: &mpsc::Sender<News>,
    read: &mut u32,
) -> Result<(), ReadError> {
    let mut heads = chain.finalized_heads().await?;
    let mut next = Some(chain.finalized().await?);
    while let Some(head) = next {
        let with_market = (*read).is_multiple_of(MARKET_BLOCKS);
        let found = read_news(chain, &chain.at(head), watched, with_market).await?;
        *read = read.wrapping_add(1);
        if news.send(found).await.is_err() {
            return Ok(());
        }
        next = heads.next().await.transpose()?;
    }
    Ok(())
}

async fn read_news(
    chain: &Chain,
    view: &View,
    watched: &Watched,
    with_market: bool,
) -> Result<News, ReadError> {
    let clock = chain.at_best().await?.clock().await?.now;
    let own = view.channels_of(watched.account).await?.into_iter().collect();
    let mut incoming = BTreeMap::new();
    let mut from = None;
    for _ in 0..MAX_PAGES {
        let page = view.channels_to(watched.account, from, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        from = Some(*last);
        incoming.extend(page);
    }
    let money = view.account(watched.account).await?;
    let workers = if with_market { Some(workers(view, &watched.models).await?) } else { None };
    Ok(News { block: view.number(), clock, own, incoming, money, workers })
}

/// Workers of these models that serve now.
async fn workers(
    view: &View,
    models: &[ModelId],
) -> Result<Vec<(AccountId, PublicKey)>, ReadError> {
    let models = match models {
        [] => view.models().await?.into_iter().map(|(model, _)| model).collect(),
        some => some.to_vec(),
    };
    let mut found = Vec::new();
    for model in models {
        let serving = view
            .workers(model, None)
            .await?
            .into_iter()
            .filter(|(record, is_online)| *is_online && record.status == WorkerStatus::Active);
        found.extend(serving.map(|(record, _)| (record.account, record.peer)));
    }
    Ok(found)
}

/// What the chain says of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The final block that was asked.
    pub(crate) block: BlockNumber,
    /// What it knows; nothing if there is no such channel.
    pub(crate) facts: Option<ChannelFacts>,
}

/// What the chain knows of a channel to `account`, once it is final. Waits for a channel that the
/// newest block has, and for no other.
///
/// # Errors
/// [`ReadError`] if the chain cannot be asked.
pub(crate) async fn read_channel(
    chain: &Chain,
    account: AccountId,
    id: ChannelId,
) -> Result<Answer, ReadError> {
    let own = |found: Option<Channel<AccountId>>| found.filter(|found| found.payee == account);
    let end = tokio::time::Instant::now() + Duration::from_millis(OPENING_DEADLINE_MS);
    loop {
        let newest = own(chain.at_best().await?.channel(id).await?);
        let view = chain.at_finalized().await?;
        let block = view.number();
        let Some(newest) = newest else { return Ok(Answer { block, facts: None }) };
        if let Some(found) = own(view.channel(id).await?) {
            let facts = ChannelFacts::new(id, &found);
            // A request to close counts as soon as any block has it.
            let facts = ChannelFacts { ends: facts.ends.or(newest.state.ends()), ..facts };
            return Ok(Answer { block, facts: Some(facts) });
        }
        if tokio::time::Instant::now() >= end {
            return Ok(Answer { block, facts: None });
        }
        tokio::time::sleep(POLL).await;
    }
}
