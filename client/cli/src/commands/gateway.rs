//! `mica gateway`: serves Ollama's and OpenAI's clients from the wallet's money; `mica gateway keys
//! …` says who may ask.

mod keys;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{
    Args, Subcommand, ValueHint,
    builder::{OsStr, Resettable},
};
use mica_chain::Chain;
use mica_primitives::Balance;
use tokio::net::TcpListener;

use super::ask::Hubs;
use crate::config::parse_hubs;
use crate::context::{Context, Unlocked};
use crate::error::CommandError;
use crate::options::parse_amount;
use crate::render::gateway::Listening;
use crate::terms::TermsArgs;
use mica_gateway::{
    Config,
    config::{ConfigError, TEMPLATE},
    core::{Catalogue, Core, Market, Parts, Spending, Workflows},
    http::{self, Tls},
    keys::{KeyFile, KeyRing},
};
use mica_payer::ask::Asker;
use mica_payer::channels::{Deposits, Payer};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::HubAddress;
use mica_wallet::{AccountKey, PasswordError, UnlockError};
use mica_workflow::WorkflowError;

/// Name of the settings in the payer's folder.
const CONFIG: &str = "gateway.toml";

/// What the account's key is asked for.
const PURPOSE: &str = "opening channels while the gateway runs";

/// Longest time between two looks at the clock while a key is open.
const CLOCK_PAUSE: Duration = Duration::from_secs(60);

/// Help of `--alpha`: the default is that of the settings.
const ALPHA: &str =
    "Weight of money against time, from 0 (only time counts) to 1 (only money counts)";

/// Options of `mica gateway`.
#[derive(Debug, Args)]
// α is in the settings' file: the variable of `mica ask` must not change a server's.
#[command(
    args_conflicts_with_subcommands = true,
    mut_arg("alpha", |alpha| alpha.env(Resettable::<OsStr>::Reset).help(ALPHA))
)]
pub struct GatewayArgs {
    #[command(subcommand)]
    command: Option<GatewayCommand>,
    #[command(flatten)]
    run: RunArgs,
}

/// `mica gateway …`
#[derive(Debug, Subcommand)]
enum GatewayCommand {
    /// Keys of those who may ask
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Options of the running gateway.
#[derive(Debug, Args)]
struct RunArgs {
    /// Settings [default: gateway.toml in the payer's folder, if it is there]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Print the settings with their defaults and end
    #[arg(long)]
    print_config: bool,
    /// Where to listen; anything but loopback needs keys: see `mica gateway keys`
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// A model's GGUF file, of which the gateway needs the tokenizer; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    model_file: Vec<PathBuf>,
    /// A model to serve without a file, by name, id or beginning of the id, whose tokenizer its
    /// workers give; may be repeated. What was fetched before is served as well
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    #[command(flatten)]
    terms: TermsArgs,
    /// Most money for one request
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_request: Option<Balance>,
    /// Most money for one day (UTC) [default: 1 MICA]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    max_day: Option<Balance>,
    /// Command of the shell that prints the wallet's password; run whenever a channel is opened or
    /// topped up
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    password_command: Option<String>,
    /// Sessions at once
    #[arg(long, value_name = "N")]
    parallel: Option<usize>,
    /// Pay the workers through this hub, to which one channel is enough; several in a row with a
    /// space between them
    #[arg(long, value_name = "ADDRESS", value_parser = parse_hubs)]
    hub: Option<Hubs>,
}

/// Runs `mica gateway` until Ctrl-C or SIGTERM: running answers are broken off at their next token
/// and settled.
///
/// # Errors
/// [`CommandError`]: wrong settings, a wrong password, no node, or an address that is taken.
pub(crate) async fn run(context: &Context, arguments: GatewayArgs) -> Result<(), CommandError> {
    match arguments.command {
        Some(GatewayCommand::Keys(command)) => keys::run(context, &command),
        None => serve(context, arguments.run).await,
    }
}

async fn serve(context: &Context, arguments: RunArgs) -> Result<(), CommandError> {
    if arguments.print_config {
        return Ok(context.output.show(&TEMPLATE, |template| (*template).to_owned())?);
    }
    let (interrupt, _listening) = Interrupt::listen();
    let config = arguments.settings(context)?;
    let hubs = arguments.hubs(context, &config)?;
    let keys = KeyRing::open(&config, KeyFile::of(context.home.root()))?;
    config.check_address(keys.count() > 0)?;
    let tls = config.tls.as_ref().map(Tls::open).transpose()?;
    let mut catalogue = Catalogue::open(&config.models, &arguments.model_file)?;
    let workflows = Workflows::open(&config.workflows).map_err(WorkflowError::from)?;
    // At once, since later nobody may be there to type the password: each new worker needs a
    // channel, which the account opens.
    let passwords = context.passwords().or_run(arguments.password_command);
    let wallet = match context.lasting_keys(passwords, PURPOSE) {
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
    add_heads(context, &chain, &arguments.model, &mut catalogue).await?;
    let store = Arc::new(context.store()?);
    let spending = Spending::open(store.clone(), config.limits.caps())?;
    let unlocked = wallet.as_ref().map(|(_, _, unlocked)| *unlocked);
    let account = wallet.as_ref().map(|(account, _, _)| account.clone());
    let asker = match wallet {
        Some((account, signer, _)) => {
            let payer = Payer { chain: chain.clone(), account, signer };
            let window = context.settings.window;
            let deposits = Deposits { headroom: config.headroom, ahead: true, window };
            let asker = Asker::start(payer, store, config.parallel, deposits, context.notices())?;
            Some(asker.through(hubs))
        }
        None => None,
    };
    let market = Market::new(
        chain,
        Duration::from_secs(config.state_seconds),
        Duration::from_secs(config.quote_seconds),
    );
    market.refresh().await?;
    let parts = Parts { catalogue, workflows, market, asker, spending };
    let core = Arc::new(Core::new(config.sessions(), parts, interrupt.clone()));
    let models = core.catalogue.names().into_iter().map(|(name, _)| name).collect();
    let shown = Listening::new(listening, models, &config, keys.count(), unlocked);
    context.output.show(&shown, Listening::to_text)?;
    let forgetting = async {
        if let (Some(account), Some(Unlocked::ByPerson)) = (account, unlocked) {
            let over = forget_later(context, &account, config.unlock_hours);
            interrupt.finish.run_until_cancelled(over).await;
        }
    };
    let serving =
        http::serve(listener, config.clone(), keys, tls, core.clone(), interrupt.finish.clone());
    tokio::join!(core.follow(), serving, forgetting);
    core.stop().await;
    Ok(())
}

/// Adds the models that are named, and those whose heads are here from earlier.
async fn add_heads(
    context: &Context,
    chain: &Chain,
    names: &[String],
    catalogue: &mut Catalogue,
) -> Result<(), CommandError> {
    if !names.is_empty() {
        let view = chain.at_finalized().await?;
        for name in names {
            catalogue.add(context.named_model(&view, name, None).await?);
        }
    }
    match context.heads().all() {
        Ok(models) => models.into_iter().for_each(|model| catalogue.add(model)),
        // One that is damaged does not keep the others from being served.
        Err(error) => context.progress.note(&format!("heads of models are left out: {error}")),
    }
    Ok(())
}

/// Wipes a key that somebody's password opened, after some hours of the clock.
async fn forget_later(context: &Context, account: &AccountKey, hours: u64) {
    let open_for = Duration::from_secs(hours.saturating_mul(3600));
    let opened = SystemTime::now();
    let (mut last, mut now) = (opened, opened);
    // The timer stands still while the machine sleeps, so the clock is looked at again and again.
    while let Some(left) = time_left(opened, last, now, open_for) {
        tokio::time::sleep(left.min(CLOCK_PAUSE)).await;
        (last, now) = (now, SystemTime::now());
    }
    account.forget();
    let reason = if now < last {
        "since the clock was set back".to_owned()
    } else {
        format!("{hours} hours after the password was typed")
    };
    context.progress.note(&format!(
        "the account's key is forgotten, {reason}: open channels serve on, and no other is opened \
         until the gateway is started again"
    ));
}

/// How long a key that was opened at `opened` may stay so; nothing if the time is over, or if it
/// cannot be told any more because the clock went back after `last`, when it was looked at before.
fn time_left(
    opened: SystemTime,
    last: SystemTime,
    now: SystemTime,
    open_for: Duration,
) -> Option<Duration> {
    now.duration_since(last).ok()?;
    let left = open_for.checked_sub(now.duration_since(opened).ok()?)?;
    (!left.is_zero()).then_some(left)
}

/// Whether a password was needed and there was no one to ask.
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

impl RunArgs {
    /// The hubs that the command names, else the gateway's settings, else the payer's.
    fn hubs(&self, context: &Context, config: &Config) -> Result<Vec<HubAddress>, CommandError> {
        match (&self.hub, &config.hub) {
            (None, Some(text)) => parse_hubs(text).map_err(CommandError::Usage),
            (given, _) => Ok(context.settings.hubs(given.as_deref())),
        }
    }

    fn settings(&self, context: &Context) -> Result<Config, ConfigError> {
        let usual = context.home.root().join(CONFIG);
        let path = self.config.clone().or_else(|| usual.exists().then_some(usual));
        let mut config = match &path {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(path) = &path
            && let Some(warning) = config.key_warning(path)?
        {
            context.progress.note(&warning);
        }
        config.listen = self.listen.unwrap_or(config.listen);
        config.parallel = self.parallel.unwrap_or(config.parallel);
        config.path.apply(&self.terms.overrides());
        config.limits.request = self.max_request.or(config.limits.request);
        if let Some(day) = self.max_day {
            config.limits.set_day(day);
        }
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_open_for_hours_of_the_clock_and_no_longer_than_the_clock_can_tell() {
        let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(minutes * 60);
        let hour = Duration::from_secs(3600);
        let left = |last, now| time_left(at(100), at(last), at(now), hour);
        assert_eq!(left(100, 100), Some(hour));
        assert_eq!(left(129, 130), Some(hour / 2));
        assert_eq!(left(159, 160), None, "it is over");
        assert_eq!(left(101, 900), None, "the machine slept");
        assert_eq!(left(130, 129), None, "the clock went back");
        assert_eq!(left(100, 99), None, "to before the start");
    }
}
