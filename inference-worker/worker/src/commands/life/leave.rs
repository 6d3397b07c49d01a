//! `mica-worker leave`: from a worker that serves to an account with all its money.
//!
//! It lets others take over the layers if so asked, stops the process that runs with the folder,
//! redeems, leaves the registry, closes the channels, waits, and takes the stake back. The chain
//! knows which of these steps are done, so a `leave` that was cut off is asked for again, from this
//! machine or another.

use std::time::Duration;

use mica_chain::{AccountId, Call, MicaEvent, Until};
use mica_primitives::{BlockNumber, LayerRange, WorkerRecord, WorkerStatus};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ChainArgs, Life, LifeError, Progress, duration};
use crate::{commands::signals::stop_on_signal, data_dir::DataDir, report::Event};

/// Pause between two looks at the chain.
const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// With `--json`, pause between two reports of how long it still takes.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    chain: ChainArgs,
    /// Wait until other workers serve all its layers, at most so many minutes, before it stops.
    #[arg(long, value_name = "MINUTES")]
    when_covered: Option<u64>,
    /// End when the account has left the registry, and do not wait for the stake.
    #[arg(long)]
    no_wait: bool,
}

/// Leaves.
///
/// # Errors
/// [`LifeError`] says what is left, and how. [`LifeError::NeedsOwnKey`] if the worker signs with an
/// operator's key, after everything is done that this key may do.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), LifeError> {
    let life = Life::open(&args.chain, folder).await?;
    let stop = stop_on_signal().map_err(LifeError::Signal)?;
    let Some(record) = life.record().await? else {
        life.reporter.emit(&Event::HasLeft { account: life.account.to_string() });
        return Ok(());
    };
    if !matches!(record.status, WorkerStatus::Unbonding { .. }) {
        let patience = args.when_covered.map(|minutes| Duration::from_secs(minutes * 60));
        if life.wait_for_cover(&record, patience, &stop).await?.is_none() {
            return Ok(());
        }
    }
    // With a folder there are records, and maybe a process.
    let lock = match life.daily {
        Some(_) => Some(life.take_over(folder).await?),
        None => None,
    };
    if lock.is_some() {
        life.redeem_with_report(folder).await?;
    }
    life.unregister().await?;
    if lock.is_some() {
        // Between the last redeem and the end of the registration nobody served.
        life.redeem_with_report(folder).await?;
        life.close_all().await?;
    }
    drop(lock);
    if args.no_wait {
        return Ok(());
    }
    life.own_key("take the stake back when it is free", "leave")?;
    if life.wait_until_free(&stop).await?.is_none() {
        life.warn("interrupted: run `mica-worker leave` again to go on waiting".to_owned());
        return Ok(());
    }
    life.withdraw().await
}

impl Life {
    /// What the newest block says of the account.
    pub(super) async fn record(&self) -> Result<Option<WorkerRecord<AccountId>>, LifeError> {
        let found = self.chain.at_best().await?.worker(self.account).await?;
        Ok(found.map(|(record, _)| record))
    }

    async fn redeem_with_report(&self, folder: &DataDir) -> Result<(), LifeError> {
        let trifles = self.redeem_all(folder).await?;
        if trifles > 0 {
            self.reporter.emit(&Event::NotWorthRedeeming { amount: trifles });
        }
        Ok(())
    }

    /// Says which layers nobody else serves, and waits for others if so asked; nothing if it was
    /// told to stop.
    async fn wait_for_cover(
        &self,
        record: &WorkerRecord<AccountId>,
        patience: Option<Duration>,
        stop: &CancellationToken,
    ) -> Result<Option<()>, LifeError> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut is_told = false;
        loop {
            let workers = self.chain.at_best().await?.workers(record.model, None).await?;
            let alone = alone_at(record, &workers);
            if alone.is_empty() {
                return Ok(Some(()));
            }
            if !is_told {
                let layers: Vec<String> =
                    alone.iter().map(|range| format!("{}..{}", range.first, range.end)).collect();
                self.warn(format!(
                    "nobody else serves layers {}: without this worker the model cannot be asked",
                    layers.join(", ")
                ));
                is_told = true;
            }
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                return Ok(Some(()));
            }
            if stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// Leaves the registry, unless that is done.
    async fn unregister(&self) -> Result<(), LifeError> {
        let Some(record) = self.record().await? else { return Ok(()) };
        if matches!(record.status, WorkerStatus::Unbonding { .. }) {
            return Ok(());
        }
        let signer = self.own_key("leave the registry", "leave")?;
        let submitted = self.chain.submit(signer, Call::Unregister, Until::Finalized).await?;
        for event in submitted.known() {
            if let MicaEvent::Unregistered { until, .. } = *event {
                let block = submitted.block.number;
                self.reporter.emit(&Event::Unregistered { until, block });
            }
        }
        Ok(())
    }

    /// Waits until the stake is free; nothing if it was told to stop.
    async fn wait_until_free(&self, stop: &CancellationToken) -> Result<Option<()>, LifeError> {
        let mut progress = Progress::new();
        let mut reported: Option<Instant> = None;
        loop {
            let Some(blocks) = self.blocks_left().await? else {
                progress.clear();
                return Ok(Some(()));
            };
            let text = format!("the stake is free in {blocks} blocks, {}", duration(blocks));
            progress.show(&text);
            if reported.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) {
                if !progress.is_shown {
                    self.reporter.emit(&Event::Unbonding { blocks });
                }
                reported = Some(Instant::now());
            }
            if stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_none() {
                progress.clear();
                return Ok(None);
            }
        }
    }

    /// Blocks of the market's clock until the stake is free; none if it is, or there is none.
    async fn blocks_left(&self) -> Result<Option<BlockNumber>, LifeError> {
        let view = self.chain.at_best().await?;
        let Some((record, _)) = view.worker(self.account).await? else { return Ok(None) };
        let WorkerStatus::Unbonding { until } = record.status else { return Ok(None) };
        let now = view.clock().await?.now;
        Ok(Some(until.saturating_sub(now)).filter(|blocks| *blocks > 0))
    }

    /// Takes the stake back, if that is allowed now.
    ///
    /// # Errors
    /// [`LifeError`] says what stands in the way.
    pub(super) async fn withdraw(&self) -> Result<(), LifeError> {
        let Some(record) = self.record().await? else {
            return Err(LifeError::NotRegistered(self.account));
        };
        let WorkerStatus::Unbonding { until } = record.status else {
            return Err(LifeError::NotLeaving(self.account));
        };
        if let Some(blocks) = self.blocks_left().await? {
            return Err(LifeError::StillBonded { until, blocks });
        }
        let channels = self.channels().await?;
        if !channels.is_empty() {
            return Err(LifeError::Channels(channels.len()));
        }
        let signer = self.own_key("take the stake back", "withdraw")?;
        let submitted = self.chain.submit(signer, Call::Withdraw, Until::Finalized).await?;
        for event in submitted.known() {
            if let MicaEvent::Withdrawn { amount, .. } = *event {
                let (fee, block) = (submitted.fee, submitted.block.number);
                self.reporter.emit(&Event::Withdrawn { amount, fee, block });
            }
        }
        Ok(())
    }
}

/// Those of the worker's layers that no other worker serves, in ranges.
fn alone_at(
    record: &WorkerRecord<AccountId>,
    workers: &[(WorkerRecord<AccountId>, bool)],
) -> Vec<LayerRange> {
    let serves = |layer: u16| {
        workers.iter().any(|(worker, online)| {
            *online && worker.account != record.account && worker.range.contains(layer)
        })
    };
    let mut ranges: Vec<LayerRange> = Vec::new();
    for layer in record.range.layers().filter(|layer| !serves(*layer)) {
        match ranges.last_mut().filter(|range| range.end == layer) {
            Some(range) => range.end = layer.saturating_add(1),
            None => ranges.extend(LayerRange::new(layer, layer.saturating_add(1))),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::tests::worker;

    #[test]
    fn the_layers_that_nobody_else_serves_are_named() {
        let own = worker(1, 0, 8, 1, 1);
        let range = |first, end| LayerRange { first, end };
        assert_eq!(alone_at(&own, &[(own.clone(), true)]), [range(0, 8)]);
        let others = [
            (own.clone(), true),
            (worker(2, 2, 4, 1, 1), true),
            (worker(3, 5, 6, 1, 1), true),
            (worker(4, 0, 8, 1, 1), false),
        ];
        assert_eq!(alone_at(&own, &others), [range(0, 2), range(4, 5), range(6, 8)]);
        assert_eq!(alone_at(&own, &[(worker(2, 0, 8, 1, 1), true)]), []);
    }
}
