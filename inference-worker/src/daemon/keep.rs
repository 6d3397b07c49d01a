//! Keeps the registration alive and true.
//!
//! It beats, and with every final block it compares the record with what the worker is: what differs is repaired, or said where only people
//! can repair it. What costs a fee has a [`Pace`].

use std::{sync::Arc, time::Duration};

use eyre::Result;
use mica_chain::{AccountId, Chain, Signer};
use mica_net::{Instance, Listener};
use mica_primitives::{BlockNumber, LayerRange, PublicKey, RegistryParameters, WorkerAddresses, WorkerRecord};
use tokio::sync::{MutexGuard, watch};
use tokio_util::sync::CancellationToken;

use super::{
    compare::{Difference, Own, differences},
    handle::Offers,
    heartbeat::beat_if_due,
    layers::Layers,
    network::to_publish,
    origin::Origin,
    pace::Pace,
    register::{Offered, Registration},
    rivals::{Rival, Verdict, answering},
    standing::Standings,
    turn::Turn,
};
use crate::{
    config::Config,
    model::ModelSource,
    report::{Event, Reporter},
    store::ChainMark,
};

/// Longest pause between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// Interfaces rarely come alone: wait for so long after one has come or gone.
const QUIET: Duration = Duration::from_secs(2);
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

/// What the task remembers.
#[derive(Default)]
struct Memory {
    pace: Pace,
    rival: Rival,
    /// Whether the next repair takes the registration back from addresses that are not ours.
    takes_back: bool,
    /// The height that was last written down.
    marked: BlockNumber,
}

impl Keeper {
    /// Looks with every final block, and when addresses come or go, until the worker stops.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut memory = Memory::default();
        while let Some(true) = stop.run_until_cancelled(self.news()).await {
            if let Some(Err(error)) = stop.run_until_cancelled(self.look(&mut memory)).await {
                tracing::warn!(%error, "the registration could not be looked after this time");
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

    async fn look(&self, memory: &mut Memory) -> Result<()> {
        if !self.origin.holds().await? {
            return Ok(());
        }
        let head = self.chain.finalized().await?;
        if head.number < *self.block.borrow() {
            // A node that is behind says nothing new.
            return Ok(());
        }
        if memory.marked == 0 || head.number >= memory.marked.saturating_add(MARK_BLOCKS) {
            self.layers.desk.mark(ChainMark::new(self.origin.known(), head.number)).await?;
            memory.marked = head.number;
        }
        // Whoever has the registration beats.
        if !memory.rival.has_won()
            && let Err(error) = beat_if_due(&self.chain, &self.signer, self.parameters.heartbeat_interval).await
        {
            tracing::warn!(%error, "no heartbeat this time");
        }
        let Some(mut turn) = self.turn.try_take() else { return Ok(()) };
        if head.number < *turn {
            return Ok(());
        }
        let record = self.chain.at(head).worker(self.signer.account()).await?.map(|(record, _)| record);
        self.compare(memory, record.as_ref(), head.number, &mut turn).await
    }

    /// What the worker is now.
    fn own(&self) -> Own {
        let offer = self.offers().current();
        let addresses = to_publish(&self.announced, &self.listening.borrow());
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

    fn offers(&self) -> &Arc<Offers> {
        &self.layers.offers
    }

    async fn compare(
        &self,
        memory: &mut Memory,
        record: Option<&WorkerRecord<AccountId>>,
        block: BlockNumber,
        turn: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<()> {
        use Difference as D;
        let own = self.own();
        let found = differences(record, &own, self.parameters.min_stake_per_layer);
        let Some(worst) = found.first() else {
            memory.pace.rested(block);
            memory.rival.gone();
            self.offers().resume().await?;
            self.standings.well(block, || Event::Serving { layers: own.range, price_per_layer_token: own.price_per_layer_token });
            return Ok(());
        };
        match worst {
            D::Leaving { .. } | D::Model { .. } | D::Peer { .. } => {
                self.standings.wrong(block, false, worst.code(), worst.to_string());
                return Ok(());
            }
            D::Range { registered, .. } => return self.follow_range(*registered, worst, block).await,
            _ => {}
        }
        if let Some(D::Price { registered }) = found.iter().find(|difference| matches!(difference, D::Price { .. })) {
            // The list price is the ceiling of quotes, and payers have seen it.
            self.offers().change(|offer| offer.price_per_layer_token = *registered).await?;
            self.reporter.tell(&Event::PriceSet { price_per_layer_token: *registered, block });
        }
        if let Some(D::Addresses { registered, .. }) = found.iter().find(|difference| matches!(difference, D::Addresses { .. }))
            && *registered != *self.published.borrow()
            && !self.may_take_back(memory, registered, block).await?
        {
            self.standings.same(block);
            return Ok(());
        }
        let needs_repair =
            |difference: &D| matches!(difference, D::Missing | D::Stake { .. } | D::Addresses { .. } | D::Cost { .. });
        if let Some(difference) = found.iter().find(|difference| needs_repair(difference)) {
            return self.repair(memory, difference, block, turn).await;
        }
        if let Some(D::Jailed) = found.iter().find(|difference| matches!(difference, D::Jailed)) {
            self.standings.wrong(block, false, D::Jailed.code(), D::Jailed.to_string());
        }
        Ok(())
    }

    /// Loads the layers that the registry names: payers come for those, whoever put them there.
    async fn follow_range(&self, registered: LayerRange, difference: &Difference, block: BlockNumber) -> Result<()> {
        self.standings.wrong(block, false, difference.code(), format!("{difference}: the ones in the registry are loaded now"));
        if let Err(error) = self.layers.exchange(self.layers.load(registered)).await {
            let text = format!("{difference}, which cannot be loaded ({error:#}): start the worker again with --layers");
            self.standings.wrong(block, false, "layers_not_loaded", text);
        }
        Ok(())
    }

    /// Whether our addresses may take the place of these: not if another process answers there.
    async fn may_take_back(&self, memory: &mut Memory, registered: &WorkerAddresses, block: BlockNumber) -> Result<bool> {
        if !memory.rival.is_due(block) {
            return Ok(false);
        }
        let answering = answering(self.peer, Some(self.instance), registered).await;
        let had_won = memory.rival.has_won();
        match memory.rival.judge(block, self.parameters.heartbeat_interval, registered, &answering) {
            Verdict::Yield(problem) => {
                self.offers().pause().await?;
                self.another_instance(block, false, answering, problem);
                Ok(false)
            }
            Verdict::Wait => Ok(false),
            Verdict::Repair(reason) => {
                memory.takes_back = true;
                if had_won {
                    // It is gone: its addresses must not stay for the length of a pause.
                    memory.pace = Pace::default();
                }
                if let Some(problem) = reason {
                    self.another_instance(block, true, super::status::texts(registered), problem);
                }
                Ok(true)
            }
        }
    }

    fn another_instance(&self, block: BlockNumber, serving: bool, addresses: Vec<String>, problem: String) {
        const CODE: &str = "another_instance";
        if self.standings.code() != Some(CODE) {
            self.reporter.tell(&Event::AnotherInstance { addresses, problem: problem.clone() });
        }
        self.standings.wrong(block, serving, CODE, problem);
    }

    /// Registers again, or brings the record up to date.
    async fn repair(
        &self,
        memory: &mut Memory,
        difference: &Difference,
        block: BlockNumber,
        turn: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<()> {
        let code = difference.code();
        let serving = !difference.keeps_from_serving();
        match self.standings.code() {
            // Another process is the reason, or why the last repair failed is known.
            Some("another_instance") if memory.takes_back => self.standings.same(block),
            Some(known) if known == code => self.standings.same(block),
            _ => self.standings.wrong(
                block,
                serving,
                code,
                format!("{difference}: that is repaired, with a pause after the last repair"),
            ),
        }
        if !memory.pace.allows(block) {
            return Ok(());
        }
        memory.pace.spent(block);
        let own = self.own();
        let registration = Registration {
            chain: &self.chain,
            signer: &self.signer,
            source: &self.source,
            config: &self.config,
            reporter: self.reporter,
        };
        let offered = Offered {
            range: own.range,
            cost_us_per_layer_token: own.cost_us_per_layer_token,
            price_per_layer_token: own.price_per_layer_token,
            peer: own.peer,
            addresses: own.addresses.clone(),
        };
        let repaired = match registration.model().await {
            Ok(_) => registration.worker(&offered).await,
            Err(error) => Err(error),
        };
        if let Err(error) = repaired {
            self.standings.wrong(block, serving, code, format!("{difference}, and that is not repaired yet: {error:#}"));
            self.reporter.tell(&Event::Warning { text: format!("{difference}, and that is not repaired yet: {error:#}") });
            return Ok(());
        }
        **turn = self.chain.best().await?.number;
        if std::mem::take(&mut memory.takes_back) {
            memory.rival.repaired(block);
        }
        if matches!(difference, Difference::Addresses { .. } | Difference::Missing) {
            self.reporter.tell(&Event::Published { addresses: super::status::texts(&own.addresses) });
        }
        self.published.send_replace(own.addresses);
        Ok(())
    }
}
