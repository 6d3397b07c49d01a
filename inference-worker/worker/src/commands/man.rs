//! `mica-worker man`: the manual pages, one for each command, from the same text as `--help`.

use std::io::{self, Write};
use std::path::PathBuf;

use mica_host::files::{self, FileError};
use thiserror::Error;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// Folder to write mica-worker.1, mica-worker-run.1 and the others into; without it
    /// mica-worker.1 is printed.
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Why there are no pages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManError {
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The folder cannot be made.
    #[error("cannot create the folder {}: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A page cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Writes the pages of `command`, the whole command line.
///
/// # Errors
/// [`ManError`].
pub(crate) fn run(args: &Args, command: clap::Command) -> Result<(), ManError> {
    let pages = mica_manual::pages(command)?;
    let Some(folder) = &args.out else {
        let first = pages.first().map(|page| page.text.as_slice());
        return Ok(io::stdout().write_all(first.unwrap_or_default())?);
    };
    std::fs::create_dir_all(folder)
        .map_err(|source| ManError::Folder { folder: folder.clone(), source })?;
    for page in pages {
        files::replace_public(&folder.join(&page.file), &page.text)?;
    }
    Ok(())
}
