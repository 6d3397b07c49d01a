//! How the values of each metric are distributed, for both models: estimated densities with
//! quartiles and median.

use plotters::{
    element::{Circle, Polygon},
    style::{Color, ShapeStyle},
};

use super::{
    Metric, Peer, Row,
    canvas::{Area, DrawError, INK, block, colour, document, line},
    panel::{COLUMNS, Panel, WIDTH, height},
    panels,
};
use crate::matrix::statistics::Summary;

/// Height of the title, pixels.
const HEAD: i32 = 40;
/// Height of one violin with its margin, pixels.
const BAND: i32 = 64;
/// Half the height of the widest place of a violin, pixels.
const HALF: f64 = 27.0;
/// Places at which a density is estimated.
const PLACES: usize = 96;
/// Most values that a density is estimated from; of more, every so many is taken.
const MAX_VALUES: usize = 2_000;

/// Draws the distributions of all metrics.
///
/// # Errors
/// [`DrawError`].
pub(super) fn draw(title: &str, rows: &[Row]) -> Result<String, DrawError> {
    let inner = BAND * 2;
    let lines = i32::try_from(panels().count()).unwrap_or(0) / COLUMNS;
    document(title, (WIDTH, HEAD + lines * height(inner)), |area| {
        for (index, metric) in panels().enumerate() {
            panel(area, index, inner, metric, rows)?;
        }
        Ok(())
    })
}

fn panel(
    area: &Area<'_>,
    index: usize,
    inner: i32,
    metric: Metric,
    rows: &[Row],
) -> Result<(), DrawError> {
    let values = Peer::ALL
        .map(|peer| rows.iter().map(|row| row.step(peer).value(metric)).collect::<Vec<_>>());
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let panel = Panel::begin(area, index, HEAD, inner, metric.title(), metric.unit(), most)?;
    for ((peer, values), nth) in Peer::ALL.iter().zip(&values).zip(0..) {
        let Some(summary) = Summary::of(values) else { continue };
        let middle = panel.y(nth * BAND + BAND / 2);
        panel.label(area, peer.title(), middle)?;
        let outline = density(values, &summary);
        let edge = |sign: f64| {
            outline
                .iter()
                .map(move |(value, height)| {
                    (*value, middle + (sign * HALF * height).round() as i32)
                })
                .collect::<Vec<_>>()
        };
        let points: Vec<(i32, i32)> = edge(-1.0)
            .into_iter()
            .chain(edge(1.0).into_iter().rev())
            .map(|(value, y)| (panel.x(value), y))
            .collect();
        let fill: ShapeStyle = colour(*peer as usize).mix(0.6).filled();
        match points.is_empty() {
            true => line(
                area,
                (panel.x(summary.median), middle - HALF as i32),
                (panel.x(summary.median), middle + HALF as i32),
                0.7,
            )?,
            false => area.draw(&Polygon::new(points, fill))?,
        }
        line(area, (panel.x(summary.least), middle), (panel.x(summary.most), middle), 0.7)?;
        block(
            area,
            (panel.x(summary.lower_quartile), middle - 4),
            (panel.x(summary.upper_quartile), middle + 4),
            INK.mix(0.7),
        )?;
        let median = (panel.x(summary.median), middle);
        area.draw(&Circle::new(median, 4, colour(7).filled()))?;
        panel.number(area, summary.median, (panel.x(summary.most), middle))?;
    }
    Ok(())
}

/// Places between the least and the largest value, and the density there as a share of its peak
/// (Gaussian kernel, Silverman's width). Empty for values that do not vary.
fn density(values: &[f64], summary: &Summary) -> Vec<(f64, f64)> {
    let (least, range) = (summary.least, summary.most - summary.least);
    let spread = (summary.upper_quartile - summary.lower_quartile) / 1.34;
    let deviation = summary.deviation.unwrap_or(0.0);
    let spread = if spread > 0.0 { spread.min(deviation) } else { deviation };
    let width = 0.9 * spread * (values.len() as f64).powf(-0.2);
    if width <= 0.0 || range <= 0.0 || range / width > 1e6 {
        return Vec::new();
    }
    // In order of size: in the table's order the prompts repeat, and every so many could be one of
    // them alone.
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let kept: Vec<f64> =
        sorted.iter().step_by(sorted.len().div_ceil(MAX_VALUES)).copied().collect();
    let at = |place: f64| {
        kept.iter().map(|value| (-((place - value) / width).powi(2) / 2.0).exp()).sum::<f64>()
    };
    let places = (0..=PLACES).map(|step| least + range * step as f64 / PLACES as f64);
    let heights: Vec<(f64, f64)> = places.map(|place| (place, at(place))).collect();
    let peak = heights.iter().map(|(_, height)| *height).fold(f64::MIN_POSITIVE, f64::max);
    heights.into_iter().map(|(place, height)| (place, height / peak)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Vec<(f64, f64)> {
        density(values, &Summary::of(values).expect("values"))
    }

    #[test]
    fn the_density_peaks_where_the_values_are() {
        let outline = of(&[1.0, 9.0, 9.1, 9.2, 8.9, 9.0, 9.1, 10.0]);
        let (place, peak) =
            outline.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1)).expect("places");
        assert!((8.8..9.3).contains(&place) && peak == 1.0, "{place}");
        assert!(outline.iter().all(|(place, height)| (1.0..=10.0).contains(place) && (0.0..=1.0).contains(height)));
    }

    #[test]
    fn values_that_do_not_vary_have_no_density() {
        assert_eq!(of(&[3.0; 5]), []);
        assert_eq!(of(&[3.0]), []);
    }
}
