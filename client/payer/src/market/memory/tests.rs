use super::*;
use crate::market::snapshot::tests::{snapshot, worker};
use mica_primitives::{ChannelId, LayerRange};
use mica_protocol::{
    FaultCode, SessionId,
    channel::PayerLaneRecord,
    payer::{SessionFailure, StageReport},
};

fn session(workers: &[(u8, u8)], failure: Option<(usize, FaultCode)>) -> SessionReport {
    let stages = workers.iter().map(|(_, peer)| {
        let channel = ChannelId([*peer; 32]);
        StageReport {
            peer: [*peer; 32],
            range: LayerRange { first: 0, end: 8 },
            channel,
            lane: 0,
            price_per_layer_token: 1,
            unit: 8,
            positions: 0,
            paid: 0,
            receipts: 0,
            settled: failure.is_none(),
            refused: None,
            record: PayerLaneRecord::unused(channel, 0),
        }
    });
    let failure = failure.map(|(stage, code)| SessionFailure {
        stage: Some(stage),
        culprits: None,
        code,
        text: String::new(),
    });
    SessionReport {
        session: SessionId([0; 32]),
        tokens: Vec::new(),
        stop: None,
        stages: stages.collect(),
        failure,
    }
}

/// Notes a session of workers named by account and peer.
fn note(
    memory: &Memory,
    workers: &[(u8, u8)],
    failure: Option<(usize, FaultCode)>,
    costs_us: &[Option<u32>],
) -> Vec<AccountId> {
    let accounts = workers.iter().map(|(account, _)| AccountId::from([*account; 32])).collect();
    let report = session(workers, failure);
    memory.note_session(&SessionNote { accounts, report: &report, was_accepted: true, costs_us })
}

fn standings(memory: &Memory, accounts: &[u8]) -> Vec<Standing> {
    let workers = accounts.iter().map(|account| worker(*account, 0, 8, 1, 1)).collect();
    let beliefs = memory.beliefs(&snapshot(8, workers), &BTreeSet::new());
    (0..accounts.len()).map(|place| beliefs.of(place).standing).collect()
}

#[test]
fn a_worker_that_failed_is_banned_after_a_restart_too_and_forgotten_on_request() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("state.redb");
    let open = || {
        let store = Arc::new(Store::open(&path).expect("opened"));
        Memory::open(store, [1; 32]).expect("read")
    };
    let memory = open();
    let failed = note(&memory, &[(1, 1), (2, 2)], Some((1, FaultCode::ComputeFailed)), &[]);
    assert_eq!(failed, [AccountId::from([2; 32])]);
    drop(memory);
    let memory = open();
    assert_eq!(standings(&memory, &[1, 2, 3]), [Standing::Fair, Standing::Banned, Standing::Fair]);
    assert_eq!(memory.forget(Some(AccountId::from([9; 32]))).expect("written"), 0);
    assert_eq!(memory.forget(Some(AccountId::from([2; 32]))).expect("written"), 1);
    assert_eq!(standings(&memory, &[2]), [Standing::Fair]);
    drop(memory);
    assert_eq!(open().list(), []);
}

#[test]
fn neither_another_peer_key_nor_another_account_washes_a_ban_off() {
    let memory = Memory::none();
    note(&memory, &[(1, 7)], Some((0, FaultCode::BadReceipt)), &[]);
    let mut same_account = worker(1, 0, 8, 1, 1);
    same_account.record.peer = [8; 32];
    let mut same_key = worker(2, 0, 8, 1, 1);
    same_key.record.peer = [7; 32];
    let snapshot = snapshot(8, vec![same_account, same_key]);
    let beliefs = memory.beliefs(&snapshot, &BTreeSet::new());
    assert_eq!([0, 1].map(|place| beliefs.of(place).standing), [Standing::Banned; 2]);
    // Something is noted under the new account: the record goes along. What fails while it is left
    // out is still the same failure.
    note(&memory, &[(2, 7)], Some((0, FaultCode::BadReceipt)), &[]);
    let list = memory.list();
    assert_eq!((list.len(), list[0].0, list[0].1.bans.failures), (1, AccountId::from([2; 32]), 1));
}

#[test]
fn what_a_session_took_is_remembered_beside_what_the_worker_says() {
    let memory = Memory::none();
    let workers = vec![worker(1, 0, 8, 1, 1), worker(2, 0, 8, 1, 700), worker(3, 0, 8, 1, 900)];
    let snapshot = snapshot(8, workers);
    let before = memory.beliefs(&snapshot, &BTreeSet::new());
    assert_eq!(before.cost_us(0, 1), 437, "the liar counts as half of the median, and a quarter");
    for _ in 0..4 {
        assert_eq!(note(&memory, &[(1, 1)], None, &[Some(5_000)]), []);
    }
    let after = memory.beliefs(&snapshot, &BTreeSet::new());
    assert_eq!((after.cost_us(0, 1), after.cost_us(1, 700)), (5_000, 875));
}

#[test]
fn who_does_not_answer_is_avoided_and_who_failed_the_question_is_banned_for_it() {
    let memory = Memory::none();
    let workers = vec![worker(1, 0, 8, 1, 1), worker(2, 0, 8, 1, 1), worker(3, 0, 8, 1, 1)];
    let snapshot = snapshot(8, workers);
    memory.note_silent(snapshot.workers[..1].iter());
    memory.note_silent(snapshot.workers[..1].iter());
    assert_eq!(memory.list()[0].1.refusals.failures, 1, "one silence is one");
    let failed = BTreeSet::from([AccountId::from([2; 32])]);
    let beliefs = memory.beliefs(&snapshot, &failed);
    let standings = [0, 1, 2].map(|place| beliefs.of(place).standing);
    assert_eq!(standings, [Standing::Avoided, Standing::Banned, Standing::Fair]);
}

#[test]
fn memory_is_bounded_and_the_oldest_news_makes_room() {
    let memory = Memory::none();
    for number in 0..=MAX_REMEMBERED as u32 {
        let mut account = [0; 32];
        account[..4].copy_from_slice(&number.to_be_bytes());
        let changes = memory.change(account.into(), account, u64::from(number), |_| {});
        assert_eq!(changes.len(), if number == MAX_REMEMBERED as u32 { 2 } else { 1 });
    }
    assert_eq!(memory.list().len(), MAX_REMEMBERED);
    assert_eq!(memory.table().accounts.len(), MAX_REMEMBERED);
    assert!(!memory.list().iter().any(|(account, _)| *account == AccountId::from([0; 32])));
}

#[test]
fn news_of_long_ago_are_forgotten() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = Arc::new(Store::open(&folder.path().join("state.redb")).expect("opened"));
    let noted =
        |noted_unix_ms| Box::new(RememberedWorker { noted_unix_ms, ..RememberedWorker::default() });
    let genesis = [1; 32];
    store
        .apply(&[
            Change::Worker { genesis, account: [1; 32], worker: noted(1) },
            Change::Worker { genesis, account: [2; 32], worker: noted(unix_ms()) },
        ])
        .expect("written");
    let memory = Memory::open(store.clone(), genesis).expect("read");
    assert_eq!(memory.list().len(), 1);
    assert_eq!(store.workers(genesis).expect("read").len(), 1);
}
