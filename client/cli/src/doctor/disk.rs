//! Room for promises and receipts on the disk that holds the home folder.

use std::path::Path;

use super::{Finding, shell};
use crate::context::Context;

/// Less than this may not hold the records of the next prompts.
const LEAST_BYTES: u64 = 64 << 20;
/// Less than this is worth knowing.
const SCARCE_BYTES: u64 = 512 << 20;

/// Looks at the home folder, or at the nearest folder above it that is there.
pub(super) fn space(context: &Context) -> Finding {
    let Some(folder) = context.home.root().ancestors().find(|folder| folder.exists()) else {
        return Finding::skipped("disk", "the home folder lies nowhere");
    };
    match rustix::fs::statvfs(folder) {
        Ok(disk) => judge(folder, disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => Finding::skipped(
            "disk",
            format!("the system does not say how much room there is: {error}"),
        ),
    }
}

fn judge(folder: &Path, free: u64) -> Finding {
    let found = format!("{} MiB are free", free >> 20);
    let mend = format!("df -h {0} && du -xsh {0}", shell(folder));
    match free {
        0..LEAST_BYTES => Finding::wrong("disk", format!("only {found}: free some"), mend),
        LEAST_BYTES..SCARCE_BYTES => Finding::note("disk", found, mend),
        _ => Finding::good("disk", found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn little_room_is_told_before_it_is_none() {
        let state = |free| judge(Path::new("/"), free).state;
        assert_eq!(
            [0, LEAST_BYTES - 1, LEAST_BYTES, SCARCE_BYTES].map(state),
            [State::Wrong, State::Wrong, State::Note, State::Good]
        );
    }
}
