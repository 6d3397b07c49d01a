//! What the sessions' machine wants done, while the records that it relies on are on their way to
//! the disk.
//!
//! An output that follows a record which must be on the disk waits for it, and so does everything
//! of the same session that comes after: the order within a session is kept. Other sessions go on.
//!
//! Limits: [`MAX_PARKED`] outputs and [`MAX_PARKED_BYTES`]; when so much waits, nothing more is taken
//! from peers.

use std::collections::{BTreeMap, VecDeque};

use mica_protocol::{
    Message, SessionId, channel::Durability, messages::Payload, stage::StageOutput,
};

/// Most outputs that wait before the worker stops listening to peers.
pub(crate) const MAX_PARKED: usize = 4_096;

/// Most bytes of hidden states in them.
pub(crate) const MAX_PARKED_BYTES: usize = 64 << 20;

/// Outputs that wait for the disk.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    sessions: BTreeMap<SessionId, VecDeque<Parked>>,
    count: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Parked {
    /// The group of records that must be on the disk before.
    group: u64,
    act: StageOutput,
}

impl Parking {
    /// The output if it can be carried out at once. `group` is the one in which records reach the
    /// disk that are written down now; `durability` says whether the output relies on one of them.
    pub(crate) fn pass(
        &mut self,
        durability: Durability,
        group: u64,
        act: StageOutput,
    ) -> Option<StageOutput> {
        // What belongs to no session relies on no record.
        let Some(session) = session_of(&act) else { return Some(act) };
        let waiting = self.sessions.get(&session).and_then(|parked| parked.back());
        let group = match (durability, waiting) {
            (Durability::Disk, _) => group,
            (Durability::Process, Some(last)) => last.group,
            (Durability::Process, None) => return Some(act),
        };
        self.count += 1;
        self.bytes += bytes(&act);
        self.sessions.entry(session).or_default().push_back(Parked { group, act });
        None
    }

    /// Takes out what waited for `group` or an earlier one.
    pub(crate) fn release(&mut self, group: u64) -> Vec<StageOutput> {
        let mut released = Vec::new();
        self.sessions.retain(|_, parked| {
            while let Some(next) = parked.pop_front_if(|next| next.group <= group) {
                released.push(next.act);
            }
            !parked.is_empty()
        });
        self.count -= released.len();
        self.bytes -= released.iter().map(bytes).sum::<usize>();
        released
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether no more may wait.
    pub(crate) const fn is_full(&self) -> bool {
        self.count >= MAX_PARKED || self.bytes >= MAX_PARKED_BYTES
    }
}

/// Whether the output ends something: this is done even if what it relies on cannot be written.
pub(crate) const fn is_end(act: &StageOutput) -> bool {
    matches!(act, StageOutput::DropCache { .. } | StageOutput::Ended(_))
}

/// Bytes that an output holds beyond a few hundred.
fn bytes(act: &StageOutput) -> usize {
    let payload = match act {
        StageOutput::Send { message: Message::Step(step), .. } => &step.payload,
        StageOutput::Compute(job) => &job.payload,
        _ => return 0,
    };
    match payload {
        Payload::Tokens(tokens) => tokens.len() * size_of::<u32>(),
        Payload::Hidden(bytes) => bytes.len(),
    }
}

fn session_of(act: &StageOutput) -> Option<SessionId> {
    match act {
        StageOutput::Send { message, .. } => message.session(),
        StageOutput::OpenCache { session, .. } | StageOutput::DropCache { session } => {
            Some(*session)
        }
        StageOutput::Compute(job) => Some(job.session),
        StageOutput::Ended(end) => Some(end.session),
        StageOutput::ReadChannel(_)
        | StageOutput::Persist { .. }
        | StageOutput::PersistScore(_)
        | StageOutput::Receipt { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use mica_protocol::stage::{ComputeJob, JobOutput};

    use super::*;

    fn act(session: u8) -> StageOutput {
        StageOutput::DropCache { session: SessionId([session; 32]) }
    }

    /// The sessions of outputs.
    fn sessions(acts: &[StageOutput]) -> Vec<u8> {
        acts.iter().filter_map(|act| session_of(act).map(|session| session.0[0])).collect()
    }

    #[test]
    fn one_session_waits_in_order_and_the_others_go_on() {
        let mut parking = Parking::default();
        assert!(parking.pass(Durability::Process, 1, act(1)).is_some());
        assert!(parking.pass(Durability::Disk, 1, act(1)).is_none(), "it relies on a record");
        assert!(parking.pass(Durability::Process, 2, act(1)).is_none(), "it comes after that");
        assert!(parking.pass(Durability::Process, 2, act(2)).is_some(), "another session");
        assert!(parking.pass(Durability::Disk, 2, act(2)).is_none());
        assert!(parking.pass(Durability::Disk, 2, act(1)).is_none());
        assert!(parking.release(0).is_empty());
        assert_eq!(sessions(&parking.release(1)), [1, 1]);
        assert!(!parking.is_empty());
        assert_eq!(sessions(&parking.release(2)), [1, 2]);
        assert!(parking.is_empty() && parking.count == 0 && parking.bytes == 0);
        assert!(parking.pass(Durability::Process, 3, act(1)).is_some());
    }

    #[test]
    fn what_belongs_to_no_session_never_waits() {
        let mut parking = Parking::default();
        let read = StageOutput::ReadChannel(mica_primitives::ChannelId([1; 32]));
        assert!(parking.pass(Durability::Disk, 1, read).is_some());
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut parking = Parking::default();
        for _ in 0..MAX_PARKED {
            assert!(!parking.is_full());
            assert!(parking.pass(Durability::Disk, 1, act(1)).is_none());
        }
        assert!(parking.is_full());
        assert_eq!(parking.release(1).len(), MAX_PARKED);
        assert!(!parking.is_full());
    }

    #[test]
    fn hidden_states_that_wait_are_bounded_in_bytes() {
        let mut parking = Parking::default();
        let compute = || {
            StageOutput::Compute(ComputeJob {
                session: SessionId([1; 32]),
                first_position: 0,
                rows: 16,
                payload: Payload::Hidden(vec![0; MAX_PARKED_BYTES / 4]),
                want: JobOutput::Hidden,
            })
        };
        for _ in 0..4 {
            assert!(!parking.is_full());
            assert!(parking.pass(Durability::Disk, 1, compute()).is_none());
        }
        assert!(parking.is_full());
        parking.release(1);
        assert!(!parking.is_full() && parking.bytes == 0);
    }
}
