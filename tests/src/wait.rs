//! Waiting for a condition, never for a fixed time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(100);

/// Between two looks at what is over soon.
const PROMPT_POLL: Duration = Duration::from_millis(2);

/// Polls `condition` until it gives something; panics with `what` after `deadline`.
pub fn eventually<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    poll(POLL, what, deadline, condition)
}

/// The same for something that is to be met while it lasts.
pub fn promptly<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    poll(PROMPT_POLL, what, deadline, condition)
}

fn poll<T>(
    pause: Duration,
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        std::thread::sleep(pause);
    }
}

/// The same for a condition that awaits.
pub async fn eventually_async<T, F: Future<Output = Option<T>>>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        tokio::time::sleep(POLL).await;
    }
}
