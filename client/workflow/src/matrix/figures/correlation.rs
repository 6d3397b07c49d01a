//! Each measure against each: a square of coloured cells with the correlation in them.

use plotters::style::{Color, text_anchor::HPos};

use super::{
    Analysis,
    canvas::{DrawError, LABEL, SMALL, block, colour, document, line, text},
};

/// Side of a cell, pixels.
const CELL: i32 = 42;
/// Room for names on the left, pixels.
const LEFT: i32 = 270;
/// Room for the title and the numbers above, pixels.
const TOP: i32 = 62;
/// Room for the scale below, pixels.
const BELOW: i32 = 56;
/// How strongly a full correlation is coloured; the number in it must stay readable.
const STRONGEST: f64 = 0.75;
/// Colours of negative and positive correlation.
const ENDS: [usize; 2] = [0, 1];

/// Draws the correlation matrix of `analysis`.
///
/// # Errors
/// [`DrawError`].
pub(super) fn draw(title: &str, analysis: &Analysis) -> Result<String, DrawError> {
    let count = i32::try_from(analysis.measures.len()).unwrap_or(0);
    let size = (LEFT + count * CELL + 20, TOP + count * CELL + BELOW);
    let shade = |value: f64| colour(ENDS[usize::from(value > 0.0)]).mix(STRONGEST * value.abs());
    document(title, size, |area| {
        for ((measure, values), row) in analysis.measures.iter().zip(&analysis.correlation).zip(0..)
        {
            let y = TOP + row * CELL;
            text(
                area,
                &format!("{}  {}", measure.title(), row + 1),
                (LEFT - 8, y + CELL / 2),
                LABEL,
                HPos::Right,
            )?;
            text(
                area,
                &(row + 1).to_string(),
                (LEFT + row * CELL + CELL / 2, TOP - 12),
                LABEL,
                HPos::Center,
            )?;
            for (value, column) in values.iter().zip(0..) {
                let x = LEFT + column * CELL;
                if let Some(value) = value {
                    block(area, (x + 1, y + 1), (x + CELL - 1, y + CELL - 1), shade(*value))?;
                }
                // `+ 0.0` turns a negative zero into a plain one.
                let number = value.map_or("–".to_owned(), |value| {
                    format!("{:.2}", (value * 100.0).round() / 100.0 + 0.0)
                });
                text(area, &number, (x + CELL / 2, y + CELL / 2), SMALL, HPos::Center)?;
            }
        }
        scale(area, (LEFT, TOP + count * CELL + 22), count.max(4) * CELL, shade)
    })
}

/// From -1 to 1 in colours.
fn scale(
    area: &super::canvas::Area<'_>,
    (x, y): (i32, i32),
    width: i32,
    shade: impl Fn(f64) -> plotters::style::RGBAColor,
) -> Result<(), DrawError> {
    const STEPS: i32 = 40;
    for step in 0..STEPS {
        let value = f64::from(step * 2 + 1) / f64::from(STEPS) - 1.0;
        block(
            area,
            (x + step * width / STEPS, y - 6),
            (x + (step + 1) * width / STEPS, y + 6),
            shade(value),
        )?;
    }
    for (label, at) in [("-1", 0), ("0", width / 2), ("1", width)] {
        line(area, (x + at, y + 6), (x + at, y + 10), 0.6)?;
        text(area, label, (x + at, y + 18), SMALL, HPos::Center)?;
    }
    text(area, "– one of the two does not vary", (x - 20, y), SMALL, HPos::Right)
}
