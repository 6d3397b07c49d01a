//! `mica man`: the manual pages, one per command, written from the same text as `--help`.

use std::path::PathBuf;

use clap::{Args, Command, ValueHint};

use crate::context::Context;
use crate::error::CommandError;
use crate::options::Output;
use crate::render::manual::ManualPages;
use mica_wallet::files;

/// Options of `mica man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder to write mica.1, mica-wallet.1 and the others into; without it mica.1 is printed
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Runs `mica man` for the program whose command line is `command`.
///
/// # Errors
/// [`CommandError`] if the folder cannot be written.
pub(crate) fn run(
    context: &Context,
    arguments: &ManArgs,
    mut command: Command,
) -> Result<(), CommandError> {
    command.build();
    let Some(folder) = &arguments.out else {
        // A page is text by nature: --json does not change it.
        return Ok(Output::Text.stream(&String::from_utf8_lossy(&page(&command)?))?);
    };
    let cannot =
        |source| files::FileError::Io { action: "create the folder", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let mut pages = Vec::new();
    // A tree without loops: its depth is that of the command line.
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        let name =
            format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
        files::replace_public(&folder.join(&name), &page(&command)?)?;
        pages.push(name);
        left.extend(
            command
                .get_subcommands()
                .filter(|one| !one.is_hide_set() && one.get_name() != "help")
                .cloned(),
        );
    }
    pages.sort();
    Ok(context.output.show(&ManualPages { pages }, |pages| pages.to_text(folder))?)
}

fn page(command: &Command) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut bytes).map_err(CommandError::Input)?;
    Ok(bytes)
}
