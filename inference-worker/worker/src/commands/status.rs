//! `mica-worker status`: what the worker does, what it is owed, and what the chain says of it.

pub(super) mod diagnosis;
mod screen;

use std::io::{self, Write};

use mica_chain::{AccountId, Chain, ConnectError, ReadError, View, amount};
use mica_host::json::{self, Layers, Money};
use mica_net::address_texts;
use mica_primitives::Redeem;
use mica_protocol::channel::{ChannelFacts, PayeeLaneRecord};
use serde_json::{Value, json};

use self::diagnosis::{Diagnosis, Registry};
use crate::{
    causes::with_causes,
    config::{Config, ConfigError},
    data_dir::{DataDir, FolderError},
    keys::{KeyError, Keys},
    store::{Store, StoreError},
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// WebSocket address of a node [default: the one in config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// Show it anew every two seconds, with what is earned and served, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// One JSON object instead of sentences; with --watch one in each line.
    #[arg(long)]
    json: bool,
}

/// Why there is no status, or none that is good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The folder has no worker.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Nor its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Whether it runs cannot be told.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The status file is not what a worker writes.
    #[error("the status file is damaged: try again")]
    Damaged(#[source] serde_json::Error),
    /// The status file cannot be read.
    #[error("what the worker says of itself cannot be read: check its permissions")]
    Unreadable(#[source] io::Error),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// A worker runs, and payers are not served.
    #[error("the worker runs and does not serve: {0}")]
    NotServing(String),
}

/// Why the chain says nothing of the worker.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Shows the status.
///
/// # Errors
/// If the folder has no worker or its store is damaged; [`StatusError::NotServing`] if a worker
/// runs and payers are not served. A node that does not answer is part of the status, not an error.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), StatusError> {
    let keys = Keys::read(folder.path())?;
    let config = Config::read(&folder.config())?;
    let account = keys.account.account();
    let url = args.node_url.unwrap_or(config.node_url);
    if args.watch {
        return screen::run(folder, account, &url, args.json).await;
    }
    let (running, records) = local(folder)?;
    let view = view(&url).await;
    let lanes = match &records {
        Some(records) => Some(lanes(records, view.as_ref().ok()).await),
        None => None,
    };
    let found = match view {
        Ok(view) => on_chain(&view, account).await,
        Err(error) => Err(error),
    };
    let seen = Seen::of(account, running, lanes, found);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", seen.shown)?;
    } else {
        writeln!(out, "account   {account}")?;
        let shown = &seen.shown;
        show_worker(&mut out, &shown["running"], seen.diagnosis.as_ref(), &shown["lanes"])?;
        show_chain(&mut out, &url, &shown["chain"])?;
    }
    match seen.diagnosis.filter(|diagnosis| !diagnosis.serving) {
        Some(diagnosis) => Err(StatusError::NotServing(diagnosis.to_text())),
        None => Ok(()),
    }
}

/// A worker as it was at one moment.
struct Seen {
    /// Everything, as it is told to programs.
    shown: Value,
    /// Whether payers are served; nothing if no process runs.
    diagnosis: Option<Diagnosis>,
}

impl Seen {
    fn of(
        account: AccountId,
        running: Option<Value>,
        lanes: Option<Vec<Value>>,
        found: Result<OnChain, NodeError>,
    ) -> Self {
        let registry = found.as_ref().ok().map(|found| &found.registry);
        let diagnosis = running.as_ref().map(|running| Diagnosis::of(running, registry));
        let chain =
            found.map_or_else(|error| json!({ "error": with_causes(&error) }), |found| found.shown);
        let shown = json!({
            "account": account.to_string(),
            "running": running,
            "serving": diagnosis.as_ref().map(|diagnosis| diagnosis.serving),
            "problems": diagnosis.as_ref().map(|diagnosis| &diagnosis.problems),
            "lanes": lanes,
            "chain": chain,
        });
        Self { shown, diagnosis }
    }
}

/// What a running worker says of itself; of one that does not run, the records in its store.
pub(super) fn local(
    folder: &DataDir,
) -> Result<(Option<Value>, Option<Vec<PayeeLaneRecord>>), StatusError> {
    match folder.try_lock()? {
        None => {
            let running = match std::fs::read_to_string(folder.status()) {
                Ok(text) => read_status(&text).map_err(StatusError::Damaged)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => starting(),
                Err(error) => return Err(StatusError::Unreadable(error)),
            };
            Ok((Some(running), None))
        }
        Some(_lock) => Ok((None, Some(Store::open(folder)?.lanes()?))),
    }
}

/// The status as this version writes it. The worker that wrote it may be older than this command:
/// `layers` was once `{"first": 0, "end": 4}`.
fn read_status(text: &str) -> Result<Value, serde_json::Error> {
    let mut status: Value = serde_json::from_str(text)?;
    if let Some(layers) = status.get_mut("layers")
        && let (Some(first), Some(end)) = (layers.get("first"), layers.get("end"))
    {
        *layers = json!([first, end]);
    }
    Ok(status)
}

/// What a worker says of itself that has not registered yet.
fn starting() -> Value {
    let problem =
        "it is starting and has not said anything yet: try again, and see its log if this lasts";
    json!({ "standing": { "serving": false, "code": "starting", "problem": problem } })
}

async fn view(url: &str) -> Result<View, NodeError> {
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
            "promised": Money(promised),
            "claimed": Money(claimed),
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

/// What the registry says of `account`.
pub(super) async fn registry_of(view: &View, account: AccountId) -> Result<Registry, ReadError> {
    let worker = view.worker(account).await?;
    let min_stake_per_layer = view.registry_parameters().await?.min_stake_per_layer;
    Ok(Registry { worker, min_stake_per_layer })
}

async fn on_chain(view: &View, account: AccountId) -> Result<OnChain, NodeError> {
    let money = view.account(account).await?;
    let registry = registry_of(view, account).await?;
    let shown = registry.worker.as_ref().map(|(record, online)| {
        json!({
            "model": record.model.to_string(),
            "layers": Layers(record.range),
            "online": online,
            "status": record.status,
            "stake": Money(record.stake),
            "price_per_layer_token": Money(record.list_price_per_layer_token),
            "cost_us_per_layer_token": record.cost_us_per_layer_token,
            "peer": hex::encode(record.peer),
            "addresses": address_texts(&record.addresses),
            "last_heartbeat": record.last_heartbeat,
        })
    });
    let shown = json!({
        "block": view.number(),
        "free": Money(money.free),
        "held": Money(money.held),
        "worker": shown,
    });
    Ok(OnChain { registry, shown })
}

fn show_worker(
    out: &mut impl Write,
    running: &Value,
    diagnosis: Option<&Diagnosis>,
    lanes: &Value,
) -> io::Result<()> {
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
        return writeln!(out, "process   starting, not serving yet");
    }
    let does = if diagnosis.is_some_and(|diagnosis| diagnosis.serving) {
        "serving"
    } else {
        "NOT SERVING, has loaded"
    };
    writeln!(out, "process   {} {does} layers {}", running["pid"], layers(&running["layers"]))?;
    for problem in diagnosis.iter().flat_map(|diagnosis| &diagnosis.problems) {
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
    writeln!(
        out,
        "room      1,000 tokens for a second cost {} to hold",
        money(&running["holding_price"])
    )?;
    if let Some(why) = running["reachability"]["why"].as_str() {
        let status = text(&running["reachability"]["status"]).replace('_', " ");
        writeln!(out, "reached   {status}: {why}")?;
    }
    if let Some(refusing) = totals["refusing"].as_str() {
        writeln!(out, "refusing  {refusing}")?;
    }
    Ok(())
}

fn show_chain(out: &mut impl Write, url: &str, chain: &Value) -> io::Result<()> {
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
    amount::format(json::money::deserialize(value).unwrap_or(0))
}

fn layers(value: &Value) -> String {
    format!("{}..{}", value[0], value[1])
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::tests::worker;

    const OLDER: &str = r#"{ "first": 0, "end": 4 }"#;
    const TODAYS: &str = "[0, 4]";

    /// A status file with this text for `layers`.
    fn file(layers: &str) -> String {
        format!(
            r#"{{
                "pid": 7, "account": "", "peer": "{peer}", "model": "{peer}", "layers": {layers},
                "price_per_layer_token": "10", "cost_us_per_layer_token": 50, "addresses": [],
                "standing": {{ "serving": true, "code": null, "problem": null }}
            }}"#,
            peer = hex::encode([1; 32]),
        )
    }

    #[test]
    fn an_older_workers_layers_are_shown_and_compared_like_todays() {
        let registry = |end| {
            let worker = Some((worker(1, 0, end, 10, 50), true));
            Registry { worker, min_stake_per_layer: 0 }
        };
        for form in [TODAYS, OLDER] {
            let running = read_status(&file(form)).expect("a status");
            assert_eq!(running["layers"], json!([0, 4]), "{form}");
            assert!(Diagnosis::of(&running, Some(&registry(4))).serving, "{form}");
            let diagnosis = Diagnosis::of(&running, Some(&registry(5)));
            assert!(!diagnosis.problems.is_empty(), "{form}: another range goes unnoticed");
            let mut shown = Vec::new();
            show_worker(&mut shown, &running, Some(&diagnosis), &Value::Null).expect("written");
            let shown = String::from_utf8(shown).expect("text");
            assert!(shown.contains("layers 0..4"), "{form}: {shown}");
        }
    }

    #[test]
    fn a_status_that_is_no_json_is_an_error_and_one_without_layers_is_not() {
        assert!(read_status("{").is_err());
        for text in ["{}", "[]", "7", &file("null"), &file("7"), &file(r#"{ "first": 0 }"#)] {
            assert!(read_status(text).is_ok(), "{text}");
        }
    }
}
