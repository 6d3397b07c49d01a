//! The figures of a report, as SVG that reads on light and on dark ground: bars with error bars, a
//! correlation matrix, violins.

mod bars;
mod canvas;
mod correlation;
mod panel;
mod quantity;
mod violins;

pub(super) use quantity::{scale, significant};

use super::{Analysis, Factor, Measure, Metric, Peer, Row, Unit};

/// A figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the figure '{figure}' cannot be drawn: {reason}")]
pub struct FigureError {
    /// Which.
    pub figure: String,
    /// Why.
    pub reason: String,
}

/// A drawn figure.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Figure {
    /// Its file's name without an ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// The picture, a whole SVG document.
    pub svg: String,
}

/// Draws all figures of the table that `analysis` was made from.
///
/// # Errors
/// [`FigureError`].
pub(super) fn all(rows: &[Row], analysis: &Analysis) -> Result<Vec<Figure>, FigureError> {
    let mut figures = Vec::new();
    for (name, factor) in [
        ("by-front-end", Factor::FrontEnd),
        ("by-prompt-type", Factor::PromptType),
        ("by-first-model", Factor::FirstModel),
        ("by-second-model", Factor::SecondModel),
    ] {
        let title = format!("Means by {}", factor.title());
        figures.push(figure(name, title, |title| {
            bars::draw(title, rows, factor, &bars::by_peer(factor))
        })?);
    }
    let front_ends = Factor::FrontEnd.groups(rows);
    if front_ends.len() > 1 && front_ends.len() <= MAX_CROSSED {
        let title = "Means by prompt type and front-end".to_owned();
        let series = bars::by_front_end(&front_ends);
        figures.push(figure("by-prompt-type-and-front-end", title, |title| {
            bars::draw(title, rows, Factor::PromptType, &series)
        })?);
    }
    let title = "Correlations of all measures".to_owned();
    figures.push(figure("correlation", title, |title| correlation::draw(title, analysis))?);
    let title = "Distributions of both models' measures".to_owned();
    figures.push(figure("distributions", title, |title| violins::draw(title, rows))?);
    Ok(figures)
}

/// Most front-ends that are drawn beside each other in every prompt type.
const MAX_CROSSED: usize = 4;

fn figure(
    name: &'static str,
    title: String,
    draw: impl FnOnce(&str) -> Result<String, canvas::DrawError>,
) -> Result<Figure, FigureError> {
    match draw(&title) {
        Ok(svg) => Ok(Figure { name, title, svg }),
        Err(error) => Err(FigureError { figure: title, reason: error.to_string() }),
    }
}

/// The titles of panels, in the order in which they are drawn: the eight metrics.
fn panels() -> impl Iterator<Item = Metric> {
    Metric::ALL.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{StepRow, Table};

    fn row(front_end: &str, prompt_type: &str, value: f64) -> Row {
        let step = |value: f64| StepRow {
            model: "m & <m>".into(),
            values: [value; 8],
            response: String::new(),
            cost: Some(1_000),
        };
        Row {
            first: step(value),
            second: step(value * 2.0),
            front_end: front_end.into(),
            prompt_type: prompt_type.into(),
            ..Row::default()
        }
    }

    fn draw(rows: Vec<Row>) -> Vec<Figure> {
        let table = Table { rows, failures: 0 };
        let analysis = Analysis::of(&table).expect("few groups");
        all(&table.rows, &analysis).expect("drawn")
    }

    #[test]
    fn every_figure_is_one_sound_document_without_undefined_numbers() {
        let tables = [
            vec![row("x", "k", 0.0)],
            vec![row("x", "k", 5.0)],
            vec![row("x", "k", 1e18), row("y", "k", 1e-9), row("y", "l", 3.0)],
            (0..40)
                .map(|index| {
                    row(
                        ["x", "y"][index % 2],
                        ["k", "l", "a very long kind of prompts indeed"][index % 3],
                        index as f64 * 1e8,
                    )
                })
                .collect(),
        ];
        for rows in tables {
            let front_ends = Factor::FrontEnd.groups(&rows).len();
            let figures = draw(rows);
            assert_eq!(figures.len(), if front_ends > 1 { 7 } else { 6 });
            for Figure { name, svg, .. } in figures {
                assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{name}");
                assert_eq!(svg.matches("<svg").count(), 1, "{name}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
                assert!(!svg.contains("<m>"), "{name}: texts are escaped");
                assert!(
                    svg.contains("currentColor") && svg.contains("prefers-color-scheme"),
                    "{name}"
                );
                assert!(svg.contains("<title>"), "{name}");
            }
        }
    }
}
