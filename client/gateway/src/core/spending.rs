//! Caps: money is set aside for a request before anything is promised, so that promises cross no
//! cap, however many run at once; fees come on top and count towards the day.
//!
//! What is set aside goes to disk with the session's own record; a gateway that is killed counts it
//! as spent for the day. When the session is over, what it really cost takes its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use mica_chain::amount;
use mica_payer::store::{Change, Store, StoreError};
use mica_primitives::{Balance, Hash32};
use rand::{RngCore, rngs::OsRng};

use super::{
    error::{GatewayError, Kind},
    limits::SpendingCaps,
};

/// Days for which spending is kept.
const KEPT_DAYS: u32 = 31;
/// Days whose sums are in memory: today, the day before for requests that began before midnight,
/// and two for clocks that are put right.
const COUNTED_DAYS: usize = 4;
const DAY_SECONDS: u64 = 86_400;

/// Whose money is meant, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Name of the key; nothing for those who need none.
    pub name: Option<String>,
    /// Its caps.
    pub caps: SpendingCaps,
}

impl Budget {
    fn id(&self) -> Hash32 {
        self.name.as_ref().map_or([0; 32], |name| *blake3::hash(name.as_bytes()).as_bytes())
    }
}

/// What was spent on which day, and by whom.
pub struct Spending {
    store: Arc<Store>,
    /// Caps over all budgets.
    caps: SpendingCaps,
    days: Mutex<Days>,
}

/// Sums by day. A request counts on the day on which its money was set aside, also where another
/// day has begun meanwhile, so the days stand beside each other and none replaces another.
#[derive(Default)]
struct Days(BTreeMap<u32, Budgets>);

#[derive(Default)]
struct Budgets(BTreeMap<Hash32, Balance>);

impl Budgets {
    fn total(&self) -> Balance {
        self.0.values().fold(0, |sum: Balance, spent| sum.saturating_add(*spent))
    }
}

impl Days {
    /// The sums of a day, from the database if they are not known yet: a clock that was wrong may
    /// come back to a day of which it knows something.
    fn day(&mut self, store: &Store, day: u32) -> Result<&mut Budgets, StoreError> {
        if !self.0.contains_key(&day) {
            let known = Budgets(store.spent(day)?);
            if self.0.len() >= COUNTED_DAYS {
                self.0.pop_first();
            }
            self.0.insert(day, known);
        }
        Ok(self.0.entry(day).or_default())
    }
}

impl Spending {
    /// Continues with what the database knows of today.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn open(store: Arc<Store>, caps: SpendingCaps) -> Result<Self, StoreError> {
        let day = day_now();
        store.forget_spending_before(day.saturating_sub(KEPT_DAYS))?;
        let mut days = Days::default();
        days.day(&store, day)?;
        Ok(Self { store, caps, days: Mutex::new(days) })
    }

    /// Sets `cost` aside for one request of `budget`, which has cost `earlier` already.
    ///
    /// # Errors
    /// [`Kind::Payment`] names the cap that it does not fit under, and by how much.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        budget: &Budget,
        cost: Balance,
        earlier: Balance,
    ) -> Result<Reservation, GatewayError> {
        self.reserve_on(day_now(), budget, cost, earlier)
    }

    fn reserve_on(
        self: &Arc<Self>,
        day: u32,
        budget: &Budget,
        cost: Balance,
        earlier: Balance,
    ) -> Result<Reservation, GatewayError> {
        let whose =
            budget.name.as_ref().map_or("this gateway".into(), |name| format!("key '{name}'"));
        for (limit, raise) in
            [(self.caps.request, RAISE_REQUEST), (budget.caps.request, RAISE_OF_KEY)]
        {
            let Some(limit) = limit else { continue };
            if cost.saturating_add(earlier) > limit {
                let why =
                    format!("the cap for one request of {whose} is {}", amount::format(limit));
                return Err(refused(cost, earlier, &why, raise));
            }
        }
        let id = budget.id();
        let mut days = self.lock();
        let today = days.day(&self.store, day)?;
        let own = today.0.get(&id).copied().unwrap_or(0);
        for (limit, spent, whose, raise) in [
            (self.caps.day, today.total(), "this gateway", RAISE_DAY),
            (budget.caps.day, own, whose.as_str(), RAISE_OF_KEY),
        ] {
            let Some(limit) = limit else { continue };
            let left = limit.saturating_sub(spent);
            if cost > left {
                let (left, limit) = (amount::format(left), amount::format(limit));
                let why = format!("{whose} has {left} left of its {limit} for today");
                return Err(refused(cost, earlier, &why, raise));
            }
        }
        today.0.insert(id, own.saturating_add(cost));
        drop(days);
        let mut entry = [0; 32];
        OsRng.fill_bytes(&mut entry);
        Ok(Reservation { spending: self.clone(), day, budget: id, entry, amount: cost })
    }

    /// The caps over all budgets.
    pub(crate) fn caps(&self) -> SpendingCaps {
        self.caps
    }

    /// What was spent or set aside today, over all budgets.
    pub(crate) fn spent_today(&self) -> Balance {
        self.lock().0.get(&day_now()).map_or(0, Budgets::total)
    }

    fn lock(&self) -> MutexGuard<'_, Days> {
        // Sums are changed in one step each.
        mica_host::lock(&self.days)
    }
}

/// Money set aside. Dropped without [`Reservation::settle`] it counts as spent.
pub(crate) struct Reservation {
    spending: Arc<Spending>,
    day: u32,
    budget: Hash32,
    entry: Hash32,
    amount: Balance,
}

impl Reservation {
    /// What must be on disk before anything is promised.
    pub(crate) fn change(&self) -> Change {
        Change::Spending {
            day: self.day,
            budget: self.budget,
            entry: self.entry,
            amount: self.amount,
        }
    }

    /// Puts what the request really cost in the place of what was set aside.
    ///
    /// # Errors
    /// [`StoreError`] if that cannot be written; a restart then counts what was set aside.
    pub(crate) fn settle(mut self, spent: Balance) -> Result<(), StoreError> {
        let set_aside = std::mem::replace(&mut self.amount, spent);
        let mut days = self.spending.lock();
        let day = days.0.get_mut(&self.day);
        if let Some(sum) = day.and_then(|budgets| budgets.0.get_mut(&self.budget)) {
            *sum = sum.saturating_sub(set_aside).saturating_add(spent);
        }
        drop(days);
        self.spending.store.apply(&[self.change()])
    }
}

/// How the cap of a day over all is raised.
const RAISE_DAY: &str = "start the gateway with a higher --max-day";
/// How the cap of a request over all is raised.
const RAISE_REQUEST: &str = "start the gateway with a higher --max-request";
/// How a key's own caps, and a host's, are raised.
const RAISE_OF_KEY: &str =
    "raise it where the key or the host is set: with `mica gateway keys`, or in gateway.toml";

fn refused(cost: Balance, earlier: Balance, why: &str, raise: &str) -> GatewayError {
    let end = if earlier == 0 { "; nothing was spent" } else { "" };
    let message = format!(
        "this request may cost {}, and {why}: ask for fewer tokens, or {raise}{end}",
        amount::format(cost)
    );
    GatewayError::new(Kind::Payment, message)
}

fn day_now() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(seconds / DAY_SECONDS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(name: &str, request: Option<Balance>, day: Option<Balance>) -> Budget {
        Budget { name: Some(name.into()), caps: SpendingCaps { request, day } }
    }

    fn open(folder: &std::path::Path, caps: SpendingCaps) -> Arc<Spending> {
        let store = Arc::new(Store::open(&folder.join("state.redb")).expect("opened"));
        Arc::new(Spending::open(store, caps).expect("read"))
    }

    #[test]
    fn caps_hold_for_what_is_set_aside_and_what_was_not_needed_comes_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let spending = open(folder.path(), SpendingCaps { request: None, day: Some(100) });
        let (one, two) = (budget("one", Some(50), Some(60)), budget("two", None, None));
        let refused = |budget: &Budget, cost| {
            spending.reserve(budget, cost, 0).err().map(|error| error.message)
        };
        assert!(
            refused(&one, 51).expect("above the request cap").contains("one request of key 'one'")
        );
        let first = spending.reserve(&one, 50, 0).expect("fits");
        assert!(refused(&one, 11).expect("above its day").contains("key 'one' has"));
        let second = spending.reserve(&two, 50, 0).expect("fits");
        assert!(refused(&two, 1).expect("above everybody's day").contains("this gateway has"));
        first.settle(20).expect("written");
        assert_eq!(spending.spent_today(), 70);
        assert!(spending.reserve(&one, 30, 0).is_ok());
        second.settle(60).expect("fees may come on top");
        assert_eq!(spending.spent_today(), 110);
        assert!(refused(&two, 0).is_none(), "nothing can always be spent");
    }

    #[test]
    fn a_restart_counts_what_was_set_aside_as_spent() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let caps = SpendingCaps { request: None, day: Some(100) };
        let spending = open(folder.path(), caps);
        let kept = spending.reserve(&budget("one", None, None), 30, 0).expect("fits");
        spending.store.apply(&[kept.change()]).expect("written");
        spending
            .reserve(&budget("two", None, None), 20, 0)
            .expect("fits")
            .settle(5)
            .expect("written");
        drop((kept, spending));
        let again = open(folder.path(), caps);
        assert_eq!(again.spent_today(), 35);
        assert!(again.reserve(&budget("one", None, Some(40)), 11, 0).is_err());
    }

    #[test]
    fn a_new_day_begins_with_nothing_spent() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let spending = open(folder.path(), SpendingCaps { request: None, day: Some(100) });
        let late = spending.reserve_on(7, &budget("one", None, None), 100, 0).expect("fits");
        assert!(spending.reserve_on(7, &budget("one", None, None), 1, 0).is_err());
        let _next = spending.reserve_on(8, &budget("one", None, None), 100, 0).expect("a new day");
        late.settle(10).expect("written");
        let spent = |day| spending.lock().0[&day].total();
        assert_eq!((spent(7), spent(8)), (10, 100), "yesterday's account does not touch today's");
    }

    #[test]
    fn a_request_of_before_midnight_counts_there_and_leaves_the_new_day_as_it_is() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let spending = open(folder.path(), SpendingCaps { request: None, day: Some(100) });
        let one = budget("one", None, None);
        let _new = spending.reserve_on(8, &one, 100, 0).expect("a new day");
        // Its day was taken at a second before midnight, and its turn came after that of others.
        let _late = spending.reserve_on(7, &one, 60, 0).expect("yesterday has room");
        assert!(spending.reserve_on(8, &one, 1, 0).is_err(), "the new day is used up");
        assert!(spending.reserve_on(7, &one, 41, 0).is_err(), "and so is the old one");
        for day in 9..20 {
            let _day = spending.reserve_on(day, &one, 1, 0).expect("a day of its own");
        }
        assert_eq!(spending.lock().0.len(), COUNTED_DAYS, "old days are not counted for ever");
    }
}
