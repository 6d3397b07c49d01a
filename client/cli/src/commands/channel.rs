//! `mica channel list|top-up|close`.

use std::time::Duration;

use clap::Subcommand;
use ed25519_dalek::SigningKey;
use mica_chain::{Call, amount};
use mica_primitives::{Balance, ChannelId, ChannelState, Hash32};
use mica_protocol::channel::PayerLaneRecord;
use serde::Serialize;

use super::Context;
use crate::cli::parse_amount;
use crate::confirm::Unattended;
use crate::error::CommandError;
use crate::output::table;
use crate::render::preview::DryRun;
use crate::wait::{SendOptions, Sent, Wait, send};
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
        /// Longest wait for the workers, in seconds; 0 does not wait, nor does --wait none
        #[arg(long, default_value_t = 90, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
        patience: u64,
        /// How it is sent
        #[command(flatten)]
        options: SendOptions,
    },
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
pub async fn run(context: &Context, command: ChannelCommand) -> Result<(), CommandError> {
    match command {
        ChannelCommand::List => list(context).await,
        ChannelCommand::TopUp { channel, total, options } => {
            top_up(context, channel, total, options).await
        }
        ChannelCommand::Close { channels, all, patience, options } => {
            let channels = if all { Channels::All } else { Channels::These(channels) };
            close(context, channels, Duration::from_secs(patience), options).await
        }
    }
}

#[derive(Serialize)]
struct Listed {
    channel: String,
    payee: String,
    deposit: Balance,
    claimed: Balance,
    promised: Balance,
    left: Balance,
    state: String,
}

async fn list(context: &Context) -> Result<(), CommandError> {
    let payer = context.account()?;
    let store = context.store()?;
    let view = context.chain().await?.at_best().await?;
    let mut listed = Vec::new();
    for (id, channel) in view.channels_of(payer).await? {
        let ours = store
            .lanes(id)?
            .iter()
            .fold(0, |sum: Balance, lane| sum.saturating_add(PayerLaneRecord::promised(lane)));
        // After a loss of our records the chain may know of more.
        let promised = ours.max(channel.claimed);
        let state = match channel.state {
            ChannelState::Open => "open".to_owned(),
            ChannelState::Closing(closing) => format!("closing until block {}", closing.ends),
        };
        listed.push(Listed {
            channel: id.to_string(),
            payee: channel.payee.to_string(),
            deposit: channel.deposit,
            claimed: channel.claimed,
            promised,
            left: channel.deposit.saturating_sub(promised),
            state,
        });
    }
    Ok(context.output.show(&listed, |listed| {
        if listed.is_empty() {
            return "no channels: `mica ask` opens those that it needs".into();
        }
        let rows: Vec<Vec<String>> = listed
            .iter()
            .map(|one| {
                let money = [one.deposit, one.promised, one.claimed, one.left].map(amount::format);
                [
                    vec![one.channel.clone(), one.payee.clone()],
                    money.to_vec(),
                    vec![one.state.clone()],
                ]
                .concat()
            })
            .collect();
        table(&["CHANNEL", "PAYEE", "DEPOSIT", "PROMISED", "CLAIMED", "LEFT", "STATE"], &rows)
    })?)
}

#[derive(Serialize)]
struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u32>,
    extrinsics: Vec<String>,
    fees: Balance,
    events: Vec<String>,
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
    show(context, &[sent], 0)
}

/// Which channels are meant.
enum Channels {
    All,
    These(Vec<ChannelId>),
}

async fn close(
    context: &Context,
    channels: Channels,
    patience: Duration,
    options: SendOptions,
) -> Result<(), CommandError> {
    // Closing signs no voucher: a lost or broken hot key must not stand in its way.
    let (account, signer) = (context.account_key()?, SigningKey::from_bytes(&[0; 32]));
    let payer = Payer { chain: context.chain().await?, account, signer };
    let channels = match channels {
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
    show(context, &sent, lost)
}

/// Shows what was sent, and what it cost with the fees that were `lost`.
fn show(context: &Context, sent: &[Sent], lost: Balance) -> Result<(), CommandError> {
    let changed = Changed {
        block: sent.iter().filter_map(|one| one.block).max(),
        extrinsics: sent.iter().map(|one| one.extrinsic.clone()).collect(),
        fees: sent.iter().filter_map(|one| one.fee).fold(lost, Balance::saturating_add),
        events: sent.iter().flat_map(|one| one.events.clone()).collect(),
    };
    Ok(context.output.show(&changed, |changed| {
        match (changed.extrinsics.as_slice(), changed.block) {
            ([], _) => "nothing to do".into(),
            (_, Some(block)) => {
                format!("done in block {block} (fees {})", amount::format(changed.fees))
            }
            (extrinsics, None) => format!("the node has it: {}", extrinsics.join(", ")),
        }
    })?)
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
