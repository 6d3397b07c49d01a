//! What to ask: the best price against the other workers of our layers, and why.
//!
//! Pure: the caller reads the chain and the session actor, asks here, and acts. The mathematics is
//! `mica-market`'s, and so is what the worker believes of its payers; this file only says whom it
//! counts as a rival.

use std::fmt;

use mica_chain::AccountId;
pub(crate) use mica_market::pricing::rule::{ALPHA, RESERVATION_WEIGHT, TEMPERATURE};
use mica_market::pricing::{
    Bounds, Demand, Offer, PricingError, Prospect, Units, best_price,
    rule::{WORTH_A_FEE, believed_demand, displaced_expense, overload},
};
use mica_primitives::{Balance, MarketUnits, WorkerRecord, WorkerStatus};

/// Between what the price may move. All in base units per layer-token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PriceLimits {
    /// Least price.
    pub floor: Balance,
    /// Highest price.
    pub ceiling: Balance,
    /// What one layer-token costs the operator.
    pub expense: Balance,
}

/// What the worker sees when it looks at the market.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceView<'a> {
    /// Its own record.
    pub own: &'a WorkerRecord<AccountId>,
    /// The other workers that are online, of any layers; those that share none of ours do not
    /// matter.
    pub rivals: &'a [WorkerRecord<AccountId>],
    /// The model's exchange rate between money and time.
    pub units: MarketUnits,
    /// Part of the worker's room for sessions that is taken, 0 to 1.
    pub utilisation: f64,
}

/// Why a price is what it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PriceReason {
    /// It is the best response to the rivals' prices.
    BestResponse,
    /// It is higher than that, because there is more demand than room.
    Busy {
        /// Part of the room that is taken.
        utilisation: f64,
    },
}

/// A price and its reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PriceAdvice {
    /// Base units per layer-token.
    pub price: Balance,
    /// Why.
    pub reason: PriceReason,
    /// Workers that share at least one layer with us.
    pub rivals: usize,
    /// Relative difference to the price that is asked now.
    pub change: f64,
}

impl PriceAdvice {
    /// Whether the change is worth a transaction.
    pub(crate) fn pays(&self) -> bool {
        self.change.abs() >= WORTH_A_FEE
    }
}

impl fmt::Display for PriceAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            PriceReason::BestResponse => write!(f, "best response to {} rivals", self.rivals),
            PriceReason::Busy { utilisation } => {
                write!(f, "{:.0} % of the room is taken", 100.0 * utilisation)
            }
        }
    }
}

/// What the worker believes of the payers of a model with these units.
///
/// # Errors
/// [`PricingError::Unit`] for units of zero.
pub(crate) fn demand(units: MarketUnits) -> Result<Demand, PricingError> {
    believed_demand(Units::from(units))
}

/// The price to ask.
///
/// A worker that is nearly full loses one sale with every other sale. So from four fifths on, a
/// rising part of the present price counts as expense, all of it when there is no room left; the
/// price then rises from look to look until there is.
///
/// # Errors
/// [`PricingError::Unprofitable`] if the ceiling does not exceed the expense;
/// [`PricingError::EmptyBounds`] if the floor is above it.
pub(crate) fn advise(
    view: PriceView<'_>,
    limits: PriceLimits,
) -> Result<PriceAdvice, PricingError> {
    let PriceView { own, rivals, units, utilisation } = view;
    let demand = demand(units)?;
    let bounds = Bounds::new(limits.floor as f64, limits.ceiling as f64)?;
    let expense = limits.expense as f64;
    if bounds.ceiling <= expense {
        return Err(PricingError::Unprofitable { ceiling: bounds.ceiling, marginal_cost: expense });
    }
    let present = own.list_price_per_layer_token as f64;
    let displaced = displaced_expense(expense, present, utilisation);
    let rivals: Vec<&WorkerRecord<AccountId>> =
        rivals.iter().filter(|rival| competes(own, rival)).collect();
    let price = if bounds.ceiling <= displaced {
        bounds.ceiling
    } else {
        let masses: Vec<f64> =
            own.range.layers().map(|layer| log_mass(&demand, &rivals, layer)).collect();
        let prospect =
            Prospect::new(&demand, own.cost_us_per_layer_token.into(), displaced, &masses)?;
        best_price(&prospect, bounds, present)?.price
    };
    // Saturates rather than wraps, and the bounds hold in integers too.
    let price = (price.round() as Balance).clamp(limits.floor, limits.ceiling);
    let reason = if overload(utilisation) > 0.0 {
        PriceReason::Busy { utilisation }
    } else {
        PriceReason::BestResponse
    };
    let change = if present > 0.0 { price as f64 / present - 1.0 } else { f64::INFINITY };
    Ok(PriceAdvice { price, reason, rivals: rivals.len(), change })
}

fn competes(own: &WorkerRecord<AccountId>, rival: &WorkerRecord<AccountId>) -> bool {
    let overlaps = rival.range.first < own.range.end && own.range.first < rival.range.end;
    overlaps
        && rival.account != own.account
        && rival.model == own.model
        && rival.status == WorkerStatus::Active
}

fn log_mass(demand: &Demand, rivals: &[&WorkerRecord<AccountId>], layer: u16) -> f64 {
    let offers: Vec<Offer> = rivals
        .iter()
        .filter(|rival| rival.range.contains(layer))
        .map(|rival| Offer {
            price: rival.list_price_per_layer_token as f64,
            cost: rival.cost_us_per_layer_token.into(),
        })
        .collect();
    demand.rivals_log_mass(&offers)
}

#[cfg(test)]
pub(crate) mod tests {
    use mica_primitives::{LayerRange, ModelId, WorkerAddresses};

    use super::*;

    const UNITS: MarketUnits = MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 };
    const LIMITS: PriceLimits = PriceLimits { floor: 1, ceiling: 1_000_000_000, expense: 0 };

    /// A record with the given account, layers, price and cost.
    pub(crate) fn worker(
        account: u8,
        first: u16,
        end: u16,
        price: Balance,
        cost_us: u32,
    ) -> WorkerRecord<AccountId> {
        WorkerRecord {
            account: AccountId::from([account; 32]),
            model: ModelId([1; 32]),
            range: LayerRange { first, end },
            cost_us_per_layer_token: cost_us,
            list_price_per_layer_token: price,
            peer: [account; 32],
            addresses: WorkerAddresses::default(),
            stake: 0,
            status: WorkerStatus::Active,
            since: 0,
            last_heartbeat: 0,
            last_price_change: 0,
        }
    }

    fn price(
        own: &WorkerRecord<AccountId>,
        rivals: &[WorkerRecord<AccountId>],
        utilisation: f64,
        limits: PriceLimits,
    ) -> PriceAdvice {
        advise(PriceView { own, rivals, units: UNITS, utilisation }, limits).expect("valid")
    }

    #[test]
    fn alone_it_stays_finite_and_rivals_bring_it_down() {
        let own = worker(1, 0, 4, 1_000_000, 50);
        let alone = price(&own, &[], 0.0, LIMITS);
        assert!((2_000_000..20_000_000).contains(&alone.price), "{alone:?}");
        let rivals = [worker(2, 0, 4, 2_000_000, 50), worker(3, 2, 6, 2_000_000, 50)];
        let among = price(&own, &rivals, 0.0, LIMITS);
        assert!(
            among.price < alone.price && among.price >= 2_000_000 && among.rivals == 2,
            "{among:?}"
        );
        assert_eq!(among.to_string(), "best response to 2 rivals");
    }

    #[test]
    fn workers_elsewhere_jailed_or_of_another_model_are_no_rivals() {
        let own = worker(1, 0, 4, 1_000_000, 50);
        let mut jailed = worker(2, 0, 4, 1, 1);
        jailed.status = WorkerStatus::Jailed;
        let mut other = worker(3, 0, 4, 1, 1);
        other.model = ModelId([2; 32]);
        let strangers = [worker(4, 4, 8, 1, 1), jailed, other, own.clone()];
        assert_eq!(price(&own, &strangers, 0.0, LIMITS), price(&own, &[], 0.0, LIMITS));
    }

    #[test]
    fn a_full_worker_raises_its_price_until_it_is_no_longer_full() {
        let rivals = [worker(2, 0, 4, 2_000_000, 50)];
        let mut own = worker(1, 0, 4, 2_000_000, 50);
        let mut last = price(&own, &rivals, 0.8, LIMITS).price;
        for _ in 0..4 {
            own.list_price_per_layer_token = last;
            let advice = price(&own, &rivals, 1.0, LIMITS);
            assert!(advice.price > last && advice.pays(), "{advice:?}");
            assert_eq!(advice.reason, PriceReason::Busy { utilisation: 1.0 });
            last = advice.price;
        }
        own.list_price_per_layer_token = LIMITS.ceiling;
        assert_eq!(price(&own, &rivals, 1.0, LIMITS).price, LIMITS.ceiling);
        assert!(price(&own, &rivals, 0.5, LIMITS).price < last);
    }

    #[test]
    fn at_the_best_response_there_is_nothing_to_pay_a_fee_for() {
        let rivals = [worker(2, 0, 4, 2_000_000, 50)];
        let mut own = worker(1, 0, 4, 1_000_000, 50);
        let first = price(&own, &rivals, 0.0, LIMITS);
        assert!(first.pays());
        own.list_price_per_layer_token = first.price;
        assert!(!price(&own, &rivals, 0.0, LIMITS).pays());
    }

    #[test]
    fn limits_hold_and_contradictions_are_refused() {
        let own = worker(1, 0, 4, 1_000_000, 50);
        let tight = PriceLimits { floor: 10, ceiling: 20, expense: 0 };
        assert_eq!(price(&own, &[], 0.0, tight).price, 20);
        let view = PriceView { own: &own, rivals: &[], units: UNITS, utilisation: 0.0 };
        assert!(matches!(
            advise(view, PriceLimits { expense: 20, ..tight }),
            Err(PricingError::Unprofitable { .. })
        ));
        assert!(matches!(
            advise(view, PriceLimits { floor: 30, ..tight }),
            Err(PricingError::EmptyBounds { .. })
        ));
        let paid = price(&own, &[], 0.0, PriceLimits { expense: 50_000_000, ..LIMITS });
        assert!(paid.price > 50_000_000);
    }
}
