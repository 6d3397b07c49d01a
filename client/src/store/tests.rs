use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = Store::open(&folder.path().join("state.redb")).expect("opened");
    (folder, store)
}

#[test]
fn lanes_survive_a_restart_and_are_told_apart() {
    let (folder, store) = store();
    let (ours, other) = (ChannelId([1; 32]), ChannelId([2; 32]));
    let lane = |lane, seq| PayerLaneRecord { seq, ..PayerLaneRecord::unused(ours, lane) };
    store.apply(&[Change::Lane(lane(0, 7).into()), Change::Lane(lane(1, 8).into())]).expect("written");
    store.apply(&[Change::Lane(lane(0, 9).into())]).expect("written");
    drop(store);
    let store = Store::open(&folder.path().join("state.redb")).expect("opened again");
    assert_eq!(store.lanes(ours).expect("read"), [lane(0, 9), lane(1, 8)]);
    assert_eq!(store.lanes(other).expect("read"), []);
}

#[test]
fn sessions_are_listed_newest_first_and_replaced() {
    let (_folder, store) = store();
    let session = |name, started_unix_ms, is_closed| SessionRecord {
        session: [name; 32],
        genesis: [0; 32],
        started_unix_ms,
        model: mica_primitives::ModelId([0; 32]),
        profile: [0; 32],
        prompt: vec![1],
        tokens: vec![2],
        stages: Vec::new(),
        is_closed,
    };
    let (first, second) = (session(1, 10, false), session(2, 20, false));
    store.apply(&[Change::Session(first.into()), Change::Session(second.clone().into())]).expect("written");
    let closed = session(1, 10, true);
    store.apply(&[Change::Session(closed.clone().into())]).expect("written");
    assert_eq!(store.sessions().expect("read"), [second, closed]);
}

#[test]
fn a_second_process_is_told_to_wait() {
    let (folder, _store) = store();
    assert!(matches!(Store::open(&folder.path().join("state.redb")), Err(StoreError::InUse(_))));
}

#[test]
fn a_foreign_file_is_damaged_and_left_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("state.redb");
    std::fs::write(&path, "not a database, but long enough to have a header of some kind".repeat(100)).expect("written");
    assert!(matches!(Store::open(&path), Err(StoreError::Damaged { .. })));
    assert!(std::fs::read_to_string(&path).expect("read").starts_with("not a database"));
}

#[test]
fn an_oversized_record_is_refused_and_nothing_of_its_batch_is_kept() {
    let (_folder, store) = store();
    let lane = PayerLaneRecord::unused(ChannelId([1; 32]), 0);
    let large = SessionRecord {
        session: [1; 32],
        genesis: [0; 32],
        started_unix_ms: 1,
        model: mica_primitives::ModelId([0; 32]),
        profile: [0; 32],
        prompt: vec![0; MAX_RECORD_BYTES / 4],
        tokens: Vec::new(),
        stages: Vec::new(),
        is_closed: false,
    };
    let refused = store.apply(&[Change::Lane(lane.into()), Change::Session(large.into())]);
    assert!(matches!(refused, Err(StoreError::TooLong(_))));
    assert_eq!(store.lanes(ChannelId([1; 32])).expect("read"), []);
}
