//! What a payer has promised, as it stands on its disk, and what it may have promised: what was
//! computed for it, and no more than its exposure beyond that where a session was cut off.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use mica_payer::store::{SessionRecord, StageRecord, Store};
use mica_primitives::{Balance, ChannelId, LaneId};
use mica_protocol::limits::{DEFAULT_EXPOSURE_POSITIONS, LEAF_POSITIONS, MAX_PREPAID_POSITIONS};

/// Positions that the payer's disk counts as promised before they are: as many as a receipt covers.
const WRITTEN_AHEAD: u32 = LEAF_POSITIONS;

/// A lane, as a worker's status names it.
pub fn lane_name(channel: ChannelId, lane: LaneId) -> String {
    format!("{channel}/{lane}")
}

/// Every lane's promise, and the sessions in which they were made.
#[derive(Default)]
pub struct Ledger {
    promised: BTreeMap<String, Balance>,
    sessions: Vec<SessionRecord>,
}

impl Ledger {
    /// The ledger of the payer in `home`, which must not run.
    pub fn read(home: &Path) -> Self {
        let store = Store::open(&home.join("state.redb")).expect("nobody else has it");
        let sessions = store.sessions().expect("readable");
        let stages = sessions.iter().flat_map(|session| &session.stages);
        let channels: BTreeSet<ChannelId> = stages.map(|stage| stage.channel).collect();
        let lanes =
            channels.into_iter().flat_map(|channel| store.lanes(channel).expect("readable"));
        let promised =
            lanes.map(|lane| (lane_name(lane.channel, lane.lane), lane.promised())).collect();
        Self { promised, sessions }
    }

    /// Base units promised in all.
    pub fn total(&self) -> Balance {
        self.promised.values().sum()
    }

    /// Base units promised on a lane.
    pub fn promised(&self, lane: &str) -> Balance {
        self.promised.get(lane).copied().unwrap_or(0)
    }

    /// Fails unless a session has come to its end since `before`, and every lane promises as much
    /// more as its new sessions allow.
    pub fn check_since(&self, before: &Self) {
        let allowed = self.allowed_since(before);
        assert!(allowed.values().any(|(least, _)| *least > 0), "nothing was answered meanwhile");
        let lanes = before.promised.keys().chain(self.promised.keys()).chain(allowed.keys());
        for lane in lanes.collect::<BTreeSet<_>>() {
            let (then, now) = (before.promised(lane), self.promised(lane));
            let (least, most) = allowed.get(lane).copied().unwrap_or_default();
            assert!(
                (then + least..=then + most).contains(&now),
                "{lane} promised {then} and promises {now}: from {least} to {most} more are due"
            );
        }
    }

    /// The least and the most that each lane may promise more than in `before`.
    fn allowed_since(&self, before: &Self) -> BTreeMap<String, (Balance, Balance)> {
        let known: BTreeSet<_> = before.sessions.iter().map(|session| session.session).collect();
        let new = self.sessions.iter().filter(|session| !known.contains(&session.session));
        let mut allowed: BTreeMap<String, (Balance, Balance)> = BTreeMap::new();
        for session in new {
            for stage in &session.stages {
                let (least, most) = allowed_for(session, stage);
                let sums = allowed.entry(lane_name(stage.channel, stage.lane)).or_default();
                *sums = (sums.0 + least, sums.1 + most);
            }
        }
        allowed
    }
}

/// The least and the most that a session may have promised to one of its stages.
fn allowed_for(session: &SessionRecord, stage: &StageRecord) -> (Balance, Balance) {
    let unit = stage.price_per_layer_token * Balance::from(stage.layers.len());
    let known = (session.prompt.len() + session.tokens.len()) as Balance;
    if session.is_closed {
        // The last token is computed by nobody. All else is paid for, and nothing more unless the
        // prepayment alone was more.
        let computed = known - 1;
        return (unit * computed, unit * computed.max(MAX_PREPAID_POSITIONS.into()));
    }
    // Its last moments are not on the disk, but the tokens and receipts that are there were written
    // together with its last promise.
    let received = Balance::from(stage.receipts) * Balance::from(LEAF_POSITIONS);
    let most = known.min(received + Balance::from(DEFAULT_EXPOSURE_POSITIONS));
    (0, unit * (most + Balance::from(WRITTEN_AHEAD)))
}

#[cfg(test)]
mod tests {
    use mica_primitives::{LayerRange, ModelId};
    use mica_protocol::channel::PayerLaneRecord;

    use super::*;

    const CHANNEL: ChannelId = ChannelId([1; 32]);

    /// One session of ten positions of the prompt and `tokens`, at 2 base units a position.
    fn ledger(promised: Balance, tokens: usize, receipts: u64, is_closed: bool) -> Ledger {
        let stage = StageRecord {
            worker: [2; 32],
            peer: [3; 32],
            layers: LayerRange { first: 0, end: 2 },
            channel: CHANNEL,
            lane: 0,
            price_per_layer_token: 1,
            paid: 0,
            first_receipt: 0,
            receipts,
        };
        let session = SessionRecord {
            session: [4; 32],
            genesis: [5; 32],
            started_unix_ms: 6,
            model: ModelId([7; 32]),
            profile: [8; 32],
            prompt: vec![0; 10],
            tokens: vec![0; tokens],
            stages: vec![stage],
            is_closed,
        };
        let lane = PayerLaneRecord { cumulative: promised, ..PayerLaneRecord::unused(CHANNEL, 0) };
        let promised = BTreeMap::from([(lane_name(lane.channel, lane.lane), lane.promised())]);
        Ledger { promised, sessions: vec![session] }
    }

    fn passes(ledger: &Ledger) -> bool {
        let allowed = ledger.allowed_since(&Ledger::default());
        let (least, most) = allowed[&lane_name(CHANNEL, 0)];
        (least..=most).contains(&ledger.promised(&lane_name(CHANNEL, 0)))
    }

    #[test]
    fn a_session_that_ended_pays_what_was_computed_and_one_cut_off_no_more_than_its_exposure() {
        // 10 and 21 positions, of which the last is not computed.
        for (promised, is_right) in [(59, false), (60, true), (61, false)] {
            assert_eq!(passes(&ledger(promised, 21, 2, true)), is_right, "{promised}");
        }
        // Of 110 positions none is covered by a receipt: the exposure, and what is written ahead.
        for (promised, is_right) in [(0, true), (2 * (48 + 16), true), (2 * (48 + 16) + 1, false)] {
            assert_eq!(passes(&ledger(promised, 100, 0, false)), is_right, "{promised}");
        }
        // All are: what is known, and what is written ahead.
        for (promised, is_right) in [(2 * (110 + 16), true), (2 * (110 + 16) + 1, false)] {
            assert_eq!(passes(&ledger(promised, 100, 7, false)), is_right, "{promised}");
        }
    }

    #[test]
    #[should_panic(expected = "from 0 to 0 more are due")]
    fn nothing_is_promised_without_a_session() {
        let (before, mut now) = (ledger(60, 21, 2, true), ledger(60, 21, 2, true));
        let mut answered = now.sessions[0].clone();
        (answered.session, answered.stages[0].lane) = ([9; 32], 1);
        now.sessions.push(answered);
        now.promised.insert(lane_name(CHANNEL, 1), 60);
        now.promised.insert(lane_name(CHANNEL, 0), 61);
        now.check_since(&before);
    }
}
