//! Programs that this one starts: for as long as it runs, or to stay when it has ended.
//!
//! Every program leads a process group of its own, so that Ctrl-C at the terminal reaches this one
//! alone and it decides the order of stopping. A dropped [`Daemon`] takes its whole group with it;
//! only a SIGKILL to this program leaves it running. What [`detach`] starts stays, and is stopped
//! by its process id.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// Time for a program to stop by itself.
const GRACE: Duration = Duration::from_secs(10);
/// Pause between two looks at programs that were asked to stop.
const STOP_POLL: Duration = Duration::from_millis(100);
/// Most bytes of a log that are quoted in an error.
const TAIL_BYTES: u64 = 2000;

/// Why a program cannot be started or does not run any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// No such binary.
    #[error("cannot find `{name}` next to this program ({}): install the package {name}, build it (`cargo build --release`), or name it with {variable}", .beside.display())]
    NotFound {
        /// File name of the binary.
        name: &'static str,
        /// Folder that was looked into.
        beside: PathBuf,
        /// Environment variable that names it.
        variable: &'static str,
    },
    /// The system refuses to start it.
    #[error("cannot start {}: {source}", .program.display())]
    Start {
        /// The binary.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended by itself.
    #[error("{name} stopped ({status}) when it should run; its last words:\n{tail}")]
    Ended {
        /// What it is.
        name: String,
        /// How it ended.
        status: String,
        /// End of its log.
        tail: String,
    },
    /// It ran and failed.
    #[error("`{name}` failed ({status}):\n{tail}")]
    Failed {
        /// What it is.
        name: String,
        /// How it ended.
        status: String,
        /// End of its output.
        tail: String,
    },
}

/// A binary of the same build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sibling {
    name: &'static str,
    variable: &'static str,
}

impl Sibling {
    /// The node.
    pub(crate) const NODE: Self = Self { name: "mica-node", variable: "MICA_NODE_BIN" };
    /// The worker.
    pub(crate) const WORKER: Self = Self { name: "mica-worker", variable: "MICA_WORKER_BIN" };

    /// The binary that its variable names, or the one next to this program.
    ///
    /// # Errors
    /// [`ProcessError::NotFound`].
    pub(crate) fn find(self) -> Result<PathBuf, ProcessError> {
        let Self { name, variable } = self;
        if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
            return if path.is_file() {
                Ok(path)
            } else {
                Err(ProcessError::NotFound { name, beside: path, variable })
            };
        }
        let beside = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(Path::to_owned))
            .unwrap_or_default();
        // A test binary lies one folder deeper.
        let candidates = [Some(beside.as_path()), beside.parent()];
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let found = candidates
            .into_iter()
            .flatten()
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file());
        found.ok_or(ProcessError::NotFound { name, beside, variable })
    }
}

/// A program that runs until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    child: Child,
    group: Option<Pid>,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program` with its output in the file `log`.
    ///
    /// # Errors
    /// [`ProcessError::Start`].
    pub(crate) fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        variables: &[(&str, String)],
        log: PathBuf,
    ) -> Result<Self, ProcessError> {
        let refused = |source| ProcessError::Start { program: program.into(), source };
        let out = File::create(&log).map_err(refused)?;
        let err = out.try_clone().map_err(refused)?;
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true).process_group(0);
        let child = command.spawn().map_err(refused)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { name: name.into(), child, group, log })
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] with the end of its log if not.
    pub(crate) fn check(&mut self) -> Result<(), ProcessError> {
        let status = match self.child.try_wait() {
            Ok(None) => return Ok(()),
            Ok(Some(status)) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(ProcessError::Ended { name: self.name.clone(), status, tail: tail(&self.log) })
    }

    /// Asks it to stop, waits, and ends it if it does not.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            // Nothing survives SIGKILL; should the wait fail, there is nothing left to do.
            let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        }
        // Whatever it started itself and left behind.
        self.signal(Signal::KILL);
        self.group = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that is gone already is what we want.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Starts `program` so that it stays when this one ends, with its output in the file `log`; returns
/// its process id.
///
/// # Errors
/// [`ProcessError::Start`].
pub(crate) fn detach(
    program: &Path,
    arguments: &[String],
    log: &Path,
) -> Result<u32, ProcessError> {
    let refused = |source| ProcessError::Start { program: program.into(), source };
    let out = File::create(log).map_err(refused)?;
    let err = out.try_clone().map_err(refused)?;
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    Ok(command.spawn().map_err(refused)?.id())
}

/// Whether the process `pid` runs and was started with `mark` on its command line. A process id is
/// given to another program some time after the first has ended.
pub(crate) fn is_running(pid: u32, mark: &str) -> bool {
    let mut ps = std::process::Command::new("ps");
    ps.args(["-o", "stat=,args=", "-p", &pid.to_string()]).stdin(Stdio::null());
    // Where `ps` is missing nothing can be said, and nothing is stopped.
    let said = ps.output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    !said.trim_start().starts_with('Z') && said.contains(mark)
}

/// Asks the processes that [`is_running`] knows by `mark` to stop, waits, and ends those that do
/// not. Returns how many there were.
pub(crate) async fn stop_detached(pids: &[u32], mark: &str) -> usize {
    let signal = |signal| {
        let running: Vec<u32> = pids.iter().copied().filter(|pid| is_running(*pid, mark)).collect();
        for pid in running.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
            // A group that is gone already is what we want.
            let _ = kill_process_group(pid, signal);
        }
        running.len()
    };
    let stopped = signal(Signal::TERM);
    let deadline = tokio::time::Instant::now() + GRACE;
    while pids.iter().any(|pid| is_running(*pid, mark)) && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(STOP_POLL).await;
    }
    signal(Signal::KILL);
    stopped
}

/// Runs `program` to its end and returns what it printed.
///
/// # Errors
/// [`ProcessError::Failed`] with the end of what it said on stderr.
pub(crate) async fn run(
    name: &str,
    program: &Path,
    arguments: &[String],
    variables: &[(&str, String)],
) -> Result<String, ProcessError> {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().map(|(key, value)| (key, value)));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).process_group(0).output().await;
    let output =
        output.map_err(|source| ProcessError::Start { program: program.into(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let tail =
        said.char_indices().rev().nth(TAIL_BYTES as usize).map_or(&*said, |(at, _)| &said[at..]);
    Err(ProcessError::Failed {
        name: name.into(),
        status: output.status.to_string(),
        tail: tail.trim().into(),
    })
}

/// The end of a log, or nothing if it cannot be read.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until `condition` holds.
    async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
        let holds = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), holds)
            .await
            .unwrap_or_else(|_| panic!("{what} within 20 s"));
    }

    /// Whether nothing of the process runs any more; one that is not reaped yet counts as gone.
    fn is_gone(id: u32) -> bool {
        let pid = Pid::from_raw(id.cast_signed()).expect("a process id");
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        rustix::process::test_kill_process(pid).is_err()
            || state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    }

    fn said(daemon: &Daemon) -> String {
        std::fs::read_to_string(&daemon.log).expect("log")
    }

    fn shell(script: &str, folder: &Path) -> Daemon {
        Daemon::start(
            "shell",
            Path::new("/bin/sh"),
            &["-c".into(), script.into()],
            &[],
            folder.join("log"),
        )
        .expect("started")
    }

    #[tokio::test]
    async fn a_dropped_daemon_takes_its_children_with_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let daemon = shell("sleep 600 & echo $!; wait", folder.path());
        eventually("the shell names its child", || said(&daemon).trim().parse::<u32>().is_ok())
            .await;
        let child: u32 = said(&daemon).trim().parse().expect("a process id");
        let own = daemon.child.id().expect("runs");
        drop(daemon);
        eventually("both are gone", || is_gone(own) && is_gone(child)).await;
    }

    #[tokio::test]
    async fn a_stopped_daemon_was_asked_first() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut daemon = shell(
            "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
            folder.path(),
        );
        eventually("the shell is ready", || said(&daemon).contains("ready")).await;
        daemon.check().expect("runs");
        daemon.stop().await;
        assert!(said(&daemon).contains("asked"));
        assert!(matches!(daemon.check(), Err(ProcessError::Ended { .. })));
    }

    #[tokio::test]
    async fn a_detached_program_is_known_by_its_mark_and_stopped_by_its_process_id() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (log, mark) = (folder.path().join("log"), folder.path().display().to_string());
        let script = format!("trap '' HUP; echo started; while :; do sleep 0.05; done # {mark}");
        let pid = detach(Path::new("/bin/sh"), &["-c".into(), script], &log).expect("started");
        eventually("it has started", || tail(&log) == "started").await;
        assert!(is_running(pid, &mark) && !is_running(pid, "/another/folder"));
        // Whoever got the number of a program that has ended is left alone.
        assert_eq!(stop_detached(&[pid], "/another/folder").await, 0);
        assert!(is_running(pid, &mark));
        assert_eq!(stop_detached(&[pid], &mark).await, 1);
        eventually("it is gone", || !is_running(pid, &mark)).await;
    }

    #[tokio::test]
    async fn what_fails_is_quoted() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let error =
            run("shell", Path::new("/bin/sh"), &["-c".into(), "echo why >&2; exit 3".into()], &[])
                .await
                .expect_err("failed");
        assert!(error.to_string().contains("why"), "{error}");
        let missing =
            Daemon::start("none", &folder.path().join("none"), &[], &[], folder.path().join("log"));
        assert!(matches!(missing, Err(ProcessError::Start { .. })));
    }
}
