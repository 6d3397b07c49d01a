//! What is remembered of workers.

use std::time::{SystemTime, UNIX_EPOCH};

use mica_payer::{market::Memory, store::RememberedWorker};
use mica_protocol::FaultCode;
use serde::Serialize;

use super::table;

/// What is remembered of one worker.
#[derive(Serialize)]
pub(crate) struct Remembered {
    account: String,
    peer: String,
    /// Sessions that it had accepted and failed, as far as later ones have not made up for them.
    failures: u32,
    /// Sessions and questions that it did not answer, in the same way.
    refusals: u32,
    /// Seconds for which it is not used.
    banned_seconds: u64,
    /// Seconds for which it is used only where there is no path without it.
    avoided_seconds: u64,
    measured_us_per_layer_token: Option<u32>,
    measured_sessions: u32,
    failed_permille: u16,
    last_fault: Option<String>,
    noted_unix_ms: u64,
}

impl Remembered {
    /// What is remembered of the worker with this account, as of now.
    pub(crate) fn new(account: String, worker: &RememberedWorker) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let left = |until: Option<u64>| until.map_or(0, |until| (until - now).div_ceil(1_000));
        let experience = worker.experience;
        Self {
            account,
            peer: hex::encode(worker.peer),
            failures: worker.bans.failures,
            refusals: worker.refusals.failures,
            banned_seconds: left(worker.bans.until(now)),
            avoided_seconds: left(worker.refusals.until(now)),
            measured_us_per_layer_token: (experience.sessions > 0).then_some(experience.cost_us),
            measured_sessions: experience.sessions,
            failed_permille: experience.failure_permille,
            last_fault: (worker.last_fault > 0)
                .then(|| FaultCode::from_number(worker.last_fault).to_string()),
            noted_unix_ms: worker.noted_unix_ms,
        }
    }

    /// What a token took, for people.
    pub(crate) fn measured(&self) -> String {
        match self.measured_us_per_layer_token {
            Some(cost_us) => format!("{cost_us} ({}×)", self.measured_sessions),
            None => "-".into(),
        }
    }

    /// Whether it is used, for people.
    pub(crate) fn standing(&self) -> Option<String> {
        match (self.banned_seconds, self.avoided_seconds) {
            (0, 0) => None,
            (0, avoided) => Some(format!("avoided {avoided} s")),
            (banned, _) => Some(format!("banned {banned} s")),
        }
    }
}

/// Everything that is remembered, those that are left out for longest first.
pub(crate) fn workers(memory: &Memory) -> Vec<Remembered> {
    let list = memory.list();
    let mut workers: Vec<Remembered> =
        list.iter().map(|(account, worker)| Remembered::new(account.to_string(), worker)).collect();
    workers.sort_by_key(|worker| {
        std::cmp::Reverse((worker.banned_seconds, worker.avoided_seconds, worker.failed_permille))
    });
    workers
}

/// For people.
pub(crate) fn table(workers: &[Remembered]) -> String {
    if workers.is_empty() {
        return "nothing is remembered of any worker".into();
    }
    let rows = workers.iter().map(|worker| {
        vec![
            worker.account.clone(),
            worker.standing().unwrap_or_else(|| "used".into()),
            format!("{}.{} %", worker.failed_permille / 10, worker.failed_permille % 10),
            worker.measured(),
            worker.last_fault.clone().unwrap_or_else(|| "-".into()),
        ]
    });
    let header = ["WORKER", "STANDING", "FAILS", "MEASURED (µs/layer-token)", "LAST FAULT"];
    table::table(&header, &rows.collect::<Vec<_>>())
}

/// What `mica forget` did.
#[derive(Serialize)]
pub(crate) struct Forgotten {
    /// Workers of which something was remembered.
    pub(crate) forgotten: usize,
}

impl Forgotten {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        match self.forgotten {
            0 => "nothing was remembered".into(),
            1 => "one worker is a stranger again".into(),
            many => format!("{many} workers are strangers again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use mica_market::routing::{BackOff, Experience};

    use super::*;

    #[test]
    fn a_worker_that_failed_is_told_with_its_fault_and_what_it_took() {
        let worker = RememberedWorker {
            bans: BackOff { failures: 2, until_ms: u64::MAX },
            experience: Experience { cost_us: 812, sessions: 3, failure_permille: 437 },
            last_fault: FaultCode::ComputeFailed.number(),
            ..RememberedWorker::default()
        };
        let text = table(&[Remembered::new("5Bob".into(), &worker)]);
        assert!(text.contains("43.7 %") && text.contains("812 (3×)"), "{text}");
        assert!(text.contains("banned 3600 s") && text.contains("ComputeFailed"), "{text}");
        let idle = Remembered::new("5Eve".into(), &RememberedWorker::default());
        assert_eq!((idle.standing(), idle.measured().as_str()), (None, "-"));
    }
}
