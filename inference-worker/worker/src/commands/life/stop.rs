//! Stopping the worker that runs with a folder, as its operator would: it lets sessions end,
//! redeems and leaves.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::Instant;

use super::{Life, LifeError};
use crate::{
    data_dir::{DataDir, FolderLock},
    report::Event,
};

/// Longest time from the end of the last session to the end of the process: it redeems and waits
/// for its tasks, a minute each.
const FINISH: Duration = Duration::from_secs(150);
/// Pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

impl Life {
    /// Takes the folder, after the process that has it has ended.
    ///
    /// # Errors
    /// [`LifeError::StillRuns`] if it does not end, [`LifeError::CannotStop`] if it is not known
    /// which process it is, or the system does not let it be told.
    pub(super) async fn take_over(&self, folder: &DataDir) -> Result<FolderLock, LifeError> {
        if let Some(lock) = folder.try_lock()? {
            return Ok(lock);
        }
        let pid = running(folder)?;
        kill_process(pid, Signal::TERM)
            .map_err(|error| LifeError::CannotStop(error.to_string()))?;
        let pid = pid.as_raw_nonzero().get();
        self.reporter.emit(&Event::Stopping { pid });
        let drain = self.config.as_ref().map_or(0, |config| config.limits.drain_seconds);
        let patience = FINISH.saturating_add(Duration::from_secs(drain));
        let deadline = Instant::now() + patience;
        loop {
            if let Some(lock) = folder.try_lock()? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(LifeError::StillRuns { pid, seconds: patience.as_secs() });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// The process that has the folder, by its own status file.
fn running(folder: &DataDir) -> Result<Pid, LifeError> {
    let unknown =
        || LifeError::CannotStop("it is starting, and has not said which process it is".to_owned());
    let text = std::fs::read_to_string(folder.status()).map_err(|_| unknown())?;
    let status: Value = serde_json::from_str(&text).map_err(|_| unknown())?;
    let pid = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.filter(|pid| *pid > 1).and_then(Pid::from_raw).ok_or_else(unknown)?;
    // The number may be another program's by now.
    let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
    match name {
        Ok(name) if name.trim() != "mica-worker" => Err(unknown()),
        _ => Ok(pid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_is_told_to_stop() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = DataDir::at(folder.path().to_owned());
        folder.create().expect("made");
        assert!(matches!(running(&folder), Err(LifeError::CannotStop(_))), "no status");
        // This test is a process, and no worker.
        for pid in ["1", "0", "-5", "null", "\"x\"", &std::process::id().to_string()] {
            std::fs::write(folder.status(), format!("{{\"pid\": {pid}}}")).expect("written");
            assert!(matches!(running(&folder), Err(LifeError::CannotStop(_))), "{pid}");
        }
    }
}
