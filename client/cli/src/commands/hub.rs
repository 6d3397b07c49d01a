//! `mica hub run|status|channels`: passes payments on, from payers with one channel each to many
//! workers.

mod run;

use clap::Subcommand;
use mica_wallet::files::{self, FileError};

use crate::context::Context;
use crate::error::CommandError;
use crate::render::hub::{ChannelLine, HubState, channels_text};

/// Most bytes of what a hub says of itself.
const MAX_STATUS_BYTES: u64 = 4 << 20;

/// `mica hub …`
#[derive(Debug, Subcommand)]
pub enum HubCommand {
    /// Be a hub: open channels to workers, and pay them for payers with one channel to this wallet
    Run(Box<run::RunArgs>),
    /// How the hub of this folder stands, as it said with the last final block
    Status,
    /// Channels of the hub's wallet on chain, to workers and from payers
    Channels,
}

/// Runs `mica hub …`.
///
/// # Errors
/// [`CommandError`] if the wallet, the node or the network cannot be used.
pub(crate) async fn run(context: &Context, command: HubCommand) -> Result<(), CommandError> {
    match command {
        HubCommand::Run(arguments) => run::run(context, *arguments).await,
        HubCommand::Status => status(context),
        HubCommand::Channels => channels(context).await,
    }
}

fn status(context: &Context) -> Result<(), CommandError> {
    let bytes = match files::read_bounded(&context.home.hub_status(), MAX_STATUS_BYTES) {
        Err(FileError::Missing(_)) => {
            let text = "no hub has run in this folder: start one with `mica hub run`";
            return Err(CommandError::Usage(text.to_owned()));
        }
        other => other?,
    };
    let state: HubState = serde_json::from_slice(&bytes).map_err(|error| {
        let path = context.home.hub_status();
        CommandError::Usage(format!(
            "{} is not what a hub writes ({error}): start the hub again",
            path.display()
        ))
    })?;
    Ok(context.output.show(&state, HubState::to_text)?)
}

async fn channels(context: &Context) -> Result<(), CommandError> {
    /// Channels of one page: as many as the chain gives.
    const PAGE: u32 = 256;
    /// Most pages that are read.
    const MAX_PAGES: usize = 64;

    let account = context.account()?;
    let view = context.chain().await?.at_best().await?;
    let mut lines: Vec<ChannelLine> = view
        .channels_of(account)
        .await?
        .iter()
        .map(|(id, channel)| ChannelLine::paid(*id, channel))
        .collect();
    let mut from = None;
    for _ in 0..MAX_PAGES {
        let page = view.channels_to(account, from, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        from = Some(*last);
        lines.extend(page.iter().map(|(id, channel)| ChannelLine::owed(*id, channel)));
    }
    Ok(context.output.show(&lines, |lines| channels_text(lines))?)
}
