//! `mica-worker run`: serves until it is told to stop.

use std::net::SocketAddr;

use mica_chain::amount;
use mica_primitives::{Balance, LayerRange};

use super::signals::stop_on_signal;
use crate::{
    config::{Config, ConfigError, parse_layers, parse_share},
    daemon::{self, serve::ServeError},
    data_dir::DataDir,
    report::{Event, Form, Reporter, kept::Kept},
};

/// What the command takes. Each flag stands above the same setting in `config.toml`.
#[derive(clap::Args)]
pub struct Args {
    /// WebSocket address of a node.
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// GGUF file to serve; or a name of the catalogue or the chain, an id, https://… or
    /// hf:OWNER/REPO/FILE, of which only the layers served are fetched [default: the built-in
    /// model].
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Layers to serve, for example 0..3, and never others [default: as many as fit into the free
    /// memory, where its share is largest].
    #[arg(long, value_name = "FIRST..END", value_parser = parse_layers)]
    layers: Option<LayerRange>,
    /// Address to listen on; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Address to publish instead of those listened on, dialled once at the start; may be repeated.
    #[arg(long, value_name = "MULTIADDR")]
    announce: Vec<String>,
    /// Price for a token through a layer, without --no-pricing only the first: 0.000001 is MICA,
    /// 1000000u is base units.
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    price: Option<Balance>,
    /// Price of 1,000 tokens of room that a session holds for a second [default: a twentieth of
    /// what they could earn].
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    holding_price: Option<Balance>,
    /// Stake [default: the chain's minimum].
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    stake: Option<Balance>,
    /// Least gain for which a finished session is redeemed at once [default: twice the fee].
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    redeem_minimum: Option<Balance>,
    /// Threads of the engine [default: one per core].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Part of the cores that the engine takes, for example 0.5 [default: 1].
    #[arg(long, value_name = "PART", value_parser = parse_share, conflicts_with = "threads")]
    share: Option<f64>,
    /// Where Prometheus reads what the worker counts [default: nowhere].
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Register the model if the chain does not know it.
    #[arg(long)]
    register_model: bool,
    /// Keep the price and the published cost as they are.
    #[arg(long)]
    no_pricing: bool,
    /// Keep the layers as they are.
    #[arg(long)]
    no_migrate: bool,
    /// Tell events as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Why a worker does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The settings cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Signals cannot be heard.
    #[error(transparent)]
    Signal(std::io::Error),
    /// It cannot serve.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves until SIGTERM or SIGINT; a second one ends at once.
///
/// # Errors
/// Whatever keeps the worker from serving, with its remedy.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), RunError> {
    let reporter = Reporter::new(if args.json { Form::Json } else { Form::Text });
    let config = args.over(Config::read(&folder.config())?);
    let reporter = match Kept::open(folder) {
        Ok(kept) => reporter.keeping(kept),
        // It serves all the same, and says it where it can.
        Err(error) => {
            let text = format!("events are not kept for `mica-worker logs`: {error}");
            reporter.emit(&Event::Warning { text });
            reporter
        }
    };
    let stop = stop_on_signal().map_err(RunError::Signal)?;
    Ok(daemon::serve(folder, config, reporter, stop).await?)
}

/// Registers and ends. Until something serves, nothing beats for the worker.
///
/// # Errors
/// Whatever keeps the worker from being registered, with its remedy.
pub(crate) async fn register(args: Args, folder: &DataDir) -> Result<(), RunError> {
    let reporter = Reporter::new(if args.json { Form::Json } else { Form::Text });
    let config = args.over(Config::read(&folder.config())?);
    let stop = stop_on_signal().map_err(RunError::Signal)?;
    Ok(daemon::register(folder, config, reporter, stop).await?)
}

impl Args {
    fn over(self, mut config: Config) -> Config {
        let Self {
            node_url,
            model,
            layers,
            listen,
            announce,
            price,
            stake,
            redeem_minimum,
            holding_price,
            threads,
            share,
            metrics,
            ..
        } = self;
        config.node_url = node_url.unwrap_or(config.node_url);
        config.model = model.or(config.model);
        config.layers = layers.or(config.layers);
        // A part that is named for this run stands above a number in the file.
        config.threads = threads.or(config.threads.filter(|_| share.is_none()));
        config.machine.share = share.unwrap_or(config.machine.share);
        config.metrics.listen = metrics.or(config.metrics.listen);
        config.market.price = price.or(config.market.price);
        config.market.stake = stake.or(config.market.stake);
        config.market.holding_price = holding_price.or(config.market.holding_price);
        config.market.redeem_minimum = redeem_minimum.or(config.market.redeem_minimum);
        if !listen.is_empty() {
            config.network.listen = listen;
        }
        if !announce.is_empty() {
            config.network.announce = announce;
        }
        config.register_model |= self.register_model;
        config.market.pricing &= !self.no_pricing;
        config.market.migrate &= !self.no_migrate;
        config
    }
}
