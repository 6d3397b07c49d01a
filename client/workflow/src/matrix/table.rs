//! The table of a matrix: one row per prompt that went through a first and a second model.
//!
//! Its first 22 columns are those of P2PLLMEdge's application, in its order and with its names, so
//! that tables of both can be read by the same programs. What follows is ours: costs, and the row's
//! place in the matrix. Durations are nanoseconds, money is base units. [`read`](Table::read) takes
//! tables of either, [`Journal`] appends rows that a power cut cannot damage.

mod csv;
mod journal;
mod read;

pub use journal::{Journal, JournalError};
pub(in crate::matrix) use read::MAX_NUMBER;
pub use read::{Table, TableError};

/// Most bytes of a table.
pub(super) const MAX_TABLE_BYTES: u64 = 256 << 20;
/// Most rows of a table.
pub(super) const MAX_ROWS: usize = 200_000;

/// The eight numbers of a step, in the table's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Ollama's")]
pub enum Metric {
    TotalDuration,
    LoadDuration,
    PromptEvalCount,
    PromptEvalDuration,
    EvalCount,
    EvalDuration,
    TokenPerSecond,
    NetworkDuration,
}

impl Metric {
    /// All of them, in the table's order.
    pub const ALL: [Self; 8] = [
        Self::TotalDuration,
        Self::LoadDuration,
        Self::PromptEvalCount,
        Self::PromptEvalDuration,
        Self::EvalCount,
        Self::EvalDuration,
        Self::TokenPerSecond,
        Self::NetworkDuration,
    ];

    /// Its column without the `peer1_` or `peer2_` before it.
    pub const fn column(self) -> &'static str {
        match self {
            Self::TotalDuration => "total_duration",
            Self::LoadDuration => "load_duration",
            Self::PromptEvalCount => "prompt_eval_count",
            Self::PromptEvalDuration => "prompt_eval_duration",
            Self::EvalCount => "eval_count",
            Self::EvalDuration => "eval_duration",
            Self::TokenPerSecond => "token_per_second",
            Self::NetworkDuration => "network_duration",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::TotalDuration => "Total duration",
            Self::LoadDuration => "Load duration",
            Self::PromptEvalCount => "Prompt tokens",
            Self::PromptEvalDuration => "Prompt evaluation duration",
            Self::EvalCount => "Answer tokens",
            Self::EvalDuration => "Evaluation duration",
            Self::TokenPerSecond => "Token rate",
            Self::NetworkDuration => "Network duration",
        }
    }

    /// What its numbers count.
    pub const fn unit(self) -> Unit {
        match self {
            Self::TotalDuration
            | Self::LoadDuration
            | Self::PromptEvalDuration
            | Self::EvalDuration
            | Self::NetworkDuration => Unit::Nanoseconds,
            Self::PromptEvalCount | Self::EvalCount => Unit::Tokens,
            Self::TokenPerSecond => Unit::TokensPerSecond,
        }
    }
}

/// What numbers of a table count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Tokens.
    Tokens,
    /// Tokens per second.
    TokensPerSecond,
    /// Base units of money.
    BaseUnits,
}

/// Which of the two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The model that answers the prompt.
    First,
    /// The model that summarises the answer.
    Second,
}

impl Peer {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// What its columns begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::First => "peer1",
            Self::Second => "peer2",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::First => "first model",
            Self::Second => "second model",
        }
    }
}

/// A step of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepRow {
    /// The model.
    pub model: String,
    /// One number per [`Metric`], in its order; finite and not negative.
    pub values: [f64; 8],
    /// The text that the model gave.
    pub response: String,
    /// Base units paid, where known.
    pub cost: Option<u128>,
}

impl StepRow {
    /// The number of `metric`.
    pub fn value(&self, metric: Metric) -> f64 {
        self.values.get(metric as usize).copied().unwrap_or(0.0)
    }
}

/// One prompt through both models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// When, RFC 3339.
    pub timestamp: String,
    /// The prompt.
    pub prompt: String,
    /// The step that answered.
    pub first: StepRow,
    /// The step that summarised.
    pub second: StepRow,
    /// The front-end through which it went; P2PLLMEdge's `web_server`.
    pub front_end: String,
    /// Kind of the prompt.
    pub prompt_type: String,
    /// Number of the repetition, from 1.
    pub repeat: u32,
}

impl Row {
    /// One of its steps.
    pub fn step(&self, peer: Peer) -> &StepRow {
        match peer {
            Peer::First => &self.first,
            Peer::Second => &self.second,
        }
    }

    /// Base units of both steps, if both are known.
    pub fn cost(&self) -> Option<u128> {
        self.first.cost?.checked_add(self.second.cost?)
    }

    /// Whether P2PLLMEdge's application wrote it for a request that failed: it logs zeros and the
    /// error's text.
    pub fn is_failure(&self) -> bool {
        Peer::ALL.iter().any(|peer| {
            let step = self.step(*peer);
            step.value(Metric::EvalCount) == 0.0 && step.response.starts_with("Error:")
        })
    }
}

/// The header of our tables: the application's 22 columns, then ours.
pub(super) fn header() -> Vec<String> {
    let mut header = vec!["timestamp".to_owned(), "prompt".to_owned()];
    for peer in Peer::ALL {
        let prefix = peer.prefix();
        header.push(format!("{prefix}_llm"));
        header.extend(Metric::ALL.iter().map(|metric| format!("{prefix}_{}", metric.column())));
        header.push(format!("{prefix}_response_ollama"));
    }
    header.extend(
        ["cost", "peer1_cost", "peer2_cost", "front_end", "prompt_type", "repeat"]
            .map(str::to_owned),
    );
    header
}

/// The cells of `row` under [`header`].
pub(super) fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.timestamp.clone(), row.prompt.clone()];
    for step in [&row.first, &row.second] {
        cells.push(step.model.clone());
        cells.extend(step.values.iter().map(f64::to_string));
        cells.push(step.response.clone());
    }
    let money = |cost: Option<u128>| cost.map(|cost| cost.to_string()).unwrap_or_default();
    cells.extend([money(row.cost()), money(row.first.cost), money(row.second.cost)]);
    cells.extend([row.front_end.clone(), row.prompt_type.clone(), row.repeat.to_string()]);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_22_columns_are_the_application_s() {
        let expected = "timestamp,prompt,peer1_llm,peer1_total_duration,peer1_load_duration,\
                        peer1_prompt_eval_count,peer1_prompt_eval_duration,peer1_eval_count,\
                        peer1_eval_duration,peer1_token_per_second,peer1_network_duration,\
                        peer1_response_ollama,peer2_llm,peer2_total_duration,peer2_load_duration,\
                        peer2_prompt_eval_count,peer2_prompt_eval_duration,peer2_eval_count,\
                        peer2_eval_duration,peer2_token_per_second,peer2_network_duration,\
                        peer2_response_ollama";
        let header = header();
        assert_eq!(header[..22].join(","), expected);
        assert_eq!(header[22], "cost");
        assert_eq!(cells(&Row::default()).len(), header.len());
    }

    #[test]
    fn money_adds_up_only_where_all_of_it_is_known() {
        let mut row = Row::default();
        row.first.cost = Some(3);
        assert_eq!(row.cost(), None);
        row.second.cost = Some(4);
        assert_eq!(row.cost(), Some(7));
        row.second.cost = Some(u128::MAX);
        assert_eq!(row.cost(), None);
    }
}
