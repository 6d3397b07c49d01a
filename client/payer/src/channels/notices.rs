//! What the user must be told about channels, once each.

use std::collections::BTreeSet;

use mica_chain::{AccountId, amount};
use mica_primitives::{Balance, ChannelId};

use crate::store::Archive;

/// Which notices are wanted at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoticeFilter {
    /// Everything but promises that were learnt: a session is about to be opened, and may bring
    /// more of them.
    WithoutRecovered,
    /// Everything.
    All,
}

/// Lines that wait to be told.
#[derive(Debug, Default)]
pub(super) struct Notices {
    lines: Vec<String>,
    /// Base units that workers showed and that were not remembered.
    recovered: Balance,
    /// Channels of which it was told that they take no more sessions.
    exhausted: BTreeSet<ChannelId>,
}

impl Notices {
    /// The chain began anew.
    pub(super) fn chain_restarted(&mut self, aside: &Archive) {
        let Archive { channels, sessions, path } = aside;
        self.lines.push(format!(
            "the chain began anew: the records of {channels} channels and {sessions} sessions on \
             the one before are put aside in {}",
            path.display()
        ));
    }

    /// Promises were learnt from a worker.
    pub(super) const fn recovered(&mut self, more: Balance) {
        self.recovered = self.recovered.saturating_add(more);
    }

    /// What was sent to the chain is not waited for any longer.
    pub(super) fn abandoned(&mut self, purpose: &str) {
        self.lines.push(format!(
            "an extrinsic for {purpose} may have been sent and is not followed any further: see \
             `mica channel list`"
        ));
    }

    /// No lane of a channel can be used any more.
    pub(super) fn exhausted(&mut self, channel: ChannelId, payee: AccountId) {
        if self.exhausted.insert(channel) {
            self.lines.push(format!(
                "channel {channel} to {payee} takes no more sessions, because the records of all \
                 its lanes are lost: `mica channel close {channel}` brings back what is left in it"
            ));
        }
    }

    /// What is to be told now; of promises only if no more of them can come, so that they are told
    /// in one sum.
    pub(super) fn take(&mut self, filter: NoticeFilter) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        let recovered = match filter {
            NoticeFilter::WithoutRecovered => 0,
            NoticeFilter::All => std::mem::take(&mut self.recovered),
        };
        if recovered > 0 {
            lines.push(format!(
                "recovered {} of promises that this folder did not remember: the workers showed \
                 them, signed by this wallet",
                amount::format(recovered)
            ));
        }
        lines
    }
}
