//! Ctrl-C and SIGTERM: the first asks to finish, the second to stop at once.

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// What the user has asked for so far. Clones share it; one that is never cancelled lets everything
/// run to its end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// Cancelled by the first signal.
    pub finish: CancellationToken,
    /// Cancelled by the second.
    pub stop: CancellationToken,
}

impl Interrupt {
    /// Listens for signals until the guard is dropped.
    ///
    /// If the system does not allow that, the signals keep their default, which ends the program.
    pub fn listen() -> (Self, AbortOnDropHandle<()>) {
        let interrupt = Self::default();
        let Self { finish, stop } = interrupt.clone();
        let task = tokio::spawn(async move {
            for token in [finish, stop] {
                if next_signal().await.is_err() {
                    return;
                }
                token.cancel();
            }
        });
        (interrupt, AbortOnDropHandle::new(task))
    }

    /// Whether any signal came.
    pub fn came(&self) -> bool {
        self.finish.is_cancelled()
    }
}

#[cfg(unix)]
async fn next_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate, mut hang_up) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn next_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
