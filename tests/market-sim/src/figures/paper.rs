//! The paper's own figures, by the production code.

use mica_market::pricing::{Demand, Offer, PricingError, Prospect};
use mica_market::routing::RouteError;

use super::chart::{Chart, Curve};
use crate::{routes::Snapshot, world::World};

/// Random paths behind the frontier.
const PATHS: u64 = 800;
/// Costs of the curves of figure 3, in the paper's units.
const COSTS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
/// Prices up to which figure 3 goes, and steps on the way.
const PRICES: (f64, u32) = (12.0, 240);

/// Figure 2: paths of a world, and those that no other beats in price and time.
///
/// # Errors
/// [`RouteError`] where a layer has no worker.
pub fn frontier(world: &World, caption: &str) -> Result<Chart, RouteError> {
    let snapshot = Snapshot::new(world);
    let frontier = snapshot.frontier()?;
    let milliseconds = |(price, time_us): (f64, f64)| (price / 1e6, time_us / 1e3);
    let best = frontier
        .paths()
        .iter()
        .map(|path| milliseconds((path.price_per_token as f64, path.time_us_per_token as f64)))
        .collect();
    let any = snapshot.at_random(PATHS).into_iter().map(milliseconds).collect();
    Ok(Chart {
        title: "Paths and the Pareto frontier (the paper's figure 2)".into(),
        caption: caption.into(),
        axes: ("price, units per token".into(), "time, ms per token".into()),
        logarithmic: false,
        curves: vec![Curve::dots("paths at random", any), Curve::line("frontier", best)],
    })
}

/// Figure 3: expected revenue against the price, for workers of several costs against the same
/// three rivals, with the paper's constants.
///
/// # Errors
/// [`PricingError`], never with these constants.
pub fn revenue(caption: &str) -> Result<Chart, PricingError> {
    let demand = Demand::paper(0.5)?;
    let rivals = [1.0, 1.5, 2.5].map(|cost| Offer { price: 3.0, cost });
    let curves = COSTS
        .iter()
        .map(|&cost| {
            let prospect = Prospect::on_layer(&demand, cost, 0.0, &rivals)?;
            let points = (0..=PRICES.1)
                .map(|i| PRICES.0 * f64::from(i) / f64::from(PRICES.1))
                .map(|price| (price, prospect.revenue(price)))
                .collect();
            Ok(Curve::line(format!("cost {cost}"), points))
        })
        .collect::<Result<_, PricingError>>()?;
    Ok(Chart {
        title: "Expected revenue and cost (the paper's figure 3)".into(),
        caption: caption.into(),
        axes: ("price p".into(), "expected revenue R(p)".into()),
        logarithmic: false,
        curves,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_worker_earns_more_and_asks_more() {
        let chart = revenue("").expect("valid");
        let peak = |curve: &Curve| {
            curve.points.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).expect("points")
        };
        let peaks: Vec<(f64, f64)> = chart.curves.iter().map(peak).collect();
        assert!(
            peaks.windows(2).all(|pair| pair[0].1 > pair[1].1 && pair[0].0 >= pair[1].0),
            "{peaks:?}"
        );
    }
}
