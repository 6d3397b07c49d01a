//! The tasks of a serving worker, started in the order in which one needs another.

use std::sync::Arc;

use mica_net::Net;
use mica_primitives::Balance;
use mica_protocol::{limits::MAX_OPENINGS, signing, stage::StageIdentity};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    acquaintances::keep_acquainted,
    context::WorkerContext,
    costs::Costs,
    layers::Layers,
    lookups::answer_lookups,
    migrator::Migrator,
    network::{NetworkThread, check_announced},
    offers::Offers,
    pauses::Pauses,
    prices::Prices,
    range::{offer, redeem_fee, room},
    reach::tell_reach,
    ready::{Ready, Registered, Start},
    reconcile::Reconciler,
    redeem::Redeemer,
    registration_lock::RegistrationLock,
    serve::ServeError,
    session_actor::{SessionActor, SessionActorInputs, SessionActorParts},
    session_handle::SessionHandle,
    standing::Standings,
    status::{Status, StatusWriter},
    tally::Tally,
    watch::{Heights, Watcher},
};
use crate::pricing::PriceLimits;

/// Requests waiting for the session actor, and ends of sessions waiting for the redeemer.
const REQUESTS: usize = 256;
/// Highest price that pricing may set, in price units of the model, unless the operator says
/// otherwise.
const CEILING_UNITS: Balance = 1_000;

/// What runs while one chain is served.
pub(super) struct Running {
    pub(super) context: WorkerContext,
    /// Owns sessions and money; ends when nobody has a [`SessionHandle`] any more.
    pub(super) actor: JoinHandle<()>,
    /// One of `tasks`: redeems once more when it is told to stop.
    pub(super) redeemer: JoinHandle<()>,
    /// All other tasks.
    pub(super) tasks: TaskTracker,
    pub(super) net: Net,
    /// Where the session actor and the network run.
    pub(super) thread: NetworkThread,
}

impl Start<'_> {
    /// Starts the session actor and everything around it.
    ///
    /// # Errors
    /// [`ServeError::Read`] if the node does not answer, [`ServeError::Store`] if the records
    /// cannot be read.
    pub(super) async fn start_tasks(&self, ready: Ready) -> Result<Running, ServeError> {
        let Ready { chain, store, origin, engine, computed, thread, net, network, registered } =
            ready;
        let (finalized, blocks) = watch::channel(chain.finalized().await?.number);
        let newest = chain.at_best().await?;
        let (best, bests) = watch::channel(newest.number());
        let (clock, clocks) = watch::channel(newest.clock().await?.now);
        let min_window = match self.config.limits.min_window {
            Some(blocks) => blocks,
            None => chain.usual_window().await?,
        };
        let (requests, requested) = mpsc::channel(REQUESTS);
        let (questions, questioned) = mpsc::channel(MAX_OPENINGS);
        let (lookups, looked_up) = mpsc::channel(MAX_OPENINGS);
        let (ended, ends) = mpsc::channel(REQUESTS);
        let offer = offer(
            &self.source,
            &self.config,
            &registered.record,
            room(&engine, &self.config.limits),
            redeem_fee(&chain, &self.keys.account).await,
            min_window,
        );
        let sessions = SessionHandle::new(requests);
        let context = WorkerContext {
            chain,
            signer: self.keys.account.clone(),
            config: self.config.clone(),
            source: self.source.clone(),
            origin,
            block: blocks,
            best: bests,
            clock: clocks.clone(),
            offers: Arc::new(Offers::new(sessions.clone(), offer.clone())),
            sessions,
            registration: Arc::new(RegistrationLock::new(registered.head.number)),
            standings: Arc::new(Standings::new(registered.head.number, self.reporter)),
            tally: Arc::new(Tally::new()),
            reporter: self.reporter,
            stop: CancellationToken::new(),
        };
        let parts = SessionActorParts {
            store,
            net: net.clone(),
            engine: engine.clone(),
            clock: clocks,
            questions,
            lookups,
            ended,
            tally: context.tally.clone(),
            reporter: self.reporter,
        };
        let identity = StageIdentity::new(self.keys.peer.clone(), context.chain.genesis_hash());
        let actor = SessionActor::open(parts, identity, offer)?;
        let heights = Heights { finalized, best, clock };
        let watcher = Watcher::new(context.clone(), heights, actor.channels());
        let inputs = SessionActorInputs { network, computed, requests: requested };
        let actor = thread.spawn(actor.run(inputs));

        let tasks = TaskTracker::new();
        tasks.spawn(watcher.clone().answer(questioned, tasks.clone()));
        tasks.spawn(watcher.run());
        tasks.spawn(answer_lookups(context.clone(), looked_up, tasks.clone()));
        let redeemer = tasks.spawn(Redeemer::new(context.clone()).run(ends));
        let layers = Layers::new(engine.clone(), self.weights.clone(), &context);
        if self.config.weights.gives()
            && let Some(streams) = net.accept_weights()
        {
            let limits = self.config.weights.limits();
            let (shelf, stop) = (self.source.shelf(), context.stop.clone());
            tasks.spawn(mica_weights::serve(streams, shelf, limits, stop));
        }
        spawn_market(&tasks, &context, &layers, &registered);
        if context.config.market.pricing {
            tasks.spawn(Costs { context: context.clone(), engine }.run());
        }
        tasks.spawn(Pauses { context: context.clone() }.run());
        self.spawn_registration(&tasks, &context, layers, registered, &net);
        Ok(Running { context, actor, redeemer, tasks, net, thread })
    }

    /// What keeps the registration true, and shows it.
    fn spawn_registration(
        &self,
        tasks: &TaskTracker,
        context: &WorkerContext,
        layers: Layers,
        registered: Registered,
        net: &Net,
    ) {
        let peer = signing::public_key(&self.keys.peer);
        let first = Status::first(&registered, context);
        let (published, addresses) = watch::channel(registered.addresses);
        let path = self.folder.status();
        let told = self.told.clone();
        let reach = net.reachability();
        let writer =
            StatusWriter { context: context.clone(), addresses, reach: reach.clone(), path, told };
        tasks.spawn(writer.run(first));
        tasks.spawn(keep_acquainted(context.clone(), net.clone()));
        tasks.spawn(tell_reach(context.clone(), reach.clone()));
        let reconciler = Reconciler {
            context: context.clone(),
            layers,
            parameters: registered.parameters,
            peer,
            peer_key: self.keys.peer.clone(),
            instance: registered.instance,
            announced: self.announced.clone(),
            listening: net.listening(),
            reach,
            published,
        };
        tasks.spawn(reconciler.run());
        let check =
            check_announced(self.announced.clone(), peer, registered.instance, self.reporter);
        let stop = context.stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled(check).await });
    }
}

/// What follows the market, as far as the operator lets it.
fn spawn_market(
    tasks: &TaskTracker,
    context: &WorkerContext,
    layers: &Layers,
    registered: &Registered,
) {
    let market = &context.config.market;
    if market.pricing {
        let units = registered.units;
        let most = units.price_unit.saturating_mul(CEILING_UNITS);
        let limits = PriceLimits {
            floor: 1,
            ceiling: market.ceiling.unwrap_or(most),
            expense: market.expense.unwrap_or(0),
        };
        tasks.spawn(Prices { context: context.clone(), units, limits }.run());
    }
    // Layers that the operator names are meant.
    if market.migrate && context.config.layers.is_none() {
        tasks.spawn(Migrator { context: context.clone(), layers: layers.clone() }.run());
    }
}
