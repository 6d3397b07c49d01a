//! Progress on stderr while the user waits: a spinner at a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Where progress goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Spinner if stderr is a terminal, lines if not.
    Shown,
    /// Nowhere.
    Silent,
}

impl Progress {
    /// Begins a step and says so.
    pub(crate) fn step(self, what: impl Into<String>) -> Step {
        let what = what.into();
        let mode = match self {
            Self::Silent => Mode::Silent,
            Self::Shown if std::io::stderr().is_terminal() => {
                // The template is a constant of ours; the default spinner stands in if it were ever
                // wrong.
                let style = ProgressStyle::with_template("{spinner} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                let bar = ProgressBar::new_spinner()
                    .with_style(style)
                    .with_message(mica_text::lines(&what));
                bar.enable_steady_tick(TICK);
                Mode::Spinner(bar)
            }
            Self::Shown => {
                line(&format!("... {what}"));
                Mode::Lines
            }
        };
        Step { what, mode, begun: Instant::now() }
    }

    /// A line that stays.
    pub(crate) fn note(self, text: &str) {
        if self == Self::Shown {
            line(text);
        }
    }
}

enum Mode {
    Silent,
    Spinner(ProgressBar),
    Lines,
}

/// Something that takes its time. Dropped without [`Step::done`] it is marked as not done.
pub(crate) struct Step {
    what: String,
    mode: Mode,
    begun: Instant,
}

impl Step {
    /// Changes what the spinner shows; plain lines are not repeated.
    pub(crate) fn now(&self, text: &str) {
        if let Mode::Spinner(bar) = &self.mode {
            bar.set_message(mica_text::lines(&format!("{}: {text}", self.what)));
        }
    }

    /// A line that stays, while the step goes on.
    pub(crate) fn note(&self, text: &str) {
        match &self.mode {
            Mode::Silent => {}
            Mode::Spinner(bar) => bar.println(mica_text::lines(text)),
            Mode::Lines => line(text),
        }
    }

    /// Ends the step with its result.
    pub(crate) fn done(mut self, result: &str) {
        self.end("ok ", result);
    }

    fn end(&mut self, mark: &str, result: &str) {
        let text = format!(
            "{mark} {}{}{result} ({:.1} s)",
            self.what,
            if result.is_empty() { "" } else { ": " },
            self.begun.elapsed().as_secs_f32()
        );
        match std::mem::replace(&mut self.mode, Mode::Silent) {
            Mode::Silent => {}
            Mode::Spinner(bar) => {
                bar.finish_and_clear();
                line(&text);
            }
            Mode::Lines => line(&text),
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.end("-- ", "not done");
    }
}

/// A closed stderr must not stop work that has money in it, so the failure is dropped. What peers
/// say may stand in it.
fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", mica_text::lines(text));
}
