//! `mica-worker config get|set|unset|list|path`: the settings of the folder's `config.toml`, with
//! its comments left as they are.

use std::io::{self, Write};

use mica_host::files::{FileError, replace_private};
use serde_json::json;

use crate::{
    config::{
        Config, ConfigError,
        edit::{self, EditError, Setting},
    },
    data_dir::DataDir,
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// What to do with the settings.
    #[command(subcommand)]
    command: Command,
    /// One JSON object instead of sentences.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Prints a setting.
    Get {
        /// Its name: see `mica-worker config list`.
        key: String,
    },
    /// Writes a setting, if a start would take it; it counts from the next start on.
    Set {
        /// Its name: see `mica-worker config list`.
        key: String,
        /// Its value.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Takes a setting's value away, so that its default counts.
    Unset {
        /// Its name: see `mica-worker config list`.
        key: String,
    },
    /// All settings and their values.
    List,
    /// Where the file lies.
    Path,
}

/// Why settings are not shown or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigCommandError {
    /// The file cannot be read, or is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The setting is unknown, or cannot have that value.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Shows or changes settings.
///
/// # Errors
/// If the file cannot be read or written, or the setting cannot be so; it is as it was then.
pub(crate) fn run(args: &Args, folder: &DataDir) -> Result<(), ConfigCommandError> {
    let path = folder.config();
    let mut out = io::stdout().lock();
    if let Command::Path = args.command {
        match args.json {
            true => writeln!(out, "{}", json!({ "path": path }))?,
            false => writeln!(out, "{}", path.display())?,
        }
        return Ok(());
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| ConfigError::Read { path: path.clone(), reason: error.to_string() })?;
    match &args.command {
        Command::Get { key } => show(&mut out, &edit::get(&text, key)?, args.json)?,
        Command::Set { key, value } => {
            let changed = edit::set(&text, key, value)?;
            replace_private(&path, changed.as_bytes())?;
            show(&mut out, &edit::get(&changed, key)?, args.json)?;
        }
        Command::Unset { key } => {
            let changed = edit::unset(&text, key)?;
            replace_private(&path, changed.as_bytes())?;
            show(&mut out, &edit::get(&changed, key)?, args.json)?;
        }
        Command::List => {
            let settings = edit::list(&text);
            if args.json {
                let all: Vec<_> = settings.iter().map(to_json).collect();
                writeln!(out, "{}", json!(all))?;
            } else {
                for setting in &settings {
                    show(&mut out, setting, false)?;
                }
            }
            // What is wrong is told after what there is, so that one sees where.
            Config::read(&path)?;
        }
        Command::Path => {}
    }
    Ok(())
}

fn show(out: &mut impl Write, setting: &Setting, as_json: bool) -> io::Result<()> {
    match (as_json, &setting.value) {
        (true, _) => writeln!(out, "{}", to_json(setting)),
        (false, Some(value)) => writeln!(out, "{} = {value}", setting.key),
        (false, None) => writeln!(out, "{} is not set", setting.key),
    }
}

fn to_json(setting: &Setting) -> serde_json::Value {
    json!({ "key": setting.key, "value": setting.value, "about": setting.about })
}
