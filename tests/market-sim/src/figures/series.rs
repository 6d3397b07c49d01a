//! Figures of runs.

use super::chart::{Chart, Curve};
use crate::{
    run::{Row, Run},
    serial::Markup,
};

/// Most layers whose prices are drawn.
const MOST_LAYERS: usize = 8;

fn over_rounds(rows: &[Row], value: impl Fn(&Row) -> f64) -> Vec<(f64, f64)> {
    rows.iter().map(|row| (f64::from(row.round), value(row))).collect()
}

fn chart(title: &str, caption: &str, axis: &str, curves: Vec<Curve>) -> Chart {
    Chart {
        title: title.into(),
        caption: caption.into(),
        axes: ("round (20 blocks)".into(), axis.into()),
        logarithmic: false,
        curves,
    }
}

/// Mean price on some layers, round by round.
pub fn prices(run: &Run, caption: &str) -> Chart {
    let layers = run.layer_prices.first().map_or(0, Vec::len);
    let curves = (0..layers.min(MOST_LAYERS))
        .map(|k| k * layers / layers.min(MOST_LAYERS))
        .map(|layer| {
            let points = run
                .layer_prices
                .iter()
                .enumerate()
                .map(|(round, prices)| (round as f64, prices[layer] / 1e6))
                .collect();
            Curve::line(format!("layer {layer}"), points)
        })
        .collect();
    let mut chart = chart("Prices find their rest", caption, "mean price, units", curves);
    chart.logarithmic = true;
    chart
}

/// The Nash gap, round by round.
pub fn gap(run: &Run, caption: &str) -> Chart {
    let curves = vec![
        Curve::line("greatest", over_rounds(&run.rows, |row| row.gap.greatest.max(1e-9))),
        Curve::line("mean", over_rounds(&run.rows, |row| row.gap.mean.max(1e-9))),
    ];
    let mut chart =
        chart("What a worker would gain by another price", caption, "part of its profit", curves);
    chart.logarithmic = true;
    chart
}

/// Throughput of several runs, round by round.
pub fn throughput(title: &str, runs: &[(&str, &[Row])], caption: &str) -> Chart {
    let curves = runs
        .iter()
        .map(|(name, rows)| Curve::line(*name, over_rounds(rows, |row| row.throughput)))
        .collect();
    chart(title, caption, "weakest layer over the even split", curves)
}

/// A run with a shock: throughput, welfare and what is served.
pub fn shock(run: &Run, caption: &str) -> Chart {
    let curves = vec![
        Curve::line("throughput", over_rounds(&run.rows, |row| row.throughput)),
        Curve::line("welfare", over_rounds(&run.rows, |row| row.welfare_part)),
        Curve::line("served", over_rounds(&run.rows, |row| row.welfare.served)),
    ];
    chart("A third of the workers leave", caption, "part of the most possible", curves)
}

/// Welfare of several runs, round by round.
pub fn welfare(runs: &[(String, &[Row])], caption: &str) -> Chart {
    let curves = runs
        .iter()
        .map(|(name, rows)| Curve::line(name.as_str(), over_rounds(rows, |row| row.welfare_part)))
        .collect();
    chart("Welfare", caption, "part of the bound", curves)
}

/// Part of the revenue and of the speed, by eighths of the workers.
pub fn revenue(parts: &[(f64, f64)], caption: &str) -> Chart {
    let points = |value: fn(&(f64, f64)) -> f64| {
        parts.iter().enumerate().map(|(k, part)| (k as f64 + 1.0, value(part))).collect()
    };
    Chart {
        title: "Who earns: revenue by cost".into(),
        caption: caption.into(),
        axes: ("eighth of the workers, fastest first".into(), "part of all".into()),
        logarithmic: false,
        curves: vec![
            Curve::line("revenue", points(|part| part.0)),
            Curve::line("speed", points(|part| part.1)),
        ],
    }
}

/// Price of a path against a single seller's, by the number of sellers per layer.
pub fn markup(markups: &[Markup], caption: &str) -> Chart {
    let points = |value: fn(&Markup) -> f64| {
        markups.iter().map(|one| (f64::from(one.sellers), value(one))).collect()
    };
    Chart {
        title: "Layers in series: a path's price over a single seller's".into(),
        caption: caption.into(),
        axes: ("sellers of each layer".into(), "price over a single seller's".into()),
        logarithmic: false,
        curves: vec![
            Curve::line("workers' rule", points(|one| one.rule / one.single)),
            Curve::line("who know of paths", points(|one| one.serial / one.single)),
            Curve::line("single seller", points(|_| 1.0)),
        ],
    }
}
