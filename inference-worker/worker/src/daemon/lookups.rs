//! Reads workers from the registry for the session actor: where the path's next one may be dialled.

use std::time::Duration;

use mica_chain::ReadError;
use mica_primitives::PublicKey;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

use super::{context::WorkerContext, neighbours::Answer};

/// Longest wait for the node: an opening waits as long.
const DEADLINE: Duration = Duration::from_secs(5);

/// Answers the session actor's questions, each in a task of its own; there are at most as many as
/// openings may wait.
pub(super) async fn answer_lookups(
    context: WorkerContext,
    mut questions: mpsc::Receiver<PublicKey>,
    tasks: TaskTracker,
) {
    while let Some(Some(peer)) = context.stop.run_until_cancelled(questions.recv()).await {
        let context = context.clone();
        tasks.spawn(async move {
            let read = context.stop.run_until_cancelled(timeout(DEADLINE, read(&context, peer)));
            let answer = match read.await {
                Some(Ok(Ok(answer))) => answer,
                Some(Ok(Err(error))) => {
                    tracing::warn!(%error, "the path's next worker could not be read");
                    Answer::Unknown
                }
                Some(Err(_)) => {
                    let seconds = DEADLINE.as_secs();
                    tracing::warn!(seconds, "the path's next worker was not read in time");
                    Answer::Unknown
                }
                None => Answer::Unknown,
            };
            // A closed session actor has no use for the answer.
            let _ = context.sessions.registered(peer, answer).await;
        });
    }
}

/// The newest block counts: a payer may have read the registry a moment ago.
async fn read(context: &WorkerContext, peer: PublicKey) -> Result<Answer, ReadError> {
    let found = context.chain.at_best().await?.worker_of_peer(peer).await?;
    Ok(found.map_or(Answer::NotRegistered, |record| Answer::Registered(record.addresses)))
}
