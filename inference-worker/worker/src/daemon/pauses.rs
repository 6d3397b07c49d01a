//! Keeps the machine its owner's: no new sessions on battery, in heat, or outside of the hours that
//! the operator gives away. Sessions that run are brought to their end: they are paid for.

use std::time::Duration;

use serde::Serialize;

use super::{context::WorkerContext, session_handle::Closed};
use crate::{config::MachineConfig, machine::Machine, report::Event};

/// Pause between two looks at the machine.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How much cooler it must be before sessions are taken again, °C: else it goes back and forth.
const COOLER: f64 = 5.0;

/// Why no new sessions are taken for now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Paused {
    /// A name that programs can rely on.
    pub code: &'static str,
    /// What is the case, and what would end it.
    pub text: String,
}

/// The task that looks at the machine.
pub(crate) struct Pauses {
    /// Shared with the other tasks.
    pub context: WorkerContext,
}

impl Pauses {
    /// Looks until the worker stops.
    pub(crate) async fn run(self) {
        let stop = self.context.stop.clone();
        loop {
            if self.look().await.is_err() {
                return;
            }
            let pause = tokio::time::sleep(POLL_INTERVAL);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn look(&self) -> Result<(), Closed> {
        let WorkerContext { offers, config, reporter, .. } = &self.context;
        let rules = &config.machine;
        let before = offers.paused();
        let is_hot = before.as_ref().is_some_and(|paused| paused.code == HOT);
        let is_time = rules.hours.is_none_or(|hours| hours.hold_now());
        let now = judge(rules, Machine::now(), is_time, is_hot);
        let code = |paused: &Option<Paused>| paused.as_ref().map(|paused| paused.code);
        if code(&before) != code(&now) {
            reporter.emit(&match &now {
                Some(Paused { code, text }) => Event::Paused { code, reason: text.clone() },
                None => Event::Resumed {},
            });
        }
        if before != now { offers.pause_for(now).await } else { Ok(()) }
    }
}

/// Code of a machine that is too hot.
const HOT: &str = "too_hot";

/// What the rules say of a machine like this. `is_hot`: whether it was too hot before.
fn judge(rules: &MachineConfig, machine: Machine, is_time: bool, is_hot: bool) -> Option<Paused> {
    if let Some(hours) = rules.hours.filter(|_| !is_time) {
        let text = format!("it takes sessions from {hours} only (`machine.hours`)");
        return Some(Paused { code: "out_of_hours", text });
    }
    if rules.pause_on_battery && machine.on_battery == Some(true) {
        let text = "the machine runs on battery: it takes sessions again on mains, or with \
                    `mica-worker config set machine.pause_on_battery false`";
        return Some(Paused { code: "on_battery", text: text.to_owned() });
    }
    if let (Some(most), Some(celsius)) = (rules.pause_above_celsius, machine.celsius) {
        let limit = if is_hot { most - COOLER } else { most };
        if celsius > limit {
            let text = format!(
                "the machine has {celsius:.0} °C: it takes sessions again at {:.0} °C \
                 (`machine.pause_above_celsius`)",
                most - COOLER
            );
            return Some(Paused { code: HOT, text });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(rules: &MachineConfig, machine: Machine, is_hot: bool) -> Option<&'static str> {
        judge(rules, machine, true, is_hot).map(|paused| paused.code)
    }

    #[test]
    fn battery_and_heat_pause_if_the_operator_wants_it() {
        let rules = MachineConfig {
            pause_on_battery: true,
            pause_above_celsius: Some(80.0),
            ..MachineConfig::default()
        };
        let on = |on_battery, celsius| Machine { on_battery, celsius };
        assert_eq!(code(&rules, on(Some(true), None), false), Some("on_battery"));
        assert_eq!(code(&rules, on(Some(false), Some(80.0)), false), None);
        assert_eq!(code(&rules, on(None, Some(80.1)), false), Some("too_hot"));
        // Only when it is cooler by some degrees it goes on.
        assert_eq!(code(&rules, on(None, Some(76.0)), true), Some("too_hot"));
        assert_eq!(code(&rules, on(None, Some(75.0)), true), None);
        let rules = MachineConfig::default();
        assert_eq!(code(&rules, on(Some(true), Some(120.0)), false), None);
    }

    #[test]
    fn hours_that_are_over_pause_it() {
        let hours = "22:00-06:00".parse().ok();
        let rules = MachineConfig { hours, ..MachineConfig::default() };
        let judged = |is_time| judge(&rules, Machine::default(), is_time, false);
        assert_eq!(judged(true), None);
        let paused = judged(false).expect("paused");
        assert!(paused.code == "out_of_hours" && paused.text.contains("22:00-06:00"), "{paused:?}");
        // Without hours every time is one of them.
        assert_eq!(judge(&MachineConfig::default(), Machine::default(), false, false), None);
    }
}
