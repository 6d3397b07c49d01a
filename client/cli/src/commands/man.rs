//! `mica man`: the manual pages, one per command, written from the same text as `--help`.

use std::path::PathBuf;

use clap::{Args, Command, ValueHint};
use mica_manual::Page;

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
    command: Command,
) -> Result<(), CommandError> {
    let pages = mica_manual::pages(command).map_err(CommandError::Input)?;
    let Some(folder) = &arguments.out else {
        let first = pages.first().map(|page| String::from_utf8_lossy(&page.text));
        // A page is text by nature: --json does not change it.
        return Ok(Output::Text.stream(&first.unwrap_or_default())?);
    };
    let cannot =
        |source| files::FileError::Io { action: "create the folder", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let mut names = Vec::new();
    for Page { file, text } in pages {
        files::replace_public(&folder.join(&file), &text)?;
        names.push(file);
    }
    names.sort();
    Ok(context.output.show(&ManualPages { pages: names }, |pages| pages.to_text(folder))?)
}
