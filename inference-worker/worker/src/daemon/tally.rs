//! Why work came or did not: counted minute by minute, for the last hour.
//!
//! The session actor tells what peers asked for and what they were answered, the status writer
//! whether payers could be served at all. `mica-worker doctor` makes sentences of it, and the
//! metrics show it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use mica_host::{json, lock};
use mica_primitives::{Balance, PublicKey};
use mica_protocol::{FaultCode, Message, SessionId, stage::SessionEnd};
use serde::{Deserialize, Serialize};

/// Minutes that are kept.
const MINUTES: u64 = 60;
/// Openings that are not decided yet of which is remembered that they are: as many as a worker
/// looks at, by far.
const MAX_PENDING: usize = 4_096;
/// Peers that are told apart in one minute.
const MAX_ASKERS: usize = 1_024;

/// The last hour, shared by the tasks that see a part of it.
pub(crate) struct Tally {
    started: Instant,
    hour: Mutex<Hour>,
}

impl Tally {
    /// Nothing was seen yet.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), hour: Mutex::new(Hour::default()) }
    }

    /// A payer wants to open a session.
    pub(crate) fn opening(&self, session: SessionId) {
        self.lock().opening(self.minute(), session);
    }

    /// Takes note of what a peer is answered.
    pub(crate) fn answered(&self, to: &PublicKey, message: &Message) {
        let minute = self.minute();
        match message {
            Message::Quote(signed) => {
                let is_full = signed.quote.free_sessions == 0 || signed.quote.free_positions == 0;
                self.lock().quoted(minute, *to, is_full);
            }
            Message::Opened(opened) => self.lock().accepted(minute, &opened.acceptance.session),
            Message::Fault(fault) => {
                if let Some(session) = &fault.session {
                    self.lock().refused(minute, session, fault.code());
                }
            }
            _ => {}
        }
    }

    /// A session is over.
    pub(crate) fn ended(&self, end: &SessionEnd) {
        let minute = self.minute();
        self.lock().ended(minute, end);
    }

    /// For so long the worker was in the state `code`; served if there is none.
    pub(crate) fn was(&self, code: Option<&'static str>, time: Duration) {
        if let Some(code) = code {
            let minute = self.minute();
            self.lock().was(minute, code, time);
        }
    }

    /// The same counts since the start.
    pub(crate) fn since_start(&self) -> LastHour {
        let minute = self.minute();
        let hour = self.lock();
        LastHour::of(minute + 1, std::iter::once(&hour.all))
    }

    /// What the last hour was like.
    pub(crate) fn last_hour(&self) -> LastHour {
        let minute = self.minute();
        self.lock().report(minute)
    }

    /// Minutes since the start.
    fn minute(&self) -> u64 {
        self.started.elapsed().as_secs() / 60
    }

    fn lock(&self) -> MutexGuard<'_, Hour> {
        // Each change is one call.
        lock(&self.hour)
    }
}

/// What is counted of the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LastHour {
    /// Minutes that the counts are of: fewer after a start.
    pub minutes: u64,
    /// Quotes that were asked for and given.
    pub quotes: u64,
    /// Of them, those that said that there is no room.
    pub quotes_when_full: u64,
    /// Peers that asked, at most; one counts once for each minute in which it asks.
    pub askers: u64,
    /// Sessions that payers wanted to open.
    pub openings: u64,
    /// Of them, those that were taken.
    pub accepted: u64,
    /// And those that were not, by reason.
    pub refused: Vec<Refused>,
    /// Sessions that ended.
    pub sessions_ended: u64,
    /// Tokens computed in them.
    pub positions: u64,
    /// Base units earned in them.
    #[serde(with = "json::money")]
    pub earned: Balance,
    /// How long payers could not be served, by the code of the reason.
    pub not_serving: Vec<NotServing>,
}

/// Openings that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// The fault's name.
    pub fault: String,
    /// Its number.
    pub number: u16,
    /// How many.
    pub count: u64,
}

/// Time without service for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NotServing {
    /// As in `mica-worker status`.
    pub code: String,
    /// For how long.
    pub seconds: u64,
}

/// What is counted of one minute.
#[derive(Default)]
struct Minute {
    number: u64,
    quotes: u64,
    quotes_when_full: u64,
    askers: BTreeSet<PublicKey>,
    openings: u64,
    accepted: u64,
    refused: BTreeMap<u16, u64>,
    sessions_ended: u64,
    positions: u64,
    earned: Balance,
    not_serving: BTreeMap<&'static str, Duration>,
}

#[derive(Default)]
struct Hour {
    /// Oldest first; those in which nothing happened are left out.
    minutes: VecDeque<Minute>,
    /// All minutes since the start, as one.
    all: Minute,
    /// Openings that were neither taken nor refused yet.
    pending: BTreeSet<SessionId>,
}

impl Hour {
    /// Counts something in the minute `number`, and in all.
    fn count(&mut self, number: u64, change: impl Fn(&mut Minute)) {
        self.forget(number);
        match self.minutes.back_mut().filter(|last| last.number >= number) {
            Some(last) => change(last),
            None => {
                let mut minute = Minute { number, ..Minute::default() };
                change(&mut minute);
                self.minutes.push_back(minute);
            }
        }
        change(&mut self.all);
    }

    fn forget(&mut self, now: u64) {
        while self.minutes.front().is_some_and(|minute| minute.number + MINUTES <= now) {
            self.minutes.pop_front();
        }
    }

    fn quoted(&mut self, minute: u64, to: PublicKey, is_full: bool) {
        self.count(minute, |counts| {
            counts.quotes += 1;
            counts.quotes_when_full += u64::from(is_full);
            if counts.askers.len() < MAX_ASKERS {
                counts.askers.insert(to);
            }
        });
    }

    fn opening(&mut self, minute: u64, session: SessionId) {
        self.count(minute, |counts| counts.openings += 1);
        self.pending.insert(session);
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_first();
        }
    }

    fn accepted(&mut self, minute: u64, session: &SessionId) {
        if self.pending.remove(session) {
            self.count(minute, |counts| counts.accepted += 1);
        }
    }

    /// Of a session that was taken, a fault is no refusal of its opening.
    fn refused(&mut self, minute: u64, session: &SessionId, code: FaultCode) {
        if self.pending.remove(session) {
            self.count(minute, |counts| *counts.refused.entry(code.number()).or_default() += 1);
        }
    }

    fn ended(&mut self, minute: u64, end: &SessionEnd) {
        self.count(minute, |counts| {
            counts.sessions_ended += 1;
            counts.positions += u64::from(end.positions);
            counts.earned = counts.earned.saturating_add(end.earned);
        });
    }

    fn was(&mut self, minute: u64, code: &'static str, time: Duration) {
        self.count(minute, |counts| {
            let sum = counts.not_serving.entry(code).or_default();
            *sum = sum.saturating_add(time);
        });
    }

    fn report(&mut self, minute: u64) -> LastHour {
        self.forget(minute);
        LastHour::of((minute + 1).min(MINUTES), self.minutes.iter())
    }
}

impl LastHour {
    /// The sums of some minutes.
    fn of<'a>(minutes: u64, parts: impl Iterator<Item = &'a Minute>) -> Self {
        let mut hour = Self { minutes, ..Self::default() };
        let mut refused: BTreeMap<u16, u64> = BTreeMap::new();
        let mut not_serving: BTreeMap<&'static str, Duration> = BTreeMap::new();
        for part in parts {
            hour.quotes += part.quotes;
            hour.quotes_when_full += part.quotes_when_full;
            hour.askers += part.askers.len() as u64;
            hour.openings += part.openings;
            hour.accepted += part.accepted;
            hour.sessions_ended += part.sessions_ended;
            hour.positions += part.positions;
            hour.earned = hour.earned.saturating_add(part.earned);
            for (number, count) in &part.refused {
                *refused.entry(*number).or_default() += count;
            }
            for (code, time) in &part.not_serving {
                let sum = not_serving.entry(*code).or_default();
                *sum = sum.saturating_add(*time);
            }
        }
        hour.refused = refused.into_iter().map(Refused::of).collect();
        hour.refused.sort_by_key(|refused| std::cmp::Reverse(refused.count));
        hour.not_serving = not_serving.into_iter().map(NotServing::of).collect();
        hour
    }
}

impl Refused {
    fn of((number, count): (u16, u64)) -> Self {
        Self { fault: format!("{:?}", FaultCode::from_number(number)), number, count }
    }
}

impl NotServing {
    fn of((code, time): (&'static str, Duration)) -> Self {
        Self { code: code.to_owned(), seconds: time.as_secs() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SessionId = SessionId([1; 32]);
    const OTHER: SessionId = SessionId([2; 32]);

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let mut hour = Hour::default();
        for minute in 0..100 {
            hour.quoted(minute, [7; 32], minute % 2 == 0);
            hour.was(minute, "offline", Duration::from_secs(2));
        }
        let report = hour.report(99);
        assert_eq!((report.minutes, report.quotes, report.quotes_when_full), (60, 60, 30));
        assert_eq!(report.not_serving, [NotServing::of(("offline", Duration::from_secs(120)))]);
        assert_eq!(hour.minutes.len(), 60);
        assert_eq!(LastHour::of(100, std::iter::once(&hour.all)).quotes, 100, "since the start");
        assert_eq!(hour.report(130).quotes, 29);
        assert_eq!(hour.report(1_000), LastHour { minutes: 60, ..LastHour::default() });
        assert!(hour.minutes.is_empty());
        assert_eq!(Hour::default().report(4).minutes, 5, "five minutes after a start");
    }

    #[test]
    fn an_opening_is_taken_or_refused_once_and_later_faults_are_none_of_it() {
        let mut hour = Hour::default();
        hour.opening(0, ONE);
        hour.accepted(0, &ONE);
        hour.refused(0, &ONE, FaultCode::CreditExhausted);
        hour.opening(1, OTHER);
        hour.refused(1, &OTHER, FaultCode::WrongRange);
        hour.refused(1, &OTHER, FaultCode::WrongRange);
        let report = hour.report(1);
        assert_eq!((report.openings, report.accepted), (2, 1));
        let refused = Refused { fault: "WrongRange".to_owned(), number: 22, count: 1 };
        assert_eq!(report.refused, [refused]);
    }

    /// Attack: open sessions without end, or ask under ever new keys.
    #[test]
    fn whatever_strangers_send_memory_is_bounded() {
        let mut hour = Hour::default();
        for number in 0..10_000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            hour.opening(3, SessionId(id));
            hour.quoted(3, id, false);
        }
        assert_eq!(hour.pending.len(), MAX_PENDING);
        assert_eq!(hour.minutes[0].askers.len(), MAX_ASKERS);
        assert_eq!(hour.report(3).openings, 10_000);
    }
}
