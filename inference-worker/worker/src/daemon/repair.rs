//! Mends what the registry says otherwise than the worker is. What costs a fee, or lets sessions
//! end, has a [`Pace`].

use eyre::Result;
use mica_chain::AccountId;
use mica_primitives::{BlockNumber, LayerRange, WorkerAddresses, WorkerRecord};
use tokio::sync::MutexGuard;

use super::{
    compare::{Difference, differences},
    keep::Keeper,
    pace::Pace,
    register::{Offered, Registration},
    rivals::{Rival, Verdict, answering},
    status::texts,
};
use crate::report::Event;

/// Code of a worker whose registration another process has or takes.
const ANOTHER_INSTANCE: &str = "another_instance";
/// Code of a worker that cannot load the layers that the registry names.
const NOT_LOADED: &str = "layers_not_loaded";

/// What is remembered from one look to the next.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) rival: Rival,
    /// The height that was last written down.
    pub(super) marked: BlockNumber,
    /// Of repairs that cost a fee.
    pace: Pace,
    /// Of attempts to load the layers that the registry names.
    loads: Pace,
    /// Those layers.
    wanted: Option<LayerRange>,
    /// Whether the next repair takes the registration back from addresses that are not ours.
    takes_back: bool,
    /// Whether the account was leaving when it was last seen: then it is not registered again
    /// against its owner's will.
    has_left: bool,
}

/// What is wrong.
struct Found<'a> {
    all: &'a [Difference],
    worst: &'a Difference,
    block: BlockNumber,
    record: Option<&'a WorkerRecord<AccountId>>,
}

impl Found<'_> {
    fn serving(&self) -> bool {
        !self.all.iter().any(Difference::keeps_from_serving)
    }
}

impl Keeper {
    /// Compares `record`, which is of final block `block`, with what the worker is, and mends what
    /// it can.
    pub(super) async fn compare(
        &self,
        memory: &mut Memory,
        record: Option<&WorkerRecord<AccountId>>,
        block: BlockNumber,
        turn: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<()> {
        use Difference as D;
        let own = self.own(record);
        let all = differences(record, &own, self.parameters.min_stake_per_layer);
        memory.has_left &= record.is_none();
        if let Some(addresses) =
            record.map(|record| &record.addresses).filter(|addresses| **addresses == own.addresses)
        {
            memory.rival.gone();
            self.offers().resume().await?;
            self.published.send_if_modified(|published| {
                std::mem::replace(published, addresses.clone()) != *addresses
            });
        }
        let Some(worst) = all.first() else {
            memory.pace.rested(block);
            memory.loads.rested(block);
            self.standings.well(block, || Event::Serving {
                layers: own.range,
                price_per_layer_token: own.price_per_layer_token,
            });
            return Ok(());
        };
        match worst {
            D::Leaving { .. } | D::Model { .. } | D::Peer { .. } => {
                memory.has_left = matches!(worst, D::Leaving { .. });
                self.standings.wrong(block, false, worst.code(), worst.to_string());
                return Ok(());
            }
            D::Missing if memory.has_left => {
                let problem =
                    "the account has left: start the worker again to register anew".to_owned();
                self.standings.wrong(block, false, worst.code(), problem);
                return Ok(());
            }
            _ => {}
        }
        let found = Found { all: &all, worst, block, record };
        if let Some(D::Price { registered }) =
            all.iter().find(|difference| matches!(difference, D::Price { .. }))
        {
            // The list price is the ceiling of quotes, and payers have seen it.
            self.offers().change(|offer| offer.price_per_layer_token = *registered).await?;
            self.reporter.tell(&Event::PriceSet { price_per_layer_token: *registered, block });
        }
        let others = all.iter().find_map(|difference| match difference {
            D::Addresses { registered, .. } => {
                Some(registered).filter(|registered| **registered != *self.published.borrow())
            }
            _ => None,
        });
        let may_repair = match others {
            Some(registered) => self.may_take_back(memory, registered, &found).await?,
            None => true,
        };
        let needs_repair = |difference: &D| {
            matches!(
                difference,
                D::Missing | D::Stake { .. } | D::Addresses { .. } | D::Cost { .. }
            )
        };
        match all.iter().any(needs_repair) {
            true if may_repair => self.repair(memory, &found, turn).await?,
            true => self.standings.same(block),
            false if matches!(worst, D::Jailed) => {
                self.standings.wrong(block, false, worst.code(), worst.to_string())
            }
            false => self.standings.same(block),
        }
        match worst {
            D::Range { registered, .. } if !memory.rival.has_won() => {
                self.follow_range(memory, *registered, &found).await
            }
            _ => Ok(()),
        }
    }

    /// Says what is wrong, if it was not said before. Where the layers are the worst, whoever loads
    /// them speaks.
    fn say(&self, found: &Found<'_>) {
        let (serving, code) = (found.serving(), found.worst.code());
        let names_others =
            found.all.iter().any(|difference| matches!(difference, Difference::Addresses { .. }));
        let is_anothers = names_others && self.standings.code() == Some(ANOTHER_INSTANCE);
        let is_known = is_anothers || self.standings.is_wrong(serving, code);
        if is_known || matches!(found.worst, Difference::Range { .. }) {
            return self.standings.same(found.block);
        }
        let problem =
            format!("{}: that is repaired, with a pause after the last repair", found.worst);
        self.standings.wrong(found.block, serving, code, problem);
    }

    /// Loads the layers that the registry names: payers come for those, whoever put them there.
    async fn follow_range(
        &self,
        memory: &mut Memory,
        registered: LayerRange,
        found: &Found<'_>,
    ) -> Result<()> {
        let (difference, block) = (found.worst, found.block);
        if memory.wanted.replace(registered) != Some(registered) {
            memory.loads = Pace::default();
        }
        if ![difference.code(), NOT_LOADED].map(Some).contains(&self.standings.code()) {
            let problem = format!(
                "{difference}: the ones in the registry are loaded, with a pause after the last \
                 attempt"
            );
            self.standings.wrong(block, false, difference.code(), problem);
        }
        if !memory.loads.allows(block) {
            return Ok(());
        }
        memory.loads.spent(block);
        if let Err(error) = self.layers.exchange(self.layers.load(registered)).await {
            let text = format!(
                "{difference}, which cannot be loaded ({error:#}): that is tried again, less and \
                 less often; or start the worker again with --layers"
            );
            self.standings.wrong(block, false, NOT_LOADED, text);
        }
        Ok(())
    }

    /// Whether our addresses may take the place of these now: not if another process answers there,
    /// and not too often.
    async fn may_take_back(
        &self,
        memory: &mut Memory,
        registered: &WorkerAddresses,
        found: &Found<'_>,
    ) -> Result<bool> {
        let (block, beat, had_won) =
            (found.block, self.parameters.heartbeat_interval, memory.rival.has_won());
        if !had_won && !memory.pace.allows(block) {
            memory.rival.seen(block, beat);
            self.say(found);
            return Ok(false);
        }
        if !memory.rival.is_due(block) {
            return Ok(false);
        }
        let answering = answering(self.peer, Some(self.instance), registered).await;
        match memory.rival.judge(block, beat, registered, &answering) {
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
                    self.another_instance(block, found.serving(), texts(registered), problem);
                }
                Ok(true)
            }
        }
    }

    fn another_instance(
        &self,
        block: BlockNumber,
        serving: bool,
        addresses: Vec<String>,
        problem: String,
    ) {
        if self.standings.code() != Some(ANOTHER_INSTANCE) {
            self.reporter.tell(&Event::AnotherInstance { addresses, problem: problem.clone() });
        }
        self.standings.wrong(block, serving, ANOTHER_INSTANCE, problem);
    }

    /// Registers again, or brings the record up to date.
    async fn repair(
        &self,
        memory: &mut Memory,
        found: &Found<'_>,
        turn: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<()> {
        let block = found.block;
        self.say(found);
        if !memory.pace.allows(block) {
            return Ok(());
        }
        memory.pace.spent(block);
        let own = self.own(found.record);
        // Layers that the registry names are followed, not repaired.
        let layers = found.record.filter(|record| record.range != own.range);
        let (range, cost) = layers.map_or((own.range, own.cost_us_per_layer_token), |record| {
            (record.range, record.cost_us_per_layer_token)
        });
        let registration = Registration {
            chain: &self.chain,
            signer: &self.signer,
            source: &self.source,
            config: &self.config,
            reporter: self.reporter,
        };
        let offered = Offered {
            range,
            cost_us_per_layer_token: cost,
            price_per_layer_token: own.price_per_layer_token,
            peer: own.peer,
            addresses: own.addresses.clone(),
        };
        let repaired = match registration.model().await {
            Ok(_) => registration.worker(&offered).await,
            Err(error) => Err(error),
        };
        if let Err(error) = repaired {
            let text = format!("{}, and that is not repaired yet: {error:#}", found.worst);
            if !matches!(found.worst, Difference::Range { .. }) {
                self.standings.wrong(block, found.serving(), found.worst.code(), text.clone());
            }
            self.reporter.tell(&Event::Warning { text });
            return Ok(());
        }
        **turn = self.chain.best().await?.number;
        if std::mem::take(&mut memory.takes_back) {
            memory.rival.repaired(block);
        }
        if found.all.iter().any(|difference| {
            matches!(difference, Difference::Addresses { .. } | Difference::Missing)
        }) {
            self.reporter.tell(&Event::Published { addresses: texts(&own.addresses) });
        }
        self.published.send_replace(own.addresses);
        Ok(())
    }
}
