//! A bar at a terminal, a line for each cell elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use mica_workflow::matrix::{MatrixEvent, Metric, Row, label};

use crate::progress::Progress;

/// The progress of a matrix.
pub(crate) struct Bar {
    progress: Progress,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// Shows what happens; the first event makes the bar.
    pub(crate) fn show(bar: &mut Option<Self>, progress: Progress, event: MatrixEvent<'_>) {
        match (event, bar) {
            (MatrixEvent::Begins { cells, done }, bar) => {
                *bar = Some(Self::begin(progress, cells, done));
            }
            (MatrixEvent::Measuring(cell), Some(bar)) => bar.at(&label(cell)),
            (MatrixEvent::Measured(cell, row), Some(bar)) => bar.done(&label(cell), row),
            (MatrixEvent::Failed(cell, error), Some(bar)) => {
                bar.note(&format!("{}: {error}", label(cell)));
            }
            _ => {}
        }
    }

    /// Begins with `done` of `cells`.
    fn begin(progress: Progress, cells: usize, done: usize) -> Self {
        let is_bar = progress == Progress::Shown && std::io::stderr().is_terminal();
        let bar = is_bar.then(|| {
            // The template is a constant of ours; the default bar stands in if it were ever wrong.
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}, {eta} left  {msg}");
            let bar = ProgressBar::new(cells as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_position(done as u64);
            bar.reset_eta();
            bar
        });
        if done > 0 {
            progress.note(&format!("{done} of {cells} rows are in the table already"));
        }
        Self { progress, bar }
    }

    /// Says what is measured now.
    fn at(&self, label: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(label.to_owned());
        }
    }

    /// A cell is measured.
    fn done(&self, label: &str, row: &Row) {
        match &self.bar {
            Some(bar) => bar.inc(1),
            None => {
                let seconds = (row.first.value(Metric::NetworkDuration)
                    + row.second.value(Metric::NetworkDuration))
                    / 1e9;
                self.progress.note(&format!("ok  {label} ({seconds:.1} s)"));
            }
        }
    }

    /// A line that stays.
    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.progress.note(text)),
            None => self.progress.note(text),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
