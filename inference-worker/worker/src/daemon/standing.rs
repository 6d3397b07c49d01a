//! Whether the worker serves, in the words of events, log and `mica-worker status`.

use mica_primitives::BlockNumber;
use serde::Serialize;
use tokio::sync::watch;

use crate::report::{Event, Reporter};

/// Whether payers can be served, and if not, why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Standing {
    /// Whether the registry, at the block below, sends payers to this process and it takes
    /// sessions.
    pub serving: bool,
    /// A name for what is wrong that programs can rely on.
    pub code: Option<&'static str>,
    /// What is wrong and what is done or to be done about it.
    pub problem: Option<String>,
    /// Final block at which worker and registry were last compared.
    pub compared_at: BlockNumber,
}

/// The standing, told whenever it changes: once, however often it is found again.
pub(crate) struct Standings {
    sender: watch::Sender<Standing>,
    reporter: Reporter,
}

impl Standings {
    /// A worker that has just registered in `block`.
    pub(crate) fn new(block: BlockNumber, reporter: Reporter) -> Self {
        let sender = watch::Sender::new(Standing {
            serving: true,
            code: None,
            problem: None,
            compared_at: block,
        });
        Self { sender, reporter }
    }

    /// What it is now.
    pub(crate) fn current(&self) -> Standing {
        self.sender.borrow().clone()
    }

    /// Whether payers are served now.
    pub(crate) fn is_serving(&self) -> bool {
        self.sender.borrow().serving
    }

    /// The code of what is wrong.
    pub(crate) fn code(&self) -> Option<&'static str> {
        self.sender.borrow().code
    }

    /// All is well as of `block`. `again` is told if it was not.
    pub(crate) fn well(&self, block: BlockNumber, again: impl FnOnce() -> Event) {
        let before = self.sender.send_replace(Standing {
            serving: true,
            code: None,
            problem: None,
            compared_at: block,
        });
        if !before.serving || before.code.is_some() {
            self.reporter.emit(&again());
        }
    }

    /// Final block at which worker and registry were last compared.
    pub(crate) fn compared_at(&self) -> BlockNumber {
        self.sender.borrow().compared_at
    }

    /// Whether this is known already.
    pub(crate) fn is_wrong(&self, serving: bool, code: &str) -> bool {
        let now = self.sender.borrow();
        now.serving == serving && now.code == Some(code)
    }

    /// Nothing new as of `block`.
    pub(crate) fn same(&self, block: BlockNumber) {
        self.sender.send_modify(|standing| standing.compared_at = block);
    }

    /// Something is wrong as of `block`; told if it was not wrong in the same way before.
    pub(crate) fn wrong(
        &self,
        block: BlockNumber,
        serving: bool,
        code: &'static str,
        problem: String,
    ) {
        let next = Standing {
            serving,
            code: Some(code),
            problem: Some(problem.clone()),
            compared_at: block,
        };
        let before = self.sender.send_replace(next);
        if (before.serving, before.code) != (serving, Some(code)) {
            tracing::warn!(code, "{problem}");
            let event = match serving {
                true => Event::Warning { text: problem },
                false => Event::NotServing { code, problem },
            };
            self.reporter.emit(&event);
        }
    }
}
