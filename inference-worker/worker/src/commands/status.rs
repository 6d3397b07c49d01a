//! `mica-worker status`: what the worker does, what it is owed, and what the chain says of it.

mod truth;

use std::io::Write;

use eyre::{Context, Result};
use mica_chain::{AccountId, Chain, View, amount};
use mica_primitives::{Balance, Redeem};
use mica_protocol::channel::{ChannelFacts, PayeeLaneRecord};
use serde_json::{Value, json};

use self::truth::{Registry, Truth};
use crate::{
    config::Config,
    daemon::status::texts,
    data_dir::DataDir,
    exit::{ExitKind, Failure},
    keys::Keys,
    store::Store,
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// WebSocket address of a node [default: the one in config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Shows the status.
///
/// # Errors
/// If the folder has no worker or its store is damaged; [`ExitKind::Unwell`] if a worker runs and
/// payers are not served. A node that does not answer is part of the status, not an error.
pub async fn run(args: Args, folder: &DataDir) -> Result<()> {
    let keys = Keys::read(folder.path())?;
    let config = Config::read(&folder.config())?;
    let account = keys.account.account();
    let (running, records) = local(folder)?;
    let url = args.node_url.unwrap_or(config.node_url);
    let view = view(&url).await;
    let lanes = match &records {
        Some(records) => Some(lanes(records, view.as_ref().ok()).await),
        None => None,
    };
    let found = match view {
        Ok(view) => on_chain(&view, account).await,
        Err(error) => Err(error),
    };
    let truth = running
        .as_ref()
        .map(|running| Truth::of(running, found.as_ref().ok().map(|found| &found.registry)));
    let chain =
        found.map_or_else(|error| json!({ "error": format!("{error:#}") }), |found| found.shown);
    let status = json!({
        "account": account.to_string(),
        "running": running,
        "serving": truth.as_ref().map(|truth| truth.serving),
        "problems": truth.as_ref().map(|truth| &truth.problems),
        "lanes": lanes,
        "chain": chain,
    });
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{status}")?;
    } else {
        writeln!(out, "account   {account}")?;
        show_worker(&mut out, &status["running"], truth.as_ref(), &status["lanes"])?;
        show_chain(&mut out, &url, &status["chain"])?;
    }
    match truth.filter(|truth| !truth.serving) {
        Some(truth) => Err(Failure::new(
            ExitKind::Unwell,
            format!("the worker runs and does not serve: {}", truth.to_text()),
        )
        .into()),
        None => Ok(()),
    }
}

/// What a running worker says of itself; of one that does not run, the records in its store.
fn local(folder: &DataDir) -> Result<(Option<Value>, Option<Vec<PayeeLaneRecord>>)> {
    match folder.try_lock()? {
        None => {
            let running = match std::fs::read_to_string(folder.status()) {
                Ok(text) => {
                    serde_json::from_str(&text).wrap_err("the status file is damaged: try again")?
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => starting(),
                Err(error) => {
                    return Err(error).wrap_err(
                        "what the worker says of itself cannot be read: check its permissions",
                    );
                }
            };
            Ok((Some(running), None))
        }
        Some(_lock) => Ok((None, Some(Store::open(folder)?.lanes()?))),
    }
}

/// What a worker says of itself that has not registered yet.
fn starting() -> Value {
    let problem =
        "it is starting and has not said anything yet: try again, and see its log if this lasts";
    json!({ "standing": { "serving": false, "code": "starting", "problem": problem } })
}

async fn view(url: &str) -> Result<View> {
    Ok(Chain::connect(url).await?.at_best().await?)
}

/// Lanes with what the chain has paid on them: as of now, or, without a node, as the worker last
/// knew.
async fn lanes(records: &[PayeeLaneRecord], view: Option<&View>) -> Vec<Value> {
    let mut lanes = Vec::new();
    for record in records {
        let (channel, lane) = (record.facts.channel, record.lane);
        let now = match view {
            Some(view) => view.channel(channel).await.ok(),
            None => None,
        };
        let promised = record.best.as_ref().and_then(Redeem::promised).unwrap_or(0);
        let (open, claimed) = match &now {
            Some(Some(found)) => (true, ChannelFacts::new(channel, found).lane(lane).claimed),
            // A closed channel has paid whatever it was going to pay.
            Some(None) => (false, promised),
            None => (true, record.facts.lane(lane).claimed),
        };
        lanes.push(json!({
            "channel": channel.to_string(),
            "lane": lane,
            "open": open,
            "promised": promised.to_string(),
            "claimed": claimed.to_string(),
            "receipts": record.receipts.count(),
        }));
    }
    lanes
}

/// The account on the chain.
struct OnChain {
    registry: Registry,
    shown: Value,
}

async fn on_chain(view: &View, account: AccountId) -> Result<OnChain> {
    let money = view.account(account).await?;
    let worker = view.worker(account).await?;
    let min_stake_per_layer = view.registry_parameters().await?.min_stake_per_layer;
    let shown = worker.as_ref().map(|(record, online)| {
        json!({
            "model": record.model.to_string(),
            "layers": record.range,
            "online": online,
            "status": record.status,
            "stake": record.stake.to_string(),
            "price_per_layer_token": record.list_price_per_layer_token.to_string(),
            "cost_us_per_layer_token": record.cost_us_per_layer_token,
            "peer": hex::encode(record.peer),
            "addresses": texts(&record.addresses),
            "last_heartbeat": record.last_heartbeat,
        })
    });
    let shown = json!({ "block": view.number(), "free": money.free.to_string(), "held": money.held.to_string(), "worker": shown });
    Ok(OnChain { registry: Registry { worker, min_stake_per_layer }, shown })
}

fn show_worker(
    out: &mut impl Write,
    running: &Value,
    truth: Option<&Truth>,
    lanes: &Value,
) -> Result<()> {
    if running.is_null() {
        writeln!(out, "process   not running")?;
        for lane in lanes.as_array().into_iter().flatten() {
            let (promised, claimed) = (money(&lane["promised"]), money(&lane["claimed"]));
            writeln!(
                out,
                "lane      {} of {}: {promised} promised, {claimed} claimed",
                lane["lane"],
                text(&lane["channel"])
            )?;
        }
        return Ok(());
    }
    let totals = &running["totals"];
    if running["pid"].is_null() {
        return Ok(writeln!(out, "process   starting, not serving yet")?);
    }
    let does = if truth.is_some_and(|truth| truth.serving) {
        "serving"
    } else {
        "NOT SERVING, has loaded"
    };
    writeln!(out, "process   {} {does} layers {}", running["pid"], layers(&running["layers"]))?;
    for problem in truth.iter().flat_map(|truth| &truth.problems) {
        writeln!(out, "problem   {}", problem.text)?;
    }
    writeln!(
        out,
        "sessions  {} open, {} ended, {} tokens",
        totals["sessions"], totals["sessions_ended"], totals["positions"]
    )?;
    writeln!(
        out,
        "money     {} earned, {} to be redeemed",
        money(&totals["earned"]),
        money(&totals["redeemable"])
    )?;
    if let Some(refusing) = totals["refusing"].as_str() {
        writeln!(out, "refusing  {refusing}")?;
    }
    Ok(())
}

fn show_chain(out: &mut impl Write, url: &str, chain: &Value) -> Result<()> {
    if let Some(error) = chain["error"].as_str() {
        writeln!(out, "chain     {error}")?;
        return Ok(());
    }
    writeln!(
        out,
        "chain     {url} at block {}: {} free, {} held",
        chain["block"],
        money(&chain["free"]),
        money(&chain["held"])
    )?;
    let worker = &chain["worker"];
    if worker.is_null() {
        writeln!(out, "registry  not registered")?;
        return Ok(());
    }
    let online = if worker["online"] == true { "online" } else { "offline" };
    let price = money(&worker["price_per_layer_token"]);
    writeln!(
        out,
        "registry  {online}, layers {}, {price} per layer and token, stake {}",
        layers(&worker["layers"]),
        money(&worker["stake"])
    )?;
    for address in worker["addresses"].as_array().into_iter().flatten() {
        writeln!(out, "address   {}", text(address))?;
    }
    Ok(())
}

fn money(value: &Value) -> String {
    amount::format(value.as_str().and_then(|text| text.parse::<Balance>().ok()).unwrap_or(0))
}

fn layers(value: &Value) -> String {
    format!("{}..{}", value["first"], value["end"])
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
