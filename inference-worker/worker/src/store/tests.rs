use super::version2::{OldLane, OldRedeem, OldVoucher};
use super::*;
use mica_primitives::{LayerRange, Leaf};
use mica_protocol::channel::{ChannelFacts, LaneReceipts};

fn folder() -> (tempfile::TempDir, DataDir) {
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = DataDir::new(Some(temporary.path().to_owned())).expect("a path");
    (temporary, folder)
}

fn record(channel: u8, lane: LaneId, deposit: u128) -> PayeeLaneRecord {
    let facts = ChannelFacts {
        channel: ChannelId([channel; 32]),
        payer: [9; 32],
        signer: [1; 32],
        deposit,
        lanes: BTreeMap::new(),
        window: 1_200,
        ends: None,
    };
    PayeeLaneRecord { facts, lane, best: None, receipts: LaneReceipts::default() }
}

fn receipt(position: u32) -> Receipt {
    let leaf = Leaf {
        session: [1; 32],
        lane: 0,
        first_position: position,
        positions: 16,
        layers: LayerRange { first: 0, end: 1 },
        profile: [2; 32],
        h_in: [3; 32],
        h_out: [4; 32],
        kv_root: [5; 32],
        trace_root: [0; 32],
    };
    Receipt { leaf, signature: [6; 64] }
}

#[test]
fn the_newest_record_of_a_lane_survives_a_kill() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    for deposit in 1..=3 {
        store.put_lane(record(1, 0, deposit)).expect("kept");
    }
    store.put_lane(record(2, 5, 9)).expect("kept");
    store.put_receipt(ChannelId([1; 32]), 0, 0, receipt(0)).expect("kept");
    // A process that is killed runs no destructor, but the next one can only open what it has let
    // go of.
    drop(store);
    let store = Store::open(&folder).expect("opened again");
    let lanes = store.lanes().expect("read");
    assert_eq!(lanes, vec![record(1, 0, 3), record(2, 5, 9)]);
    assert_eq!(store.receipts(ChannelId([1; 32]), 0).expect("read"), vec![receipt(0)]);
    assert_eq!(store.receipts(ChannelId([2; 32]), 5).expect("read"), vec![]);
}

/// The first version's record of a lane, and what it is read as.
fn version1(channel: u8, lane: LaneId, deposit: u128) -> (version1::LaneRecord, PayeeLaneRecord) {
    let mut record = record(channel, lane, deposit);
    (record.facts.payer, record.facts.window) = ([0; 32], 0);
    let facts = version1::Facts {
        channel: record.facts.channel,
        signer: record.facts.signer,
        deposit,
        lanes: BTreeMap::new(),
        ends: None,
    };
    let receipts = LaneReceipts::default();
    (version1::LaneRecord { facts, lane, best: None, receipts }, record)
}

#[test]
fn records_without_payer_and_window_are_read_and_moved() {
    let (_temporary, folder) = folder();
    let ((old, moved), (newer, moved_newer), (third, moved_third)) =
        (version1(1, 0, 1), version1(1, 0, 2), version1(2, 5, 9));
    Database::open(&folder.store()).expect("opened").write_version1(&[old, third]);
    let (mut journal, _) = Journal::open(&folder.journal()).expect("opened");
    journal.append(&Entry::Version1(newer)).expect("kept");
    drop(journal);
    // Twice: what was moved is not read as the first version again.
    for _ in 0..2 {
        let store = Store::open(&folder).expect("opened");
        assert_eq!(
            store.lanes().expect("read"),
            vec![moved_newer.clone(), moved_third.clone()],
            "the journal is newer than {moved:?}"
        );
    }
}

/// The second version's record of a lane with a promise, and what it is read as.
fn version2(channel: u8, lane: LaneId, deposit: u128) -> (version2::LaneRecord, PayeeLaneRecord) {
    let mut record = record(channel, lane, deposit);
    let claimed =
        OldLane { seq: 3, cumulative: 9, claimed: 8, receipts_root: [7; 32], receipts: 2 };
    record.facts.lanes = [(lane, claimed.into())].into();
    let facts = version2::Facts {
        channel: record.facts.channel,
        payer: record.facts.payer,
        signer: record.facts.signer,
        deposit,
        lanes: [(lane, claimed)].into(),
        window: record.facts.window,
        ends: record.facts.ends,
    };
    let voucher = OldVoucher {
        channel: record.facts.channel,
        lane,
        seq: 4,
        cumulative: 10,
        receipts_root: [7; 32],
        receipts: 2,
        expires: 100,
        tick: None,
    };
    let best = Some(OldRedeem { voucher, signature: [1; 64], tick: None });
    let receipts = LaneReceipts::default();
    (version2::LaneRecord { facts, lane, best, receipts }, record)
}

/// No chain pays for a voucher that was signed in the earlier form: what is left is what the chain
/// said and the receipts.
#[test]
fn records_of_vouchers_without_locks_are_read_and_moved_without_their_promise() {
    let (_temporary, folder) = folder();
    let ((old, moved), (newer, moved_newer)) = (version2(1, 0, 1), version2(2, 5, 9));
    Database::open(&folder.store()).expect("opened").write_version2(&[old]);
    let (mut journal, _) = Journal::open(&folder.journal()).expect("opened");
    journal.append(&Entry::Version2(newer)).expect("kept");
    drop(journal);
    for _ in 0..2 {
        let store = Store::open(&folder).expect("opened");
        let lanes = store.lanes().expect("read");
        assert_eq!(lanes, vec![moved.clone(), moved_newer.clone()]);
        assert!(lanes.iter().all(|record| record.best.is_none()));
    }
}

/// The bytes of the first version, written down so that nobody changes what it was.
#[test]
fn the_first_version_is_what_it_was() {
    let (old, _) = version1(1, 5, 9);
    let expected = [
        &[0u8][..], // a lane
        &[1; 32],   // channel
        &[1; 32],   // signer
        &[9],
        &[0; 15], // deposit
        &[0],     // no lanes
        &[0],     // not closing
        &[5, 0],  // lane
        &[0],     // no promise
    ]
    .concat();
    let bytes = Entry::Version1(old).encode();
    assert_eq!(bytes[..expected.len()], expected);
    assert_eq!(bytes[expected.len()..], LaneReceipts::default().encode());
}

#[test]
fn what_accounts_left_unpaid_survives_a_restart_and_is_dropped_once_made_good() {
    let (_temporary, folder) = folder();
    let score = |account, mishaps| ScoreRecord {
        account: [account; 32],
        mishaps,
        debt: u128::from(mishaps) * 80,
        block: 7,
    };
    let mut store = Store::open(&folder).expect("opened");
    for record in [score(1, 1), score(2, 4), score(1, 3)] {
        store.put_score(record).expect("kept");
    }
    assert_eq!(store.scores().expect("read"), vec![score(1, 3), score(2, 4)]);
    drop(store);
    let mut store = Store::open(&folder).expect("opened again");
    assert_eq!(store.scores().expect("read"), vec![score(1, 3), score(2, 4)]);
    store.put_score(score(2, 0)).expect("kept");
    assert_eq!(store.scores().expect("read"), vec![score(1, 3)]);
    store.checkpoint().expect("moved");
    drop(store);
    let store = Store::open(&folder).expect("opened again");
    assert_eq!(store.scores().expect("read"), vec![score(1, 3)]);
}

/// The bytes of a score in the journal, written down so that nobody changes what they were.
#[test]
fn a_score_has_these_bytes() {
    let record = ScoreRecord { account: [3; 32], mishaps: 2, debt: 5, block: 9 };
    let expected = [&[4u8][..], &[3; 32], &[2, 0, 0, 0], &[5], &[0; 15], &[9, 0, 0, 0]].concat();
    assert_eq!(Entry::Score(record).encode(), expected);
}

#[test]
fn an_entry_that_was_cut_short_costs_only_itself() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    let whole = std::fs::metadata(folder.journal()).expect("there").len();
    store.put_lane(record(1, 0, 2)).expect("kept");
    let journal = std::fs::read(folder.journal()).expect("read");
    drop(store);
    for cut in whole..journal.len() as u64 {
        std::fs::write(folder.journal(), &journal[..cut as usize]).expect("cut");
        let (_, entries) = Journal::open(&folder.journal()).expect("opened");
        assert_eq!(entries, vec![Entry::Lane(record(1, 0, 1))], "cut at {cut}");
    }
    let mut flipped = journal.clone();
    flipped[whole as usize + 20] ^= 1;
    std::fs::write(folder.journal(), &flipped).expect("flipped");
    let (_, entries) = Journal::open(&folder.journal()).expect("opened");
    assert_eq!(entries.len(), 1);
}

#[test]
fn moving_the_journal_keeps_everything_and_empties_it() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    for index in 0..40 {
        store.put_receipt(ChannelId([1; 32]), 3, index, receipt(index as u32)).expect("kept");
    }
    store.put_lane(record(1, 3, 7)).expect("kept");
    store.checkpoint().expect("moved");
    assert_eq!(std::fs::metadata(folder.journal()).expect("there").len(), 0);
    store.put_receipt(ChannelId([1; 32]), 3, 40, receipt(40)).expect("kept");
    let receipts = || (0..=40).map(receipt).collect::<Vec<_>>();
    assert_eq!(store.receipts(ChannelId([1; 32]), 3).expect("read"), receipts());
    // What came after the move is at the journal's beginning.
    drop(store);
    let store = Store::open(&folder).expect("opened again");
    assert_eq!(store.receipts(ChannelId([1; 32]), 3).expect("read"), receipts());
}

#[test]
fn a_closed_channel_is_forgotten_and_its_neighbour_is_not() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    for channel in [1, 2] {
        store.put_lane(record(channel, 0, 1)).expect("kept");
        store.put_receipt(ChannelId([channel; 32]), 0, 0, receipt(0)).expect("kept");
    }
    store.forget(ChannelId([1; 32]));
    store.checkpoint().expect("forgotten");
    assert_eq!(store.lanes().expect("read"), vec![record(2, 0, 1)]);
    assert!(store.receipts(ChannelId([1; 32]), 0).expect("read").is_empty());
    assert_eq!(store.receipts(ChannelId([2; 32]), 0).expect("read").len(), 1);
}

#[test]
fn a_promise_on_a_channel_that_was_to_be_forgotten_is_kept() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    store.forget(ChannelId([1; 32]));
    store.put_lane(record(1, 0, 2)).expect("kept");
    store.checkpoint().expect("moved");
    assert_eq!(store.lanes().expect("read"), vec![record(1, 0, 2)]);
}

#[test]
fn the_chain_of_the_records_is_kept_and_its_newest_mark_counts() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    assert_eq!(store.mark().expect("read"), None);
    let mark = |height| ChainMark { genesis: [1; 32], first_block: Some([2; 32]), height };
    store.put_mark(mark(5)).expect("kept");
    store.put_mark(mark(6)).expect("kept");
    assert_eq!(store.mark().expect("read"), Some(mark(6)));
    store.checkpoint().expect("moved");
    assert_eq!(store.mark().expect("read"), Some(mark(6)));
    drop(store);
    assert_eq!(Store::open(&folder).expect("opened again").mark().expect("read"), Some(mark(6)));
}

#[test]
fn records_that_are_put_aside_are_neither_lost_nor_used() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    let mark = ChainMark { genesis: [1; 32], first_block: Some([2; 32]), height: 7 };
    store.put_mark(mark).expect("kept");
    let mut places = Vec::new();
    for _ in 0..2 {
        let (fresh, place) = put_aside(store, &folder, &mark).expect("put aside");
        assert!(fresh.lanes().expect("read").is_empty() && fresh.mark().expect("read").is_none());
        store = fresh;
        places.push(place);
    }
    assert_ne!(places[0], places[1], "a second time does not overwrite the first");
    let old = DataDir::new(Some(places[0].clone())).expect("a path");
    let old = Store::open(&old).expect("the old records can be opened where they are");
    assert_eq!(old.lanes().expect("read"), vec![record(1, 0, 1)]);
    assert_eq!(old.mark().expect("read"), Some(mark));
}

/// Chain A, then chain B in its place, then A again.
#[test]
fn records_come_back_with_their_chain() {
    let (_temporary, folder) = folder();
    let mark =
        |first: u8| ChainMark { genesis: [1; 32], first_block: Some([first; 32]), height: 7 };
    let (a, b) = (mark(2), mark(3));
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    store.put_mark(a).expect("kept");
    let (store, place) = put_aside(store, &folder, &a).expect("put aside");

    let (mut store, found) = take_back(store, &folder, &b.origin()).expect("read");
    assert!(found.is_none() && store.lanes().expect("read").is_empty(), "nothing of B lies aside");
    store.put_lane(record(1, 0, 2)).expect("kept");
    store.put_mark(b).expect("kept");
    let (store, _) = put_aside(store, &folder, &b).expect("put aside");

    let unknown = ChainOrigin { first_block: None, ..a.origin() };
    let (store, found) = take_back(store, &folder, &unknown).expect("read");
    assert!(found.is_none(), "a chain that is too young to be told apart gets nothing");
    let (store, found) = take_back(store, &folder, &a.origin()).expect("moved back");
    assert_eq!(found.as_ref(), Some(&place));
    assert_eq!(
        (store.lanes().expect("read"), store.mark().expect("read")),
        (vec![record(1, 0, 1)], Some(a))
    );
    assert!(!place.exists());

    // Of several the newest.
    let (mut store, _) = put_aside(store, &folder, &a).expect("put aside");
    store.put_lane(record(1, 0, 9)).expect("kept");
    store.put_mark(a).expect("kept");
    let (store, newest) = put_aside(store, &folder, &a).expect("put aside");
    let (store, found) = take_back(store, &folder, &a.origin()).expect("moved back");
    assert_eq!((found, store.lanes().expect("read")), (Some(newest), vec![record(1, 0, 9)]));
}

/// A folder in which a worker runs: locked, and with records in the database and in the journal.
#[test]
fn the_records_of_a_running_worker_are_read_and_not_touched() {
    let (_temporary, folder) = folder();
    assert_eq!(snapshot(&folder).expect("empty").lanes, vec![]);
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    store.put_lane(record(2, 5, 9)).expect("kept");
    store.checkpoint().expect("moved");
    store.put_lane(record(1, 0, 2)).expect("kept");
    let mark = ChainMark { genesis: [1; 32], first_block: Some([2; 32]), height: 7 };
    store.put_mark(mark).expect("kept");
    let before = Stamp::of(&folder).expect("looked at");
    let found = snapshot(&folder).expect("read");
    assert_eq!(found.lanes, vec![record(1, 0, 2), record(2, 5, 9)]);
    assert_eq!(found.mark, Some(mark));
    assert_eq!(Stamp::of(&folder).expect("looked at"), before, "nothing was written");
    store.put_lane(record(1, 0, 3)).expect("kept");
    assert_ne!(Stamp::of(&folder).expect("looked at"), before);
    store.checkpoint().expect("moved");
    assert_eq!(snapshot(&folder).expect("read").lanes, vec![record(1, 0, 3), record(2, 5, 9)]);
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    let (_temporary, folder) = folder();
    let _store = Store::open(&folder).expect("opened");
    assert!(matches!(Store::open(&folder), Err(StoreError::InUse { .. })));
}

/// `/dev/full` answers every write as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_remedy_and_loses_nothing() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    drop(store);
    let kept = std::fs::read(folder.journal()).expect("read");
    std::fs::remove_file(folder.journal()).expect("removed");
    std::os::unix::fs::symlink("/dev/full", folder.journal()).expect("linked");
    let mut journal = {
        let file =
            std::fs::OpenOptions::new().write(true).open(folder.journal()).expect("the device");
        Journal::over(folder.journal(), file)
    };
    let error = journal.append(&Entry::Lane(record(1, 0, 2))).expect_err("full");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(journal.bytes(), 0);
    std::fs::remove_file(folder.journal()).expect("removed");
    std::fs::write(folder.journal(), kept).expect("restored");
    assert_eq!(Store::open(&folder).expect("opened").lanes().expect("read"), vec![record(1, 0, 1)]);
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn a_journal_on_its_way_to_the_database_is_replayed_before_the_new_one() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    store.put_lane(record(1, 0, 1)).expect("kept");
    store.put_lane(record(2, 0, 1)).expect("kept");
    store.put_lane(record(3, 0, 1)).expect("kept");
    store.forget(ChannelId([3; 32]));
    let batch = store.begin_move().expect("put aside").expect("due");
    assert!(store.begin_move().expect("nothing").is_none(), "one at a time");
    store.put_lane(record(1, 0, 2)).expect("kept");
    assert_eq!(store.unsynced().files.len(), 2, "what the old one holds is in no database yet");
    let all = vec![record(1, 0, 2), record(2, 0, 1), record(3, 0, 1)];
    assert_eq!(store.lanes().expect("read"), all);
    assert_eq!(snapshot(&folder).expect("copied").lanes, all, "a look from outside");
    // The process dies before the move.
    drop(store);
    let store = Store::open(&folder).expect("opened again");
    assert_eq!(store.lanes().expect("read"), all, "the chain says again that a channel is gone");
    assert!(!folder.old_journal().exists());
    drop((store, batch));
}

#[test]
fn the_disk_thread_moves_syncs_and_forgets() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    let mut disk = DiskThread::start(&store).expect("started");
    store.put_lane(record(1, 0, 1)).expect("kept");
    store.put_lane(record(2, 0, 1)).expect("kept");
    assert_eq!(disk.next_group(), 1);
    disk.sync(&store);
    assert_eq!(disk.next_group(), 2, "what comes now is in the next group");
    disk.sync(&store);
    assert_eq!(disk.next_group(), 2, "which begins when this one is done");
    store.forget(ChannelId([1; 32]));
    disk.move_if_due(&mut store).expect("put aside");
    store.put_lane(record(2, 0, 7)).expect("kept");
    let done: Vec<Done> = std::iter::from_fn(|| wait(disk.finish(&mut store))).collect();
    assert!(matches!(done[..], [Done::Synced(1, Ok(())), Done::Moved(Ok(()))]), "{done:?}");
    assert!(store.moving.is_none() && !folder.old_journal().exists());
    assert_eq!(store.unsynced().files.len(), 1);
    assert_eq!(store.lanes().expect("read"), vec![record(2, 0, 7)]);
    drop((disk, store));
    assert_eq!(Store::open(&folder).expect("again").lanes().expect("read"), vec![record(2, 0, 7)]);
}

/// A pipe cannot be synced.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_failed_once_is_not_trusted_again() {
    let (_temporary, folder) = folder();
    let mut store = Store::open(&folder).expect("opened");
    let mut disk = DiskThread::start(&store).expect("started");
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let writer: std::os::fd::OwnedFd = writer.into();
    let good = std::mem::replace(
        &mut store.journal,
        Journal::over(folder.journal(), std::fs::File::from(writer)),
    );
    disk.sync(&store);
    let first = wait(disk.done(&mut store));
    assert!(matches!(first, Some(Done::Synced(1, Err(_)))), "{first:?}");
    store.journal = good;
    disk.sync(&store);
    let second = wait(disk.done(&mut store));
    assert!(matches!(second, Some(Done::Synced(2, Err(_)))), "{second:?}");
}
