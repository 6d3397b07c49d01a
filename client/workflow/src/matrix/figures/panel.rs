//! One of several small diagrams in a figure: a title, rows with labels on the left, and a common
//! axis from zero below them.

use plotters::style::text_anchor::HPos;

use super::{
    Unit,
    canvas::{Area, DrawError, LABEL, Place, SMALL, line, shortened, text},
    quantity::{scale, significant, ticks},
};

/// Width of a figure, pixels.
pub(super) const WIDTH: i32 = 1040;
/// Panels beside each other.
pub(super) const COLUMNS: i32 = 2;
/// Width of a panel with its margins, pixels.
const PANEL: i32 = WIDTH / COLUMNS;
/// Room for labels on the left, pixels.
const LABELS: i32 = 150;
/// Most letters of a label.
const LETTERS: usize = 21;
/// Room on the right for numbers, pixels.
const RIGHT: i32 = 62;
/// Room for the title above, pixels.
const ABOVE: i32 = 30;
/// Room for the axis below, pixels.
const BELOW: i32 = 34;

/// Height of a panel whose rows take `rows` pixels.
pub(super) const fn height(rows: i32) -> i32 {
    ABOVE + rows + BELOW
}

/// A panel's place and axis.
pub(super) struct Panel {
    left: i32,
    top: i32,
    rows: i32,
    ticks: Vec<f64>,
    divisor: f64,
}

impl Panel {
    /// Draws the frame of the panel with this `index`: title, axis, grid. `most` is the largest
    /// number that it must show.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(super) fn begin(
        area: &Area<'_>,
        index: usize,
        top: i32,
        rows: i32,
        title: &str,
        unit: Unit,
        most: f64,
    ) -> Result<Self, DrawError> {
        let index = i32::try_from(index).unwrap_or(0);
        let (divisor, name) = scale(unit, most);
        let panel = Self {
            left: index % COLUMNS * PANEL + LABELS,
            top: top + index / COLUMNS * height(rows) + ABOVE,
            rows,
            ticks: ticks(most / divisor),
            divisor,
        };
        text(area, &format!("{title} ({name})"), (panel.left, panel.top - 14), LABEL, HPos::Left)?;
        let bottom = panel.top + rows;
        for tick in &panel.ticks {
            let x = panel.x(*tick * divisor);
            line(area, (x, panel.top), (x, bottom), if *tick == 0.0 { 0.6 } else { 0.15 })?;
            text(area, &significant(*tick), (x, bottom + 11), SMALL, HPos::Center)?;
        }
        Ok(panel)
    }

    /// The pixel at which `value` stands; values outside the axis stand at its ends.
    pub(super) fn x(&self, value: f64) -> i32 {
        let end = self.ticks.last().copied().unwrap_or(1.0) * self.divisor;
        let part = (value / end).clamp(0.0, 1.0);
        self.left + (part * f64::from(PANEL - LABELS - RIGHT)).round() as i32
    }

    /// The pixel of the row that begins `offset` pixels below the first.
    pub(super) fn y(&self, offset: i32) -> i32 {
        self.top + offset.min(self.rows)
    }

    /// Writes the label of a row whose middle is at `y`.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(super) fn label(&self, area: &Area<'_>, name: &str, y: i32) -> Result<(), DrawError> {
        text(area, &shortened(name, LETTERS), (self.left - 8, y), LABEL, HPos::Right)
    }

    /// Writes `value` to the right of `place`.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(super) fn number(
        &self,
        area: &Area<'_>,
        value: f64,
        place: Place,
    ) -> Result<(), DrawError> {
        text(area, &significant(value / self.divisor), (place.0 + 5, place.1), SMALL, HPos::Left)
    }
}
