//! What tells a command that goes on until it is told to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by SIGTERM or SIGINT; a second one ends the process at once.
///
/// # Errors
/// If signals cannot be heard.
pub(super) fn stop_on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if again {
                // Every record is on disk already.
                std::process::exit(130);
            }
            stopping.cancel();
        }
    });
    Ok(stop)
}
