//! A question without its answer: the path that would be taken and what it would take to pay it. Nothing is sent to the chain and no
//! key is opened; workers are asked for their quotes.

use mica_chain::{View, amount};
use mica_net::{Net, NetConfig, NetEvent};
use mica_primitives::Balance;
use rand::{RngCore, rngs::OsRng};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Asker, QUOTE_PATIENCE, Question, needs, total};
use crate::{
    dry_run::{DryRun, Moved},
    error::CommandError,
    market::{ChosenPath, ModelPicture, Wish, choose},
    session::{self, SessionError},
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
        format!("{}at most {} for the longest answer\n\n{}", self.path, amount::format(self.most), self.chain.to_text())
    }
}

impl Asker<'_> {
    /// Finds the path for `question` and what would have to be sent before it could be paid.
    ///
    /// # Errors
    /// [`CommandError`], as [`Self::ask`] before it sends anything.
    pub async fn rehearse(&self, view: &View, question: &Question) -> Result<Rehearsal, CommandError> {
        let picture = ModelPicture::read(view, self.model.id()).await?;
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        OsRng.fill_bytes(secret.as_mut_slice());
        let (net, mut events) = Net::start(NetConfig::new(*secret)).map_err(SessionError::from)?;
        let path = tokio::select! {
            path = self.route(&net, &mut events, &picture, question) => path,
            () = self.interrupt.finish.cancelled() => Err(SessionError::Interrupted.into()),
        };
        net.stop().await;
        let path = path?;
        let needs = needs(&path, &self.spec(question));
        let prepared = self.payer.prepare(self.store, &needs).await.map_err(SessionError::from)?;
        let moved = Moved { sent: 0, locked: prepared.deposits };
        let stages = path.stages.iter().map(|stage| Stage {
            worker: stage.worker.record.account.to_string(),
            layers: [stage.range.first, stage.range.end],
            price_per_layer_token: stage.price_per_layer_token,
        });
        Ok(Rehearsal {
            chain: DryRun::new(&self.payer.chain, self.payer.id(), prepared.call.as_ref(), moved).await?,
            price_per_token: path.price_per_token,
            most: total(&needs),
            stages: stages.collect(),
            path: path.to_text(),
        })
    }

    async fn route(
        &self,
        net: &Net,
        events: &mut mpsc::Receiver<NetEvent>,
        picture: &ModelPicture,
        question: &Question,
    ) -> Result<ChosenPath, CommandError> {
        let step = self.progress.step("asking workers for quotes");
        let mut quotes = session::collect(net, events, picture, &self.payer.chain.genesis_hash(), QUOTE_PATIENCE).await;
        quotes.hold_to_list_prices(picture, &self.payer.chain).await?;
        step.done(&quotes.to_text());
        let wish = Wish {
            alpha: question.alpha,
            max_price: question.max_price,
            deadline_us: question.deadline_us,
            positions: self.spec(question).max_positions,
        };
        Ok(choose(picture, &quotes, &wish)?)
    }
}
