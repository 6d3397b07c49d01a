//! Lines and dots in a frame with axes.

use plotters::{drawing::DrawingAreaErrorKind, prelude::*};

/// Why drawing failed.
pub type DrawError = DrawingAreaErrorKind<std::io::Error>;

const SIZE: (u32, u32) = (760, 420);
/// Width of the names beside the frame.
const LEGEND: u32 = 176;
const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Of medium lightness, so that they stand out on white and on black, and apart for colour-blind
/// eyes.
const COLOURS: [RGBColor; 8] = [
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

/// Points under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name; empty for none.
    pub name: String,
    /// Its points. Those that are no numbers are left out, and those that are not positive where
    /// the axis is logarithmic.
    pub points: Vec<(f64, f64)>,
    /// Whether points are joined.
    pub joined: bool,
}

impl Curve {
    /// A line.
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, joined: true }
    }

    /// Dots.
    pub fn dots(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, joined: false }
    }
}

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it: the run that it shows.
    pub caption: String,
    /// Beside the axes.
    pub axes: (String, String),
    /// Whether the axis upwards is logarithmic.
    pub logarithmic: bool,
    /// What it shows.
    pub curves: Vec<Curve>,
}

impl Chart {
    /// The document.
    ///
    /// # Errors
    /// [`DrawError`] if a part cannot be drawn.
    pub fn svg(&self) -> Result<String, DrawError> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            self.draw(&area)?;
            area.present()?;
        }
        let svg = svg.replace("\"#1F2328\"", "\"currentColor\"");
        let title = self.title.replace('&', "&amp;").replace('<', "&lt;");
        let end = svg.find("<svg").and_then(|at| svg[at..].find('>').map(|end| at + end + 1));
        let (head, body) = svg.split_at(end.unwrap_or(0));
        Ok(format!("{head}<title>{title}</title>{STYLE}{body}"))
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), DrawError> {
        let curves: Vec<(&Curve, Vec<(f64, f64)>)> =
            self.curves.iter().map(|curve| (curve, self.shown(curve))).collect();
        let (x, y) = ranges(curves.iter().flat_map(|(_, points)| points));
        let (body, foot) = area.split_vertically(SIZE.1 as i32 - 22);
        let ink = |size: f64| ("sans-serif", size).into_font().color(&INK);
        foot.draw(&Text::new(self.caption.clone(), (8, 4), ink(11.0)))?;
        let mut chart = ChartBuilder::on(&body)
            .caption(&self.title, ink(16.0))
            .margin(8)
            .margin_right(if self.is_named() { LEGEND } else { 16 })
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        let logarithmic = self.logarithmic;
        let upwards =
            move |value: &f64| number(if logarithmic { 10f64.powf(*value) } else { *value });
        chart
            .configure_mesh()
            .bold_line_style(INK.mix(0.15))
            .light_line_style(INK.mix(0.0))
            .axis_style(INK.mix(0.6))
            .label_style(ink(11.0))
            .axis_desc_style(ink(12.0))
            .x_desc(&self.axes.0)
            .y_desc(&self.axes.1)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&upwards)
            .draw()?;
        for (number, (curve, points)) in curves.into_iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            if curve.joined {
                let line = PathElement::new(points, colour.stroke_width(2));
                chart.draw_series(std::iter::once(line))?;
            } else {
                let dots = points.into_iter().map(|at| Circle::new(at, 2, colour.filled()));
                chart.draw_series(dots)?;
            }
        }
        self.legend(area)
    }

    fn is_named(&self) -> bool {
        self.curves.iter().any(|curve| !curve.name.is_empty())
    }

    /// Names with their colours, from the upper right downwards.
    fn legend(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), DrawError> {
        let named = self.curves.iter().enumerate().filter(|(_, curve)| !curve.name.is_empty());
        for (row, (number, curve)) in named.enumerate() {
            let (x, y) = (SIZE.0 as i32 - LEGEND as i32 + 8, 44 + 16 * row as i32);
            let colour = COLOURS[number % COLOURS.len()];
            area.draw(&PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)))?;
            let style = ("sans-serif", 12.0).into_font().color(&INK);
            area.draw(&Text::new(curve.name.clone(), (x + 24, y - 6), style))?;
        }
        Ok(())
    }

    fn shown(&self, curve: &Curve) -> Vec<(f64, f64)> {
        curve
            .points
            .iter()
            .map(|(x, y)| (*x, if self.logarithmic { y.log10() } else { *y }))
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    }
}

/// Ranges that hold all points, with some room above.
fn ranges<'a>(points: impl Iterator<Item = &'a (f64, f64)> + Clone) -> ((f64, f64), (f64, f64)) {
    let range = |values: &mut dyn Iterator<Item = f64>, room: f64| {
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), value| (l.min(value), h.max(value)));
        if low > high {
            (0.0, 1.0)
        } else if high - low < 1e-9 * high.abs().max(1e-9) {
            (low - 0.5, high + 0.5)
        } else {
            (low, high + room * (high - low))
        }
    };
    (
        range(&mut points.clone().map(|point| point.0), 0.0),
        range(&mut points.clone().map(|point| point.1), 0.08),
    )
}

/// A number in few characters.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 1e6 => format!("{:.3}M", value / 1e6),
        size if size >= 1e4 => format!("{:.1}k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 0.01 => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_names_itself_and_its_curves_and_draws_all_of_them() {
        let chart = Chart {
            title: "Prices & rounds".into(),
            caption: "seed 7".into(),
            axes: ("round".into(), "price".into()),
            logarithmic: true,
            curves: vec![
                Curve::line("mean", vec![(0.0, 1.0), (1.0, 10.0), (2.0, 0.0), (3.0, f64::NAN)]),
                Curve::dots("each", vec![(0.5, 2.0), (1.5, 3.0)]),
            ],
        };
        let svg = chart.svg().expect("drawn");
        for part in ["Prices &amp; rounds", "seed 7", "mean", "each", "prefers-color-scheme"] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg, chart.svg().expect("drawn"), "the same bytes");
    }

    #[test]
    fn nothing_to_show_is_an_empty_frame() {
        let chart = Chart {
            title: "Nothing".into(),
            caption: String::new(),
            axes: ("x".into(), "y".into()),
            logarithmic: false,
            curves: vec![Curve::line("", vec![])],
        };
        assert!(chart.svg().is_ok());
    }
}
