//! What comes before a session: the market as it is known, whom to ask, and the path.

use std::collections::BTreeSet;
use std::time::Duration;

use mica_chain::{AccountId, View};
use mica_primitives::{BlockNumber, ModelId};

use super::{
    AskError, Asker, Event, Listener, Offer, Question, offer, quotes, subscribe, unless_broken,
};
use crate::channels::NoticeFilter;
use crate::market::{
    Beliefs, KEPT_FROM, MarketError, ModelSnapshot, Quotes, Wanted, ask_hubs, keep, kept,
};
use crate::model::LocalModel;
use crate::session::SessionError;

/// Longest wait, when everything else has stopped, for a market that is being read to be kept.
pub(super) const KEEPING_PATIENCE: Duration = Duration::from_secs(5);

/// A session that only lacks its lanes.
pub(super) struct Prepared {
    pub(super) snapshot: ModelSnapshot,
    pub(super) offer: Offer,
    /// The market's clock as of the newest block.
    pub(super) block: BlockNumber,
}

impl Asker {
    /// Finds a path for `question` without the workers that `failed` it, and opens the account's
    /// key if that is needed.
    pub(super) async fn prepare(
        &self,
        model: &LocalModel,
        view: &View,
        question: &Question,
        failed: &BTreeSet<AccountId>,
        listener: &mut dyn Listener,
    ) -> Result<Prepared, AskError> {
        let (snapshot, offer) = self.offered(model, view, question, failed, listener).await?;
        unless_broken(listener.on(Event::Path(&offer.path)))?;
        // Somebody may be asked for a password, which must not happen under a spinner.
        let unlocked = self.pool.unlock_for(&offer.needs).await;
        self.report_notices(NoticeFilter::WithoutRecovered);
        unlocked.map_err(SessionError::from)?;
        let block = self.payer.chain.at_best().await?.clock().await?.now;
        Ok(Prepared { snapshot, offer, block })
    }

    /// The best path as the market is known; where a kept snapshot gives none, it is read anew.
    pub(super) async fn offered(
        &self,
        model: &LocalModel,
        view: &View,
        question: &Question,
        failed: &BTreeSet<AccountId>,
        listener: &mut dyn Listener,
    ) -> Result<(ModelSnapshot, Offer), AskError> {
        unless_broken(listener.on(Event::AskingForQuotes))?;
        let snapshot = self.snapshot(view, model.id()).await?;
        match self.offered_by(model, &snapshot, question, failed, listener).await {
            Err(AskError::Market(MarketError::Route { .. })) if snapshot.is_kept => {
                let snapshot = self.read(view, model.id()).await?;
                let offer = self.offered_by(model, &snapshot, question, failed, listener).await?;
                Ok((snapshot, offer))
            }
            offer => Ok((snapshot, offer?)),
        }
    }

    async fn offered_by(
        &self,
        model: &LocalModel,
        snapshot: &ModelSnapshot,
        question: &Question,
        failed: &BTreeSet<AccountId>,
        listener: &mut dyn Listener,
    ) -> Result<Offer, AskError> {
        let beliefs = self.memory.beliefs(snapshot, failed);
        let wanted = question.wanted(model);
        let quotes = self.quotes_believing(snapshot, &beliefs, &wanted).await?;
        unless_broken(listener.on(Event::Quoted(&quotes)))?;
        offer(model, snapshot, &quotes, &beliefs, question)
    }

    /// What workers of `snapshot` ask now for what is `wanted`, except those that `failed` lately.
    ///
    /// # Errors
    /// [`AskError`] if an offer cannot be held against the chain.
    pub async fn quotes(
        &self,
        snapshot: &ModelSnapshot,
        failed: &BTreeSet<AccountId>,
        wanted: &Wanted,
    ) -> Result<Quotes, AskError> {
        let beliefs = self.memory.beliefs(snapshot, failed);
        self.quotes_believing(snapshot, &beliefs, wanted).await
    }

    async fn quotes_believing(
        &self,
        snapshot: &ModelSnapshot,
        beliefs: &Beliefs,
        wanted: &Wanted,
    ) -> Result<Quotes, AskError> {
        let chain = &self.payer.chain;
        let mut quotes =
            quotes(&self.router, snapshot, chain, &self.memory, beliefs, wanted).await?;
        if !self.hubs.is_empty() {
            let workers = quotes.answering(snapshot);
            let mut subscription = subscribe(&self.router)?;
            let genesis = chain.genesis_hash();
            let terms = ask_hubs(&mut subscription, genesis, &self.hubs, workers).await?;
            let most = self.pool.longest_window().await?;
            terms.check_window(most)?;
            quotes.pay_through(terms, snapshot, wanted.positions);
        }
        Ok(quotes)
    }

    /// The best path for `question` by these quotes, without the workers that `failed` it. Nothing
    /// is promised.
    ///
    /// # Errors
    /// [`AskError::Market`] if there is no path; a spending limit that is too low.
    pub fn offer(
        &self,
        model: &LocalModel,
        snapshot: &ModelSnapshot,
        quotes: &Quotes,
        failed: &BTreeSet<AccountId>,
        question: &Question,
    ) -> Result<Offer, AskError> {
        offer(model, snapshot, quotes, &self.memory.beliefs(snapshot, failed), question)
    }

    /// The model and its workers: a large market as it was kept, if that is not long ago.
    async fn snapshot(&self, view: &View, model: ModelId) -> Result<ModelSnapshot, AskError> {
        let genesis = self.payer.chain.genesis_hash();
        let found =
            tokio::task::block_in_place(|| kept(&self.store, genesis, model, view.number()));
        let snapshot = match found {
            None => self.read(view, model).await?,
            Some((snapshot, is_old)) => {
                if is_old {
                    self.replace(view.clone(), model);
                }
                snapshot
            }
        };
        let live = snapshot.workers.iter().filter(|worker| worker.is_live());
        let peers = live
            .map(|worker| (worker.record.peer, mica_net::address_texts(&worker.record.addresses)));
        self.router.know(peers).await;
        Ok(snapshot)
    }

    /// Reads the market, and keeps a large one.
    async fn read(&self, view: &View, model: ModelId) -> Result<ModelSnapshot, AskError> {
        let snapshot = ModelSnapshot::read(view, model).await?;
        if snapshot.workers.len() >= KEPT_FROM {
            self.keep(snapshot.clone(), view.number());
        }
        Ok(snapshot)
    }

    /// Reads and keeps a market while something else goes on.
    fn replace(&self, view: View, model: ModelId) {
        let (store, genesis) = (self.store.clone(), self.payer.chain.genesis_hash());
        let work = async move {
            match ModelSnapshot::read(&view, model).await {
                Ok(snapshot) => write(&store, genesis, snapshot, view.number()),
                Err(error) => tracing::debug!(%error, "the market was not read again"),
            }
        };
        let is_over = self.keeping_over.clone();
        self.keeping.spawn(async move { is_over.run_until_cancelled(work).await });
    }

    fn keep(&self, snapshot: ModelSnapshot, block: BlockNumber) {
        let (store, genesis) = (self.store.clone(), self.payer.chain.genesis_hash());
        self.keeping.spawn_blocking(move || write(&store, genesis, snapshot, block));
    }
}

fn write(
    store: &crate::store::Store,
    genesis: mica_primitives::Hash32,
    snapshot: ModelSnapshot,
    block: BlockNumber,
) {
    if let Err(error) = keep(store, genesis, snapshot, block) {
        tracing::debug!(%error, "the market was not kept");
    }
}
