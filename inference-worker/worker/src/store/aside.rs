//! Records of a chain that no longer exists.
//!
//! A development chain that is reset reuses the old chain's channel numbers: what the old chain's
//! payers promised must not be taken for promises on the new chain. The records are moved aside,
//! not deleted, because the old chain may come back; if it does, they are moved back.

use std::{
    io,
    path::{Path, PathBuf},
};

use mica_chain::ChainOrigin;
use mica_primitives::Hash32;

use super::{ChainMark, Store, StoreError};
use crate::data_dir::DataDir;

/// Chains of one worker that may be put aside: folders beyond that are somebody's to look at.
const MAX_ASIDE: usize = 1000;

/// Migrator all records, which are of the chain `mark`, to a folder of their own; returns an empty
/// store and that folder.
///
/// # Errors
/// [`StoreError`] if a file cannot be moved. What was not moved is still in its place.
pub(crate) fn put_aside(
    mut store: Store,
    folder: &DataDir,
    mark: &ChainMark,
) -> Result<(Store, PathBuf), StoreError> {
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

/// Migrator the newest records that were put aside for exactly the chain `origin` back into the
/// place of `store`, which has no lanes; returns the store and, if there were any, the folder in
/// which they lay.
///
/// # Errors
/// [`StoreError`] if a file cannot be moved, or what lies aside is damaged. Nothing is lost then.
pub(crate) fn take_back(
    store: Store,
    folder: &DataDir,
    origin: &ChainOrigin,
) -> Result<(Store, Option<PathBuf>), StoreError> {
    let Some(first) = origin.first_block else { return Ok((store, None)) };
    let Some(place) = newest_of(folder, origin, &name(&origin.genesis, &first))? else {
        return Ok((store, None));
    };
    drop(store);
    let found = DataDir::at(place.clone());
    // Of the store's own journal nothing is wanted, and what the other one had is in its database
    // by now. So one move is enough, and nothing can be lost half way.
    for journal in [folder.journal(), found.journal()] {
        match std::fs::remove_file(&journal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(refused(&journal, &error));
            }
            _ => {}
        }
    }
    std::fs::rename(found.store(), folder.store())
        .map_err(|error| refused(&found.store(), &error))?;
    // A folder that stays is empty and does no harm.
    let _ = std::fs::remove_dir(&place);
    Ok((Store::open(folder)?, Some(place)))
}

/// The newest folder with lanes of this chain.
fn newest_of(
    folder: &DataDir,
    origin: &ChainOrigin,
    chain: &str,
) -> Result<Option<PathBuf>, StoreError> {
    for number in (1..=MAX_ASIDE).rev() {
        let place = folder.aside().join(format!("{chain}-{number}"));
        let found = DataDir::at(place.clone());
        if !found.store().exists() {
            continue;
        }
        let mut found = Store::open(&found)?;
        found.checkpoint()?;
        if found.mark()?.is_some_and(|mark| mark.origin() == *origin) && !found.lanes()?.is_empty()
        {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// What the folders of a chain are called, but for their number.
fn name(genesis: &Hash32, first: &Hash32) -> String {
    format!("{}-{}", hex::encode(&genesis[..4]), hex::encode(&first[..4]))
}

/// A new folder, named after the chain: the next number, so that the highest is the newest.
fn place(folder: &DataDir, mark: &ChainMark) -> io::Result<PathBuf> {
    let aside = folder.aside();
    std::fs::create_dir_all(&aside)?;
    let chain = name(&mark.genesis, &mark.first_block.unwrap_or(mark.genesis));
    let is_taken = |number: &usize| aside.join(format!("{chain}-{number}")).exists();
    let next = (1..=MAX_ASIDE).rev().find(is_taken).unwrap_or(0) + 1;
    for number in next..=MAX_ASIDE {
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
