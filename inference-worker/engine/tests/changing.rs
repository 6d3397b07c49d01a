//! Files that change while they are open: an error, never a mixture that is served, never a signal.

mod support;

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use mica_engine::{GgufError, GgufFile, LayerRange, LoadError, Model, Threads};
use support::{Meta, Q8_0, Writer, small_llama};

/// A file written an hour ago, as far as its time says.
fn written(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("model.gguf");
    fs::write(&path, bytes).expect("a file");
    age(&path);
    path
}

fn age(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a time");
}

fn load(file: &GgufFile) -> Result<(), LoadError> {
    Model::load(file, LayerRange { first: 0, end: 3 }, Threads::new(2)).map(|_| ())
}

/// What everything that reads says after `change`.
fn after(change: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(folder.path(), &small_llama(Q8_0, false).bytes());
    let file = GgufFile::open(&path).expect("opens");
    assert!(file.unchanged().is_ok() && load(&file).is_ok());
    change(&path);
    let changed = |outcome: Result<Vec<u8>, GgufError>| matches!(outcome, Err(GgufError::Changed { path: of }) if of == path);
    assert!(file.tensors().all(|tensor| changed(tensor.read())));
    assert!(changed(file.unchanged().map(|()| Vec::new())));
    let error = load(&file).expect_err("an error");
    assert!(matches!(error, LoadError::File(GgufError::Changed { .. })), "{error}");
    assert!(
        error.to_string().contains("model.gguf") && error.to_string().contains("rename"),
        "{error}"
    );
    assert!(matches!(file.manifest(), Err(LoadError::File(GgufError::Changed { .. }))));
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    after(|path| {
        OpenOptions::new().write(true).open(path).expect("a file").set_len(100).expect("shorter")
    });
    after(|path| drop(File::create(path).expect("emptied")));
}

#[test]
fn a_file_that_grows_is_an_error() {
    after(|path| {
        OpenOptions::new().append(true).open(path).expect("a file").write_all(&[0]).expect("longer")
    });
}

#[test]
fn a_file_that_is_written_to_is_an_error() {
    after(|path| {
        let mut file = OpenOptions::new().write(true).open(path).expect("a file");
        file.seek(SeekFrom::End(-100)).expect("a place");
        file.write_all(&[0x55; 100]).expect("overwritten");
    });
}

#[test]
fn a_file_that_is_replaced_is_read_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = small_llama(Q8_0, false).bytes();
    let path = written(folder.path(), &bytes);
    let file = GgufFile::open(&path).expect("opens");
    let before: Vec<Vec<u8>> = file.tensors().map(|tensor| tensor.read().expect("reads")).collect();
    fs::write(folder.path().join("new"), [0; 64]).expect("a file");
    fs::rename(folder.path().join("new"), &path).expect("renamed");
    let now: Vec<Vec<u8>> =
        file.tensors().map(|tensor| tensor.read().expect("the old file")).collect();
    assert!(before == now && load(&file).is_ok());
    fs::remove_file(&path).expect("removed");
    assert!(file.unchanged().is_ok() && load(&file).is_ok());
}

#[test]
fn a_file_that_changes_all_the_time_never_ends_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = small_llama(Q8_0, false).bytes();
    let path = written(folder.path(), &bytes);
    let done = AtomicBool::new(false);
    let (mut refused, mut opened) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let file = OpenOptions::new().write(true).open(&path).expect("a file");
                file.set_len(5000).expect("shorter");
                drop(file);
                fs::write(&path, &bytes).expect("whole again");
            }
        });
        while refused < 200 {
            match GgufFile::open(&path) {
                Ok(file) => {
                    opened += 1;
                    refused += usize::from(load(&file).is_err());
                }
                Err(_) => refused += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{opened} opened, {refused} refused");
}

#[test]
fn what_is_no_file_is_refused() {
    for path in ["/dev/zero", "/dev/null", "/"] {
        if Path::new(path).exists() {
            assert!(matches!(GgufFile::open(path), Err(GgufError::Io { .. })), "{path}");
        }
    }
}

#[test]
fn a_long_header_is_read_piece_by_piece_and_a_large_tensor_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writer = Writer::default();
    // Five megabytes of metadata.
    for part in 0..5 {
        writer.set(&format!("text.{part}"), "x".repeat(1 << 20).as_str());
    }
    writer.set("numbers", Meta::I32s((0..10_000).collect()));
    writer.tensor("t", &[1, 4], support::F32, vec![7; 16]);
    let path = written(folder.path(), &writer.bytes());
    let file = GgufFile::open(&path).expect("opens");
    assert_eq!(file.string("text.4").map(str::len), Some(1 << 20));
    assert_eq!(file.tensor("t").expect("a tensor").read().expect("reads"), [7; 16]);

    // A tensor of 8 GiB that the disk does not hold: opened at once, read where it is asked for.
    let mut writer = Writer::default();
    writer.tensor("large", &[1 << 21, 1 << 10], support::F32, vec![9; 32]);
    let path = written(folder.path(), &writer.bytes());
    let header = fs::metadata(&path).expect("a file").len() - 32;
    assert!(matches!(GgufFile::open(&path), Err(GgufError::Truncated { .. })));
    OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("a file")
        .set_len(header + (8 << 30))
        .expect("a sparse file");
    let file = GgufFile::open(&path).expect("opens");
    let tensor = file.tensor("large").expect("a tensor");
    assert_eq!((tensor.size_bytes(), tensor.row_bytes()), (8 << 30, 4096));
    let mut row = vec![1; 4096];
    tensor.read_rows(0..1, &mut row).expect("the first row");
    assert!(row[..32] == [9; 32] && row[32..].iter().all(|&byte| byte == 0));
    tensor.read_rows((1 << 21) - 1..1 << 21, &mut row).expect("the last row");
}
