//! Models in several files, as `llama-gguf-split` makes them.

mod support;

use std::path::{Path, PathBuf};

use mica_engine::{GgufError, GgufFile};
use support::{F32, Meta, Q8_0, Writer, small_llama};

/// The parts of a model: all metadata in the first, each with so many of the tensors.
fn parts(whole: &Writer, cuts: &[usize]) -> Vec<Writer> {
    let mut tensors = whole.tensors.clone();
    let part = |(number, &count): (usize, &usize)| {
        let mut part = Writer {
            metadata: if number == 0 { whole.metadata.clone() } else { Vec::new() },
            tensors: Vec::new(),
        };
        part.tensors = tensors.drain(..count).collect();
        part.set("split.no", number as u32).set("split.count", cuts.len() as u32);
        part.set("split.tensors.count", whole.tensors.len() as u32);
        part
    };
    cuts.iter().enumerate().map(part).collect()
}

fn save(folder: &Path, parts: &[Writer]) -> Vec<PathBuf> {
    let save = |(number, part): (usize, &Writer)| {
        let path = folder.join(format!("small-{:05}-of-{:05}.gguf", number + 1, parts.len()));
        std::fs::write(&path, part.bytes()).expect("written");
        path
    };
    parts.iter().enumerate().map(save).collect()
}

#[test]
fn parts_in_one_folder_are_one_model() {
    let whole = small_llama(Q8_0, false);
    let expected = GgufFile::from_bytes(whole.bytes()).expect("well-formed");
    let folder = tempfile::tempdir().expect("a folder");
    for cuts in [vec![0, whole.tensors.len()], vec![5, whole.tensors.len() - 9, 4]] {
        let paths = save(folder.path(), &parts(&whole, &cuts));
        for path in &paths {
            let opened = GgufFile::open(path).expect("opens");
            assert_eq!(
                opened.manifest().expect("a manifest"),
                expected.manifest().expect("a manifest")
            );
            for (found, tensor) in opened.tensors().zip(expected.tensors()) {
                assert_eq!(
                    (found.name, found.read().expect("read")),
                    (tensor.name, tensor.read().expect("read"))
                );
            }
            opened.unchanged().expect("unchanged");
            assert_eq!(opened.integer("split.count"), None);
        }
        std::fs::write(&paths[1], b"GGUF").expect("written");
    }
}

#[test]
fn a_part_alone_is_named_as_one() {
    let whole = small_llama(F32, false);
    let folder = tempfile::tempdir().expect("a folder");
    let paths = save(folder.path(), &parts(&whole, &[5, whole.tensors.len() - 5]));
    let error = |path: &Path| GgufFile::open(path).err().expect("refused");
    std::fs::rename(&paths[1], folder.path().join("away")).expect("renamed");
    let alone = error(&paths[0]).to_string();
    for said in [
        "is part 1 of 2 of a model",
        "small-00002-of-00002.gguf",
        "llama-gguf-split --merge small-00001-of-00002.gguf small.gguf",
    ] {
        assert!(alone.contains(said), "{alone}");
    }
    // Under another name.
    let renamed = error(&folder.path().join("away"));
    assert!(
        matches!(&renamed, GgufError::Part(part) if (part.number, part.count) == (2, 2)),
        "{renamed}"
    );
    // In memory.
    let memory =
        GgufFile::from_bytes(std::fs::read(&paths[0]).expect("read")).err().expect("refused");
    assert!(
        matches!(&memory, GgufError::Part(part) if (part.number, part.count) == (1, 2)),
        "{memory}"
    );
    // Of another model, or of another cut of the same.
    for other in [
        &parts(&small_llama(F32, true), &[3, 7])[1],
        &parts(&whole, &[4, 2, 1])[1],
        &small_llama(F32, true),
        &whole,
    ] {
        std::fs::write(&paths[1], other.bytes()).expect("written");
        let error = error(&paths[0]);
        assert!(
            matches!(&error, GgufError::Part(part) if (part.number, part.count) == (1, 2)),
            "{error}"
        );
    }
    // Cut by bytes: only the name says so.
    std::fs::write(&paths[1], b"no header").expect("written");
    let bytes = error(&paths[1]).to_string();
    assert!(bytes.contains("part 2 of 2") && bytes.contains("not a GGUF file"), "{bytes}");
    assert!(matches!(
        error(&folder.path().join("small-00003-of-00009.gguf")),
        GgufError::Io { .. }
    ));
}

#[test]
fn a_tensor_in_two_parts_and_a_missing_one_are_refused() {
    let whole = small_llama(F32, false);
    let folder = tempfile::tempdir().expect("a folder");
    let mut twice = parts(&whole, &[5, whole.tensors.len() - 5]);
    let tensor = twice[0].tensors[0].clone();
    twice[1].tensors.push(tensor);
    let error =
        |parts: &[Writer]| GgufFile::open(&save(folder.path(), parts)[0]).err().expect("refused");
    assert!(matches!(error(&twice), GgufError::Malformed { .. }));
    let mut missing = parts(&whole, &[5, whole.tensors.len() - 5]);
    missing[1].tensors.pop();
    let missing = error(&missing);
    assert!(missing.to_string().contains("tensors instead of"), "{missing}");
}

#[test]
fn a_whole_model_may_have_any_name_and_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small-00001-of-00002.gguf");
    let mut whole = small_llama(F32, false);
    for count in [None, Some(0), Some(1)] {
        if let Some(count) = count {
            whole.set("split.count", Meta::U32(count));
        }
        std::fs::write(&path, whole.bytes()).expect("written");
        assert!(GgufFile::open(&path).is_ok(), "{count:?}");
    }
}
