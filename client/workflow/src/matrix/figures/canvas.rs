//! The ground that figures are drawn on: colours that read on light and dark, texts, and the SVG
//! document around them.

use plotters::{
    coord::Shift,
    drawing::DrawingAreaErrorKind,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Why drawing failed.
pub(super) type DrawError = DrawingAreaErrorKind<std::io::Error>;
/// The area that is drawn on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A place, in pixels from the upper left.
pub(super) type Place = (i32, i32);

/// Lines and texts: becomes the colour of the text around the figure.
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Largest text.
pub(super) const TITLE: f64 = 15.0;
/// Texts beside things.
pub(super) const LABEL: f64 = 13.0;
/// Texts within things.
pub(super) const SMALL: f64 = 11.5;

/// Colours of series: of medium lightness, so that they stand out on white and on black, and apart
/// for colour-blind eyes.
const SERIES: [RGBColor; 8] = [
    RGBColor(0x3B, 0x82, 0xC4),
    RGBColor(0xE0, 0x8A, 0x1E),
    RGBColor(0x2E, 0x9E, 0x73),
    RGBColor(0xB0, 0x67, 0x9A),
    RGBColor(0xD1, 0x55, 0x3D),
    RGBColor(0x3A, 0xA6, 0xB9),
    RGBColor(0x9A, 0x9A, 0x2E),
    RGBColor(0x7E, 0x87, 0x90),
];

/// Ground and ink follow the reader's choice, also where the picture stands alone.
const STYLE: &str = "<style>svg{color:#1f2328;background:#fff}@media \
                     (prefers-color-scheme:dark){svg{color:#e6edf3;background:#0d1117}}</style>";

/// Colour of the series with this number.
pub(super) fn colour(series: usize) -> RGBColor {
    SERIES.get(series % SERIES.len()).copied().unwrap_or(INK)
}

/// Draws a document of this size.
///
/// # Errors
/// [`DrawError`] if a part cannot be drawn.
pub(super) fn document(
    title: &str,
    size: Place,
    paint: impl FnOnce(&Area<'_>) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let mut svg = String::new();
    {
        let pixels = |length: i32| u32::try_from(length).unwrap_or(1).max(1);
        let area =
            SVGBackend::with_string(&mut svg, (pixels(size.0), pixels(size.1))).into_drawing_area();
        text(&area, title, (size.0 / 2, 16), TITLE, HPos::Center)?;
        paint(&area)?;
        area.present()?;
    }
    let svg = svg.replace("\"#1F2328\"", "\"currentColor\"");
    let escaped = title.replace('&', "&amp;").replace('<', "&lt;");
    let begin = svg.find("<svg").unwrap_or(0);
    let end =
        svg.get(begin..).and_then(|svg| svg.find('>')).map_or(svg.len(), |end| begin + end + 1);
    let (head, body) = svg.split_at(end);
    Ok(format!("{}<title>{escaped}</title>{STYLE}{body}", head.get(begin..).unwrap_or(head)))
}

/// Writes `text` with its middle line at `place`.
///
/// # Errors
/// [`DrawError`].
pub(super) fn text(
    area: &Area<'_>,
    text: &str,
    place: Place,
    size: f64,
    side: HPos,
) -> Result<(), DrawError> {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), place, style))
}

/// A filled rectangle.
///
/// # Errors
/// [`DrawError`].
pub(super) fn block(
    area: &Area<'_>,
    from: Place,
    to: Place,
    fill: RGBAColor,
) -> Result<(), DrawError> {
    area.draw(&Rectangle::new([from, to], fill.filled()))
}

/// A line of ink; `strength` from 0 (nothing) to 1 (ink).
///
/// # Errors
/// [`DrawError`].
pub(super) fn line(
    area: &Area<'_>,
    from: Place,
    to: Place,
    strength: f64,
) -> Result<(), DrawError> {
    area.draw(&PathElement::new([from, to], INK.mix(strength).stroke_width(1)))
}

/// Names of series with their colours, in one row from the left.
///
/// # Errors
/// [`DrawError`].
pub(super) fn legend(area: &Area<'_>, names: &[String], at: Place) -> Result<(), DrawError> {
    let (mut x, y) = at;
    for (series, name) in names.iter().enumerate() {
        block(area, (x, y - 6), (x + 12, y + 6), colour(series).mix(0.85))?;
        text(area, name, (x + 18, y), LABEL, HPos::Left)?;
        x += 38 + width(name);
    }
    Ok(())
}

/// About as many pixels as a label takes.
pub(super) fn width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 8).saturating_mul(7)
}

/// `text`, or its beginning if it has more than `most` letters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() {
        count if count <= most => text.to_owned(),
        _ => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}
