use std::collections::BTreeMap;

use mica_chain::Signer;
use mica_primitives::{ChannelId, Voucher};
use mica_protocol::channel::{ChannelFacts, LaneReceipts, PayeeLaneRecord};

use super::*;
use crate::{config::TEMPLATE, store::Store};

/// A worker's folder with records, none of them on the database's side of the journal.
fn worker(root: &Path, name: &str, suri: &str, promised: &[(u8, Balance)]) -> DataDir {
    let folder = DataDir::at(root.join(name));
    folder.create().expect("made");
    Keys::create(folder.path(), Some(suri), Signer::from_suri).expect("keys");
    fs::write(folder.config(), TEMPLATE).expect("written");
    put(&folder, promised);
    folder
}

fn put(folder: &DataDir, promised: &[(u8, Balance)]) {
    let mut store = Store::open(folder).expect("opened");
    for (channel, promised) in promised {
        store.put_lane(record(*channel, *promised)).expect("kept");
    }
}

fn record(channel: u8, promised: Balance) -> PayeeLaneRecord {
    let channel = ChannelId([channel; 32]);
    let facts = ChannelFacts {
        channel,
        payer: [9; 32],
        signer: [1; 32],
        deposit: 1_000,
        lanes: BTreeMap::new(),
        window: 1_200,
        ends: None,
    };
    let voucher = Voucher {
        channel,
        lane: 0,
        seq: 1,
        cumulative: promised,
        receipts_root: [0; 32],
        receipts: 0,
        expires: 10_000,
        tick: None,
        lock: None,
        bounty: 0,
    };
    let best = Some(Redeem { voucher, signature: [0; 64], tick: None, preimage: None });
    PayeeLaneRecord { facts, lane: 0, best, receipts: LaneReceipts::default() }
}

fn backup(folder: &DataDir, to: &Path, without_keys: bool) -> Result<(), BackupError> {
    run(&Args { to: to.to_owned(), without_keys, json: true }, folder)
}

fn restore(folder: &DataDir, from: &Path) -> Result<(), BackupError> {
    restore::run(&restore::Args::of(from), folder)
}

fn lanes(folder: &DataDir) -> Vec<PayeeLaneRecord> {
    snapshot(folder).expect("read").lanes
}

#[test]
fn a_worker_is_whole_again_in_an_empty_folder() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = worker(root.path(), "a", "//Bob", &[(1, 50), (2, 70)]);
    fs::write(folder.path().join("cold.key"), "//Stake").expect("written");
    let saved = root.path().join("saved");
    // Also of a worker that runs.
    let lock = folder.lock().expect("free");
    backup(&folder, &saved, false).expect("saved");
    drop(lock);
    assert!(matches!(backup(&folder, &saved, false), Err(BackupError::Exists(_))));
    assert!(!saved.join("cold.key").exists(), "it is to be carried away");

    let new = DataDir::at(root.path().join("new"));
    restore(&new, &saved).expect("restored");
    assert_eq!(lanes(&new), lanes(&folder));
    let account = |folder: &DataDir| Keys::read_account_of(folder.path()).expect("keys").account();
    assert_eq!(account(&new), account(&folder));
    assert_eq!(fs::read_to_string(new.config()).expect("read"), TEMPLATE);
    // A second time it changes nothing.
    restore(&new, &saved).expect("restored");
    assert_eq!(lanes(&new), lanes(&folder));
}

#[test]
fn newer_records_are_not_lost_to_an_older_backup() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = worker(root.path(), "a", "//Bob", &[(1, 50)]);
    let saved = root.path().join("saved");
    backup(&folder, &saved, false).expect("saved");
    put(&folder, &[(1, 60), (3, 5)]);
    let before = lanes(&folder);
    let error = restore(&folder, &saved).expect_err("newer");
    assert!(matches!(error, BackupError::Newer { lanes: 2, more: 15, .. }), "{error}");
    assert_eq!(lanes(&folder), before, "nothing was changed");

    // Records that were lost come back, and what was there is kept.
    fs::remove_file(folder.journal()).expect("removed");
    fs::remove_file(folder.store()).expect("removed");
    put(&folder, &[(1, 20)]);
    restore(&folder, &saved).expect("restored");
    assert_eq!(lanes(&folder), [record(1, 50)]);
    let aside: Vec<_> = fs::read_dir(folder.aside()).expect("there").flatten().collect();
    assert_eq!(lanes(&DataDir::at(aside[0].path())), [record(1, 20)]);
}

#[test]
fn a_backup_is_of_one_worker_and_a_folder_is_checked_before_it_is_changed() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = worker(root.path(), "a", "//Bob", &[(1, 50)]);
    let saved = root.path().join("saved");
    backup(&folder, &saved, false).expect("saved");

    let other = worker(root.path(), "b", "//Eve", &[]);
    assert!(matches!(restore(&other, &saved), Err(BackupError::OtherWorker { .. })));
    assert_eq!(lanes(&other), []);
    let lock = folder.lock().expect("free");
    assert!(matches!(restore(&folder, &saved), Err(BackupError::Folder(FolderError::InUse(_)))));
    drop(lock);

    let bare = root.path().join("bare");
    backup(&folder, &bare, true).expect("saved");
    assert!(!bare.join("account.key").exists());
    let new = DataDir::at(root.path().join("new"));
    assert!(matches!(restore(&new, &bare), Err(BackupError::NoKeys(_))));
    restore(&folder, &bare).expect("its own keys are there");
}

#[test]
fn what_is_no_backup_is_refused_with_the_reason() {
    let root = tempfile::tempdir().expect("a folder");
    let new = DataDir::at(root.path().join("new"));
    let bad = root.path().join("bad");
    for (card, reason) in [
        (None, "has no backup.json"),
        (Some("{}"), "missing field"),
        (Some("no JSON"), "expected"),
        (
            Some(
                r#"{"format":2,"account":"","made_unix_ms":0,"version":"","lanes":0,"promised":"0","has_keys":true}"#,
            ),
            "format is 2",
        ),
    ] {
        fs::create_dir_all(&bad).expect("made");
        if let Some(card) = card {
            fs::write(bad.join(CARD), card).expect("written");
        }
        let error = restore(&new, &bad).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!new.path().exists(), "nothing was made");
    }
    assert!(matches!(backup(&new, &root.path().join("x"), false), Err(BackupError::Keys(_))));
    assert!(!root.path().join("x").exists());
}
