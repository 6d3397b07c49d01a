//! `mica config get|set|unset|list|path`: the payer's settings.

use clap::Subcommand;

use crate::config::{ConfigFile, Key};
use crate::context::Context;
use crate::error::CommandError;
use crate::render::config::{self, ConfigPath, Setting};

/// `mica config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print what a setting comes to
    Get {
        /// Name of the setting: see `mica config list`
        key: Key,
    },
    /// Write a setting into the file
    Set {
        /// Name of the setting: see `mica config list`
        key: Key,
        /// Its value
        value: String,
    },
    /// Take a setting out of the file
    Unset {
        /// Name of the setting: see `mica config list`
        key: Key,
    },
    /// All settings, what each comes to and where that comes from
    List,
    /// Where the file lies
    Path,
}

/// Runs `mica config …`.
///
/// # Errors
/// [`CommandError::Config`] if a value cannot be or the file is broken; the file is as it was then.
pub(crate) fn run(context: &Context, command: &ConfigCommand) -> Result<(), CommandError> {
    let path = context.home.config();
    match command {
        ConfigCommand::Path => {
            let place = ConfigPath { path: path.display().to_string() };
            return Ok(context.output.show(&place, |place| place.path.clone())?);
        }
        ConfigCommand::List => {
            let file = ConfigFile::load(&path)?;
            let settings = Key::ALL
                .iter()
                .map(|key| setting(context, &file, *key))
                .collect::<Result<Vec<_>, _>>()?;
            context.output.show(&settings, |settings| config::list(settings))?;
            // What is wrong is told after what there is, so that one sees where.
            file.check()?;
        }
        ConfigCommand::Get { key } => {
            let setting = setting(context, &ConfigFile::load(&path)?, *key)?;
            context.output.show(&setting, Setting::value)?;
        }
        ConfigCommand::Set { key, value } => {
            let mut file = ConfigFile::load(&path)?;
            file.set(*key, value)?;
            context.home.create()?;
            file.save()?;
            show_written(context, *key, Some(value))?;
        }
        ConfigCommand::Unset { key } => {
            let mut file = ConfigFile::load(&path)?;
            if file.unset(*key) {
                file.save()?;
            }
            show_written(context, *key, None)?;
        }
    }
    Ok(())
}

fn show_written(context: &Context, key: Key, value: Option<&String>) -> Result<(), CommandError> {
    Ok(context.output.show(&Setting::new(key, value.cloned(), "file"), Setting::written)?)
}

/// What a setting comes to. A value in the file that cannot be is shown as the error that it is.
fn setting(context: &Context, file: &ConfigFile, key: Key) -> Result<Setting, CommandError> {
    let setting = |value: Option<String>, from| Setting::new(key, value, from);
    if let Some(given) = on_command_line(context, key) {
        let variable = key.variable().and_then(|name| std::env::var(name).ok());
        return Ok(setting(
            Some(given.clone()),
            if variable == Some(given) { "environment" } else { "option" },
        ));
    }
    if let Some(value) = key.variable().and_then(|name| std::env::var(name).ok()) {
        return Ok(setting(Some(value), "environment"));
    }
    Ok(match file.get(key) {
        Ok(Some(value)) => setting(Some(value), "file"),
        Ok(None) => setting(
            key.default().map(str::to_owned),
            if key.default().is_some() { "default" } else { "nowhere" },
        ),
        Err(error) => setting(Some(error.to_string()), "file"),
    })
}

/// The options that every command has.
fn on_command_line(context: &Context, key: Key) -> Option<String> {
    let global = &context.global;
    match key {
        Key::NodeUrl => global.node_url.clone(),
        Key::Wallet => global.wallet.clone(),
        Key::PasswordFile => global.password_file.as_ref().map(|path| path.display().to_string()),
        Key::Output => global.output().map(|output| format!("{output:?}").to_lowercase()),
        _ => None,
    }
}
