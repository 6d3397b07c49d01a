//! `mica wallet find-hot-key`: for a wallet that was made again from its words, the hot keys that
//! its open channels were opened with.
//!
//! A hot key follows from the wallet's secret and a number. The words do not say which number is
//! the present one, but the channels on chain name their signers, so all numbers there can be are
//! tried.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::FoundHotKeys;

/// Runs `mica wallet find-hot-key`.
///
/// # Errors
/// [`CommandError`] if the chain cannot be read or the wallet does not open.
pub(super) async fn run(context: &Context) -> Result<(), CommandError> {
    let (keystore, wallet) = (context.keystore(), context.settings.wallet.clone());
    let present = keystore.read(&wallet)?.hot_key;
    let view = context.chain().await?.at_best().await?;
    let channels = view.channels_of(context.account()?).await?;
    let signers: BTreeSet<_> = channels.iter().map(|(_, channel)| channel.signer).collect();
    let password = context.passwords().existing(&wallet)?;
    let secret = keystore.unlock(&wallet, &password)?;
    let numbers: Vec<u32> =
        signers.iter().filter_map(|signer| secret.number_of_channel_signer(signer)).collect();
    let newest = numbers.iter().copied().max().unwrap_or_default();
    let hot_key = newest.max(present);
    // Also where the number stays: a file of hot keys that is lost is made again.
    let file = keystore.set_hot_key(&wallet, &password, hot_key)?;
    let found = FoundHotKeys {
        wallet,
        // Later than the number that was asked for where only the file of hot keys knows it.
        hot_key: file.hot_key,
        channel_signer: format!("0x{}", file.channel_signer),
        channels: channels.len(),
        unknown_signers: signers.len() - numbers.len(),
    };
    Ok(context.output.show(&found, FoundHotKeys::to_text)?)
}
