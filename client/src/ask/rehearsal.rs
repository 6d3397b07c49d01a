//! A question without its answer: the path that would be taken and what it would take to pay it.
//! Nothing is sent to the chain and no key is opened; workers are asked for their quotes.

use mica_chain::{View, amount};
use mica_primitives::Balance;
use serde::Serialize;

use super::{Asker, Question, offer};
use crate::{
    channels::Told,
    dry_run::{DryRun, Moved},
    error::CommandError,
    interrupt::Interrupt,
    market::ModelPicture,
    model::LocalModel,
    progress::Progress,
    session::SessionError,
};

/// What an answer would take. Amounts are base units.
#[derive(Serialize)]
pub struct Rehearsal {
    #[serde(flatten)]
    chain: DryRun,
    /// What every token costs, over all layers.
    price_per_token: Balance,
    /// What the longest answer would cost.
    most: Balance,
    stages: Vec<Stage>,
    #[serde(skip)]
    path: String,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: [u16; 2],
    price_per_layer_token: Balance,
}

impl Rehearsal {
    /// For people.
    pub fn to_text(&self) -> String {
        format!(
            "{}at most {} for the longest answer\n\n{}",
            self.path,
            amount::format(self.most),
            self.chain.to_text()
        )
    }
}

impl Rehearsal {
    /// Whether it could be done.
    ///
    /// # Errors
    /// [`CommandError::NoFunds`] if money is missing.
    pub fn verdict(self) -> Result<(), CommandError> {
        self.chain.verdict()
    }
}

impl Asker {
    /// Finds the path for `question` and what would have to be sent before it could be paid.
    ///
    /// # Errors
    /// [`CommandError`], as [`Self::ask`] before it sends anything.
    pub async fn rehearse(
        &self,
        model: &LocalModel,
        view: &View,
        question: &Question,
        progress: Progress,
        interrupt: &Interrupt,
    ) -> Result<Rehearsal, CommandError> {
        let picture = ModelPicture::read(view, model.id()).await?;
        let step = progress.step("asking workers for quotes");
        let quotes = tokio::select! {
            quotes = self.quotes(&picture) => quotes?,
            () = interrupt.finish.cancelled() => return Err(SessionError::Interrupted.into()),
        };
        step.done(&quotes.to_text());
        let offer = offer(model, &picture, &quotes, question)?;
        let missing = self.book.missing(&offer.needs).await;
        self.tell(Told::ButPromises);
        let missing = missing.map_err(SessionError::from)?;
        let moved = Moved { sent: 0, locked: missing.deposits };
        let stages = offer.path.stages.iter().map(|stage| Stage {
            worker: stage.worker.record.account.to_string(),
            layers: [stage.range.first, stage.range.end],
            price_per_layer_token: stage.price_per_layer_token,
        });
        Ok(Rehearsal {
            chain: DryRun::new(&self.payer.chain, self.payer.id(), missing.call.as_ref(), moved)
                .await?,
            price_per_token: offer.path.price_per_token,
            most: offer.cost(),
            stages: stages.collect(),
            path: offer.path.to_text(),
        })
    }
}
