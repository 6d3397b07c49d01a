//! `mica channel list|top-up|close`.

use std::time::Duration;

use clap::Subcommand;
use mica_chain::{Call, Until, amount};
use mica_primitives::{Balance, ChannelId, ChannelState, Hash32};
use mica_protocol::channel::PayerLaneRecord;
use serde::Serialize;

use super::Context;
use crate::{
    channels::{ChannelError, Payer},
    cli::parse_amount,
    error::CommandError,
    output::table,
};

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
    },
    /// Close channels: workers redeem, what is left comes back
    Close {
        /// Ids of the channels
        #[arg(value_parser = parse_channel, required_unless_present = "all", conflicts_with = "all")]
        channels: Vec<ChannelId>,
        /// All channels of the wallet
        #[arg(long)]
        all: bool,
        /// Longest wait for the workers, in seconds; 0 does not wait
        #[arg(long, default_value_t = 90, value_name = "SECONDS")]
        wait: u64,
    },
}

fn parse_channel(text: &str) -> Result<ChannelId, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bytes = hex::decode(digits).ok().and_then(|bytes| Hash32::try_from(bytes).ok());
    bytes.map(ChannelId).ok_or_else(|| "a channel's id has 64 hexadecimal digits: see `mica channel list`".into())
}

/// Runs `mica channel …`.
///
/// # Errors
/// [`CommandError`] if the chain refuses or the wallet cannot be opened.
pub async fn run(context: &Context, command: ChannelCommand) -> Result<(), CommandError> {
    match command {
        ChannelCommand::List => list(context).await,
        ChannelCommand::TopUp { channel, total } => top_up(context, channel, total).await,
        ChannelCommand::Close { channels, all, wait } => close(context, channels, all, Duration::from_secs(wait)).await,
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
    let address = context.keystore().read(&context.global.wallet)?.address;
    let payer = address.parse().map_err(|_| CommandError::Address(address))?;
    let store = context.store()?;
    let view = context.chain().await?.at_best().await?;
    let mut listed = Vec::new();
    for (id, channel) in view.channels_of(payer).await? {
        let ours = store.lanes(id)?.iter().fold(0, |sum: Balance, lane| sum.saturating_add(PayerLaneRecord::promised(lane)));
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
                [vec![one.channel.clone(), one.payee.clone()], money.to_vec(), vec![one.state.clone()]].concat()
            })
            .collect();
        table(&["CHANNEL", "PAYEE", "DEPOSIT", "PROMISED", "CLAIMED", "LEFT", "STATE"], &rows)
    })?)
}

#[derive(Serialize)]
struct Changed {
    block: u32,
    extrinsics: Vec<String>,
    fees: Balance,
    events: Vec<String>,
}

async fn top_up(context: &Context, channel: ChannelId, total: Balance) -> Result<(), CommandError> {
    let (_, signer) = context.unlock()?;
    let chain = context.chain().await?;
    let found = chain.at_best().await?.channel(channel).await?.filter(|found| found.payer == signer.account());
    let found = found.ok_or(ChannelError::Unknown(channel))?;
    if total <= found.deposit {
        let has = amount::format(found.deposit);
        return Err(CommandError::Usage(format!("the channel's deposit is {has} already: name a larger total")));
    }
    let step = context.progress.step("topping up");
    let submitted = chain.submit(&signer, Call::TopUpTo { channel, total }, Until::InBlock).await?;
    step.done(&format!("block {}", submitted.block.number));
    show(context, &[submitted])
}

async fn close(context: &Context, channels: Vec<ChannelId>, all: bool, patience: Duration) -> Result<(), CommandError> {
    let (secret, account) = context.unlock()?;
    let payer = Payer { chain: context.chain().await?, account, signer: secret.channel_signer() };
    let channels = match all {
        true => payer.chain.at_best().await?.channels_of(payer.id()).await?.into_iter().map(|(id, _)| id).collect(),
        false => channels,
    };
    let step = context.progress.step(format!("closing {} channels", channels.len()));
    let mut submitted: Vec<_> = payer.close(&channels).await?.into_iter().collect();
    if patience.is_zero() || channels.is_empty() {
        step.done("asked");
    } else {
        step.now("waiting for the workers to redeem");
        let (finished, block) = payer.await_closed(&channels, patience).await?;
        submitted.extend(finished);
        step.done(&format!("gone in block {block}"));
    }
    show(context, &submitted)
}

fn show(context: &Context, submitted: &[mica_chain::Submitted]) -> Result<(), CommandError> {
    let changed = Changed {
        block: submitted.iter().map(|one| one.block.number).max().unwrap_or(0),
        extrinsics: submitted.iter().map(|one| format!("0x{}", hex::encode(one.extrinsic))).collect(),
        fees: submitted.iter().fold(0, |sum: Balance, one| sum.saturating_add(one.fee)),
        events: submitted.iter().flat_map(|one| &one.events).map(|event| format!("{}.{}", event.pallet, event.name)).collect(),
    };
    Ok(context.output.show(&changed, |changed| match changed.extrinsics.len() {
        0 => "nothing to do".into(),
        _ => format!("done in block {} (fees {})", changed.block, amount::format(changed.fees)),
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
