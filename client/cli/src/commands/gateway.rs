//! `mica gateway`: serves Ollama's and OpenAI's clients from the wallet's money.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{
    Args, ValueHint,
    builder::{OsStr, Resettable},
};
use mica_primitives::Balance;
use tokio::net::TcpListener;

use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_amount;
use crate::render::gateway::Listening;
use crate::terms::TermsArgs;
use mica_gateway::{
    Config,
    config::{ConfigError, TEMPLATE},
    core::{Catalogue, Core, Market, Parts, Spending, Workflows},
    http,
};
use mica_payer::ask::Asker;
use mica_payer::channels::{Deposits, Payer};
use mica_payer::interrupt::Interrupt;
use mica_wallet::{PasswordError, UnlockError};
use mica_workflow::WorkflowError;

/// Name of the settings in the payer's folder.
const CONFIG: &str = "gateway.toml";

/// What the account's key is asked for.
const PURPOSE: &str = "opening channels while the gateway runs";

/// Help of `--alpha`: the default is that of the settings.
const ALPHA: &str =
    "Weight of money against time, from 0 (only time counts) to 1 (only money counts)";

/// Options of `mica gateway`.
#[derive(Debug, Args)]
// α is in the settings' file: the variable of `mica ask` must not change a server's.
#[command(mut_arg("alpha", |alpha| alpha.env(Resettable::<OsStr>::Reset).help(ALPHA)))]
pub struct GatewayArgs {
    /// Settings [default: gateway.toml in the payer's folder, if it is there]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Print the settings with their defaults and end
    #[arg(long)]
    print_config: bool,
    /// Where to listen; anything but loopback needs keys in the settings
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// A model's GGUF file, of which the gateway needs the tokenizer; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model_file: Vec<PathBuf>,
    #[command(flatten)]
    terms: TermsArgs,
    /// Most money for one request
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_request: Option<Balance>,
    /// Most money for one day
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_day: Option<Balance>,
    /// Sessions at once
    #[arg(long, value_name = "N")]
    parallel: Option<usize>,
}

/// Runs `mica gateway` until Ctrl-C or SIGTERM: running answers are broken off at their next token
/// and settled.
///
/// # Errors
/// [`CommandError`]: wrong settings, a wrong password, no node, or an address that is taken.
pub(crate) async fn run(context: &Context, arguments: GatewayArgs) -> Result<(), CommandError> {
    if arguments.print_config {
        return Ok(context.output.show(&TEMPLATE, |template| (*template).to_owned())?);
    }
    let (interrupt, _listening) = Interrupt::listen();
    let config = arguments.settings(context)?;
    let catalogue = Catalogue::open(&config.models, &arguments.model_file)?;
    let workflows = Workflows::open(&config.workflows).map_err(WorkflowError::from)?;
    // At once, since later nobody may be there to type the password: each new worker needs a
    // channel, which the account opens.
    let keys = match context.keys().and_then(|(account, signer)| {
        account.signer(PURPOSE)?;
        Ok((account, signer))
    }) {
        Ok(keys) => Some(keys),
        // Nobody is there to type it: serve what needs no money, and say so where it does.
        Err(error) if is_unattended(&error) => None,
        Err(error) => return Err(error),
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| cannot_listen(config.listen, &source))?;
    let listening =
        listener.local_addr().map_err(|source| cannot_listen(config.listen, &source))?;
    let chain = context.chain().await?;
    let store = Arc::new(context.store()?);
    let spending = Spending::open(store.clone(), config.limits)?;
    let asker = match keys {
        Some((account, signer)) => {
            let payer = Payer { chain: chain.clone(), account, signer };
            let deposits = Deposits { headroom: config.headroom, ahead: true };
            Some(Asker::start(payer, store, config.parallel, deposits, context.notices())?)
        }
        None => None,
    };
    let market = Market::new(
        chain,
        Duration::from_secs(config.state_seconds),
        Duration::from_secs(config.quote_seconds),
    );
    market.refresh().await?;
    let is_locked = asker.is_none();
    let parts = Parts { catalogue, workflows, market, asker, spending };
    let core = Arc::new(Core::new(config.sessions(), parts, interrupt.clone()));
    let models = core.catalogue.names().into_iter().map(|(name, _)| name).collect();
    context.output.show(&Listening { listening, models, is_locked }, Listening::to_text)?;
    let serving = http::serve(listener, config, core.clone(), interrupt.finish.clone());
    tokio::join!(core.follow(), serving);
    core.stop().await;
    Ok(())
}

/// Whether a password was needed and nobody could be asked.
fn is_unattended(error: &CommandError) -> bool {
    matches!(
        error,
        CommandError::Password(PasswordError::NoTerminal { .. })
            | CommandError::Unlock(UnlockError::Password(PasswordError::NoTerminal { .. }))
    )
}

fn cannot_listen(address: SocketAddr, source: &std::io::Error) -> CommandError {
    CommandError::Usage(format!(
        "cannot listen on {address} ({source}): stop the program that does, or choose another \
         address with --listen"
    ))
}

impl GatewayArgs {
    fn settings(&self, context: &Context) -> Result<Config, ConfigError> {
        let usual = context.home.root().join(CONFIG);
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None if usual.exists() => Config::read(&usual)?,
            None => Config::default(),
        };
        config.listen = self.listen.unwrap_or(config.listen);
        config.parallel = self.parallel.unwrap_or(config.parallel);
        config.path.apply(&self.terms.overrides());
        config.limits.request = self.max_request.or(config.limits.request);
        config.limits.day = self.max_day.or(config.limits.day);
        config.check()?;
        Ok(config)
    }
}
