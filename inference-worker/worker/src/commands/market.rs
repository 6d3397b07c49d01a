//! `mica-worker market check`: is the live market at rest?
//!
//! Reads the workers of a model and asks, for each that is online, whether another price would earn
//! it more while the others keep theirs (P2P-LLM eq. 6). At rest nobody gains; far from it
//! somebody's automatic pricing is off or stuck at a limit.

use std::io::{self, Write};

use mica_chain::{AccountId, Chain, ConnectError, ReadError, View, amount};
use mica_host::json::{Layers, Money};
use mica_market::pricing::{Bounds, Demand, Game, NashReport, Player, PricingError, Units};
use mica_primitives::{Balance, ModelId, ModelRecord, WorkerRecord, WorkerStatus};
use serde_json::{Value, json};

use crate::{
    config::{Config, ConfigError},
    data_dir::DataDir,
    keys::Keys,
    pricing,
};

/// Highest price tried, in price units of the model.
const CEILING_UNITS: Balance = 1_000;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// What to do with the market.
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Tells which workers would earn more at another price.
    Check(CheckArgs),
}

/// What `check` takes.
#[derive(clap::Args)]
struct CheckArgs {
    /// WebSocket address of a node [default: the one in config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// Id of the model [default: the one that this worker serves, or the only one].
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// Gain, as a part of what it could earn, that is taken for none.
    #[arg(long, default_value_t = 0.01, value_name = "PART")]
    epsilon: f64,
    /// Weight of money against time that payers are taken to have, 0 to 1.
    #[arg(long, default_value_t = pricing::ALPHA, value_name = "ALPHA")]
    alpha: f64,
    /// How evenly payers spread over unequal offers.
    #[arg(long, default_value_t = pricing::TEMPERATURE, value_name = "T")]
    temperature: f64,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Why the market cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarketError {
    /// No node is named, and the settings cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What payers are taken to want, or what the registry says, contradicts itself.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// The model is not known.
    #[error("no such model is registered: see `mica market` for those that are")]
    NoModel,
    /// No model is named.
    #[error("{0} models are registered: name one with --model")]
    SeveralModels(usize),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// If the chain cannot be read, or the model is not known or not clear.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), MarketError> {
    let Command::Check(args) = args.command;
    let url = match &args.node_url {
        Some(url) => url.clone(),
        None => Config::read(&folder.config())?.node_url,
    };
    let view = Chain::connect(&url).await?.at_finalized().await?;
    let (model, record) = find_model(&view, &args, folder).await?;
    let workers: Vec<WorkerRecord<AccountId>> = view
        .workers(model, None)
        .await?
        .into_iter()
        .filter(|(worker, online)| *online && worker.status == WorkerStatus::Active)
        .map(|(worker, _)| worker)
        .collect();
    let demand = Demand::new(
        args.alpha,
        args.temperature,
        Units::from(record.units),
        Some(pricing::RESERVATION_WEIGHT),
    )?;
    let report = check(demand, &record, &workers)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", to_json(model, view.number(), &workers, &report, args.epsilon))?;
    } else {
        write!(out, "{}", to_text(&workers, &report, args.epsilon))?;
    }
    Ok(())
}

/// The model that was named, else the one that this worker serves, else the only one.
async fn find_model(
    view: &View,
    args: &CheckArgs,
    folder: &DataDir,
) -> Result<(ModelId, ModelRecord<AccountId>), MarketError> {
    let mut models = view.models().await?;
    let own = match Keys::read(folder.path()) {
        Ok(keys) if args.model.is_none() => {
            view.worker(keys.account.account()).await?.map(|(worker, _)| worker.model.to_string())
        }
        _ => None,
    };
    if let Some(wanted) = args.model.as_ref().or(own.as_ref()) {
        let wanted = wanted.trim_start_matches("0x").to_lowercase();
        models.retain(|(model, _)| model.to_string().trim_start_matches("0x") == wanted);
    }
    match models.len() {
        1 => Ok(models.remove(0)),
        0 => Err(MarketError::NoModel),
        n => Err(MarketError::SeveralModels(n)),
    }
}

/// Plays every worker's other prices against the list prices of the rest.
fn check(
    demand: Demand,
    model: &ModelRecord<AccountId>,
    workers: &[WorkerRecord<AccountId>],
) -> Result<NashReport, PricingError> {
    let ceiling = model.units.price_unit.saturating_mul(CEILING_UNITS) as f64;
    let prices: Vec<f64> =
        workers.iter().map(|worker| worker.list_price_per_layer_token as f64).collect();
    let players: Result<Vec<Player>, PricingError> = workers
        .iter()
        .zip(&prices)
        .map(|(worker, price)| {
            let bounds = Bounds::new(1f64.min(*price), ceiling.max(*price))?;
            Ok(Player {
                range: worker.range,
                cost: worker.cost_us_per_layer_token.into(),
                marginal_cost: 0.0,
                bounds,
            })
        })
        .collect();
    Game::new(demand, model.manifest.layers, players?)?.nash_check(&prices)
}

fn to_json(
    model: ModelId,
    block: u32,
    workers: &[WorkerRecord<AccountId>],
    report: &NashReport,
    epsilon: f64,
) -> Value {
    let rows: Vec<Value> = workers
        .iter()
        .zip(&report.deviations)
        .map(|(worker, deviation)| {
            json!({
                "worker": worker.account.to_string(),
                "layers": Layers(worker.range),
                "price_per_layer_token": Money(worker.list_price_per_layer_token),
                "better_price_per_layer_token": Money(deviation.better_price.round() as Balance),
                "gain": deviation.relative_gain(),
            })
        })
        .collect();
    json!({
        "model": model,
        "block": block,
        "epsilon": epsilon,
        "at_rest": report.holds(epsilon),
        "workers": rows,
    })
}

fn to_text(workers: &[WorkerRecord<AccountId>], report: &NashReport, epsilon: f64) -> String {
    if workers.is_empty() {
        return "no worker of this model is online\n".to_owned();
    }
    let mut text = String::new();
    for (worker, deviation) in workers.iter().zip(&report.deviations) {
        let gain = deviation.relative_gain();
        if gain > epsilon {
            text += &format!(
                "{} layers {} asks {} and would earn {:.1} % more at {}\n",
                worker.account,
                worker.range,
                amount::format(worker.list_price_per_layer_token),
                100.0 * gain / (1.0 - gain).max(f64::MIN_POSITIVE),
                amount::format(deviation.better_price.round() as Balance),
            );
        }
    }
    let movers =
        report.deviations.iter().filter(|deviation| deviation.relative_gain() > epsilon).count();
    if movers == 0 {
        text += &format!(
            "at rest: none of {} workers gains more than {} % by another price\n",
            workers.len(),
            100.0 * epsilon
        );
    } else {
        text +=
            &format!("not at rest: {movers} of {} workers gain by another price\n", workers.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use mica_primitives::{MarketUnits, ModelManifest};

    use super::*;
    use crate::pricing::{PriceLimits, PriceView, advise, demand, tests::worker};

    fn model() -> ModelRecord<AccountId> {
        ModelRecord {
            owner: AccountId::from([0; 32]),
            manifest: ModelManifest {
                name: Default::default(),
                architecture: Default::default(),
                quantisation: Default::default(),
                layers: 6,
                hidden: 8,
                vocabulary: 8,
                context: 8,
                weights_root: [0; 32],
                tokenizer_hash: [0; 32],
                profile: [0; 32],
            },
            units: MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 },
            deposit: 0,
        }
    }

    #[test]
    fn workers_that_follow_their_own_advice_come_to_rest_and_one_that_does_not_is_named() {
        let model = model();
        let limits = PriceLimits { floor: 1, ceiling: 1_000_000_000, expense: 0 };
        let mut workers = vec![
            worker(1, 0, 4, 1, 50),
            worker(2, 2, 6, 900_000_000, 80),
            worker(3, 0, 6, 5_000_000, 20),
        ];
        for _ in 0..60 {
            let prices: Vec<Balance> = workers
                .iter()
                .map(|own| {
                    let view =
                        PriceView { own, rivals: &workers, units: model.units, utilisation: 0.2 };
                    advise(view, limits).expect("valid").price
                })
                .collect();
            workers
                .iter_mut()
                .zip(prices)
                .for_each(|(worker, price)| worker.list_price_per_layer_token = price);
        }
        let report = check(demand(model.units).expect("valid"), &model, &workers).expect("valid");
        assert!(report.holds(1e-6), "{:?}", report.worst());
        assert!(to_text(&workers, &report, 0.01).starts_with("at rest"));

        workers[1].list_price_per_layer_token *= 3;
        let report = check(demand(model.units).expect("valid"), &model, &workers).expect("valid");
        let text = to_text(&workers, &report, 0.01);
        assert!(
            text.contains(&workers[1].account.to_string()) && text.contains("not at rest"),
            "{text}"
        );
        let json = to_json(ModelId([1; 32]), 7, &workers, &report, 0.01);
        assert_eq!(json["at_rest"], false);
        assert!(json["workers"][1]["gain"].as_f64().is_some_and(|gain| gain > 0.01));
    }

    #[test]
    fn nobody_online_is_not_an_error() {
        let report = check(demand(model().units).expect("valid"), &model(), &[]).expect("valid");
        assert!(report.holds(0.0));
        assert!(to_text(&[], &report, 0.01).contains("no worker"));
    }
}
