//! Taking a workflow through its steps.

use std::collections::BTreeMap;
use std::time::Instant;

use mica_chain::amount;
use mica_host::json;
use mica_primitives::Balance;
use serde::Serialize;

use super::{
    DefinitionError, Generate, GenerateError, Metrics, Step, StepReply, StepRequest, Workflow,
    template::{self, PromptError},
};

/// Why a workflow gave no result. Steps that were paid before stay paid; their receipts are in the
/// payer's database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError<E: std::error::Error + 'static = GenerateError> {
    /// It cannot be run at all.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// A front-end that was not set up.
    #[error("there is no front-end '{0}'")]
    FrontEnd(String),
    /// A prompt could not be made.
    #[error("step '{step}' ({number} of {of}): {source}")]
    Prompt {
        /// The step.
        step: String,
        /// Its number, from 1.
        number: usize,
        /// Number of steps.
        of: usize,
        /// Why.
        source: PromptError,
    },
    /// A step failed.
    #[error("step '{step}' ({number} of {of}): {source}")]
    Step {
        /// The step.
        step: String,
        /// Its number, from 1.
        number: usize,
        /// Number of steps.
        of: usize,
        /// Why.
        source: E,
    },
    /// A step gave no text, and a later one needs it.
    #[error(
        "step '{step}' ({number} of {of}) gave no text to go on with: change its prompt, its seed \
         or its model"
    )]
    Empty {
        /// The step.
        step: String,
        /// Its number, from 1.
        number: usize,
        /// Number of steps.
        of: usize,
    },
    /// The money for the whole workflow is used up.
    #[error("the steps before '{step}' ({number} of {of}) cost {} and the limit is {}: raise --max-total", amount::format(*.spent), amount::format(*.limit))]
    Limit {
        /// The step.
        step: String,
        /// Its number, from 1.
        number: usize,
        /// Number of steps.
        of: usize,
        /// Base units paid so far.
        spent: Balance,
        /// Base units allowed.
        limit: Balance,
    },
}

/// What happens while a workflow runs.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Begins {
        /// Number of the step, from 1.
        number: usize,
        /// Number of steps.
        of: usize,
        /// The step.
        step: &'a Step,
    },
    /// A step has ended well.
    Ended(&'a StepResult),
}

/// One step's part of the result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepResult {
    /// Name of the step.
    pub name: String,
    /// The model that answered.
    pub model: String,
    /// The prompt, rendered.
    pub prompt: String,
    /// Its text.
    pub text: String,
    /// Why it stopped, where that was told.
    pub stop: Option<String>,
    /// The six metrics.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Tokens of the answer per second of computing it.
    pub token_per_second: f64,
    /// Nanoseconds from the request to the whole answer, as its sender saw it.
    pub network_duration: u64,
    /// Base units paid to workers, where that was told.
    #[serde(with = "json::optional_money")]
    pub cost: Option<Balance>,
    /// Base units of the chain's fees.
    #[serde(with = "json::money")]
    pub fees: Balance,
}

/// The result of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finished {
    /// Its name.
    pub workflow: String,
    /// What was asked.
    pub input: String,
    /// Text of the last step.
    pub result: String,
    /// Every step, in order.
    pub steps: Vec<StepResult>,
    /// Nanoseconds from the first request to the last answer.
    pub total_duration: u64,
    /// Base units paid to workers, if every step told them.
    #[serde(with = "json::optional_money")]
    pub cost: Option<Balance>,
    /// Base units of the chain's fees.
    #[serde(with = "json::money")]
    pub fees: Balance,
}

/// Takes `input` through the steps of `workflow`. `limit` is the most that all steps may cost
/// together, in base units.
///
/// # Errors
/// [`WorkflowError`] names the step.
pub async fn run<G: Generate>(
    workflow: &Workflow,
    input: &str,
    limit: Option<Balance>,
    generator: &G,
    watcher: &mut (dyn FnMut(Event<'_>) + Send),
) -> Result<Finished, WorkflowError<G::Error>> {
    let of = workflow.steps.len();
    let begun = Instant::now();
    let (mut results, mut texts): (Vec<StepResult>, BTreeMap<String, String>) = Default::default();
    let (mut previous, mut spent, mut fees) = (input.to_owned(), 0, 0);
    for (number, step) in (1..).zip(&workflow.steps) {
        let name = || step.name.clone();
        let wrong = |source| WorkflowError::Prompt { step: name(), number, of, source };
        let prompt = template::render(&step.prompt, input, &previous, &texts).map_err(wrong)?;
        let request = request(step, prompt, limit.map(|limit| limit.saturating_sub(spent)));
        if request.terms.max_total == Some(0) {
            let limit = limit.or(step.max_total).unwrap_or(0);
            return Err(WorkflowError::Limit { step: name(), number, of, spent, limit });
        }
        watcher(Event::Begins { number, of, step });
        let sent = Instant::now();
        let reply = generator.generate(&request).await;
        let reply =
            reply.map_err(|source| WorkflowError::Step { step: name(), number, of, source })?;
        let result = result(step, request.prompt, reply, nanoseconds(sent));
        watcher(Event::Ended(&result));
        if number < of && result.text.trim().is_empty() {
            return Err(WorkflowError::Empty { step: name(), number, of });
        }
        // A server that does not tell its price is not bounded by the limit; one that does can
        // overshoot it by one step at most.
        spent = spent.saturating_add(result.cost.unwrap_or(0));
        fees = result.fees.saturating_add(fees);
        previous.clone_from(&result.text);
        texts.insert(name(), result.text.clone());
        results.push(result);
    }
    Ok(Finished {
        workflow: workflow.name.clone(),
        input: input.into(),
        result: previous,
        cost: results.iter().try_fold(0, |sum: Balance, step| sum.checked_add(step.cost?)),
        steps: results,
        total_duration: nanoseconds(begun),
        fees,
    })
}

fn request(step: &Step, prompt: String, left: Option<Balance>) -> StepRequest {
    let mut terms = step.terms();
    terms.max_total = terms.max_total.into_iter().chain(left).min();
    StepRequest {
        model: step.model.clone(),
        prompt,
        system: step.system.clone(),
        sampling: step.sampling(),
        max_tokens: step.max_tokens,
        terms,
    }
}

fn result(step: &Step, prompt: String, reply: StepReply, network_duration: u64) -> StepResult {
    StepResult {
        name: step.name.clone(),
        model: reply.model,
        prompt,
        text: reply.text,
        stop: reply.stop,
        metrics: reply.metrics,
        token_per_second: reply.metrics.token_per_second(),
        network_duration,
        cost: reply.cost,
        fees: reply.fees,
    }
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::HttpError;
    use mica_payer::model::ModelError;

    /// Answers from a list and keeps what it was asked.
    struct Script {
        answers: Mutex<Vec<Result<StepReply, GenerateError>>>,
        asked: Mutex<Vec<StepRequest>>,
    }

    impl Script {
        fn of(answers: Vec<Result<StepReply, GenerateError>>) -> Self {
            Self {
                answers: Mutex::new(answers.into_iter().rev().collect()),
                asked: Mutex::default(),
            }
        }
    }

    impl Generate for Script {
        type Error = GenerateError;

        async fn generate(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
            self.asked.lock().unwrap().push(request.clone());
            self.answers.lock().unwrap().pop().expect("asked no more often than scripted")
        }
    }

    fn says(text: &str, cost: Option<Balance>) -> Result<StepReply, GenerateError> {
        let metrics = Metrics { eval_count: 4, eval_duration: 1_000_000_000, ..Metrics::default() };
        Ok(StepReply {
            model: "m".into(),
            text: text.into(),
            stop: Some("stop".into()),
            metrics,
            cost,
            fees: 1,
        })
    }

    async fn go(script: &Script, limit: Option<Balance>) -> Result<Finished, WorkflowError> {
        let mut workflow = Workflow::built_in("generate-summarise").expect("reads");
        workflow.assign(Some("summarise"), "other").expect("there");
        run(&workflow, "Why?", limit, script, &mut |_| {}).await
    }

    #[tokio::test]
    async fn the_answer_of_one_step_is_in_the_prompt_of_the_next() {
        let script = Script::of(vec![says("A long answer.", Some(5)), says("Short.", Some(2))]);
        let finished = go(&script, Some(100)).await.expect("finishes");
        assert_eq!(
            (finished.result.as_str(), finished.cost, finished.fees),
            ("Short.", Some(7), 2)
        );
        assert_eq!(finished.steps[0].token_per_second, 4.0);
        let asked = script.asked.lock().unwrap();
        assert_eq!(asked[0].prompt, "Why?");
        assert_eq!(asked[1].prompt, "Summarize the following text in 2 lines:\n\nA long answer.");
        assert_eq!((asked[0].model.as_deref(), asked[1].model.as_deref()), (None, Some("other")));
        assert_eq!(
            (asked[0].terms.max_total, asked[1].terms.max_total),
            (Some(100), Some(95)),
            "what is left"
        );
    }

    #[tokio::test]
    async fn a_step_that_fails_is_named_and_nothing_of_it_is_passed_on() {
        let refused = || {
            let (url, status, message) = ("http://h/".into(), 402, "the cap is reached".into());
            Err(HttpError::Refused { url, status, message }.into())
        };
        let script = Script::of(vec![refused()]);
        let error = go(&script, None).await.expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains("step 'generate' (1 of 2)") && text.contains("the cap is reached"),
            "{text}"
        );
        assert_eq!(script.asked.lock().unwrap().len(), 1);

        let broken = Err(ModelError::EmptyPrompt.into());
        let error = go(&Script::of(vec![says("x", None), broken]), None).await.expect_err("fails");
        assert!(
            error.to_string().contains("step 'summarise' (2 of 2)")
                && matches!(error, WorkflowError::Step { source: GenerateError::Model(_), .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_empty_text_is_not_summarised_and_an_empty_result_is_one() {
        let script = Script::of(vec![says(" \n", Some(1))]);
        assert!(matches!(
            go(&script, None).await,
            Err(WorkflowError::Empty { number: 1, of: 2, .. })
        ));
        let finished = go(&Script::of(vec![says("x", None), says("", Some(1))]), None)
            .await
            .expect("finishes");
        assert_eq!(
            (finished.result.as_str(), finished.cost),
            ("", None),
            "an unknown cost is no sum"
        );
    }

    #[tokio::test]
    async fn no_step_begins_without_money_for_it() {
        let script = Script::of(vec![says("x", Some(10))]);
        let error = go(&script, Some(10)).await.expect_err("nothing is left");
        assert!(
            matches!(error, WorkflowError::Limit { number: 2, spent: 10, limit: 10, .. }),
            "{error}"
        );
        let error = go(&Script::of(vec![]), Some(0)).await.expect_err("nothing to begin with");
        assert!(matches!(error, WorkflowError::Limit { number: 1, .. }), "{error}");
    }

    #[tokio::test]
    async fn an_empty_input_is_refused_before_anybody_is_asked() {
        let workflow = Workflow::built_in("generate-summarise").expect("reads");
        let script = Script::of(vec![]);
        let error = run(&workflow, "  ", None, &script, &mut |_| {}).await.expect_err("no prompt");
        assert!(
            matches!(error, WorkflowError::Prompt { source: PromptError::Empty, .. }),
            "{error}"
        );
    }
}
