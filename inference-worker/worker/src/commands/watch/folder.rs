//! One worker's records as the watcher knows them.

use std::collections::BTreeMap;

use mica_chain::{ChainOrigin, Signer};
use mica_primitives::{Balance, ChannelId};
use mica_protocol::channel::PayeeLedger;

use crate::{
    data_dir::DataDir,
    report::{Event, Reporter},
    store::{Snapshot, Stamp, StoreError, snapshot},
};

/// A folder, and the promises that were found in it.
pub(super) struct WatchedFolder {
    place: DataDir,
    /// Pays the fees.
    pub(super) signer: Signer,
    /// The folder as it was when it was read last.
    stamp: Option<Stamp>,
    /// Channels with promises; what the chain says of them is read in each round.
    pub(super) ledgers: BTreeMap<ChannelId, PayeeLedger>,
}

impl WatchedFolder {
    /// One that was not read yet.
    pub(super) const fn new(place: DataDir, signer: Signer) -> Self {
        Self { place, signer, stamp: None, ledgers: BTreeMap::new() }
    }

    /// Reads the records if they have changed, and says what is watched if that is news.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read; what was known before stays.
    pub(super) fn read(
        &mut self,
        origin: &ChainOrigin,
        reporter: Reporter,
    ) -> Result<(), StoreError> {
        // Taken before the records, so that what is written meanwhile is read the next time.
        let stamp = Stamp::of(&self.place)?;
        if self.stamp == Some(stamp) {
            return Ok(());
        }
        let is_first = self.stamp.is_none();
        let found = snapshot(&self.place)?;
        let before = self.ledgers.len();
        let name = self.place.path().display().to_string();
        self.ledgers = promises(found, origin, &name, reporter);
        self.stamp = Some(stamp);
        if is_first || self.ledgers.len() != before {
            let promises = self.ledgers.values().flat_map(PayeeLedger::promises);
            let promised = promises.filter_map(mica_primitives::Redeem::promised);
            reporter.emit(&Event::Watching {
                folder: self.place.path().display().to_string(),
                channels: self.ledgers.len(),
                promised: promised.fold(0, Balance::saturating_add),
                payer_of_fees: self.signer.account().to_string(),
            });
        }
        Ok(())
    }
}

/// The promises among the records of `folder` that this chain may pay, by channel; what the chain
/// says of each is as old as the records. Those of another chain, or damaged ones, are warned of.
pub(in crate::commands) fn promises(
    found: Snapshot,
    origin: &ChainOrigin,
    folder: &str,
    reporter: Reporter,
) -> BTreeMap<ChannelId, PayeeLedger> {
    let mut ledgers = BTreeMap::new();
    if found.mark.is_some_and(|mark| mark.origin().differs_from(origin)) {
        let text = format!(
            "the records in {folder} are of another chain than the node's, and are left alone: \
             correct --node-url"
        );
        reporter.emit(&Event::Warning { text });
        return ledgers;
    }
    for record in found.lanes.into_iter().filter(|record| record.best.is_some()) {
        let (channel, lane) = (record.facts.channel, record.lane);
        let ledger = match ledgers.remove(&channel) {
            Some(ledger) => Ok(ledger),
            None => PayeeLedger::new(origin.genesis, record.facts.clone()),
        };
        let restored = ledger.and_then(|mut ledger: PayeeLedger| {
            ledger.restore(record)?;
            Ok(ledger)
        });
        match restored {
            Ok(ledger) => drop(ledgers.insert(channel, ledger)),
            Err(error) => {
                let text = format!("lane {lane} of channel {channel} in {folder}: {error}");
                reporter.emit(&Event::Warning { text });
            }
        }
    }
    ledgers
}
