//! What is measured: every combination of prompt, models, front-end and repetition.

use std::collections::BTreeSet;

use super::{Row, prompt_kind::PROMPTS};

/// Most cells of a matrix.
pub(super) const MAX_CELLS: usize = 100_000;
/// Most bytes of a prompt.
const MAX_PROMPT_BYTES: usize = 1 << 16;

/// Why a plan cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// One of its lists is empty.
    #[error("the matrix has no {0}: name at least one")]
    Nothing(&'static str),
    /// One of its lists names something twice.
    #[error("{what} '{name}' is named twice")]
    Twice {
        /// Which list.
        what: &'static str,
        /// What is in it twice.
        name: String,
    },
    /// A prompt without a text or a kind, or too long a one.
    #[error("prompt '{0}': write it as KIND=TEXT, with a text of 1 to {MAX_PROMPT_BYTES} bytes")]
    Prompt(String),
    /// Too many combinations to be measured in any reasonable time.
    #[error(
        "the matrix has more than {MAX_CELLS} cells: repeat less or name fewer prompts, models or \
         front-ends"
    )]
    TooLarge,
}

/// A prompt and its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its kind, by which results are grouped.
    pub kind: String,
    /// What is asked.
    pub text: String,
}

impl std::str::FromStr for Prompt {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PlanError::Prompt(text.chars().take(40).collect());
        let (kind, prompt) = text.split_once('=').ok_or_else(wrong)?;
        let (kind, prompt) = (kind.trim(), prompt.trim());
        if kind.is_empty() || prompt.is_empty() || prompt.len() > MAX_PROMPT_BYTES {
            return Err(wrong());
        }
        Ok(Self { kind: kind.into(), text: prompt.into() })
    }
}

/// The prompts of P2PLLMEdge.
pub fn default_prompts() -> Vec<Prompt> {
    PROMPTS
        .iter()
        .map(|(kind, text)| Prompt { kind: (*kind).into(), text: (*text).into() })
        .collect()
}

/// One measurement to make; what makes it the same as a row of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Number of the repetition, from 1.
    pub repeat: u32,
    /// Through which front-end.
    pub front_end: String,
    /// The model that answers.
    pub first: String,
    /// The model that summarises.
    pub second: String,
    /// Kind of the prompt.
    pub kind: String,
    /// The prompt.
    pub prompt: String,
}

impl Cell {
    /// The cell that `row` was measured for.
    pub fn of(row: &Row) -> Self {
        Self {
            repeat: row.repeat,
            front_end: row.front_end.clone(),
            first: row.first.model.clone(),
            second: row.second.model.clone(),
            kind: row.prompt_type.clone(),
            prompt: row.prompt.clone(),
        }
    }
}

/// A matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Prompts.
    pub prompts: Vec<Prompt>,
    /// Models that answer.
    pub first: Vec<String>,
    /// Models that summarise.
    pub second: Vec<String>,
    /// Names of front-ends.
    pub front_ends: Vec<String>,
    /// How often each combination is measured.
    pub repeat: u32,
}

impl Plan {
    /// Every cell, each once. The outermost loop repeats, so that a matrix that is stopped early
    /// has every combination equally often and a slow hour falls on all of them.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn cells(&self) -> Result<Vec<Cell>, PlanError> {
        let kinds: Vec<String> = self.prompts.iter().map(|prompt| prompt.text.clone()).collect();
        let lists = [
            ("prompt", &kinds),
            ("first model", &self.first),
            ("second model", &self.second),
            ("front-end", &self.front_ends),
        ];
        let mut size = self.repeat as usize;
        for (what, names) in lists {
            let mut seen = BTreeSet::new();
            if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
                return Err(PlanError::Twice { what, name: name.clone() });
            }
            size = size.saturating_mul(names.len());
            if names.is_empty() {
                return Err(PlanError::Nothing(what));
            }
        }
        match size {
            0 => return Err(PlanError::Nothing("repetition")),
            1..=MAX_CELLS => {}
            _ => return Err(PlanError::TooLarge),
        }
        let mut cells = Vec::with_capacity(size);
        for repeat in 1..=self.repeat {
            for front_end in &self.front_ends {
                for first in &self.first {
                    for second in &self.second {
                        for Prompt { kind, text } in &self.prompts {
                            let (front_end, first, second) =
                                (front_end.clone(), first.clone(), second.clone());
                            cells.push(Cell {
                                repeat,
                                front_end,
                                first,
                                second,
                                kind: kind.clone(),
                                prompt: text.clone(),
                            });
                        }
                    }
                }
            }
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Plan {
            prompts: default_prompts(),
            first: names(&["a", "b"]),
            second: names(&["c", "d", "e", "f"]),
            front_ends: names(&["x", "y"]),
            repeat: 1,
        }
    }

    #[test]
    fn the_paper_s_design_has_eighty_cells() {
        let cells = plan().cells().expect("a plan");
        assert_eq!(cells.len(), 80);
        assert_eq!(cells.iter().collect::<BTreeSet<_>>().len(), 80, "all different");
        let cells = Plan { repeat: 3, ..plan() }.cells().expect("a plan");
        assert_eq!((cells.len(), cells[79].repeat, cells[80].repeat), (240, 1, 2));
    }

    #[test]
    fn plans_without_an_end_or_without_anything_are_refused() {
        assert!(matches!(
            Plan { first: vec![], ..plan() }.cells(),
            Err(PlanError::Nothing("first model"))
        ));
        assert!(matches!(
            Plan { prompts: vec![], ..plan() }.cells(),
            Err(PlanError::Nothing("prompt"))
        ));
        assert!(matches!(
            Plan { repeat: 0, ..plan() }.cells(),
            Err(PlanError::Nothing("repetition"))
        ));
        assert!(matches!(Plan { repeat: u32::MAX, ..plan() }.cells(), Err(PlanError::TooLarge)));
        let twice = Plan { second: vec!["c".into(), "c".into()], ..plan() };
        assert!(matches!(twice.cells(), Err(PlanError::Twice { what: "second model", .. })));
    }

    #[test]
    fn prompts_have_a_kind_and_a_text() {
        let prompt: Prompt = "Logical=Is 1=1?".parse().expect("a prompt");
        assert_eq!((prompt.kind.as_str(), prompt.text.as_str()), ("Logical", "Is 1=1?"));
        for wrong in
            ["", "Logical", "=text", "kind= ", &format!("k={}", "x".repeat(MAX_PROMPT_BYTES + 1))]
        {
            assert!(wrong.parse::<Prompt>().is_err(), "{wrong:.20}");
        }
    }
}
