//! Spares: further paths that share no worker with the ones before, for when a stage is lost.

use super::{network::Network, no_path::RouteError, path::Path, shortest::Preference};

/// Most paths that are looked for.
pub const MAX_DISJOINT_PATHS: usize = 16;

impl Network<'_> {
    /// Up to `k` (at most [`MAX_DISJOINT_PATHS`]) paths, best first; none shares a worker with
    /// another.
    ///
    /// Each is the best one over the workers that those before it left. That keeps the first path
    /// the best there is, which is what a payer uses; it may find fewer disjoint paths than a
    /// search that gives up the best one for their sake.
    ///
    /// # Errors
    /// Those of [`Network::best_path`], for the first path only: a missing spare just ends the
    /// list.
    pub fn disjoint_paths(
        &self,
        preference: Preference,
        k: usize,
    ) -> Result<Vec<Path>, RouteError> {
        let mut paths = vec![self.best_path(preference)?];
        let mut left = self.clone();
        while paths.len() < k.min(MAX_DISJOINT_PATHS) {
            let used = paths.last().map(|path| &path.stages[..]).unwrap_or_default();
            left.usable.retain(|usable| used.iter().all(|stage| stage.worker != usable.worker));
            match left.lightest(preference) {
                Some(path) => paths.push(path),
                None => break,
            }
        }
        Ok(paths)
    }
}
