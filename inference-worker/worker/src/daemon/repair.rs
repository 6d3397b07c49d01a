//! Repairs what the registry says otherwise than the worker is. What costs a fee, or lets sessions
//! end, is held back by a [`Backoff`].

use std::time::Instant;

use mica_chain::AccountId;
use mica_net::address_texts;
use mica_primitives::{BlockNumber, LayerRange, WorkerAddresses, WorkerRecord};
use tokio::sync::MutexGuard;

use super::{
    backoff::Backoff,
    compare::{Difference, differences},
    duplicates::{DuplicateTracker, Verdict, probe_duplicates},
    reconcile::{ReconcileError, Reconciler},
    register::{Offered, Registration},
};
use crate::{causes::with_causes, report::Event};

/// Code of a worker whose registration another process has or takes.
const ANOTHER_INSTANCE: &str = "another_instance";
/// Code of a worker that cannot load the layers that the registry names.
const NOT_LOADED: &str = "layers_not_loaded";

/// What is remembered from one comparison to the next.
#[derive(Default)]
pub(super) struct RepairState {
    pub(super) duplicate: DuplicateTracker,
    /// The height that was last written down.
    pub(super) marked: BlockNumber,
    /// Of repairs that cost a fee.
    repairs: Backoff,
    /// Of attempts to load the layers that the registry names.
    loads: Backoff,
    /// Those layers.
    wanted: Option<LayerRange>,
    /// Whether the next repair takes the registration back from addresses that are not ours.
    replaces_addresses: bool,
    /// Since when none of the registered addresses leads here, if peers find it all the same.
    pub(super) moved: Option<Instant>,
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

    /// Whether an extrinsic can make it better.
    fn needs_repair(&self) -> bool {
        use Difference as D;
        // The cost is that of the loaded layers. While the registry names others there is none to
        // send, and an attempt would only use up the pause of the next repair.
        let has_other_layers =
            self.all.iter().any(|difference| matches!(difference, D::Range { .. }));
        self.all.iter().any(|difference| match difference {
            D::Missing | D::Stake { .. } | D::Addresses { .. } => true,
            D::Cost { .. } => !has_other_layers,
            _ => false,
        })
    }
}

impl Reconciler {
    /// Compares `record`, which is of final block `block`, with what the worker is, and mends what
    /// it can.
    pub(super) async fn compare(
        &self,
        state: &mut RepairState,
        record: Option<&WorkerRecord<AccountId>>,
        block: BlockNumber,
        changed_at: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<(), ReconcileError> {
        use Difference as D;
        let own = self.own(record, &mut state.moved);
        let all = differences(record, &own, self.parameters.min_stake_per_layer);
        state.has_left &= record.is_none();
        if let Some(addresses) =
            record.map(|record| &record.addresses).filter(|addresses| **addresses == own.addresses)
        {
            state.duplicate.gone();
            self.offers().resume().await?;
            self.published.send_if_modified(|published| {
                std::mem::replace(published, addresses.clone()) != *addresses
            });
        }
        let Some(worst) = all.first() else {
            state.repairs.idle(block);
            state.loads.idle(block);
            self.context.standings.well(block, || Event::Serving {
                layers: own.range,
                price_per_layer_token: own.price_per_layer_token,
            });
            return Ok(());
        };
        let found = Found { all: &all, worst, block, record };
        if self.is_for_people(state, &found) {
            return Ok(());
        }
        if let Some(D::Price { registered }) =
            all.iter().find(|difference| matches!(difference, D::Price { .. }))
        {
            // The list price is the ceiling of quotes, and payers have seen it.
            self.offers().change(|offer| offer.price_per_layer_token = *registered).await?;
            self.context
                .reporter
                .emit(&Event::PriceSet { price_per_layer_token: *registered, block });
        }
        self.repair_if_needed(state, &found, changed_at).await?;
        match worst {
            D::Range { registered, .. } if !state.duplicate.has_yielded() => {
                self.follow_range(state, *registered, &found).await
            }
            _ => Ok(()),
        }
    }

    /// Whether only people can mend it; then it is said.
    fn is_for_people(&self, state: &mut RepairState, found: &Found<'_>) -> bool {
        use Difference as D;
        let problem = match found.worst {
            worst @ (D::Leaving { .. } | D::Model { .. } | D::Peer { .. }) => {
                state.has_left = matches!(worst, D::Leaving { .. });
                worst.to_string()
            }
            D::Missing if state.has_left => {
                "the account has left: start the worker again to register anew".to_owned()
            }
            _ => return false,
        };
        self.context.standings.wrong(found.block, false, found.worst.code(), problem);
        true
    }

    /// Repairs what an extrinsic can repair.
    async fn repair_if_needed(
        &self,
        state: &mut RepairState,
        found: &Found<'_>,
        changed_at: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<(), ReconcileError> {
        use Difference as D;
        let (block, worst, standings) = (found.block, found.worst, &self.context.standings);
        let others = found.all.iter().find_map(|difference| match difference {
            D::Addresses { registered, .. } => {
                Some(registered).filter(|registered| **registered != *self.published.borrow())
            }
            _ => None,
        });
        let may_repair = match others {
            Some(registered) => self.may_replace_addresses(state, registered, found).await?,
            None => true,
        };
        match found.needs_repair() {
            true if may_repair => return self.repair(state, found, changed_at).await,
            false if matches!(worst, D::Jailed) => {
                standings.wrong(block, false, worst.code(), worst.to_string())
            }
            _ => standings.same(block),
        }
        Ok(())
    }

    /// Says what is wrong, if it was not said before. Where the layers are the worst, whoever loads
    /// them speaks.
    fn report_problem(&self, found: &Found<'_>) {
        let (serving, code) = (found.serving(), found.worst.code());
        let names_others =
            found.all.iter().any(|difference| matches!(difference, Difference::Addresses { .. }));
        let is_anothers = names_others && self.context.standings.code() == Some(ANOTHER_INSTANCE);
        let is_known = is_anothers || self.context.standings.is_wrong(serving, code);
        if is_known || matches!(found.worst, Difference::Range { .. }) {
            return self.context.standings.same(found.block);
        }
        let problem =
            format!("{}: that is repaired, with a pause after the last repair", found.worst);
        self.context.standings.wrong(found.block, serving, code, problem);
    }

    /// Loads the layers that the registry names: payers come for those, whoever put them there.
    async fn follow_range(
        &self,
        state: &mut RepairState,
        registered: LayerRange,
        found: &Found<'_>,
    ) -> Result<(), ReconcileError> {
        let (difference, block) = (found.worst, found.block);
        if state.wanted.replace(registered) != Some(registered) {
            state.loads = Backoff::default();
        }
        if ![difference.code(), NOT_LOADED].map(Some).contains(&self.context.standings.code()) {
            let problem = format!(
                "{difference}: the ones in the registry are loaded, with a pause after the last \
                 attempt"
            );
            self.context.standings.wrong(block, false, difference.code(), problem);
        }
        if !state.loads.allows(block) {
            return Ok(());
        }
        state.loads.attempted(block);
        if let Err(error) = self.layers.swap(self.layers.load(registered)).await {
            let text = format!(
                "{difference}, which cannot be loaded ({}): that is tried again, less and less \
                 often; or start the worker again with --layers",
                with_causes(&error)
            );
            self.context.standings.wrong(block, false, NOT_LOADED, text);
        }
        Ok(())
    }

    /// Whether our addresses may take the place of these now: not if another process answers there,
    /// and not too often.
    async fn may_replace_addresses(
        &self,
        state: &mut RepairState,
        registered: &WorkerAddresses,
        found: &Found<'_>,
    ) -> Result<bool, ReconcileError> {
        let (block, beat, had_won) =
            (found.block, self.parameters.heartbeat_interval, state.duplicate.has_yielded());
        if !had_won && !state.repairs.allows(block) {
            state.duplicate.seen(block, beat);
            self.report_problem(found);
            return Ok(false);
        }
        if !state.duplicate.is_due(block) {
            return Ok(false);
        }
        let answering = probe_duplicates(self.peer, Some(self.instance), registered).await;
        match state.duplicate.judge(block, beat, registered, &answering) {
            Verdict::Yield(problem) => {
                self.offers().pause().await?;
                self.another_instance(block, false, answering, problem);
                Ok(false)
            }
            Verdict::Wait => Ok(false),
            Verdict::Repair(reason) => {
                state.replaces_addresses = true;
                if had_won {
                    // It is gone: its addresses must not stay for the length of a pause.
                    state.repairs = Backoff::default();
                }
                if let Some(problem) = reason {
                    self.another_instance(
                        block,
                        found.serving(),
                        address_texts(registered),
                        problem,
                    );
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
        if self.context.standings.code() != Some(ANOTHER_INSTANCE) {
            self.context
                .reporter
                .emit(&Event::AnotherInstance { addresses, problem: problem.clone() });
        }
        self.context.standings.wrong(block, serving, ANOTHER_INSTANCE, problem);
    }

    /// Registers again, or brings the record up to date.
    async fn repair(
        &self,
        state: &mut RepairState,
        found: &Found<'_>,
        changed_at: &mut MutexGuard<'_, BlockNumber>,
    ) -> Result<(), ReconcileError> {
        let block = found.block;
        self.report_problem(found);
        if !state.repairs.allows(block) {
            return Ok(());
        }
        state.repairs.attempted(block);
        let own = self.own(found.record, &mut state.moved);
        // Layers that the registry names are followed, not repaired.
        let layers = found.record.filter(|record| record.range != own.range);
        let (range, cost) = layers.map_or((own.range, own.cost_us_per_layer_token), |record| {
            (record.range, record.cost_us_per_layer_token)
        });
        let registration = Registration {
            chain: &self.context.chain,
            signer: &self.context.signer,
            peer_key: &self.peer_key,
            source: &self.context.source,
            config: &self.context.config,
            reporter: self.context.reporter,
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
            let text =
                format!("{}, and that is not repaired yet: {}", found.worst, with_causes(&error));
            if !matches!(found.worst, Difference::Range { .. }) {
                self.context.standings.wrong(
                    block,
                    found.serving(),
                    found.worst.code(),
                    text.clone(),
                );
            }
            self.context.reporter.emit(&Event::Warning { text });
            return Ok(());
        }
        **changed_at = self.context.chain.best().await?.number;
        if std::mem::take(&mut state.replaces_addresses) {
            state.duplicate.repaired(block);
        }
        if found.all.iter().any(|difference| {
            matches!(difference, Difference::Addresses { .. } | Difference::Missing)
        }) {
            self.context
                .reporter
                .emit(&Event::Published { addresses: address_texts(&own.addresses) });
        }
        self.published.send_replace(own.addresses);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_that_cannot_be_sent_uses_up_no_repair() {
        let range = Difference::Range {
            registered: LayerRange { first: 0, end: 4 },
            loaded: LayerRange { first: 4, end: 8 },
        };
        let (cost, jailed) = (Difference::Cost { registered: 7 }, Difference::Jailed);
        let stake = Difference::Stake { held: 1, needed: 2 };
        let needs_repair = |all: &[Difference]| {
            Found { all, worst: &all[0], block: 1, record: None }.needs_repair()
        };
        assert!(needs_repair(std::slice::from_ref(&cost)));
        assert!(needs_repair(&[jailed.clone(), cost.clone()]));
        assert!(!needs_repair(&[range.clone(), cost.clone()]));
        assert!(needs_repair(&[range, stake, cost]));
        assert!(!needs_repair(&[jailed]));
    }
}
