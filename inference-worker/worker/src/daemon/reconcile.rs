//! Keeps the registration alive and true.
//!
//! It beats, and with every final block it compares the record with what the worker is: what
//! differs is mended, or said where only people can mend it. A node that cannot be asked is said as
//! well.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eyre::Result;
use mica_chain::{AccountId, Chain, Signer};
use mica_net::{Instance, Listener};
use mica_primitives::{BlockNumber, PublicKey, RegistryParameters, WorkerAddresses, WorkerRecord};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    compare::Own,
    handle::Offers,
    heartbeat::Heart,
    layers::Layers,
    mend::Memory,
    network::{may_stay, to_publish},
    origin::Origin,
    standing::Standings,
    turn::Turn,
};
use crate::{config::Config, model::ModelSource, report::Reporter, store::ChainMark};

/// Longest pause between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// Interfaces rarely come alone: wait for so long after one has come or gone.
const QUIET: Duration = Duration::from_secs(2);
/// A node that could not be asked for so long is said. After about as long without a heartbeat
/// payers find nobody.
const PATIENCE: Duration = Duration::from_secs(120);
/// Final blocks after which it is written down how far the chain was seen.
const MARK_BLOCKS: BlockNumber = 100;

/// The task that keeps the registration.
pub struct Keeper {
    /// The chain.
    pub chain: Chain,
    /// The worker's account.
    pub signer: Signer,
    /// The model served.
    pub source: Arc<ModelSource>,
    /// What the operator decided.
    pub config: Arc<Config>,
    /// Constants of the registry.
    pub parameters: RegistryParameters,
    /// Our peer key.
    pub peer: PublicKey,
    /// This start of this worker.
    pub instance: Instance,
    /// Addresses to publish instead of those listened on.
    pub announced: Vec<String>,
    /// Where the network listens.
    pub listening: watch::Receiver<Vec<Listener>>,
    /// The loaded layers.
    pub layers: Layers,
    /// Whose turn it is to change the registration.
    pub turn: Arc<Turn>,
    /// Whether the node still follows the chain that this worker registered with.
    pub origin: Origin,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// Our addresses as they were last put into the registry.
    pub published: watch::Sender<WorkerAddresses>,
    /// Whether payers are served.
    pub standings: Arc<Standings>,
    /// Tells people and programs.
    pub reporter: Reporter,
}

/// What came of a look at the registry.
enum Looked {
    /// It was compared, or somebody else changes it just now.
    Well,
    /// The node knows less than was seen of the chain.
    Behind(String),
    /// The node follows another chain.
    Elsewhere,
}

impl Keeper {
    /// Looks with every final block, and when addresses come or go, until the worker stops.
    pub async fn run(self, stop: CancellationToken) {
        let (yields, has_yielded) = watch::channel(false);
        let heart = Heart {
            chain: self.chain.clone(),
            signer: self.signer.clone(),
            origin: self.origin.clone(),
            block: self.block.clone(),
            parameters: self.parameters,
            has_yielded,
        };
        // Side by side: a heartbeat does not wait for layers to be loaded.
        tokio::join!(stop.run_until_cancelled(heart.run()), self.look_on(&yields, &stop));
    }

    async fn look_on(mut self, yields: &watch::Sender<bool>, stop: &CancellationToken) {
        let mut memory = Memory::default();
        let mut last = Instant::now();
        while let Some(true) = stop.run_until_cancelled(self.news()).await {
            let Some(looked) = stop.run_until_cancelled(self.look(&mut memory)).await else {
                return;
            };
            yields.send_if_modified(|yielded| {
                std::mem::replace(yielded, memory.rival.has_won()) != memory.rival.has_won()
            });
            let (code, problem) = match looked {
                Ok(Looked::Well) => {
                    last = Instant::now();
                    continue;
                }
                Ok(Looked::Elsewhere) if self.origin.is_away() => {
                    let problem = "the node follows the chain of another network: correct \
                                   --node-url; until then nothing is done there";
                    self.standings.wrong(
                        self.standings.compared_at(),
                        false,
                        "other_network",
                        problem.to_owned(),
                    );
                    continue;
                }
                // It is started anew.
                Ok(Looked::Elsewhere) => continue,
                Ok(Looked::Behind(problem)) => ("node_behind", problem),
                Err(error) => ("node_away", format!("the chain cannot be asked: {error:#}")),
            };
            tracing::warn!(code, "the registration could not be looked after this time: {problem}");
            if last.elapsed() > PATIENCE {
                self.standings.wrong(self.standings.compared_at(), false, code, problem);
            }
        }
    }

    /// Waits for something to look at; false if nothing more will come.
    async fn news(&mut self) -> bool {
        tokio::select! {
            changed = self.block.changed() => changed.is_ok(),
            changed = self.listening.changed() => {
                tokio::time::sleep(QUIET).await;
                changed.is_ok()
            }
            () = tokio::time::sleep(LOOK) => true,
        }
    }

    async fn look(&self, memory: &mut Memory) -> Result<Looked> {
        if !self.origin.holds().await? {
            return Ok(Looked::Elsewhere);
        }
        let head = self.chain.finalized().await?;
        let behind = |seen: BlockNumber| {
            let text = format!(
                "the node knows {} final blocks, and this worker has seen {seen}: check that it \
                 finds its peers and that blocks become final, or name another with --node-url",
                head.number
            );
            Ok(Looked::Behind(text))
        };
        let seen = *self.block.borrow();
        if head.number < seen {
            return behind(seen);
        }
        if memory.marked == 0 || head.number >= memory.marked.saturating_add(MARK_BLOCKS) {
            self.layers.desk.mark(ChainMark::new(self.origin.known(), head.number)).await?;
            memory.marked = head.number;
        }
        let Some(mut turn) = self.turn.try_take() else { return Ok(Looked::Well) };
        if head.number < *turn {
            return behind(*turn);
        }
        let record =
            self.chain.at(head).worker(self.signer.account()).await?.map(|(record, _)| record);
        self.compare(memory, record.as_ref(), head.number, &mut turn).await?;
        Ok(Looked::Well)
    }

    /// What the worker is now. Addresses of `record` stay as long as they are good.
    pub(super) fn own(&self, record: Option<&WorkerRecord<AccountId>>) -> Own {
        let offer = self.offers().current();
        let listening = self.listening.borrow();
        let registered = record.map(|record| &record.addresses);
        let addresses = match registered
            .filter(|registered| may_stay(&self.announced, &listening, registered))
        {
            Some(registered) => Some(registered.clone()),
            None => to_publish(&self.announced, &listening),
        };
        Own {
            model: self.source.id,
            range: offer.range,
            cost_us_per_layer_token: offer.cost_us_per_layer_token,
            price_per_layer_token: offer.price_per_layer_token,
            peer: self.peer,
            // Without any interface the old addresses are as good as none.
            addresses: addresses.unwrap_or_else(|| self.published.borrow().clone()),
        }
    }

    pub(super) fn offers(&self) -> &Arc<Offers> {
        &self.layers.offers
    }
}
