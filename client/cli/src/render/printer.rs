//! An answer while it comes: steps on stderr, text on stdout.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use mica_payer::{
    ask::{Event, Listener},
    market::ChosenPath,
    session::Quotes,
};

use mica_text::AnswerFilter;

use super::path;
use crate::output::{Output, OutputError};
use crate::progress::{Progress, Step};

/// Shows what happens while a question is answered.
pub(crate) struct Printer {
    output: Output,
    progress: Progress,
    shows_path: bool,
    step: Option<Step>,
    /// Takes escape sequences out that begin in one piece and end in another, at a terminal.
    filter: Option<AnswerFilter>,
    /// The path that was taken.
    pub(crate) path: Option<ChosenPath>,
}

impl Printer {
    /// Pieces of the answer go to `output`, steps and the path to `progress`.
    pub(crate) fn new(output: Output, progress: Progress) -> Self {
        let filter = std::io::stdout().is_terminal().then(AnswerFilter::default);
        Self { output, progress, shows_path: true, step: None, filter, path: None }
    }

    /// The same without the path.
    pub(crate) fn without_path(output: Output, progress: Progress) -> Self {
        Self { shows_path: false, ..Self::new(output, progress) }
    }

    /// Passes a piece of the answer on.
    fn stream(&mut self, piece: &str) -> Result<(), OutputError> {
        match &mut self.filter {
            Some(filter) => self.output.stream(&filter.pass(piece)),
            None => self.output.stream(piece),
        }
    }

    fn end_step(&mut self, result: &str) {
        if let Some(step) = self.step.take() {
            step.done(result);
        }
    }
}

impl Listener for Printer {
    fn on(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::AskingForQuotes => {
                self.step = Some(self.progress.step("asking workers for quotes"));
            }
            Event::Quoted(quotes) => self.end_step(&answered(quotes)),
            Event::Path(path) => {
                if self.shows_path {
                    self.progress.note(&format!("\n{}", path::path(path)));
                }
                self.path = Some(path.clone());
            }
            Event::PreparingChannels => {
                self.step = Some(self.progress.step("making channels ready"));
            }
            Event::Failed => self.step = None,
            Event::ChannelsReady(None) => self.end_step("open already"),
            Event::ChannelsReady(Some(block)) => self.end_step(&format!("opened in block {block}")),
            // Nobody reads any more, so nobody shall pay any more.
            Event::Text(piece) if self.stream(piece).is_err() => {
                return ControlFlow::Break(());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// How many workers answered.
pub(crate) fn answered(quotes: &Quotes) -> String {
    format!("{} of the {} workers asked answered", quotes.answered(), quotes.asked())
}
