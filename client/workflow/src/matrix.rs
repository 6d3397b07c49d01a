//! `mica matrix`: the experiment of P2PLLMEdge on any network, and its statistics.
//!
//! A [`Plan`] is prompts × first models × second models × front-ends × repetitions. [`measure`]
//! takes each cell through the built-in workflow (answer, then summarise) and appends a row to a
//! [`Journal`]; what is in the table already is not measured again. A [`Report`] needs nothing but
//! a [`Table`], from here or from P2PLLMEdge's own application: means per group, analysis of
//! variance, Tukey's test, correlations, figures, and one page that holds all of it.

mod prompt_kind;

mod table;

mod plan;

mod measure;

pub mod statistics;

mod analysis;

mod figures;

mod report;

pub use analysis::{Analysis, Factor, Grouping, Measure, MeasureResult, TooManyGroups};
pub use measure::{Conditions, MatrixError, MatrixEvent, Measured, label, measure};
pub use plan::{Cell, Plan, PlanError, Prompt, default_prompts};
pub use report::{Report, ReportError};
pub use table::{Journal, JournalError, Metric, Peer, Row, StepRow, Table, TableError, Unit};
