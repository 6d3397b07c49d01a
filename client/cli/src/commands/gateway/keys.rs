//! `mica gateway keys …`: who may ask the gateway, by keys of which only hashes are kept.

use clap::Subcommand;
use mica_primitives::Balance;

use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_amount;
use crate::render::gateway::{KeyEntry, KeyRemoved, NewKey, keys as key_table};
use mica_gateway::core::SpendingCaps;
use mica_gateway::keys::KeyFile;

/// `mica gateway keys …`
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key; shows it once
    Add {
        /// For whom it is: letters, digits, '-', '_' or '.'
        name: String,
        /// Most money that its bearer may spend in a day (UTC)
        #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
        per_day: Option<Balance>,
        /// Most money for one request of its bearer
        #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
        per_request: Option<Balance>,
    },
    /// Keys that there are, without the keys themselves
    List,
    /// Let the bearer of a key in no more, at once
    Remove {
        /// The key's name
        name: String,
    },
}

/// Runs `mica gateway keys …`. Asks for no password: a key spends within caps and signs nothing.
///
/// # Errors
/// [`CommandError`] if the file of keys cannot be read or written.
pub(super) fn run(context: &Context, command: &KeysCommand) -> Result<(), CommandError> {
    let file = KeyFile::of(context.home.root());
    match command {
        KeysCommand::Add { name, per_day, per_request } => {
            context.home.create()?;
            let caps = SpendingCaps { request: *per_request, day: *per_day };
            let key = file.add(name, caps)?;
            let made = NewKey { name, key: &key, file: file.path().display().to_string() };
            Ok(context.output.show(&made, NewKey::to_text)?)
        }
        KeysCommand::List => {
            let entries: Vec<KeyEntry> = file.read()?.into_iter().map(KeyEntry::from).collect();
            Ok(context.output.show(&entries, |entries| key_table(entries))?)
        }
        KeysCommand::Remove { name } => {
            file.remove(name)?;
            Ok(context.output.show(&KeyRemoved { name }, KeyRemoved::to_text)?)
        }
    }
}
