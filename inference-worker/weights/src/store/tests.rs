use super::*;
use crate::tree;
use mica_engine::{GgufFile, embedded};
use std::path::Path;
use tempfile::TempDir;

/// A tensor of several pieces, and one of a single piece.
const LARGE: &str = "token_embd.weight";
const SMALL: &str = "blk.1.attn_q.weight";

struct World {
    folder: TempDir,
    file: GgufFile,
    index: Index,
    head: Vec<u8>,
    id: ModelId,
}

impl World {
    fn new() -> Self {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let (index, head) = Index::of(&file).expect("it reads");
        let id = file.manifest().expect("a manifest").id();
        Self { folder: tempfile::tempdir().expect("a folder"), file, index, head, id }
    }

    fn store(&self) -> Store {
        Store::new(self.folder.path().join("models"), None)
    }

    fn held(&self) -> Held {
        self.store().keep(self.id, &self.index, &self.head).expect("kept")
    }

    fn number(&self, name: &str) -> usize {
        self.file.tensors().position(|tensor| tensor.name == name).expect(name)
    }

    fn bytes(&self, tensor: usize) -> Vec<u8> {
        self.file.tensors().nth(tensor).expect("a tensor").read().expect("it reads")
    }

    fn piece(&self, tensor: usize, piece: u32) -> Vec<u8> {
        let bytes = self.bytes(tensor);
        let (start, length) = tree::span(bytes.len() as u64, piece);
        bytes[start as usize..][..length].to_vec()
    }

    fn put(&self, held: &Held, tensor: usize, piece: u32) {
        held.put(tensor, piece, &self.piece(tensor, piece)).expect("written");
    }

    /// Fetches what is missing and finishes.
    fn complete(&self, held: &Held, tensor: usize) {
        for piece in held.missing_pieces(tensor) {
            self.put(held, tensor, piece);
        }
        if !held.is_whole(tensor) {
            assert!(held.finish(tensor).expect("it reads"), "the tensor is what it should be");
        }
        let found = held.file().tensors().nth(tensor).expect("a tensor").read().expect("it reads");
        assert_eq!(found, self.bytes(tensor));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).expect("it is there").len()
}

fn cut(path: &Path, length: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("it opens");
    file.set_len(length).expect("cut");
}

#[test]
fn a_model_is_kept_found_again_and_removed() {
    let world = World::new();
    let store = world.store();
    assert_eq!(store.ids().expect("no folder is no error"), []);
    assert!(store.model(world.id).expect("no error").is_none());
    let held = world.held();
    assert_eq!(held.held(), (0, 0));
    assert_eq!(held.manifest().id(), world.id);
    let small = world.number(SMALL);
    world.complete(&held, small);
    assert_eq!(store.ids().expect("it reads"), [world.id]);
    let again = store.model(world.id).expect("it reads").expect("it is there");
    assert!(again.is_whole(small));
    assert_eq!(again.held(), (1, world.index.tensors[small].bytes));
    held.add_source("https://example.org/a.gguf").expect("written");
    held.add_source("https://example.org/a.gguf").expect("written");
    held.add_source("file:/b").expect("written");
    assert_eq!(again.sources(), ["https://example.org/a.gguf", "file:/b"]);
    assert!(store.remove(world.id).expect("removed"));
    assert!(!store.remove(world.id).expect("nothing to remove"));
    assert_eq!(store.ids().expect("it reads"), []);
}

#[test]
fn another_models_head_is_not_kept() {
    let world = World::new();
    let mut other = world.index.clone();
    other.tensors[0].hash[0] ^= 1;
    let refused = world.store().keep(world.id, &other, &world.head);
    assert!(matches!(refused, Err(StoreError::Index(IndexError::Other { .. }))), "{refused:?}");
    assert_eq!(world.store().ids().expect("it reads"), []);
}

#[test]
fn a_process_that_was_killed_at_any_byte_of_the_list_goes_on_from_what_was_written() {
    let world = World::new();
    let large = world.number(LARGE);
    let held = world.held();
    let [part, have] = [".part", ".have"].map(|end| held.folder().join(format!("{large:05}{end}")));
    world.put(&held, large, 2);
    world.put(&held, large, 0);
    let list = fs::read(&have).expect("a list");
    assert_eq!(list.len(), 16);
    for length in 0..=list.len() {
        fs::write(&have, &list[..length]).expect("written");
        let held = world.store().model(world.id).expect("it reads").expect("it is there");
        let expected: &[u32] = match length {
            0..8 => &[0, 1, 2],
            8..16 => &[0, 1],
            _ => &[1],
        };
        assert_eq!(held.missing_pieces(large), expected, "cut at {length}");
        // One more entry lands where it belongs, whatever was torn.
        world.put(&held, large, 1);
        assert!(!held.missing_pieces(large).contains(&1), "cut at {length}");
    }
    // Bytes that no entry ever had: what a file system may leave after a power cut.
    for wrong in [vec![0; 8], vec![0xff; 16], [&list[..8], &[0; 8]].concat()] {
        fs::write(&have, &wrong).expect("written");
        let held = world.store().model(world.id).expect("it reads").expect("it is there");
        assert!(held.missing_pieces(large).len() >= 2, "{wrong:?}");
    }
    fs::write(&have, &list).expect("written");
    let held = world.store().model(world.id).expect("it reads").expect("it is there");
    world.complete(&held, large);
    assert!(!part.exists() && !have.exists(), "nothing else is left");
}

#[test]
fn a_process_that_was_killed_between_any_two_steps_loses_nothing_and_believes_nothing_wrong() {
    let world = World::new();
    let large = world.number(LARGE);
    let held = world.held();
    let path = |end: &str| held.folder().join(format!("{large:05}{end}"));
    let reopened = || world.store().model(world.id).expect("it reads").expect("it is there");
    // The file was made and not given its size, or cut at any of these places.
    world.put(&held, large, 0);
    let whole = size(&path(".part"));
    for length in [0, 1, 4095, 4096, tree::PIECE_BYTES as u64, whole - 1] {
        cut(&path(".part"), length);
        assert_eq!(reopened().missing_pieces(large).len(), 3, "cut at {length}");
        world.put(&reopened(), large, 0);
        assert_eq!(reopened().missing_pieces(large), [1, 2], "cut at {length}");
    }
    // All pieces are there and the tensor has no name yet.
    world.put(&held, large, 1);
    world.put(&held, large, 2);
    assert!(reopened().missing_pieces(large).is_empty());
    assert!(!reopened().is_whole(large));
    let saved = [".part", ".have"].map(|end| fs::read(path(end)).expect("it is there"));
    world.complete(&reopened(), large);
    // It has its name and the list is still there.
    fs::write(path(".part"), &saved[0]).expect("written");
    fs::write(path(".have"), &saved[1]).expect("written");
    assert!(reopened().is_whole(large));
    assert!(reopened().missing_pieces(large).is_empty());
    // A name without all of it was never given by this program.
    cut(&path(""), whole - 1);
    assert!(!reopened().is_whole(large));
}

#[test]
fn pieces_that_the_disk_lost_are_found_out_before_the_tensor_gets_its_name() {
    let world = World::new();
    let large = world.number(LARGE);
    let held = world.held();
    for piece in [0, 1, 2] {
        world.put(&held, large, piece);
    }
    let part = held.folder().join(format!("{large:05}.part"));
    let mut bytes = fs::read(&part).expect("it is there");
    bytes[tree::PIECE_BYTES..2 * tree::PIECE_BYTES].fill(0);
    fs::write(&part, bytes).expect("written");
    assert!(!held.finish(large).expect("it reads"));
    assert!(!held.is_whole(large) && !part.exists());
    assert_eq!(held.missing_pieces(large), [0, 1, 2]);
    world.complete(&held, large);
}

#[test]
fn a_beginning_that_was_not_verified_is_continued_from_any_byte_and_dropped_if_it_is_wrong() {
    let world = World::new();
    let large = world.number(LARGE);
    let bytes = world.bytes(large);
    let held = world.held();
    let raw = held.folder().join(format!("{large:05}.raw"));
    for length in [0, 1, 63, 64, 1023, 1024, 4096, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
        fs::write(&raw, &bytes[..length]).expect("written");
        let mut prefix = held.prefix(large).expect("it opens");
        assert_eq!(prefix.len(), length as u64);
        assert_eq!(prefix.missing(), (bytes.len() - length) as u64);
        prefix.append(&bytes[length..]).expect("written");
        assert!(prefix.finish().expect("it reads"), "from {length}");
        held.note_whole(large);
        world.complete(&held, large);
        held.forget_for_test(large);
    }
    let mut wrong = bytes.clone();
    wrong[7] ^= 1;
    for beginning in [&wrong[..100], &wrong, &[&bytes[..], &[0]].concat()] {
        fs::write(&raw, beginning).expect("written");
        let mut prefix = held.prefix(large).expect("it opens");
        let had = prefix.len() as usize;
        prefix.append(&bytes[had..]).expect("written");
        let is_longer = beginning.len() > bytes.len();
        assert_eq!(
            prefix.finish().expect("it reads"),
            is_longer,
            "one that is too long is not kept"
        );
        assert!(!raw.exists());
        held.forget_for_test(large);
    }
}

#[test]
fn layers_are_told_and_what_is_not_of_them_is_removed() {
    let world = World::new();
    let held = world.held();
    let range = |first, end| mica_engine::LayerRange { first, end };
    for tensor in held.missing(range(2, 5)).expect("layers") {
        world.complete(&held, tensor);
    }
    assert_eq!(held.layers(), [range(2, 5)]);
    assert_eq!(held.missing(range(2, 5)).expect("layers"), Vec::<usize>::new());
    let only_new = held.missing(range(4, 7)).expect("layers");
    assert_eq!(only_new.len(), 2 * 9, "layer 4 is here already");
    world.put(&held, only_new[0], 0);
    let before = held.bytes_on_disk().expect("it reads");
    let freed = held.keep_only(range(4, 5)).expect("removed");
    assert!(freed > 0 && held.bytes_on_disk().expect("it reads") + freed <= before);
    assert_eq!(held.layers(), [range(4, 5)]);
    let again = world.store().model(world.id).expect("it reads").expect("it is there");
    assert_eq!(again.layers(), [range(4, 5)]);
    assert!(held.missing(range(7, 9)).is_err(), "there are eight layers");
}

#[test]
fn a_disk_takes_little_more_than_the_layers_that_are_held() {
    let world = World::new();
    let held = world.held();
    let mut expected = world.head.len() as u64;
    for tensor in held.missing(mica_engine::LayerRange { first: 2, end: 5 }).expect("layers") {
        world.complete(&held, tensor);
        expected += world.index.tensors[tensor].bytes;
    }
    let taken = held.bytes_on_disk().expect("it reads");
    assert!(taken * 10 <= expected * 11, "{taken} bytes for {expected}");
    // A piece of a large tensor takes its own room, and not the tensor's.
    world.put(&held, world.number(LARGE), 2);
    let more = held.bytes_on_disk().expect("it reads") - taken;
    assert!(more < 3 * tree::PIECE_BYTES as u64 / 2, "{more} bytes for a piece of 32 KiB");
}

#[test]
fn verifying_finds_what_has_changed_on_disk() {
    let world = World::new();
    let held = world.held();
    let (large, small) = (world.number(LARGE), world.number(SMALL));
    world.complete(&held, large);
    world.complete(&held, small);
    let mut hashed = 0;
    assert_eq!(held.verify(|bytes| hashed += bytes).expect("it reads"), Vec::<usize>::new());
    assert_eq!(hashed, held.held().1);
    let path = held.folder().join(format!("{small:05}"));
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[100] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert_eq!(held.verify(|_| {}).expect("it reads"), [small]);
    assert!(held.is_whole(large) && !held.is_whole(small) && !path.exists());
}

#[test]
fn a_limit_is_kept_and_named() {
    let world = World::new();
    let store = Store::new(world.folder.path().join("models"), Some(100_000));
    let held = store.keep(world.id, &world.index, &world.head).expect("kept");
    let bytes = held.weight_bytes();
    let error = store.check_room(bytes).expect_err("too much").to_string();
    assert!(error.contains("`disk_mb` under [weights]"), "{error}");
    assert!(store.check_room(1000).is_ok());
    let error = Store::new(world.folder.path().join("models"), None).check_room(u64::MAX / 2);
    assert!(matches!(error, Err(StoreError::Full { .. })), "{error:?}");
}

#[test]
fn damaged_files_are_told_with_what_to_do() {
    let world = World::new();
    let folder = world.held().folder().to_owned();
    for name in ["index.bin", "head.gguf"] {
        let path = folder.join(name);
        let good = fs::read(&path).expect("it is there");
        let mut wrong = good.clone();
        wrong[good.len() / 2] ^= 1;
        for bytes in [&wrong[..], &good[..good.len() - 1], &[]] {
            fs::write(&path, bytes).expect("written");
            let error = world.store().model(world.id).expect_err("damaged").to_string();
            assert!(error.contains("mica-worker model remove"), "{error}");
        }
        fs::write(&path, good).expect("written");
    }
    assert!(world.store().model(world.id).expect("it reads").is_some());
}

#[test]
fn what_a_killed_reader_left_is_removed() {
    let world = World::new();
    let store = world.store();
    let young = store.unfinished().expect("a folder");
    let Unfinished { folder: left, .. } = store.unfinished().expect("a folder");
    let left = left.keep();
    drop(store.unfinished().expect("a folder"));
    assert!(!left.exists() && young.path().exists(), "only the one whose process is gone");
    // One without a lock, as it is while `pip` fills it.
    let left = store.root().join("unfinished-package");
    fs::create_dir(&left).expect("made");
    drop(store.unfinished().expect("a folder"));
    assert!(left.exists(), "it may be another process's");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    fs::File::open(&left).and_then(|folder| folder.set_modified(long_ago)).expect("set");
    drop(store.unfinished().expect("a folder"));
    assert!(!left.exists() && young.path().exists());
    assert_eq!(store.ids().expect("it reads"), []);
}

impl Held {
    /// Forgets a tensor, so that it can be fetched again.
    fn forget_for_test(&self, tensor: usize) {
        let path = self.folder().join(format!("{tensor:05}"));
        if path.exists() {
            fs::remove_file(path).expect("removed");
        }
        drop(self.lock_for_writing().expect("it opens").expect("nobody else has it"));
    }
}
