//! What the payer remembers of workers, and the market as it was read last: neither is worth money,
//! so what cannot be read is forgotten instead of stopping anybody.

use codec::{Decode, DecodeAll, Encode};
use mica_market::routing::{BackOff, Experience};
use mica_primitives::{Hash32, ModelId, PublicKey};
use redb::{ReadableDatabase, ReadableTable};

use super::{MAX_RECORD_BYTES, SNAPSHOTS, Store, StoreError, WORKERS, db};

/// Most models of which the workers are kept; the one with the least id makes room.
pub const MAX_SNAPSHOTS: usize = 16;

/// What is remembered of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RememberedWorker {
    /// Its peer key when it was seen last.
    pub peer: PublicKey,
    /// Sessions that it had accepted and failed.
    pub bans: BackOff,
    /// Sessions that it did not take, and questions for a quote that it did not answer.
    pub refusals: BackOff,
    /// What it took, and how often it failed.
    pub experience: Experience,
    /// Number of the fault that ended its last failed session; 0 if there is none.
    pub last_fault: u16,
    /// When something was noted last, milliseconds since 1970.
    pub noted_unix_ms: u64,
}

/// A [`RememberedWorker`] on disk, under the number of its form.
#[derive(Encode, Decode)]
enum Stored {
    /// Peer, bans, refusals (each failures and end), cost, sessions, failures of a thousand, last
    /// fault, time.
    #[codec(index = 1)]
    V1(PublicKey, (u32, u64), (u32, u64), u32, u32, u16, u16, u64),
}

impl RememberedWorker {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let pair = |back_off: BackOff| (back_off.failures, back_off.until_ms);
        let Experience { cost_us, sessions, failure_permille } = self.experience;
        Stored::V1(
            self.peer,
            pair(self.bans),
            pair(self.refusals),
            cost_us,
            sessions,
            failure_permille,
            self.last_fault,
            self.noted_unix_ms,
        )
        .encode()
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let Stored::V1(peer, bans, refusals, cost_us, sessions, failure_permille, fault, noted) =
            Stored::decode_all(&mut bytes).ok()?;
        let back_off = |(failures, until_ms)| BackOff { failures, until_ms };
        Some(Self {
            peer,
            bans: back_off(bans),
            refusals: back_off(refusals),
            experience: Experience { cost_us, sessions, failure_permille },
            last_fault: fault,
            noted_unix_ms: noted,
        })
    }
}

impl Store {
    /// What is remembered of the workers of the chain with this genesis, by their accounts. A
    /// record of another version is left out.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn workers(&self, genesis: Hash32) -> Result<Vec<(Hash32, RememberedWorker)>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(WORKERS).map_err(db)?;
        let all = (genesis, [0; 32])..=(genesis, [u8::MAX; 32]);
        let mut found = Vec::new();
        for row in table.range(all).map_err(db)? {
            let (key, bytes) = row.map_err(db)?;
            let worker = RememberedWorker::from_bytes(bytes.value());
            found.extend(worker.map(|worker| (key.value().1, worker)));
        }
        Ok(found)
    }

    /// The bytes that were kept of a model's workers.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn snapshot(&self, genesis: Hash32, model: ModelId) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(SNAPSHOTS).map_err(db)?;
        Ok(table.get((genesis, model.0)).map_err(db)?.map(|bytes| bytes.value().to_vec()))
    }

    /// Keeps the bytes of a model's workers, at most those of [`MAX_SNAPSHOTS`] models.
    ///
    /// # Errors
    /// [`StoreError`] if they are too long or cannot be written.
    pub fn keep_snapshot(
        &self,
        genesis: Hash32,
        model: ModelId,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(StoreError::TooLong(bytes.len()));
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(SNAPSHOTS).map_err(db)?;
            table.insert((genesis, model.0), bytes).map_err(db)?;
            let keys = table
                .iter()
                .map_err(db)?
                .map(|row| Ok(row.map_err(db)?.0.value()))
                .collect::<Result<Vec<_>, StoreError>>()?;
            let others = keys.iter().filter(|key| **key != (genesis, model.0));
            for key in others.take(keys.len().saturating_sub(MAX_SNAPSHOTS)) {
                table.remove(*key).map_err(db)?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;

    #[test]
    fn a_worker_survives_a_restart_and_is_of_its_own_chain() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("state.redb");
        let store = Store::open(&path).expect("opened");
        let worker = RememberedWorker {
            peer: [7; 32],
            bans: BackOff { failures: 3, until_ms: 99 },
            experience: Experience { cost_us: 5, sessions: 2, failure_permille: 250 },
            last_fault: 53,
            noted_unix_ms: 42,
            ..RememberedWorker::default()
        };
        let change = |account| Change::Worker {
            genesis: [1; 32],
            account: [account; 32],
            worker: Box::new(worker),
        };
        store.apply(&[change(8), change(9)]).expect("written");
        store
            .apply(&[Change::ForgetWorker { genesis: [1; 32], account: [9; 32] }])
            .expect("written");
        drop(store);
        let store = Store::open(&path).expect("opened again");
        assert_eq!(store.workers([1; 32]).expect("read"), [([8; 32], worker)]);
        assert_eq!(store.workers([2; 32]).expect("read"), []);
        assert_eq!(RememberedWorker::from_bytes(&[2, 0]), None, "another version is forgotten");
    }

    #[test]
    fn snapshots_are_bounded_in_number_and_the_newest_stays() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::open(&folder.path().join("state.redb")).expect("opened");
        for model in (0..=MAX_SNAPSHOTS as u8).rev() {
            store.keep_snapshot([1; 32], ModelId([model; 32]), &[model]).expect("kept");
        }
        let kept = |model| store.snapshot([1; 32], ModelId([model; 32])).expect("read");
        assert_eq!((kept(0), kept(1)), (Some(vec![0]), None));
        assert_eq!(kept(2), Some(vec![2]));
    }
}
