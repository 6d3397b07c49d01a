//! Steps computed by the workers of the network, paid by this process: the same way as `mica ask`.

use std::ops::ControlFlow;
use std::time::Instant;

use mica_chain::View;
use mica_engine::ChatMessage;
use mica_protocol::session::StopReason;

use super::{Generate, GenerateError, Metrics, StepReply, StepRequest};
use mica_payer::ask::{Answer, Asker, Event, Question};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::ModelSnapshot;
use mica_payer::model::{LocalModel, ModelError};
use mica_payer::session::SessionError;

/// Pays workers for each step.
pub struct Direct {
    /// Who pays, over which channels.
    pub asker: Asker,
    /// The models whose tokenizer this process has; a step that names no model takes the first.
    pub models: Vec<LocalModel>,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

impl Direct {
    /// Names of the models that this process can talk to and that live workers serve in full.
    ///
    /// # Errors
    /// [`GenerateError`] if the chain cannot be read.
    pub async fn served_models(&self) -> Result<Vec<String>, GenerateError> {
        let snapshots =
            ModelSnapshot::read_all(&self.asker.chain().at_finalized().await?, None).await?;
        let is_usable = |snapshot: &&ModelSnapshot| {
            self.models.iter().any(|model| model.id() == snapshot.id)
                && !snapshot.coverage().contains(&0)
        };
        Ok(snapshots.iter().filter(is_usable).map(ModelSnapshot::name).collect())
    }

    async fn model(&self, view: &View, wanted: Option<&str>) -> Result<&LocalModel, GenerateError> {
        let first = self.models.first().ok_or_else(|| GenerateError::NoModel)?;
        let Some(wanted) = wanted else { return Ok(first) };
        let ids = ModelSnapshot::ids(view, wanted).await?;
        let is_wanted = |model: &&LocalModel| ids.contains(&model.id());
        let differs = || ModelError::Differs { found: first.id(), wanted: wanted.into() }.into();
        self.models.iter().find(is_wanted).ok_or_else(differs)
    }

    async fn ask(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
        let begun = Instant::now();
        let view = self.asker.chain().at_finalized().await?;
        let model = self.model(&view, request.model.as_deref()).await?;
        let system = request.system.as_deref().map(|text| ChatMessage::new("system", text));
        let messages: Vec<ChatMessage> =
            system.into_iter().chain([ChatMessage::new("user", &request.prompt)]).collect();
        let question = Question {
            prompt: model.chat(&messages)?,
            max_new_tokens: request.max_tokens,
            sampling: request.sampling,
            logprobs: None,
            terms: request.terms,
        };
        // A step is told by who runs the workflow; what it consists of would drown that.
        let mut listener = |_: Event<'_>| ControlFlow::Continue(());
        let answer =
            self.asker.ask(model, &view, &question, self.interrupt.clone(), &mut listener).await?;
        if self.interrupt.came() {
            return Err(SessionError::Interrupted.into());
        }
        let name = String::from_utf8_lossy(&model.manifest().name).into_owned();
        Ok(reply(name, question.prompt.len(), &answer, nanoseconds(begun.elapsed())))
    }
}

impl Generate for Direct {
    type Error = GenerateError;

    async fn generate(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
        self.ask(request).await
    }
}

/// What the session took: the load is everything before the path's openings, the prompt lasts until
/// the first token.
fn reply(model: String, prompt_tokens: usize, answer: &Answer, total_duration: u64) -> StepReply {
    let outcome = &answer.outcome;
    let session = nanoseconds(outcome.elapsed).min(total_duration);
    let prompt = outcome.to_first_token.map_or(session, nanoseconds).min(session);
    let metrics = Metrics {
        total_duration,
        load_duration: total_duration - session,
        prompt_eval_count: prompt_tokens as u64,
        prompt_eval_duration: prompt,
        eval_count: outcome.report.tokens.len() as u64,
        eval_duration: session - prompt,
    };
    let stop = outcome.report.stop.map(|stop| match stop {
        StopReason::EndId => "stop",
        StopReason::MaxNewTokens | StopReason::MaxPositions => "length",
        StopReason::Asked => "asked",
    });
    StepReply {
        model,
        text: answer.text.clone(),
        stop: stop.map(str::to_owned),
        metrics,
        cost: Some(answer.paid()),
        fees: answer.fees,
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
