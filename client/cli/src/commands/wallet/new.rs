//! `mica wallet new`: a wallet from the system's randomness, whose phrase is shown once.

use clap::Args;
use mica_chain::DerivationPath;

use super::create;
use crate::context::Context;
use crate::error::CommandError;
use crate::render::wallet::CreatedWallet;
use mica_wallet::{Secret, WordCount};

/// Options of `mica wallet new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Words of the phrase: 12 or 24
    #[arg(long, default_value = "12", value_parser = ["12", "24"])]
    words: String,
    /// Derivation path from the phrase to the account, for example //savings or //hard/soft
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    derive: DerivationPath,
}

/// Runs `mica wallet new`.
///
/// # Errors
/// [`CommandError`]; no wallet was made then.
pub(super) fn run(context: &Context, arguments: NewArgs) -> Result<(), CommandError> {
    let words = if arguments.words == "24" { WordCount::TwentyFour } else { WordCount::Twelve };
    let secret = Secret::generate(words)?.with_path(arguments.derive)?;
    let created = create(context, &secret)?;
    // Shown once, on purpose; it is not kept in clear.
    let phrase = secret.phrase()?;
    let created = CreatedWallet { phrase: Some(&phrase), ..created };
    Ok(context.output.show(&created, CreatedWallet::with_phrase)?)
}
