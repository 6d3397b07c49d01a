//! Records of a chain that is no more.
//!
//! A development chain that starts anew gives its channels the numbers of the old chain's: what the old chain's payers promised must not be
//! taken for promises of the new one's. It is moved, not deleted, because only people can know that the old chain never comes back.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{ChainMark, Store, StoreError};
use crate::data_dir::DataDir;

/// Chains of one worker that may be put aside: folders beyond that are somebody's to look at.
const MAX_ASIDE: usize = 1000;

/// Moves all records, which are of the chain `mark`, to a folder of their own; returns an empty store and that folder.
///
/// # Errors
/// [`StoreError`] if a file cannot be moved. What was not moved is still in its place.
pub fn put_aside(mut store: Store, folder: &DataDir, mark: &ChainMark) -> Result<(Store, PathBuf), StoreError> {
    store.checkpoint()?;
    // The files must not be open while they move.
    drop(store);
    let place = place(folder, mark).map_err(|error| refused(&folder.aside(), &error))?;
    for file in [folder.store(), folder.journal()] {
        let name = file.file_name().unwrap_or_default();
        match std::fs::rename(&file, place.join(name)) {
            Ok(()) => {}
            // A journal that was never written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(&file, &error)),
        }
    }
    Ok((Store::open(folder)?, place))
}

/// A new folder, named after the chain.
fn place(folder: &DataDir, mark: &ChainMark) -> io::Result<PathBuf> {
    let aside = folder.aside();
    std::fs::create_dir_all(&aside)?;
    let first = mark.first_block.unwrap_or(mark.genesis);
    let chain = format!("{}-{}", hex::encode(&mark.genesis[..4]), hex::encode(&first[..4]));
    for number in 1..=MAX_ASIDE {
        let place = aside.join(format!("{chain}-{number}"));
        match std::fs::create_dir(&place) {
            Ok(()) => return Ok(place),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("there are too many folders already: move some of them away"))
}

fn refused(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Write { path: path.display().to_string(), reason: error.to_string() }
}
