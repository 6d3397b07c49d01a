//! Deadlines that move with every message.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// Rings at a deadline that usually moves before it comes, as those of a session do with every
/// step.
///
/// A timer made anew for each message is the next of the whole runtime as often as not, and then
/// wakes the thread that waits for the network, only to tell it so. This one is moved when it would
/// ring too late, or has rung too early: once per deadline that is really waited for.
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// An alarm that is set by its first use.
    pub fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())) }
    }

    /// Waits until `due`. Dropping the future loses nothing.
    pub async fn ring(&mut self, due: Instant) {
        if due < self.sleep.deadline() {
            self.sleep.as_mut().reset(due);
        }
        self.sleep.as_mut().await;
        while Instant::now() < due {
            self.sleep.as_mut().reset(due);
            self.sleep.as_mut().await;
        }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use super::*;

    fn after(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    /// That it rings at all is left to the test's own end.
    async fn rings(alarm: &mut Alarm, due: Instant) {
        alarm.ring(due).await;
        assert!(Instant::now() >= due, "too early");
    }

    #[tokio::test]
    async fn an_alarm_rings_when_it_is_due_however_its_deadline_moves() {
        let mut alarm = Alarm::default();
        rings(&mut alarm, after(20)).await;
        rings(&mut alarm, after(0)).await;
        // To earlier, to later, and again after that.
        for (given_up, due) in [(3_600_000, 20), (20, 40), (40, 20)] {
            let given_up = after(given_up);
            let is_waiting = futures::poll!(pin!(alarm.ring(given_up))).is_pending();
            assert!(is_waiting || Instant::now() >= given_up, "too early");
            rings(&mut alarm, after(due)).await;
        }
    }
}
