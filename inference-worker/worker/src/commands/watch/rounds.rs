//! The watcher's rounds: read what changed, ask the chain about every channel, redeem what would be
//! lost.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use mica_chain::{
    Call, Chain, ChainOrigin, MicaEvent, ReadError, Signer, SubmitError, Submitted, Until,
};
use mica_primitives::{
    Balance, BlockNumber, ChannelId, ChannelState, LaneId,
    settlement::{self, Figures, Submitter},
};
use mica_protocol::{
    channel::{ChannelFacts, Redeemable},
    limits::EXPIRY_MARGIN_BLOCKS,
};
use tokio::{task::JoinSet, time::Instant};

use super::folder::WatchedFolder;
use crate::{
    daemon::{redeem::PATIENCE, watch::named_by},
    report::{Event, Reporter},
};

/// Pause between two looks at all channels.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// The part of a window, one in this many, that a worker has for itself.
const WORKER_SHARE: BlockNumber = 4;
/// Most redeems at once.
const MAX_IN_FLIGHT: usize = 64;

type LaneKey = (ChannelId, LaneId);

/// What makes a redeem worth its fee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pay {
    /// What the payee gets.
    Payee,
    /// What is left to whoever submits it.
    Bounty,
}

/// A redeem that is due: who submits it, and what it brings to whoever it must be worth its fee to.
struct Due {
    signer: Signer,
    lane: Redeemable,
    worth: Balance,
}

/// The watching task.
pub(super) struct Watch {
    chain: Chain,
    origin: ChainOrigin,
    reporter: Reporter,
    folders: Vec<WatchedFolder>,
    pay: Pay,
    /// Promises that the chain has refused: shown again only when they have grown.
    refused: BTreeMap<LaneKey, Balance>,
}

/// What became of a redeem; nothing if its fee is more than it brings.
struct Shown {
    lane: LaneKey,
    promised: Balance,
    result: Option<Result<Submitted, SubmitError>>,
}

impl Watch {
    /// One for `folders`, which are of the chain that begins with `origin`.
    pub(super) const fn new(
        chain: Chain,
        origin: ChainOrigin,
        reporter: Reporter,
        folders: Vec<WatchedFolder>,
        pay: Pay,
    ) -> Self {
        Self { chain, origin, reporter, folders, pay, refused: BTreeMap::new() }
    }

    /// Looks at all channels every few seconds, and at once when a block names one of them.
    pub(super) async fn run(mut self) {
        loop {
            if let Err(error) = self.round().await {
                self.warn(format!("the chain cannot be read and is asked again: {error}"));
            }
            let next = Instant::now() + POLL_INTERVAL;
            let heard = tokio::time::timeout_at(next, self.wait_for_news()).await;
            if let Ok(Err(error)) = heard {
                tracing::warn!(%error, "new blocks are not heard of: the chain is asked instead");
                tokio::time::sleep_until(next).await;
            }
        }
    }

    /// Returns when a block names a channel that is watched.
    async fn wait_for_news(&self) -> Result<(), ReadError> {
        let mut heads = self.chain.best_heads().await?;
        while let Some(head) = heads.next().await {
            let events = self.chain.at(head?).events().await?;
            let mut named = events.iter().filter_map(|event| named_by(event.event.as_ref()?));
            if named.any(|id| self.folders.iter().any(|folder| folder.ledgers.contains_key(&id))) {
                return Ok(());
            }
        }
        let reason = "the subscription ended".to_owned();
        Err(ReadError::Node { what: "new blocks".to_owned(), reason })
    }

    async fn round(&mut self) -> Result<(), ReadError> {
        if self.origin.differs_from(&self.chain.origin().await?) {
            self.warn("the node follows another chain than at the start: start again".to_owned());
            return Ok(());
        }
        for folder in &mut self.folders {
            if let Err(error) = folder.read(&self.origin, self.reporter) {
                self.reporter.emit(&Event::Warning { text: error.to_string() });
            }
        }
        let view = self.chain.at_best().await?;
        let now = view.clock().await?.now;
        let mut due = Vec::new();
        for folder in &mut self.folders {
            for (id, ledger) in &mut folder.ledgers {
                let Some(channel) = view.channel(*id).await? else { continue };
                ledger.update(ChannelFacts::new(*id, &channel));
                let figures = Figures::from(&channel);
                for lane in ledger.redeemable(now) {
                    let worth = match self.pay {
                        Pay::Payee if is_endangered(&channel.state, channel.window, &lane, now) => {
                            lane.gain
                        }
                        Pay::Payee => continue,
                        Pay::Bounty => bounty_of(&figures, &lane, now),
                    };
                    due.push(Due { signer: folder.signer.clone(), lane, worth });
                }
            }
        }
        due.retain(|due| {
            let promised = due.lane.redeem.promised();
            due.worth > 0
                && self.refused.get(&key(&due.lane)).is_none_or(|refused| promised > Some(*refused))
        });
        most_first(&mut due);
        self.redeem(due).await;
        Ok(())
    }

    /// Redeems side by side, each until it is in a block.
    async fn redeem(&mut self, due: Vec<Due>) {
        let mut shown = JoinSet::new();
        for due in due.into_iter().take(MAX_IN_FLIGHT) {
            shown.spawn(show(self.chain.clone(), due));
        }
        while let Some(done) = shown.join_next().await {
            let Ok(Shown { lane, promised, result: Some(result) }) = done else { continue };
            match result {
                Ok(submitted) => self.report(&submitted),
                Err(error) => {
                    if matches!(error, SubmitError::Failed { .. }) {
                        self.refused.insert(lane, promised);
                    }
                    let (channel, lane) = lane;
                    self.warn(format!("lane {lane} of channel {channel} is not redeemed: {error}"));
                }
            }
        }
    }

    fn report(&self, submitted: &Submitted) {
        for event in submitted.known() {
            if let MicaEvent::Redeemed { channel, lane, seq, paid, receipts, .. } = *event {
                let (fee, block) = (submitted.fee, submitted.block.number);
                self.reporter.emit(&Event::Redeemed {
                    channel,
                    lane,
                    seq,
                    paid,
                    receipts,
                    fee,
                    block,
                });
            }
            if let MicaEvent::BountyPaid { channel, amount, .. } = *event {
                let block = submitted.block.number;
                self.reporter.emit(&Event::BountyKept { channel, amount, block });
            }
        }
    }

    fn warn(&self, text: String) {
        tracing::warn!("{text}");
        self.reporter.emit(&Event::Warning { text });
    }
}

/// Shows a promise to the chain, if it is worth the fee.
async fn show(chain: Chain, due: Due) -> Shown {
    let Due { signer, lane: due, worth } = due;
    let lane = key(&due);
    let promised = due.redeem.promised().unwrap_or(0);
    let call = Call::Redeem(Box::new(due.redeem));
    // Without an answer nothing is lost over the fee.
    let fee = chain.estimate_fee(&signer, &call).await.unwrap_or(0);
    if worth <= fee {
        return Shown { lane, promised, result: None };
    }
    let result = chain.submit_watched(&signer, call, Until::InBlock, PATIENCE, &mut |_| {}).await;
    Shown { lane, promised, result: Some(result) }
}

/// Puts what is worth most first: only so many are shown at once, and lanes of which each brings
/// less than its fee shall not take the place of one that is worth it.
fn most_first(due: &mut [Due]) {
    due.sort_by_key(|due| Reverse(due.worth));
}

/// What is left to a stranger that redeems this now, by the chain's own rule.
fn bounty_of(channel: &Figures, due: &Redeemable, now: BlockNumber) -> Balance {
    settlement::bounty(channel, &due.redeem.voucher, Submitter::Other, due.gain, now)
}

fn key(due: &Redeemable) -> LaneKey {
    (due.redeem.voucher.channel, due.redeem.voucher.lane)
}

/// Whether a worker would have redeemed this by now: it does so as soon as a request to close is in
/// a block, and before a voucher expires.
fn is_endangered(
    state: &ChannelState,
    window: BlockNumber,
    due: &Redeemable,
    now: BlockNumber,
) -> bool {
    let closing = match state {
        ChannelState::Open => false,
        ChannelState::Closing(closing) => now >= closing.at.saturating_add(window / WORKER_SHARE),
    };
    let expires = due.redeem.voucher.expires;
    closing || expires < now.saturating_add(EXPIRY_MARGIN_BLOCKS / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_primitives::{Closing, Redeem, Voucher};

    fn due(channel: ChannelId, gain: Balance) -> Redeemable {
        let voucher = Voucher {
            channel,
            lane: 0,
            seq: 1,
            cumulative: gain,
            receipts_root: [0; 32],
            receipts: 0,
            expires: 10_000,
            tick: None,
            lock: None,
            bounty: 0,
        };
        let redeem = Redeem { voucher, signature: [0; 64], tick: None, preimage: None };
        Redeemable { redeem, gain }
    }

    /// Attack: close a hundred channels that owe a trifle each and come before the honest one.
    #[test]
    fn trifles_do_not_take_the_place_of_what_pays() {
        let signer = Signer::from_suri("//Alice").expect("a development key");
        let of = |number: u8, worth: Balance| Due {
            signer: signer.clone(),
            lane: due(ChannelId([number; 32]), worth),
            worth,
        };
        let mut lanes: Vec<Due> = (0..100).map(|number| of(number, 1)).collect();
        lanes.push(of(200, 1_000));
        most_first(&mut lanes);
        assert_eq!(lanes[0].worth, 1_000);
    }

    #[test]
    fn a_bounty_is_there_from_the_middle_of_a_window_on() {
        let mut lane = due(ChannelId([1; 32]), 1_600);
        lane.redeem.voucher.bounty = 1_000;
        let closing =
            Figures { deposit: 5_000, claimed: 0, ends: Some(120), bounty_from: Some(110) };
        let open = Figures { ends: None, bounty_from: None, ..closing };
        assert_eq!(bounty_of(&closing, &lane, 109), 0, "the worker's own half");
        assert_eq!(bounty_of(&closing, &lane, 110), 100, "a sixteenth of what it pays");
        assert_eq!(bounty_of(&open, &lane, 110), 0);
    }

    #[test]
    fn the_worker_has_the_first_part_of_a_window() {
        let due = due(ChannelId([1; 32]), 5);
        let closing = ChannelState::Closing(Closing { at: 100, ends: 120, extended: 0 });
        assert!(!is_endangered(&closing, 20, &due, 104));
        assert!(is_endangered(&closing, 20, &due, 105));
        assert!(!is_endangered(&ChannelState::Open, 20, &due, 105));
        assert!(is_endangered(&ChannelState::Open, 20, &due, 9_951));
        assert!(!is_endangered(&ChannelState::Open, 20, &due, 9_950));
    }
}
