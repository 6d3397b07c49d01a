//! `POST /workflow/{name}`: a chain of steps, each of them a request of its own; errors in Ollama's
//! words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use mica_chain::amount;
use mica_engine::ChatMessage;
use serde_json::json;

use super::{
    admit::{Api, Caller, json as json_response},
    core::{Core, Options, Prompt, Request},
    error::{GatewayError, Kind},
    fields::{Fields, cut},
    report::{Report, nanoseconds},
};
use mica_workflow::{
    BUILT_IN, DefinitionError, Generate, Metrics, StepReply, StepRequest, Workflow, WorkflowError,
    run,
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

    fn get(&self, name: &str) -> Result<&Workflow, GatewayError> {
        self.0.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            GatewayError::new(
                Kind::NotFound,
                format!("there is no workflow of this name: there are {}", names.join(", ")),
            )
        })
    }
}

/// What is asked.
struct Asked {
    /// The input; without it, the workflow's own.
    input: Option<String>,
    /// The model of steps that name none.
    model: Option<String>,
    /// Models of single steps, by the step's name.
    models: BTreeMap<String, String>,
}

impl Asked {
    /// Takes all fields. One that is not known is refused: a misspelt limit must not be ignored.
    fn take(mut fields: Fields) -> Result<Self, GatewayError> {
        let (input, model) = (fields.text("input")?, fields.text("model")?);
        let models = fields.object("models")?.map(Fields::texts).transpose()?.unwrap_or_default();
        if let Some(unknown) = fields.rest().next().map(cut) {
            return Err(fields.refuse(
                &unknown,
                &format!("there is no field `{unknown}` here: there are input, model and models"),
            ));
        }
        Ok(Self { input, model, models })
    }
}

/// Names of the workflows.
pub async fn list(State(core): State<Arc<Core>>) -> Response {
    let names: Vec<&String> = core.workflows.0.keys().collect();
    json_response(StatusCode::OK, &json!({ "workflows": names }))
}

/// One workflow as it is written down.
pub async fn show(State(core): State<Arc<Core>>, Path(name): Path<String>) -> Response {
    match core.workflows.get(&name) {
        Ok(workflow) => json_response(StatusCode::OK, workflow),
        Err(error) => Api::Ollama.refuse(&error),
    }
}

/// Takes an input through a workflow, and answers when its last step has ended.
pub async fn post(
    State(core): State<Arc<Core>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Body,
) -> Response {
    match answered(&core, caller, &name, body).await {
        Ok(response) => response,
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn answered(
    core: &Arc<Core>,
    caller: Caller,
    name: &str,
    body: Body,
) -> Result<Response, GatewayError> {
    let asked = Asked::take(core.bodies.fields(&core.config, body).await?)?;
    let mut workflow = core.workflows.get(name)?.clone();
    for (step, model) in &asked.models {
        workflow.assign(Some(step), model).map_err(WorkflowError::<GatewayError>::from)?;
    }
    if let Some(model) = &asked.model {
        workflow.assign(None, model).map_err(WorkflowError::<GatewayError>::from)?;
    }
    // Before the first step is paid, all of them must have a model that is here.
    for step in &workflow.steps {
        let model = step.model.as_ref().ok_or_else(|| {
            let message = format!(
                "step '{}' names no model: send `model`, or `models` with one for each step",
                step.name
            );
            GatewayError::field("model", message)
        })?;
        core.model(model, &caller)?;
    }
    let input = asked.input.as_ref().or(workflow.input.as_ref());
    let input =
        input.ok_or_else(|| GatewayError::field("input", "there is no input: send one"))?.clone();
    // A workflow is one request: its caps are for all steps together.
    let limit = [caller.terms.max_total, caller.budget.limits.request, core.config.limits.request]
        .into_iter()
        .flatten()
        .min();
    let steps = Steps { core: core.clone(), caller };
    let finished = run(&workflow, &input, limit, &steps, &mut |_| {}).await?;
    Ok(json_response(StatusCode::OK, &finished))
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
        let generation = self.core.generate(request(step, &model, &self.caller)).await?;
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

impl From<WorkflowError<Self>> for GatewayError {
    /// Keeps the kind of what a step failed with, and names the step. Steps that were paid before
    /// stay paid.
    fn from(error: WorkflowError<Self>) -> Self {
        let message = error.to_string();
        match error {
            WorkflowError::Step { source, .. } => Self { message, ..source },
            WorkflowError::Limit { limit, .. } => Self::new(
                Kind::Payment,
                format!(
                    "{message}, or send a larger x-mica-max-total than {}",
                    amount::format(limit)
                ),
            ),
            WorkflowError::Empty { .. } => Self::new(Kind::Worker, message),
            WorkflowError::Definition(_)
            | WorkflowError::FrontEnd(_)
            | WorkflowError::Prompt { .. } => Self::new(Kind::Invalid, message),
            _ => Self::new(Kind::Internal, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use mica_protocol::session::Sampling;

    use super::*;
    use crate::{config::LimitsConfig, spending::Budget};
    use mica_payer::Terms;

    #[test]
    fn the_stricter_limit_counts() {
        let caller = Caller {
            budget: Budget { name: None, limits: LimitsConfig::default() },
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
    fn a_cap_keeps_its_kind_and_the_step_its_name() {
        let cause = GatewayError::new(Kind::Payment, "the cap of today is reached");
        let error =
            WorkflowError::Step { step: "summarise".into(), number: 2, of: 2, source: cause };
        let error = GatewayError::from(error);
        assert_eq!(error.kind, Kind::Payment);
        assert!(
            error.message.contains("'summarise'") && error.message.contains("cap of today"),
            "{error}"
        );
    }

    #[test]
    fn what_is_asked_has_three_fields_and_no_others() {
        let read = |body: &str| Fields::parse(body.as_bytes()).and_then(Asked::take);
        let asked = read(r#"{"input": "Why?", "model": null, "models": {"a": "x", "b": "y"}}"#)
            .expect("fine");
        assert_eq!(
            (asked.input.as_deref(), asked.model, asked.models.len()),
            (Some("Why?"), None, 2)
        );
        for (body, field) in [
            (r#"{"max-total": "1u"}"#, "max-total"),
            (r#"{"input": 5}"#, "input"),
            (r#"{"models": {"a": 1}}"#, "models.a"),
        ] {
            assert_eq!(read(body).map(|_| ()).expect_err(body).field.as_deref(), Some(field));
        }
        let long = "x".repeat(100_000);
        for body in [format!("{{\"{long}\": 1}}"), format!("{{\"models\": {{\"{long}\": 1}}}}")] {
            assert!(read(&body).map(|_| ()).expect_err("refused").message.len() < 200);
        }
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
