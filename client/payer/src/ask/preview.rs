//! A question without its answer: the path that would be taken and what it would take to pay it.
//! Nothing is sent to the chain and no key is opened; workers are asked for their quotes.

use std::collections::BTreeSet;

use mica_chain::View;
use mica_primitives::Balance;

use super::{AskError, Asker, Listener, Question};
use crate::channels::NoticeFilter;
use crate::interrupt::Interrupt;
use crate::market::ChosenPath;
use crate::model::LocalModel;
use crate::preview::{CallPreview, Moved};
use crate::session::SessionError;

/// What an answer would take.
#[derive(Clone, Debug)]
pub struct AskPreview {
    /// What opening or topping up channels would do to the account.
    pub channels: CallPreview,
    /// The path.
    pub path: ChosenPath,
    /// The most that the longest answer would cost, base units over all stages.
    pub most: Balance,
}

impl Asker {
    /// Finds the path for `question` and what would have to be sent before it could be paid.
    ///
    /// # Errors
    /// [`AskError`], as [`Self::ask`] before it sends anything.
    pub async fn preview(
        &self,
        model: &LocalModel,
        view: &View,
        question: &Question,
        interrupt: &Interrupt,
        listener: &mut dyn Listener,
    ) -> Result<AskPreview, AskError> {
        let nobody = BTreeSet::new();
        let offered = tokio::select! {
            offered = self.offered(model, view, question, &nobody, listener) => offered?,
            () = interrupt.finish.cancelled() => return Err(SessionError::Interrupted.into()),
        };
        let (_, offer) = offered;
        let missing = self.pool.missing(&offer.needs).await;
        self.report_notices(NoticeFilter::WithoutRecovered);
        let missing = missing.map_err(SessionError::from)?;
        let moved = Moved { sent: 0, locked: missing.deposits };
        let channels =
            CallPreview::new(&self.payer.chain, self.payer.id(), missing.call.as_ref(), moved)
                .await?;
        let most = offer.cost();
        Ok(AskPreview { channels, path: offer.path, most })
    }
}
