//! `mica channel list|top-up|close`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Subcommand;
use ed25519_dalek::SigningKey;
use mica_chain::{Call, amount};
use mica_primitives::{Balance, ChannelId, Hash32};
use mica_protocol::channel::PayerLaneRecord;

use crate::confirm::Unattended;
use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_amount;
use crate::options::{SendOptions, Wait};
use crate::render::{
    channel::{self, ChannelChange, OpenChannel},
    preview::DryRun,
};
use crate::send::{Sent, send};
use mica_payer::channels::{CLOSING, ChannelError, Payer};
use mica_payer::funds;
use mica_payer::preview::{CallPreview, Moved};

/// `mica channel …`
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Channels of the wallet that are open on chain
    List,
    /// Raise a channel's deposit to a total
    TopUp {
        /// The channel's id
        #[arg(value_parser = parse_channel)]
        channel: ChannelId,
        /// New total of the deposit, for example 1.5 MICA
        #[arg(value_parser = parse_amount)]
        total: Balance,
        /// How it is sent
        #[command(flatten)]
        options: SendOptions,
    },
    /// Close channels: workers redeem, what is left comes back
    Close {
        /// Ids of the channels
        #[arg(value_parser = parse_channel, required_unless_present = "all", conflicts_with = "all")]
        channels: Vec<ChannelId>,
        /// All channels of the wallet
        #[arg(long)]
        all: bool,
        /// Sign what is owed for the workers first: those that agree close at once, are paid with
        /// it, and nothing is sent from here
        #[arg(long)]
        agree: bool,
        /// Longest wait for the workers, in seconds; 0 does not wait, nor does --wait none
        #[arg(long, default_value_t = 90, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
        patience: u64,
        /// How it is sent
        #[command(flatten)]
        options: SendOptions,
    },
}

/// Longest wait for workers to agree.
const AGREEMENT_PATIENCE: Duration = Duration::from_secs(20);

/// How channels are ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// What is owed is signed first.
    Agreed,
    /// The chain is asked.
    Asked,
}

fn parse_channel(text: &str) -> Result<ChannelId, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bytes = hex::decode(digits).ok().and_then(|bytes| Hash32::try_from(bytes).ok());
    bytes
        .map(ChannelId)
        .ok_or_else(|| "a channel's id has 64 hexadecimal digits: see `mica channel list`".into())
}

/// Runs `mica channel …`.
///
/// # Errors
/// [`CommandError`] if the chain refuses or the wallet cannot be opened.
pub(crate) async fn run(context: &Context, command: ChannelCommand) -> Result<(), CommandError> {
    match command {
        ChannelCommand::List => list(context).await,
        ChannelCommand::TopUp { channel, total, options } => {
            top_up(context, channel, total, options).await
        }
        ChannelCommand::Close { channels, all, agree, patience, options } => {
            let channels = if all { Channels::All } else { Channels::These(channels) };
            let how = if agree { How::Agreed } else { How::Asked };
            close(context, channels, how, Duration::from_secs(patience), options).await
        }
    }
}

async fn list(context: &Context) -> Result<(), CommandError> {
    let payer = context.account()?;
    let store = context.store()?;
    let view = context.chain().await?.at_best().await?;
    let mut listed = Vec::new();
    for (id, channel) in view.channels_of(payer).await? {
        let recorded = store
            .lanes(id)?
            .iter()
            .fold(0, |sum: Balance, lane| sum.saturating_add(PayerLaneRecord::promised(lane)));
        listed.push(OpenChannel::new(id, &channel, recorded));
    }
    Ok(context.output.show(&listed, |listed| channel::list(listed))?)
}

async fn top_up(
    context: &Context,
    channel: ChannelId,
    total: Balance,
    options: SendOptions,
) -> Result<(), CommandError> {
    let key = context.account_key()?;
    let chain = context.chain().await?;
    let found =
        chain.at_best().await?.channel(channel).await?.filter(|found| found.payer == key.account());
    let found = found.ok_or(ChannelError::Unknown(channel))?;
    if total <= found.deposit {
        let has = amount::format(found.deposit);
        return Err(CommandError::Usage(format!(
            "the channel's deposit is {has} already: name a larger total"
        )));
    }
    let (call, more) = (Call::TopUpTo { channel, total }, total.saturating_sub(found.deposit));
    if options.dry_run {
        let report =
            CallPreview::new(&chain, key.account(), Some(&call), Moved { sent: 0, locked: more })
                .await?;
        context.output.show(&DryRun::from(&report), DryRun::to_text)?;
        return Ok(report.verdict()?);
    }
    let money = chain.at_best().await?.account(key.account()).await?;
    funds::check(key.account(), &money, more, chain.estimate_fee_for(key.account(), &call).await?)?;
    let question = format!("Lock {} more in the channel to {}?", amount::format(more), found.payee);
    context.confirmation().of(&question, Unattended::Proceed)?;
    let signer = key.signer("topping up a channel")?;
    // A worker takes the deposit that it knows for all there is, and it knows the final one.
    let follow = options.follow(context.settings.wait, Wait::Finalized);
    let sent = send(&chain, &signer, call, follow, context.progress, "topping up").await?;
    Ok(context.output.show(&ChannelChange::new(&[sent], 0), ChannelChange::to_text)?)
}

/// Which channels are meant.
enum Channels {
    All,
    These(Vec<ChannelId>),
}

async fn close(
    context: &Context,
    channels: Channels,
    how: How,
    patience: Duration,
    options: SendOptions,
) -> Result<(), CommandError> {
    // Closing signs no voucher: a lost or broken hot key must not stand in its way.
    let (account, signer) = (context.account_key()?, SigningKey::from_bytes(&[0; 32]).into());
    let payer = Payer { chain: context.chain().await?, account, signer };
    let mut channels: Vec<ChannelId> = match channels {
        Channels::All => payer
            .chain
            .at_best()
            .await?
            .channels_of(payer.id())
            .await?
            .into_iter()
            .map(|(id, _)| id)
            .collect(),
        Channels::These(channels) => channels,
    };
    let agreed = match how {
        How::Agreed if !options.dry_run => agree(context, &payer, &channels).await?,
        How::Agreed | How::Asked => BTreeSet::new(),
    };
    channels.retain(|channel| !agreed.contains(channel));
    let call = payer.closing(&channels).await?;
    if options.dry_run {
        let report =
            CallPreview::new(&payer.chain, payer.id(), call.as_ref(), Moved::default()).await?;
        context.output.show(&DryRun::from(&report), DryRun::to_text)?;
        return Ok(report.verdict()?);
    }
    let follow = options.follow(context.settings.wait, Wait::Included);
    let (mut sent, mut lost) = (Vec::new(), 0);
    if let Some(call) = call {
        let money = payer.chain.at_best().await?.account(payer.id()).await?;
        funds::check(
            payer.id(),
            &money,
            0,
            payer.chain.estimate_fee_for(payer.id(), &call).await?,
        )?;
        let signer = payer.account.signer(CLOSING)?;
        let what = format!("closing {} channels", channels.len());
        sent.push(send(&payer.chain, &signer, call, follow, context.progress, &what).await?);
    }
    if follow.wait != Wait::None && !patience.is_zero() && !channels.is_empty() {
        let step = context.progress.step("waiting for the workers to redeem");
        let gone = payer.await_closed(&channels, patience).await?;
        sent.extend(gone.finished.iter().map(|one| Sent::from((one, Wait::Included))));
        lost = gone.lost;
        step.done(&format!("gone in block {}", gone.block));
    }
    let change = ChannelChange::new(&sent, lost).agreed(&agreed);
    Ok(context.output.show(&change, ChannelChange::to_text)?)
}

/// Asks the workers to end channels with what is owed. Returns those that are gone.
async fn agree(
    context: &Context,
    payer: &Payer,
    channels: &[ChannelId],
) -> Result<BTreeSet<ChannelId>, CommandError> {
    let (_, signer) = context.keys()?;
    let payer = Payer { signer, ..payer.clone() };
    let step = context.progress.step("asking the workers to agree");
    let (store, hubs) = (context.store()?, &context.settings.hubs);
    let gone = payer.agree_to_close(&store, channels, hubs, AGREEMENT_PATIENCE).await?;
    step.done(&format!("{} of {} agreed", gone.len(), channels.len()));
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::parse_channel;

    #[test]
    fn ids_are_read_with_and_without_prefix() {
        let id = "ab".repeat(32);
        assert_eq!(parse_channel(&id), parse_channel(&format!("0x{id}")));
        for text in ["", "0x", "0xabcd", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(parse_channel(text).is_err(), "{text}");
        }
    }
}
