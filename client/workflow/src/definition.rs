//! A workflow as it is written down: TOML, checked in full when it is read.
//!
//! ```toml
//! name = "generate-summarise"
//!
//! [[step]]
//! name = "generate"
//! prompt = "{{ input }}"
//!
//! [[step]]
//! name = "summarise"
//! prompt = "Summarize the following text in 2 lines:\n\n{{ previous }}"
//! ```

use std::path::Path;

use mica_primitives::Balance;
use mica_protocol::session::Sampling;
use serde::{Deserialize, Serialize};

use super::template::{self, PromptError};
use mica_payer::terms::{Terms, deadline_us};
use mica_wallet::files::{self, FileError};

/// Most steps of a workflow.
pub(crate) const MAX_STEPS: usize = 32;
/// Most bytes of a workflow's file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most letters of a name.
const MAX_NAME: usize = 64;

/// P2PLLMEdge's algorithm 1: a first model answers, a second one summarises the answer.
pub const BUILT_IN: [(&str, &str); 1] =
    [("generate-summarise", include_str!("generate-summarise.toml"))];

/// Why a workflow cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not TOML, or with fields that a workflow does not have.
    #[error("{origin} is no workflow: {reason}")]
    Toml {
        /// The file.
        origin: String,
        /// Why, with line and column.
        reason: String,
    },
    /// A number of steps that cannot be run.
    #[error("{origin} has {steps} steps: a workflow has 1 to {MAX_STEPS} `[[step]]`")]
    Steps {
        /// The file.
        origin: String,
        /// How many.
        steps: usize,
    },
    /// A name that cannot be one.
    #[error("'{0}' cannot be a name: use 1 to {MAX_NAME} letters, digits, `-` and `_`")]
    Name(String),
    /// Two steps of one name.
    #[error("two steps are called '{0}': name them differently")]
    Twice(String),
    /// A number out of its range.
    #[error("step '{step}': {field} must be {range}")]
    Range {
        /// The step.
        step: String,
        /// The field.
        field: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// A prompt template that cannot be used.
    #[error("step '{step}': {source}")]
    Prompt {
        /// The step.
        step: String,
        /// Why.
        source: PromptError,
    },
    /// A model was given to a step that is not there.
    #[error("the workflow has no step '{0}': see `mica workflow show`")]
    NoStep(String),
}

/// A chain of steps.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What is asked if the command line says nothing.
    pub input: Option<String>,
    /// The steps, in order.
    #[serde(rename = "step", default)]
    pub steps: Vec<Step>,
}

/// One step of a workflow.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name, by which later steps take in its text.
    pub name: String,
    /// Name of its model; without it, the one that the command line names.
    pub model: Option<String>,
    /// Its prompt's template.
    pub prompt: String,
    /// Text of a system message.
    pub system: Option<String>,
    /// Weight of money against time, from 0 (only time) to 1 (only money).
    #[serde(default = "half")]
    pub alpha: f64,
    /// Most tokens of its answer.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// Most money per token, for example `"0.00001 MICA"`.
    #[serde(default, alias = "max_price", with = "mica_chain::amount::setting")]
    pub max_price_per_token: Option<Balance>,
    /// Most milliseconds per token.
    pub deadline_ms: Option<u64>,
    /// Most money for the step.
    #[serde(default, with = "mica_chain::amount::setting")]
    pub max_total: Option<Balance>,
    /// 0 always takes the most likely token.
    #[serde(default)]
    pub temperature: f32,
    /// Draw from this many most likely tokens; 0 for all.
    #[serde(default)]
    pub top_k: u32,
    /// Draw from the most likely tokens with this much probability together.
    #[serde(default = "whole")]
    pub top_p: f32,
    /// Seed of the draws.
    #[serde(default)]
    pub seed: u64,
}

fn half() -> f64 {
    0.5
}

fn whole() -> f32 {
    1.0
}

fn default_max_tokens() -> u32 {
    128
}

impl Step {
    /// Which path it takes, and what it may cost.
    pub fn terms(&self) -> Terms {
        Terms {
            alpha: self.alpha,
            max_price_per_token: self.max_price_per_token,
            deadline_us: self.deadline_ms.map(deadline_us),
            max_total: self.max_total,
        }
    }

    /// How its tokens are drawn.
    pub fn sampling(&self) -> Sampling {
        Sampling::new(self.temperature, self.top_k, self.top_p, self.seed)
    }

    fn check(&self, earlier: &[&str]) -> Result<(), DefinitionError> {
        check_name(&self.name)?;
        if earlier.contains(&self.name.as_str()) {
            return Err(DefinitionError::Twice(self.name.clone()));
        }
        let range =
            |field, range| Err(DefinitionError::Range { step: self.name.clone(), field, range });
        if !(0.0..=1.0).contains(&self.alpha) {
            return range("alpha", "from 0 to 1");
        }
        if self.max_tokens == 0 {
            return range("max_tokens", "at least 1");
        }
        if !(0.0..=100.0).contains(&self.temperature) {
            return range("temperature", "from 0 to 100");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return range("top_p", "above 0 and at most 1");
        }
        if self.deadline_ms == Some(0) {
            return range("deadline_ms", "at least 1");
        }
        let wrong = |source| DefinitionError::Prompt { step: self.name.clone(), source };
        template::check(&self.prompt, earlier).map_err(wrong)
    }
}

impl Workflow {
    /// The built-in workflow of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Self::parse(name, text).ok()
    }

    /// Reads a file, or the built-in workflow of this name if there is no such file.
    ///
    /// # Errors
    /// [`DefinitionError`].
    pub fn open(path: &Path) -> Result<Self, DefinitionError> {
        match files::read_bounded(path, MAX_FILE_BYTES) {
            Ok(bytes) => {
                let origin = path.display().to_string();
                let text = String::from_utf8(bytes).map_err(|_| DefinitionError::Toml {
                    origin: origin.clone(),
                    reason: "it is not UTF-8 text".into(),
                })?;
                Self::parse(&origin, &text)
            }
            Err(missing @ FileError::Missing(_)) => {
                path.to_str().and_then(Self::built_in).ok_or(missing.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads and checks a workflow that is called `origin` in errors.
    ///
    /// # Errors
    /// [`DefinitionError`] names what is wrong and where.
    pub fn parse(origin: &str, text: &str) -> Result<Self, DefinitionError> {
        let wrong = |error: toml::de::Error| DefinitionError::Toml {
            origin: origin.into(),
            reason: error.to_string(),
        };
        let workflow: Self = toml::from_str(text).map_err(wrong)?;
        if !(1..=MAX_STEPS).contains(&workflow.steps.len()) {
            return Err(DefinitionError::Steps {
                origin: origin.into(),
                steps: workflow.steps.len(),
            });
        }
        check_name(&workflow.name)?;
        let mut earlier: Vec<&str> = Vec::new();
        for step in &workflow.steps {
            step.check(&earlier)?;
            earlier.push(&step.name);
        }
        Ok(workflow)
    }

    /// Gives the step called `step` a model, or every step that names none.
    ///
    /// # Errors
    /// [`DefinitionError::NoStep`].
    pub fn assign(&mut self, step: Option<&str>, model: &str) -> Result<(), DefinitionError> {
        match step {
            None => self.steps.iter_mut().for_each(|step| {
                step.model.get_or_insert_with(|| model.into());
            }),
            Some(name) => {
                let step = self.steps.iter_mut().find(|step| step.name == name);
                step.ok_or_else(|| {
                    DefinitionError::NoStep(name.chars().take(MAX_NAME).collect())
                })?
                .model = Some(model.into());
            }
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), DefinitionError> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_letter) {
        Ok(())
    } else {
        Err(DefinitionError::Name(name.chars().take(MAX_NAME).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(more: &str) -> Result<Workflow, DefinitionError> {
        Workflow::parse(
            "w.toml",
            &format!(
                "name = \"w\"\n[[step]]\nname = \"one\"\nprompt = \"{{{{ input }}}}\"\n{more}\n"
            ),
        )
    }

    #[test]
    fn every_built_in_workflow_is_sound() {
        for (name, _) in BUILT_IN {
            assert_eq!(Workflow::built_in(name).expect("reads").name, name);
        }
        let steps = Workflow::built_in("generate-summarise").expect("reads").steps;
        assert_eq!(steps[0].prompt, "{{ input }}");
        assert_eq!(steps[1].prompt, "Summarize the following text in 2 lines:\n\n{{ previous }}");
    }

    #[test]
    fn a_step_has_its_own_model_weight_and_limits() {
        let workflow = step(
            "model = \"m:1b\"\nalpha = 1.0\nmax_tokens = 7\nmax_price = \"5u\"\nmax_total = \"0.5 \
             MICA\"\nseed = 9",
        );
        let step = workflow.expect("reads").steps.remove(0);
        assert_eq!((step.model.as_deref(), step.alpha, step.seed), (Some("m:1b"), 1.0, 9));
        let terms = Terms {
            alpha: 1.0,
            max_price_per_token: Some(5),
            deadline_us: None,
            max_total: Some(500_000_000_000),
        };
        assert_eq!((step.terms(), step.max_tokens), (terms, 7));
    }

    #[test]
    fn models_are_given_to_one_step_or_to_those_without() {
        let text = "name = \"w\"\n[[step]]\nname = \"a\"\nmodel = \"own\"\nprompt = \
                    \"x\"\n[[step]]\nname = \"b\"\nprompt = \"y\"";
        let mut workflow = Workflow::parse("w.toml", text).expect("reads");
        workflow.assign(None, "common").expect("assigned");
        let models = |workflow: &Workflow| {
            workflow
                .steps
                .iter()
                .map(|step| step.model.clone().expect("a model"))
                .collect::<Vec<_>>()
        };
        assert_eq!(models(&workflow), ["own", "common"]);
        workflow.assign(Some("a"), "other").expect("assigned");
        assert_eq!(models(&workflow), ["other", "common"]);
        assert!(matches!(workflow.assign(Some("c"), "x"), Err(DefinitionError::NoStep(_))));
    }

    #[test]
    fn mistakes_are_named_before_anything_is_paid() {
        let cases = [
            ("alpha = 1.5", "step 'one': alpha must be from 0 to 1"),
            ("alpha = nan", "alpha"),
            ("max_tokens = 0", "max_tokens must be at least 1"),
            ("max_tokens = -3", "max_tokens"),
            ("temperature = -1.0", "temperature"),
            ("temperature = inf", "temperature"),
            ("top_p = 0.0", "top_p"),
            ("deadline_ms = 0", "deadline_ms"),
            ("max_total = \"5 apples\"", "max_total"),
            ("max_total = 5", "max_total"),
            ("colour = \"red\"", "colour"),
            ("[[step]]\nname = \"one\"\nprompt = \"x\"", "two steps are called 'one'"),
            ("[[step]]\nname = \"t wo\"\nprompt = \"x\"", "'t wo' cannot be a name"),
            ("[[step]]\nname = \"two\"", "prompt"),
            (
                "[[step]]\nname = \"two\"\nprompt = \"{{ steps.three }}\"",
                "step 'two': its prompt template names `steps.three`",
            ),
            (
                "[[step]]\nname = \"two\"\nprompt = \"{{ previous \"",
                "step 'two': its prompt template cannot be used",
            ),
        ];
        for (more, expected) in cases {
            let error = step(more).expect_err(more).to_string();
            assert!(error.contains(expected), "{more}: {error}");
        }
        assert!(matches!(
            Workflow::parse("w.toml", "name = \"w\""),
            Err(DefinitionError::Steps { steps: 0, .. })
        ));
        let many = (0..=MAX_STEPS)
            .map(|index| format!("[[step]]\nname = \"s{index}\"\nprompt = \"x\"\n"))
            .collect::<String>();
        assert!(matches!(
            Workflow::parse("w.toml", &format!("name = \"w\"\n{many}")),
            Err(DefinitionError::Steps { .. })
        ));
        assert!(matches!(Workflow::parse("w.toml", "not toml"), Err(DefinitionError::Toml { .. })));
        assert!(matches!(
            Workflow::open(Path::new("no-such-workflow")),
            Err(DefinitionError::File(FileError::Missing(_)))
        ));
    }
}
