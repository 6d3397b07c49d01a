//! Other processes with the same identity: copies of the worker's folder.
//!
//! The registry has room for the addresses of one. Whoever has the same keys can put its own there,
//! so what the registry names is dialled: a process that answers with our peer key and is another
//! instance than we are is a duplicate. Behind a router that does not let its own network use its
//! public address a duplicate may be there and not answer; that is known by what it does to the
//! registry.

use std::collections::BTreeSet;

use mica_net::{Instance, address_texts, probe};
use mica_primitives::{BlockNumber, PublicKey, WorkerAddresses};
use tokio::task::JoinSet;

use super::compare::listed;

/// What to do about it, for people.
pub(crate) const REMEDY: &str = "one account is for one process: stop one of the two; a second worker \
                          needs a folder and an account of its own (`mica-worker init`)";
/// Blocks between two probes of a duplicate that has the registration.
const POLL_BLOCKS: BlockNumber = 5;
/// Probes that a duplicate must leave unanswered before it counts as gone.
const SILENT_PROBES: u32 = 2;

/// The addresses at which another process answers with the key `peer`. `instance`: this process, if
/// it is one that listens.
pub(crate) async fn probe_duplicates(
    peer: PublicKey,
    instance: Option<Instance>,
    addresses: &WorkerAddresses,
) -> Vec<String> {
    let mut probes = JoinSet::new();
    for address in address_texts(addresses) {
        probes.spawn(async move {
            match probe(&peer, &address).await {
                // One that tells no instance is not this program as it runs here.
                Ok(found) => (instance.is_none() || found != instance).then_some(address),
                Err(error) => {
                    tracing::debug!(%error, "no other process with this identity");
                    None
                }
            }
        });
    }
    // A probe does not panic; one that did would have found nobody.
    let mut found = BTreeSet::new();
    while let Some(found_at) = probes.join_next().await {
        found.extend(found_at.ok().flatten());
    }
    found.into_iter().collect()
}

/// What is known of a process that puts its own addresses into the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DuplicateTracker {
    /// Whether we have yielded to it, with the next block in which to look for it and the times
    /// that it was silent.
    yielded: Option<(BlockNumber, u32)>,
    /// Block in which our addresses were last put back.
    repaired: Option<BlockNumber>,
    /// Whether somebody undid that soon after.
    was_undone: bool,
}

/// What to do when the registry names addresses that are not ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Another process has the registration and serves: take no sessions.
    Yield(String),
    /// Nobody is there: put our addresses back. With a reason to tell, if somebody undid that
    /// before.
    Repair(Option<String>),
    /// We have yielded, and it is too early to look again.
    Wait,
}

impl DuplicateTracker {
    /// Whether we have yielded.
    pub(crate) const fn has_yielded(&self) -> bool {
        self.yielded.is_some()
    }

    /// Whether it is time to look who answers.
    pub(crate) fn is_due(&self, block: BlockNumber) -> bool {
        self.yielded.is_none_or(|(next, _)| block >= next)
    }

    /// The registry names addresses in `block` that are not ours, whether or not it is time to do
    /// something about it.
    pub(crate) fn seen(&mut self, block: BlockNumber, beat: BlockNumber) {
        self.was_undone |= self
            .repaired
            .is_some_and(|repaired| block <= repaired.saturating_add(beat.saturating_mul(3)));
    }

    /// Decides, given the addresses in the registry and those of them at which another process
    /// answers. `beat`: blocks between two heartbeats.
    pub(crate) fn judge(
        &mut self,
        block: BlockNumber,
        beat: BlockNumber,
        registered: &WorkerAddresses,
        answering: &[String],
    ) -> Verdict {
        if !answering.is_empty() {
            self.yielded = Some((block.saturating_add(POLL_BLOCKS), 0));
            return Verdict::Yield(format!(
                "another process with this account and peer key answers at {}: it has the \
                 registration now, and this one takes no new sessions until that one is gone; \
                 {REMEDY}",
                answering.join(", ")
            ));
        }
        if let Some((next, silent)) = &mut self.yielded {
            (*next, *silent) = (block.saturating_add(POLL_BLOCKS), *silent + 1);
            if *silent < SILENT_PROBES {
                return Verdict::Wait;
            }
            self.yielded = None;
            return Verdict::Repair(None);
        }
        self.seen(block, beat);
        Verdict::Repair(std::mem::take(&mut self.was_undone).then(|| {
            format!(
                "another process with this account puts its own addresses into the registry ({}), \
                 though nobody answers there from here: {REMEDY}",
                listed(registered)
            )
        }))
    }

    /// Our addresses were put back in `block`.
    pub(crate) const fn repaired(&mut self, block: BlockNumber) {
        self.repaired = Some(block);
        self.was_undone = false;
    }

    /// The registry names our addresses.
    pub(crate) const fn gone(&mut self) {
        self.yielded = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> WorkerAddresses {
        vec![text.as_bytes().to_vec().try_into().expect("short")].try_into().expect("few")
    }

    #[test]
    fn a_duplicate_that_answers_is_yielded_to_until_it_is_silent_twice() {
        let mut duplicate = DuplicateTracker::default();
        let theirs = addresses("/ip4/192.0.2.9/tcp/1");
        let answering = ["/ip4/192.0.2.9/tcp/1".to_owned()];
        assert!(duplicate.is_due(10));
        let Verdict::Yield(text) = duplicate.judge(10, 20, &theirs, &answering) else {
            panic!("it answers")
        };
        assert!(text.contains("192.0.2.9") && text.contains("mica-worker init"), "{text}");
        assert!(duplicate.has_yielded() && !duplicate.is_due(14) && duplicate.is_due(15));
        assert_eq!(duplicate.judge(15, 20, &theirs, &[]), Verdict::Wait, "once is no proof");
        assert!(matches!(duplicate.judge(20, 20, &theirs, &answering), Verdict::Yield(_)));
        assert_eq!(duplicate.judge(25, 20, &theirs, &[]), Verdict::Wait);
        assert_eq!(duplicate.judge(30, 20, &theirs, &[]), Verdict::Repair(None));
        assert!(!duplicate.has_yielded());
    }

    #[test]
    fn a_duplicate_that_cannot_be_reached_is_known_by_what_it_does() {
        let mut duplicate = DuplicateTracker::default();
        let theirs = addresses("/ip4/192.0.2.9/tcp/1");
        assert_eq!(duplicate.judge(10, 20, &theirs, &[]), Verdict::Repair(None), "a dead address");
        duplicate.repaired(10);
        let Verdict::Repair(Some(text)) = duplicate.judge(70, 20, &theirs, &[]) else {
            panic!("it was undone")
        };
        assert!(text.contains("192.0.2.9"), "{text}");
        assert_eq!(duplicate.judge(71, 20, &theirs, &[]), Verdict::Repair(None), "long ago");
    }
}
