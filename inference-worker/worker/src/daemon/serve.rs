//! From a data directory to a serving worker, and back.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use eyre::{Result, bail};
use mica_chain::AccountId;
use mica_primitives::{Balance, WorkerRecord};
use mica_protocol::{limits::MAX_OPENINGS, signing, stage::StageIdentity};
use tokio::sync::{mpsc, watch as async_watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    desk::{Desk, DeskInputs, DeskParts},
    handle::{DeskHandle, Offers},
    keep::Keeper,
    layers::Layers,
    moves::Moves,
    network::{announced, check_announced},
    prices::Prices,
    range::{offer, room},
    ready::{Ready, Start},
    redeem::Redeemer,
    standing::Standings,
    status::{self, Sources, Status},
    turn::Turn,
    watch::{Interest, Watcher},
};
use crate::{
    config::Config,
    data_dir::DataDir,
    keys::Keys,
    model::ModelSource,
    pricing::PriceLimits,
    report::{Event, Reporter},
};

/// Requests waiting for the desk.
const REQUESTS: usize = 256;
/// Longest wait for redeems and other tasks at the end.
const FINISH: Duration = Duration::from_secs(60);
/// Highest price that pricing may set, in price units of the model, unless the operator says
/// otherwise.
const CEILING_UNITS: Balance = 1_000;
/// Pause before a chain that was started anew is served, the first time; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest such pause; after a chain has been served for so long the next pause is the first one.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Pause between two looks at the sessions that are still open.
const DRAIN_LOOK: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled; then lets sessions end, redeems what pays and leaves the store
/// in order.
///
/// When the chain is started anew under it, it begins anew as well: with empty records and another
/// registration.
///
/// # Errors
/// Whatever keeps the worker from serving, with its remedy.
pub async fn serve(
    folder: &DataDir,
    config: Config,
    reporter: Reporter,
    stop: CancellationToken,
) -> Result<()> {
    let keys = Keys::read(folder.path())?;
    let _lock = folder.lock()?;
    // What the last run said of itself is not true any more.
    status::remove(&folder.status())?;
    let announced = announced(&config, &signing::public_key(&keys.peer))?;
    let source = Arc::new(ModelSource::open(config.model.as_deref())?);
    let start = Start { folder, keys, config: Arc::new(config), announced, source, reporter };
    let mut pause = FIRST_PAUSE;
    loop {
        let begin = Instant::now();
        if let Ended::Stopped = start.serve_one_chain(&stop).await? {
            return Ok(());
        }
        // A registration costs a fee: a node that goes back and forth between two chains must not
        // make one a minute.
        if begin.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// Why serving has ended without a failure.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// The node follows another chain.
    ChainChanged,
}

impl Start<'_> {
    async fn serve_one_chain(&self, stop: &CancellationToken) -> Result<Ended> {
        // Nor is what was said of another chain.
        status::remove(&self.folder.status())?;
        match self.make_ready(stop).await? {
            Some(ready) => self.run(ready, stop).await,
            None => Ok(Ended::Stopped),
        }
    }

    /// Serves until it is told to stop or the chain changes; then ends everything in order.
    async fn run(&self, ready: Ready, stop: &CancellationToken) -> Result<Ended> {
        let (config, reporter, account) =
            (&self.config, self.reporter, self.keys.account.account());
        let Ready { chain, origin, engine, thread, net, record, addresses, .. } = ready;
        let peer = signing::public_key(&self.keys.peer);
        let (block, blocks) = async_watch::channel(chain.finalized().await?.number);
        let (requests, requested) = mpsc::channel(REQUESTS);
        let (questions, questioned) = mpsc::channel(MAX_OPENINGS);
        let (ended, ends) = mpsc::channel(REQUESTS);
        let offer = offer(&self.source, config, &record, room(&engine, &config.limits));
        let identity = StageIdentity::new(self.keys.peer.clone(), chain.genesis_hash());
        let parts = DeskParts {
            store: ready.store,
            net: net.clone(),
            engine: engine.clone(),
            block: blocks.clone(),
            questions,
            ended,
            reporter,
        };
        let known = Desk::open(parts, identity, offer.clone())?;
        let interest: Interest = Arc::default();
        known.channels().into_iter().for_each(|channel| {
            interest
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(channel, None);
        });
        let desk = DeskHandle::new(requests);
        let inputs =
            DeskInputs { network: ready.network, computed: ready.computed, requests: requested };
        let sitting = thread.spawn(known.run(inputs));

        let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
        let watcher = Watcher {
            chain: chain.clone(),
            account,
            desk: desk.clone(),
            interest,
            block,
            origin: origin.clone(),
            stop: ending.clone(),
        };
        tasks.spawn(watcher.clone().answer(questioned, tasks.clone()));
        tasks.spawn(watcher.run());
        let redeemer = Redeemer {
            chain: chain.clone(),
            signer: self.keys.account.clone(),
            desk: desk.clone(),
            block: blocks.clone(),
            minimum: config.market.redeem_minimum,
            origin: origin.clone(),
            reporter,
            submitted: BTreeMap::new(),
            closed: BTreeMap::new(),
            unsure: BTreeMap::new(),
        };
        let redeeming = tokio::spawn(redeemer.run(ends, ending.clone()));
        let offers = Arc::new(Offers::new(desk.clone(), offer));
        let layers = Layers {
            engine,
            desk: desk.clone(),
            offers: offers.clone(),
            limits: config.limits.clone(),
        };
        let turn = Arc::new(Turn::new(ready.head.number));
        let standings = Arc::new(Standings::new(ready.head.number, reporter));
        let (published, publishing) = async_watch::channel(addresses);
        let sources = Sources {
            desk: desk.clone(),
            offers: offers.clone(),
            block: blocks.clone(),
            standing: standings.watch(),
            addresses: publishing,
        };
        let first = self.first_status(&record, &sources);
        tasks.spawn(status::run(self.folder.status(), first, sources, ending.clone()));
        if config.market.pricing {
            let units = ready.units;
            let limits = PriceLimits {
                floor: 1,
                ceiling: config
                    .market
                    .ceiling
                    .unwrap_or(units.price_unit.saturating_mul(CEILING_UNITS)),
                expense: config.market.expense.unwrap_or(0),
            };
            let prices = Prices {
                chain: chain.clone(),
                signer: self.keys.account.clone(),
                model: self.source.id,
                units,
                limits,
                block: blocks.clone(),
                offers,
                turn: turn.clone(),
                standing: standings.watch(),
                reporter,
            };
            tasks.spawn(prices.run(ending.clone()));
        }
        if config.market.migrate {
            let moves = Moves {
                chain: chain.clone(),
                signer: self.keys.account.clone(),
                source: self.source.clone(),
                layers: layers.clone(),
                block: blocks.clone(),
                turn: turn.clone(),
                standing: standings.watch(),
                reporter,
            };
            tasks.spawn(moves.run(ending.clone()));
        }
        let keeper = Keeper {
            chain,
            signer: self.keys.account.clone(),
            source: self.source.clone(),
            config: config.clone(),
            parameters: ready.parameters,
            peer,
            instance: ready.instance,
            announced: self.announced.clone(),
            listening: net.listening(),
            layers,
            turn,
            origin: origin.clone(),
            block: blocks,
            published,
            standings,
            reporter,
        };
        tasks.spawn(keeper.run(ending.clone()));
        let check = check_announced(self.announced.clone(), peer, ready.instance, reporter);
        let checking = ending.clone();
        tasks.spawn(async move { checking.run_until_cancelled(check).await });
        reporter.tell(&Event::Serving {
            layers: record.range,
            price_per_layer_token: record.list_price_per_layer_token,
        });

        let has_changed = tokio::select! {
            () = stop.cancelled() => false,
            () = origin.changed().cancelled() => true,
        };
        if !has_changed {
            drain(&desk, reporter, Duration::from_secs(config.limits.drain_seconds)).await;
        }
        ending.cancel();
        if tokio::time::timeout(FINISH, redeeming).await.is_err() {
            let text =
                "a redeem did not end in time; it is tried again at the next start".to_owned();
            reporter.tell(&Event::Warning { text });
        }
        tasks.close();
        // Every task ends with the token; the limit keeps a bug from holding up the end.
        let _ = tokio::time::timeout(FINISH, tasks.wait()).await;
        let totals = desk.totals().await.unwrap_or_default();
        drop(desk);
        let closed = sitting.await;
        net.stop().await;
        if closed.is_err() {
            bail!("the desk failed; its journal keeps every record and is read at the next start");
        }
        if has_changed {
            return Ok(Ended::ChainChanged);
        }
        reporter.tell(&Event::Stopped { earned: totals.earned, unredeemed: totals.redeemable });
        Ok(Ended::Stopped)
    }

    fn first_status(&self, record: &WorkerRecord<AccountId>, sources: &Sources) -> Status {
        Status {
            pid: std::process::id(),
            account: record.account.to_string(),
            peer: hex::encode(record.peer),
            node_url: self.config.node_url.clone(),
            model: self.source.id,
            layers: record.range,
            price_per_layer_token: record.list_price_per_layer_token,
            cost_us_per_layer_token: record.cost_us_per_layer_token,
            addresses: status::texts(&sources.addresses.borrow()),
            block: 0,
            standing: sources.standing.borrow().clone(),
            totals: super::request::Totals::default(),
        }
    }
}

/// Lets open sessions end, for a while.
async fn drain(desk: &DeskHandle, reporter: Reporter, patience: Duration) {
    let Ok(sessions) = desk.drain().await else { return };
    if sessions == 0 {
        return;
    }
    reporter.tell(&Event::Draining { sessions });
    let emptied = async {
        while desk.totals().await.is_ok_and(|totals| totals.sessions > 0) {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    };
    // Whoever is not done by then is paid up to its last voucher all the same.
    let _ = tokio::time::timeout(patience, emptied).await;
}
