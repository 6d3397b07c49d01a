//! Every file of the fuzzer's corpus through the reader, and many thousand damaged versions of
//! them, with the ordinary compiler.

#[path = "../fuzz/read.rs"]
mod read;
mod support;

use std::{collections::BTreeMap, fs, path::PathBuf};

use mica_engine::GgufFile;
use read::{Reached, everything};
use support::{
    Meta, Writer, blocks,
    blocks::{BF16, F16, F32, FORMATS, Q8_0},
    shapes::{Shape, architectures},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/gguf")
}

/// The smallest model that there is of an architecture.
fn model(architecture: &'static str, kind: u32) -> Writer {
    let ordinary = Shape::small(architecture);
    let experts = ordinary.experts.map(|_| (2, 1));
    let small = Shape {
        layers: 1,
        hidden: 32,
        heads: 2,
        kv_heads: 1,
        head_size: 16,
        feed_forward: 32,
        vocabulary: 6,
        experts,
        ..ordinary
    };
    small.write(3, |_| kind)
}

fn texts(texts: &[&str]) -> Meta {
    Meta::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// The corpus: small files that reach every part of the reader.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut empty = b"GGUF\x03\0\0\0".to_vec();
    empty.extend_from_slice(&[0; 16]);
    let mut version_2 = empty.clone();
    version_2[4] = 2;
    files.insert("empty".to_owned(), empty);
    files.insert("version-2".to_owned(), version_2);
    for architecture in architectures() {
        files.insert(format!("model-{architecture}"), model(architecture, Q8_0).bytes());
    }
    let mut every = Writer::default();
    every
        .set("a", 1)
        .set("b", Meta::F32(0.5))
        .set("c", Meta::Bool(true))
        .set("d", "é")
        .set("e", Meta::I32s(vec![-1]))
        .set("general.alignment", 64);
    files.insert("metadata".to_owned(), every.bytes());
    let mut types = Writer::default();
    for kind in FORMATS {
        let (name, elements, _) = blocks::format(kind);
        types.tensor(
            name,
            &[1, elements as u64],
            kind,
            blocks::quantise(&vec![0.5; elements], kind),
        );
    }
    files.insert("tensor-types".to_owned(), types.bytes());
    let mut shapes = Writer::default();
    shapes
        .tensor("one", &[4], F32, vec![0; 16])
        .tensor("three", &[2, 1, 2], F16, vec![0; 8])
        .tensor("four", &[1, 2, 1, 2], BF16, vec![0; 8]);
    files.insert("tensor-shapes".to_owned(), shapes.bytes());
    let mut bytes = Writer::default();
    bytes
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "qwen2")
        .set("tokenizer.ggml.tokens", texts(&["H", "i", "Ġ", "Hi", "<|x|>", "<b>"]))
        .set("tokenizer.ggml.token_type", Meta::I32s(vec![1, 1, 1, 1, 3, 4]))
        .set("tokenizer.ggml.merges", texts(&["H i"]))
        .set("tokenizer.ggml.eos_token_id", 4)
        .set(
            "tokenizer.chat_template",
            "{% for m in messages %}{{ m.role.upper() }}{{ m['content'] }}{% endfor %}",
        );
    files.insert("tokenizer-bytes".to_owned(), bytes.bytes());
    let mut pieces = Writer::default();
    pieces
        .set("tokenizer.ggml.model", "llama")
        .set(
            "tokenizer.ggml.tokens",
            texts(&["<unk>", "<s>", "</s>", "<0x0A>", "▁", "H", "i", "▁H", "▁Hi"]),
        )
        .set("tokenizer.ggml.token_type", Meta::I32s(vec![2, 3, 3, 6, 1, 1, 1, 1, 1]))
        .set(
            "tokenizer.ggml.scores",
            Meta::F32s(vec![0.0, 0.0, 0.0, 0.0, -4.0, -3.0, -3.5, -2.0, -1.0]),
        )
        .set("tokenizer.ggml.add_space_prefix", Meta::Bool(true));
    files.insert("tokenizer-pieces".to_owned(), pieces.bytes());
    files
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder()).expect("the corpus");
    let read = |entry: Result<fs::DirEntry, std::io::Error>| {
        let path = entry.expect("an entry").path();
        (
            path.file_name().expect("a name").to_string_lossy().into_owned(),
            fs::read(&path).expect("a file"),
        )
    };
    let mut files: Vec<_> = entries.map(read).collect();
    files.sort();
    files
}

#[test]
#[ignore = "writes the corpus anew"]
fn seeds_are_written() {
    for (name, bytes) in seeds() {
        fs::write(folder().join(name), bytes).expect("a file");
    }
}

#[test]
fn every_file_of_the_corpus_is_read_as_far_as_its_name_says() {
    let files = corpus();
    assert!(files.len() >= seeds().len(), "the corpus is not complete");
    for (name, bytes) in &files {
        let reached = everything(bytes);
        let expected = match name.split('-').next() {
            Some("model") => Reached::Model,
            Some("tokenizer") => Reached::Text,
            Some("damaged") => Reached::Nothing,
            _ => Reached::File,
        };
        assert_eq!(reached, expected, "{name}");
    }
}

/// A counter-based generator: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) % n as u64) as usize
    }
}

/// Changes a file the way that damage and malice do.
fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const NUMBERS: [u64; 10] =
        [0, 1, 2, 31, 255, 1 << 20, u32::MAX as u64, 1 << 40, i64::MAX as u64, u64::MAX];
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        // Most of a file is data; most of what matters is in its header.
        let reach = if random.below(4) == 0 { bytes.len() } else { bytes.len().min(600) };
        let at = random.below(reach);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let number = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
                let wide = if random.below(2) == 0 { 4 } else { 8 };
                let end = (at + wide).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            4 => drop(bytes.drain(at..(at + 1 + random.below(16)).min(bytes.len()))),
            5 => {
                let copied = bytes[at..(at + 1 + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copied);
            }
            _ => {
                let from = random.below(other.len());
                let end = (at + 64).min(bytes.len()).min(at + other.len() - from);
                bytes[at..end].copy_from_slice(&other[from..from + end - at]);
            }
        }
    }
}

#[test]
fn damaged_files_are_read_or_refused_and_never_a_panic() {
    const CASES: usize = 20_000;
    let files = corpus();
    let mut random = Random(20_261_121);
    let mut reached = BTreeMap::new();
    for _ in 0..CASES {
        let mut bytes = files[random.below(files.len())].1.clone();
        let other = &files[random.below(files.len())].1;
        damage(&mut bytes, other, &mut random);
        *reached.entry(everything(&bytes)).or_insert(0) += 1;
    }
    println!("{reached:?}");
    // The damage must be of every kind, or this test looks at nothing.
    assert!(
        reached.len() == 4 && reached.values().all(|&count| count > CASES / 200),
        "{reached:?}"
    );
}

#[test]
fn a_file_is_read_from_disk_as_from_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in corpus() {
        let path = folder.path().join(&name);
        fs::write(&path, &bytes).expect("a file");
        let (disk, memory) =
            (GgufFile::open(&path).expect("opens"), GgufFile::from_bytes(bytes).expect("opens"));
        let entries = |file: &GgufFile| {
            file.entries().map(|(key, value)| format!("{key}: {value:?}")).collect::<Vec<_>>()
        };
        assert_eq!(entries(&disk), entries(&memory), "{name}");
        for (a, b) in disk.tensors().zip(memory.tensors()) {
            assert_eq!((a.name, a.dtype, a.shape), (b.name, b.dtype, b.shape), "{name}");
            assert_eq!(a.read().expect("reads"), b.read().expect("reads"), "{name}");
        }
    }
}
