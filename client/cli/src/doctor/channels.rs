//! The wallet's channels: closing, over, with too short a window, or signed for by a key that is
//! not there any more.

use mica_chain::{AccountId, Chain, ReadError, View, amount};
use mica_primitives::{Balance, ChannelState};

use super::{Finding, wallet::SignerNames};
use crate::context::Context;

/// One finding for what is as it should be, and one for each channel that is not.
pub(super) async fn all(
    context: &Context,
    chain: &Chain,
    view: &View,
    account: AccountId,
) -> Result<Vec<Finding>, ReadError> {
    let (hot, least) = (SignerNames::of(context), chain.usual_window().await?);
    let (mut findings, mut open, mut left) = (Vec::new(), 0u32, 0 as Balance);
    let now = view.clock().await?.now;
    for (id, channel) in view.channels_of(account).await? {
        let rest = channel.deposit.saturating_sub(channel.claimed);
        let close = format!("mica channel close {id}");
        match channel.state {
            ChannelState::Closing(closing) if now >= closing.ends => {
                let found = format!(
                    "{} in channel {id} can be had back: its window is over",
                    amount::format(rest)
                );
                findings.push(Finding::wrong("channels", found, close));
            }
            ChannelState::Closing(closing) => {
                let found = format!(
                    "channel {id} is closing until block {} of the market's clock (now {now})",
                    closing.ends
                );
                findings.push(Finding::note("channels", found, "mica channel list"));
            }
            ChannelState::Open if !hot.has(&channel.signer) => {
                let found = format!(
                    "channel {id} takes another key's vouchers: {} lie idle in it, unless it was \
                     a hot key of this wallet before",
                    amount::format(rest)
                );
                let find = "mica wallet find-hot-key".to_owned();
                findings.push(Finding::wrong("channels", found, find));
            }
            ChannelState::Open if channel.window < least => {
                let found = format!(
                    "channel {id} gives its worker {} blocks to redeem, and none with less than \
                     {least} is used: {} lie idle in it",
                    channel.window,
                    amount::format(rest)
                );
                findings.push(Finding::wrong("channels", found, close));
            }
            ChannelState::Open if !hot.is_current(&channel.signer) => {
                let found = format!(
                    "channel {id} takes the vouchers of a hot key before this one: {} are left to \
                     be used up",
                    amount::format(rest)
                );
                findings.push(Finding::note("channels", found, close));
            }
            ChannelState::Open => {
                open = open.saturating_add(1);
                left = left.saturating_add(rest);
            }
        }
    }
    let found = match open {
        0 => "none is open: the next prompt opens those that it needs, and asks for the password"
            .to_owned(),
        open => format!("{open} open, {} not claimed yet", amount::format(left)),
    };
    findings.insert(0, Finding::good("channels", found));
    Ok(findings)
}
