//! Whether the database is the one that was used last: how often it was used is counted in it and
//! in a small file beside it.
//!
//! A copy that was restored counts fewer uses than the file, and so does a new database after the
//! old one was deleted. Only the findings of `mica doctor` depend on it.

use std::path::{Path, PathBuf};

use redb::{ReadableDatabase, ReadableTable};

use super::{META, Store, StoreError, db};
use mica_wallet::files;

/// Key of the count.
const USES: &str = "uses";
/// The file holds one number.
const MAX_BYTES: u64 = 32;

impl Store {
    /// Counts one more use: a program that makes promises.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be written.
    pub fn count_use(&self) -> Result<(), StoreError> {
        let beside = uses_beside(&self.path).unwrap_or(0);
        let uses = self.write(|transaction| {
            let mut meta = transaction.open_table(META).map_err(db)?;
            let known = meta.get(USES).map_err(db)?.map_or(0, |uses| uses.value());
            let uses = known.max(beside).saturating_add(1);
            meta.insert(USES, uses).map_err(db)?;
            Ok(uses)
        })?;
        if let Err(error) = files::replace_private(&mark(&self.path), uses.to_string().as_bytes()) {
            // The promises are in the database, which is what matters.
            tracing::warn!(%error, "the count of uses beside the database is not kept");
        }
        Ok(())
    }

    /// How many uses the database does not know of; 0 for the one that was used last.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn forgotten_uses(&self) -> Result<u32, StoreError> {
        let meta = self.database.begin_read().map_err(db)?.open_table(META).map_err(db)?;
        let known = meta.get(USES).map_err(db)?.map_or(0, |uses| uses.value());
        Ok(uses_beside(&self.path).unwrap_or(0).saturating_sub(known))
    }
}

/// Whether a database at `path` was used before, whatever is there now.
pub fn was_used(path: &Path) -> bool {
    uses_beside(path).is_some_and(|uses| uses > 0)
}

fn mark(path: &Path) -> PathBuf {
    path.with_extension("uses")
}

fn uses_beside(path: &Path) -> Option<u32> {
    let bytes = files::read_bounded(&mark(path), MAX_BYTES).ok()?;
    String::from_utf8(bytes).ok()?.trim().parse().ok()
}
