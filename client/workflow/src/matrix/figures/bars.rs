//! Means as bars, with the 95 % confidence interval of the mean as an error bar: one panel per
//! metric.

use plotters::style::Color;

use super::{
    Factor, Measure, Peer, Row,
    canvas::{Area, DrawError, block, colour, document, legend, line},
    panel::{COLUMNS, Panel, WIDTH, height},
    panels,
};
use crate::matrix::statistics::Summary;

/// Height of the title and the legend, pixels.
const HEAD: i32 = 62;
/// Space between groups, pixels.
const GAP: i32 = 10;
/// Height of all bars of a group, at least and per bar, pixels.
const BAR: (i32, i32) = (16, 13);

/// Bars of one colour.
pub(super) struct Series {
    name: String,
    peer: Peer,
    /// Only rows of this front-end.
    front_end: Option<String>,
}

/// The series of a factor: both models, or the one that it concerns.
pub(super) fn by_peer(factor: Factor) -> Vec<Series> {
    let peers = Peer::ALL
        .into_iter()
        .filter(|peer| factor.concerns(Measure::Step(*peer, super::Metric::TotalDuration)));
    peers.map(|peer| Series { name: peer.title().into(), peer, front_end: None }).collect()
}

/// Both models through each front-end.
pub(super) fn by_front_end(front_ends: &[String]) -> Vec<Series> {
    let of = |peer: Peer| {
        let name = move |front_end: &String| format!("{}, {front_end}", peer.title());
        front_ends.iter().map(move |front_end| Series {
            name: name(front_end),
            peer,
            front_end: Some(front_end.clone()),
        })
    };
    Peer::ALL.into_iter().flat_map(of).collect()
}

/// Draws the means of each metric in the groups of `factor`.
///
/// # Errors
/// [`DrawError`].
pub(super) fn draw(
    title: &str,
    rows: &[Row],
    factor: Factor,
    series: &[Series],
) -> Result<String, DrawError> {
    let groups = factor.groups(rows);
    let bars = i32::try_from(series.len()).unwrap_or(1).max(1);
    let band = (bars * BAR.1).max(BAR.0) + GAP;
    let inner = i32::try_from(groups.len()).unwrap_or(1) * band;
    // The cost belongs to both models together, so it has no series.
    let costs = rows.iter().any(|row| Measure::Cost.of(row).is_some());
    let count = panels().count() + usize::from(costs);
    let lines = i32::try_from(count).unwrap_or(0).div_euclid(COLUMNS) + i32::from(count % 2 == 1);
    document(title, (WIDTH, HEAD + lines * height(inner)), |area| {
        legend(
            area,
            &series.iter().map(|series| series.name.clone()).collect::<Vec<_>>(),
            (20, 42),
        )?;
        for (index, metric) in panels().enumerate() {
            let value = |row: &Row, series: &Series| {
                let is_in =
                    series.front_end.as_ref().is_none_or(|front_end| *front_end == row.front_end);
                is_in.then(|| row.step(series.peer).value(metric))
            };
            let means = means(rows, factor, &groups, series, value);
            panel(area, index, inner, band, metric.title(), metric.unit(), &groups, &means)?;
        }
        if costs {
            let measure = Measure::Cost;
            let means = means(rows, factor, &groups, &series[..1.min(series.len())], |row, _| {
                measure.of(row)
            });
            panel(
                area,
                panels().count(),
                inner,
                band,
                &measure.title(),
                measure.unit(),
                &groups,
                &means,
            )?;
        }
        Ok(())
    })
}

/// For each group, each series' numbers.
fn means(
    rows: &[Row],
    factor: Factor,
    groups: &[String],
    series: &[Series],
    value: impl Fn(&Row, &Series) -> Option<f64>,
) -> Vec<Vec<Option<Summary>>> {
    let of = |group: &String, series: &Series| {
        let own = rows.iter().filter(|row| factor.group(row) == group);
        Summary::of(&own.filter_map(|row| value(row, series)).collect::<Vec<_>>())
    };
    groups.iter().map(|group| series.iter().map(|series| of(group, series)).collect()).collect()
}

#[allow(
    clippy::too_many_arguments,
    reason = "a panel is drawn in one place, with everything that it shows"
)]
fn panel(
    area: &Area<'_>,
    index: usize,
    inner: i32,
    band: i32,
    title: &str,
    unit: super::Unit,
    groups: &[String],
    means: &[Vec<Option<Summary>>],
) -> Result<(), DrawError> {
    let reach = |summary: &Summary| summary.mean + summary.confidence.unwrap_or(0.0);
    let most = means.iter().flatten().flatten().map(reach).fold(0.0, f64::max);
    let panel = Panel::begin(area, index, HEAD, inner, title, unit, most)?;
    for ((group, means), at) in
        groups.iter().zip(means).zip((0..).step_by(usize::try_from(band).unwrap_or(1)))
    {
        panel.label(area, group, panel.y(at + band / 2))?;
        let bars = i32::try_from(means.len()).unwrap_or(1).max(1);
        let thickness = (band - GAP) / bars;
        for ((series, summary), nth) in means.iter().enumerate().zip(0..) {
            let Some(summary) = summary else { continue };
            let top = panel.y(at + GAP / 2 + nth * thickness);
            let middle = top + thickness / 2;
            block(
                area,
                (panel.x(0.0), top + 1),
                (panel.x(summary.mean), top + thickness - 1),
                colour(series).mix(0.85),
            )?;
            let half = summary.confidence.unwrap_or(0.0);
            let (low, high) = (panel.x(summary.mean - half), panel.x(summary.mean + half));
            if half > 0.0 {
                line(area, (low, middle), (high, middle), 0.9)?;
                line(area, (low, middle - 3), (low, middle + 3), 0.9)?;
                line(area, (high, middle - 3), (high, middle + 3), 0.9)?;
            }
            panel.number(area, summary.mean, (high, middle))?;
        }
    }
    Ok(())
}
