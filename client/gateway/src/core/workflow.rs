//! Workflows: chains of steps, each of them a request of its own, under one cap for all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mica_engine::ChatMessage;
use mica_workflow::{
    BUILT_IN, DefinitionError, Finished, Generate, Metrics, StepReply, StepRequest, Workflow,
    WorkflowError, run,
};

use super::{
    Core,
    error::{GatewayError, Kind},
    report::{Report, nanoseconds},
    request::{Caller, Options, Prompt, Request},
};

/// The workflows that a gateway runs, by name: those built in, and those of the settings, which may
/// replace them.
pub struct Workflows(BTreeMap<String, Workflow>);

impl Workflows {
    /// Reads the files of the settings' table.
    ///
    /// # Errors
    /// [`DefinitionError`] of the first that cannot be run.
    pub fn open(files: &BTreeMap<String, PathBuf>) -> Result<Self, DefinitionError> {
        let built_in = BUILT_IN
            .iter()
            .filter_map(|(name, _)| Some(((*name).to_owned(), Workflow::built_in(name)?)));
        let mut workflows: BTreeMap<_, _> = built_in.collect();
        for (name, file) in files {
            workflows.insert(name.clone(), Workflow::open(file)?);
        }
        Ok(Self(workflows))
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The workflow of this name.
    ///
    /// # Errors
    /// [`Kind::NotFound`] with the names there are.
    pub(crate) fn get(&self, name: &str) -> Result<&Workflow, GatewayError> {
        self.0.get(name).ok_or_else(|| {
            GatewayError::new(
                Kind::NotFound,
                format!("there is no workflow of this name: there are {}", self.names().join(", ")),
            )
        })
    }
}

impl Core {
    /// Takes `input` through a workflow whose steps all name a model.
    ///
    /// # Errors
    /// [`WorkflowError`] of the step that failed; steps that were paid before stay paid.
    pub(crate) async fn run_workflow(
        self: &Arc<Self>,
        workflow: &Workflow,
        input: &str,
        caller: Caller,
    ) -> Result<Finished, WorkflowError<GatewayError>> {
        // A workflow is one request: its caps are for all steps together.
        let caps =
            [caller.terms.max_total, caller.budget.caps.request, self.spending.caps().request];
        let limit = caps.into_iter().flatten().min();
        let steps = Steps { core: self.clone(), caller };
        run(workflow, input, limit, &steps, &mut |_| {}).await
    }
}

/// Steps paid by this gateway.
struct Steps {
    core: Arc<Core>,
    caller: Caller,
}

impl Generate for Steps {
    type Error = GatewayError;

    async fn generate(&self, step: &StepRequest) -> Result<StepReply, GatewayError> {
        let model = step.model.clone().unwrap_or_default();
        let generation = self.core.generate(request(step, &model, &self.caller), None).await?;
        let (answer, report) = generation.finish().await?;
        Ok(reply(model, answer.text, &report))
    }
}

/// A step as a request: the stricter of the workflow's limits and the caller's.
fn request(step: &StepRequest, model: &str, caller: &Caller) -> Request {
    let mut caller = caller.clone();
    caller.terms = step.terms.bounded_by(&caller.terms);
    let system = step.system.as_ref().map(|text| ChatMessage::new("system", text));
    let messages = system.into_iter().chain([ChatMessage::new("user", &step.prompt)]).collect();
    let sampling = &step.sampling;
    let options = Options {
        max_tokens: Some(step.max_tokens),
        temperature: sampling.temperature(),
        top_k: sampling.top_k,
        top_p: sampling.top_p(),
        seed: Some(sampling.seed),
        stop: Vec::new(),
        logprobs: None,
    };
    Request {
        model: model.into(),
        prompt: Prompt::Chat { context: Vec::new(), messages },
        options,
        caller,
    }
}

fn reply(model: String, text: String, report: &Report) -> StepReply {
    let durations = &report.durations;
    StepReply {
        model,
        text,
        stop: Some(report.finish.name().into()),
        metrics: Metrics {
            total_duration: nanoseconds(durations.total),
            load_duration: nanoseconds(durations.load),
            prompt_eval_count: report.prompt.len() as u64,
            prompt_eval_duration: nanoseconds(durations.prefill),
            eval_count: report.tokens.len() as u64,
            eval_duration: nanoseconds(durations.decode),
        },
        cost: Some(report.cost.paid),
        fees: report.cost.fees,
    }
}

#[cfg(test)]
mod tests {
    use mica_payer::Terms;
    use mica_protocol::session::Sampling;

    use super::*;
    use crate::core::{limits::SpendingCaps, spending::Budget};

    #[test]
    fn the_stricter_limit_counts() {
        let caller = Caller {
            budget: Budget { name: None, caps: SpendingCaps::default() },
            terms: Terms {
                alpha: 0.5,
                max_price_per_token: Some(7),
                deadline_us: Some(80_000),
                max_total: None,
            },
            models: Arc::default(),
            id: "1".into(),
        };
        let terms = Terms {
            alpha: 0.25,
            max_price_per_token: Some(9),
            deadline_us: Some(20_000),
            max_total: Some(5),
        };
        let step = StepRequest {
            model: None,
            prompt: "Why?".into(),
            system: Some("Be brief.".into()),
            sampling: Sampling::new(0.0, 0, 1.0, 4),
            max_tokens: 3,
            terms,
        };
        let request = request(&step, "m", &caller);
        let terms = request.caller.terms;
        assert_eq!(
            (terms.alpha, terms.max_price_per_token, terms.deadline_us),
            (0.25, Some(7), Some(20_000))
        );
        assert_eq!(
            (request.caller.terms.max_total, request.options.max_tokens, request.options.seed),
            (Some(5), Some(3), Some(4))
        );
        assert!(matches!(&request.prompt, Prompt::Chat { messages, .. } if messages.len() == 2));
    }

    #[test]
    fn a_workflow_that_is_not_there_is_told_with_those_that_are() {
        let workflows = Workflows::open(&BTreeMap::new()).expect("those built in");
        let error = workflows.get("nothing").map(drop).expect_err("not there");
        assert!(
            error.kind == Kind::NotFound && error.message.contains("generate-summarise"),
            "{error}"
        );
        assert!(
            Workflows::open(&BTreeMap::from([("mine".into(), "/no/such.toml".into())])).is_err()
        );
    }
}
