//! From a data directory to a serving worker, and back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use eyre::{Context, Result, bail};
use mica_chain::Chain;
use mica_engine::Threads;
use mica_primitives::{Balance, WorkerAddresses, WorkerRecord};
use mica_protocol::{
    limits::{MAX_OPENINGS, MAX_SESSIONS},
    signing,
    stage::StageIdentity,
};
use tokio::sync::{mpsc, watch as async_watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    desk::{Desk, DeskInputs, DeskParts},
    handle::{DeskHandle, Offers},
    heartbeat,
    moves::Moves,
    network::{NetworkThread, published, start_network},
    prices::Prices,
    range::{choose_range, offer, room},
    redeem::Redeemer,
    register::{Offered, Registration, first_price},
    status::{self, Status},
    watch::{Interest, Watcher},
};
use crate::{
    config::Config,
    data_dir::DataDir,
    engine::Engine,
    keys::Keys,
    model::ModelSource,
    pricing::PriceLimits,
    report::{Event, Reporter},
    store::Store,
};

/// Requests waiting for the desk.
const REQUESTS: usize = 256;
/// Longest wait for redeems and other tasks at the end.
const FINISH: Duration = Duration::from_secs(60);
/// Highest price that pricing may set, in price units of the model, unless the operator says otherwise.
const CEILING_UNITS: Balance = 1_000;
/// Pause between two looks at the sessions that are still open.
const DRAIN_LOOK: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled; then lets sessions end, redeems what pays and leaves the store in order.
///
/// # Errors
/// Whatever keeps the worker from serving, with its remedy.
pub async fn serve(folder: &DataDir, config: Config, reporter: Reporter, stop: CancellationToken) -> Result<()> {
    let keys = Keys::read(folder.path())?;
    let store = Store::open(folder)?;
    let source = Arc::new(ModelSource::open(config.model.as_deref())?);
    let chain = Chain::connect(&config.node_url).await?;
    let genesis = chain.genesis_hash();
    let head = chain.finalized().await?;
    reporter.tell(&Event::Connected { node_url: config.node_url.clone(), genesis: hex::encode(genesis), block: head.number });

    let registration = Registration { chain: &chain, signer: &keys.account, source: &source, config: &config, reporter };
    let model = registration.model().await?;
    let range = choose_range(&chain, &source, &config, keys.account.account()).await?;

    let (answers, computed) = mpsc::channel(MAX_SESSIONS);
    let threads = config.threads.map_or_else(Threads::available, Threads::new);
    let engine = Arc::new(Engine::start(source.clone(), threads, answers)?);
    let cost_us = engine.load(range).await.wrap_err_with(|| format!("layers {range} cannot be served"))?;
    reporter.tell(&Event::Loaded { model: source.id, layers: range, cost_us_per_layer_token: cost_us });

    let thread = NetworkThread::start()?;
    let (net, mut network) = thread.enter(|| start_network(&config, &keys))?;
    let addresses = published(&config, &mut network, reporter).await?;
    let peer = signing::public_key(&keys.peer);
    let offered = Offered {
        range,
        cost_us_per_layer_token: cost_us,
        price_per_layer_token: first_price(&config, model.units),
        peer,
        addresses: addresses.clone(),
    };
    let record = registration.worker(&offered).await?;
    let parameters = chain.at_best().await?.registry_parameters().await?;

    let (block, blocks) = async_watch::channel(head.number);
    let (requests, requested) = mpsc::channel(REQUESTS);
    let (questions, questioned) = mpsc::channel(MAX_OPENINGS);
    let (ended, ends) = mpsc::channel(REQUESTS);
    let offer = offer(&source, &config, &record, room(&engine, &config.limits));
    let identity = StageIdentity::new(keys.peer.clone(), genesis);
    let parts = DeskParts { store, net: net.clone(), engine: engine.clone(), block: blocks.clone(), questions, ended, reporter };
    let known = Desk::open(parts, identity, offer.clone())?;
    let interest: Interest = Arc::default();
    known.channels().into_iter().for_each(|channel| {
        interest.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(channel, None);
    });
    let desk = DeskHandle::new(requests);
    let sitting = thread.spawn(known.run(DeskInputs { network, computed, requests: requested }));

    let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
    let account = keys.account.account();
    let watcher = Watcher { chain: chain.clone(), account, desk: desk.clone(), interest, block, stop: ending.clone() };
    tasks.spawn(watcher.clone().answer(questioned, tasks.clone()));
    tasks.spawn(watcher.run());
    let redeemer = Redeemer {
        chain: chain.clone(),
        signer: keys.account.clone(),
        desk: desk.clone(),
        block: blocks.clone(),
        minimum: config.market.redeem_minimum,
        reporter,
        submitted: BTreeMap::new(),
        closed: BTreeMap::new(),
    };
    let redeeming = tokio::spawn(redeemer.run(ends, ending.clone()));
    tasks.spawn(heartbeat::run(chain.clone(), keys.account.clone(), parameters.heartbeat_interval, blocks.clone(), ending.clone()));
    let offers = Arc::new(Offers::new(desk.clone(), offer));
    let first = first_status(&config, &source, &record, &addresses);
    tasks.spawn(status::run(folder.status(), desk.clone(), first, offers.clone(), blocks.clone(), ending.clone()));
    if config.market.pricing {
        let units = model.units;
        let limits = PriceLimits {
            floor: 1,
            ceiling: config.market.ceiling.unwrap_or(units.price_unit.saturating_mul(CEILING_UNITS)),
            expense: config.market.expense.unwrap_or(0),
        };
        let prices = Prices {
            chain: chain.clone(),
            signer: keys.account.clone(),
            model: source.id,
            units,
            limits,
            block: blocks.clone(),
            offers: offers.clone(),
            reporter,
        };
        tasks.spawn(prices.run(ending.clone()));
    }
    if config.market.migrate {
        let moves = Moves {
            chain: chain.clone(),
            signer: keys.account.clone(),
            source: source.clone(),
            engine: engine.clone(),
            desk: desk.clone(),
            offers: offers.clone(),
            limits: config.limits.clone(),
            block: blocks.clone(),
            reporter,
        };
        tasks.spawn(moves.run(ending.clone()));
    }
    drop(offers);
    reporter.tell(&Event::Serving { layers: record.range, price_per_layer_token: record.list_price_per_layer_token });

    stop.cancelled().await;
    drain(&desk, reporter, Duration::from_secs(config.limits.drain_seconds)).await;
    ending.cancel();
    if tokio::time::timeout(FINISH, redeeming).await.is_err() {
        reporter.tell(&Event::Warning { text: "a redeem did not end in time; it is tried again at the next start".to_owned() });
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
    reporter.tell(&Event::Stopped { earned: totals.earned, unredeemed: totals.redeemable });
    Ok(())
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

fn first_status(
    config: &Config,
    source: &ModelSource,
    record: &WorkerRecord<mica_chain::AccountId>,
    addresses: &WorkerAddresses,
) -> Status {
    Status {
        pid: std::process::id(),
        account: record.account.to_string(),
        peer: hex::encode(record.peer),
        node_url: config.node_url.clone(),
        model: source.id,
        layers: record.range,
        price_per_layer_token: record.list_price_per_layer_token,
        cost_us_per_layer_token: record.cost_us_per_layer_token,
        addresses: addresses.iter().map(|address| String::from_utf8_lossy(address).into_owned()).collect(),
        block: 0,
        totals: super::request::Totals::default(),
    }
}
