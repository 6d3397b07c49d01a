//! `/workflow`: the names of the workflows, one as it is written down, and `POST /workflow/{name}`,
//! which takes an input through its steps. Errors in Ollama's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use mica_chain::amount;
use mica_workflow::{Workflow, WorkflowError};
use serde_json::json;

use super::{
    fields::{Fields, shorten},
    response::{Api, json as json_response},
    state::AppState,
};
use crate::core::{Caller, GatewayError, Kind};

/// What a request asks.
pub(super) struct RunFields {
    /// The input; without it, the workflow's own.
    input: Option<String>,
    /// The model of steps that name none.
    model: Option<String>,
    /// Models of single steps, by the step's name.
    models: BTreeMap<String, String>,
}

impl RunFields {
    /// Takes all fields. One that is not known is refused: a misspelt limit must not be ignored.
    ///
    /// # Errors
    /// [`GatewayError`] names the field that is wrong or not known.
    pub(super) fn take(mut fields: Fields) -> Result<Self, GatewayError> {
        let (input, model) = (fields.text("input")?, fields.text("model")?);
        let models = fields.object("models")?.map(Fields::texts).transpose()?.unwrap_or_default();
        if let Some(unknown) = fields.rest().next().map(shorten) {
            return Err(fields.refuse(
                &unknown,
                &format!("there is no field `{unknown}` here: there are input, model and models"),
            ));
        }
        Ok(Self { input, model, models })
    }

    /// Gives the steps the models that were asked for.
    fn assign(&self, workflow: &mut Workflow) -> Result<(), GatewayError> {
        for (step, model) in &self.models {
            workflow.assign(Some(step), model).map_err(WorkflowError::<GatewayError>::from)?;
        }
        if let Some(model) = &self.model {
            workflow.assign(None, model).map_err(WorkflowError::<GatewayError>::from)?;
        }
        Ok(())
    }
}

/// Names of the workflows.
pub(super) async fn list(State(state): State<Arc<AppState>>) -> Response {
    json_response(StatusCode::OK, &json!({ "workflows": state.core.workflows.names() }))
}

/// One workflow as it is written down.
pub(super) async fn show(State(state): State<Arc<AppState>>, Path(name): Path<String>) -> Response {
    match state.core.workflows.get(&name) {
        Ok(workflow) => json_response(StatusCode::OK, workflow),
        Err(error) => Api::Ollama.refuse(&error),
    }
}

/// Takes an input through a workflow, and answers when its last step has ended.
pub(super) async fn post(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    body: Body,
) -> Response {
    match respond(&state, caller, &name, body).await {
        Ok(response) => response,
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn respond(
    state: &AppState,
    caller: Caller,
    name: &str,
    body: Body,
) -> Result<Response, GatewayError> {
    let asked = RunFields::take(state.fields(body).await?)?;
    let mut workflow = state.core.workflows.get(name)?.clone();
    asked.assign(&mut workflow)?;
    // Before the first step is paid, all of them must have a model that is here.
    for step in &workflow.steps {
        let model = step.model.as_ref().ok_or_else(|| {
            let message = format!(
                "step '{}' names no model: send `model`, or `models` with one for each step",
                step.name
            );
            GatewayError::field("model", message)
        })?;
        state.core.model(model, &caller)?;
    }
    let input = asked.input.as_ref().or(workflow.input.as_ref());
    let input =
        input.ok_or_else(|| GatewayError::field("input", "there is no input: send one"))?.clone();
    let finished = state.core.run_workflow(&workflow, &input, caller).await?;
    Ok(json_response(StatusCode::OK, &finished))
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
    use super::*;

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
        let read = |body: &str| Fields::parse(body.as_bytes()).and_then(RunFields::take);
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
}
