//! Files from strangers: every damaged or foreign file ends in an error that names the remedy,
//! never in a panic or a huge allocation.

mod support;

use mica_engine::{GgufError, GgufFile, LayerRange, LoadError, Model, Threads};
use proptest::prelude::*;
use support::{F32, Meta, Q8_0, Writer, put_text, shapes::Shape, small_llama};

fn open(bytes: Vec<u8>) -> Result<GgufFile, GgufError> {
    GgufFile::from_bytes(bytes)
}

fn load(writer: &Writer) -> Result<Model, LoadError> {
    let file = open(writer.bytes()).expect("a well-formed file");
    Model::load(&file, LayerRange { first: 0, end: 3 }, Threads::new(1))
}

fn load_error(writer: &Writer) -> LoadError {
    load(writer).err().expect("an error")
}

/// A header without contents: magic, version, counts.
fn header(version: u32, tensors: u64, entries: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&tensors.to_le_bytes());
    bytes.extend_from_slice(&entries.to_le_bytes());
    bytes
}

/// A header with one metadata entry, whose value the caller gives from its type on.
fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = header(3, 0, 1);
    put_text(&mut bytes, key);
    bytes.extend_from_slice(value);
    bytes
}

/// A header with one tensor.
fn tensor(dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut bytes = header(3, 1, 0);
    put_text(&mut bytes, "t");
    bytes.extend_from_slice(&(dimensions.len() as u32).to_le_bytes());
    dimensions.iter().for_each(|d| bytes.extend_from_slice(&d.to_le_bytes()));
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32) + 64, 0);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let whole = small_llama(Q8_0, false).bytes();
    assert!(open(whole.clone()).is_ok());
    let data = whole.len() - 120_000.min(whole.len() / 2);
    for length in
        (0..data.min(12_000)).chain((data..whole.len()).step_by(997)).chain([whole.len() - 1])
    {
        let error = open(whole[..length].to_vec()).err().expect("an error");
        let fits = match length {
            0..4 => matches!(error, GgufError::Magic { .. }),
            _ => matches!(error, GgufError::Truncated { .. }),
        };
        assert!(fits, "{length} bytes: {error}");
    }
}

#[test]
fn foreign_files_are_named_as_such() {
    for bytes in [&b""[..], b"GG", b"PK\x03\x04 a zip file", b"ggml", b"{\"json\": true}"] {
        let error = open(bytes.to_vec()).err().expect("an error");
        assert!(
            matches!(error, GgufError::Magic { .. })
                && error.to_string().contains("not a GGUF file"),
            "{error}"
        );
    }
    for version in [0, 1, 4, 0x0300_0000] {
        assert!(
            matches!(open(header(version, 0, 0)), Err(GgufError::Version { found }) if found == version)
        );
    }
    assert!(matches!(GgufFile::open("/nonexistent/model.gguf"), Err(GgufError::Io { .. })));
    assert!(matches!(GgufFile::open(env!("CARGO_MANIFEST_DIR")), Err(GgufError::Io { .. })));
}

#[test]
fn huge_counts_and_lengths_are_refused_before_they_are_believed() {
    let too_large = |bytes: Vec<u8>| matches!(open(bytes), Err(GgufError::TooLarge { .. }));
    for huge in [u64::MAX, 1 << 40, 1 << 20] {
        assert!(too_large(header(3, huge, 0)));
        assert!(too_large(header(3, 0, huge)));
        let mut key = header(3, 0, 1);
        key.extend_from_slice(&huge.to_le_bytes());
        assert!(too_large(key));
    }
    let huge = u64::MAX.to_le_bytes();
    assert!(too_large(entry("a", &[&words(&[8])[..], &huge].concat())), "a string");
    assert!(too_large(entry("a", &[&words(&[9, 4])[..], &huge].concat())), "an array of integers");
    assert!(too_large(entry("a", &[&words(&[9, 8])[..], &huge].concat())), "an array of strings");
    let long = (1u64 << 19).to_le_bytes();
    assert!(matches!(
        open(entry("a", &[&words(&[9, 12])[..], &long].concat())),
        Err(GgufError::Truncated { .. })
    ));
}

#[test]
fn malformed_entries_and_tensors_are_refused() {
    let malformed = |bytes: Vec<u8>| matches!(open(bytes), Err(GgufError::Malformed { .. }));
    assert!(malformed(entry("a", &words(&[13, 0]))), "an unknown type");
    assert!(malformed(entry("a", &words(&[9, 77, 0, 0]))), "an unknown element type");
    assert!(
        malformed(entry("a", &[&words(&[9, 9, 1, 0])[..], &words(&[9, 4, 0, 0])].concat())),
        "an array of arrays"
    );
    assert!(malformed(entry("a", &[7, 0, 0, 0, 2])), "a boolean that is 2");
    assert!(malformed(entry("a\0", &words(&[4, 1]))), "a key with a zero");
    for alignment in [0, 3, 1 << 20] {
        assert!(
            malformed(entry("general.alignment", &words(&[4, alignment]))),
            "alignment {alignment}"
        );
    }
    assert!(
        malformed(entry("general.alignment", &words(&[10, 32, 0]))),
        "an alignment that the parser would not see"
    );
    let mut twice = header(3, 0, 2);
    for _ in 0..2 {
        put_text(&mut twice, "a");
        twice.extend_from_slice(&words(&[4, 1]));
    }
    assert!(malformed(twice));

    assert!(open(tensor(&[8, 2], F32, 0)).is_ok());
    assert!(malformed(tensor(&[], F32, 0)), "no dimensions");
    assert!(malformed(tensor(&[1; 5], F32, 0)), "five dimensions");
    assert!(malformed(tensor(&[0, 2], F32, 0)), "nothing in it");
    assert!(malformed(tensor(&[u64::MAX, u64::MAX], F32, 0)), "a product that overflows");
    assert!(malformed(tensor(&[u64::MAX], F32, 0)), "a size that overflows");
    assert!(malformed(tensor(&[33], Q8_0, 0)), "half a block");
    assert!(malformed(tensor(&[8], 99, 0)), "an unknown type");
    assert!(malformed(tensor(&[8], F32, 8)), "an offset off the alignment");
    assert!(
        matches!(open(tensor(&[8], F32, 1 << 40)), Err(GgufError::Truncated { .. })),
        "an offset beyond the end"
    );
    assert!(
        matches!(open(tensor(&[8], F32, u64::MAX - 31)), Err(GgufError::Truncated { .. })),
        "an offset that overflows"
    );
    assert!(
        matches!(open(tensor(&[1 << 40], F32, 0)), Err(GgufError::Truncated { .. })),
        "a tensor larger than the file"
    );
}

#[test]
fn tensors_may_not_lie_over_each_other() {
    let mut writer = Writer::default();
    writer.tensor("a", &[16], F32, vec![1; 64]).tensor("b", &[8], F32, vec![2; 32]).tensor(
        "c",
        &[8],
        F32,
        vec![3; 32],
    );
    let whole = writer.bytes();
    assert!(open(whole.clone()).is_ok());
    // The offsets stand behind the type, 8 bytes before the next name's length or the end of the
    // header.
    let offset = |name: &[u8]| {
        let entry = [&1u64.to_le_bytes()[..], name, &1u32.to_le_bytes()].concat();
        whole.windows(entry.len()).position(|window| window == entry).expect("the entry")
            + entry.len()
            + 8
            + 4
    };
    for (name, moved, over) in
        [(b"b", 32u64, "a"), (b"b", 0, "a"), (b"c", 64, "b"), (b"a", 64, "b")]
    {
        let mut bytes = whole.clone();
        let at = offset(name);
        bytes[at..at + 8].copy_from_slice(&moved.to_le_bytes());
        let error = open(bytes).err().expect("an error").to_string();
        assert!(error.contains("overlaps") && error.contains(&format!("`{over}`")), "{error}");
    }
    // In another order than in the header, and with a gap, they may lie.
    let mut bytes = whole.clone();
    bytes.resize(whole.len() + 96, 0);
    bytes[offset(b"b")..][..8].copy_from_slice(&160u64.to_le_bytes());
    bytes[offset(b"c")..][..8].copy_from_slice(&64u64.to_le_bytes());
    let file = open(bytes).expect("well-formed");
    assert_eq!(file.tensor("c").expect("a tensor").read().expect("reads"), [2; 32]);
}

#[test]
fn every_type_has_its_size() {
    for kind in support::blocks::FORMATS {
        let (name, elements, size) = support::blocks::format(kind);
        let mut writer = Writer::default();
        writer.tensor("t", &[3, 2 * elements as u64], kind, vec![0; 6 * size]);
        let bytes = writer.bytes();
        let file = open(bytes.clone()).expect("well-formed");
        let tensor = file.tensor("t").expect("a tensor");
        assert_eq!(
            (tensor.size_bytes(), tensor.rows(), tensor.row_bytes()),
            (6 * size, 3, 2 * size),
            "{name}"
        );
        assert!(
            matches!(open(bytes[..bytes.len() - 1].to_vec()), Err(GgufError::Truncated { .. })),
            "{name}"
        );
        assert!(tensor.read_rows(1..3, &mut vec![0; 4 * size]).is_ok());
        assert!(tensor.read_rows(0..0, &mut []).is_ok());
        for (rows, length) in [
            (1..4, 6 * size),
            (0..1, size),
            (0..1, 0),
            (4..4, 0),
            (usize::MAX - 1..usize::MAX, 2 * size),
        ] {
            let outcome = tensor.read_rows(rows.clone(), &mut vec![0; length]);
            assert!(
                matches!(outcome, Err(GgufError::Outside { .. })),
                "{name}, rows {rows:?} into {length} bytes"
            );
        }
        assert!(matches!(
            tensor.read_at(6 * size - 1, &mut [0; 2]),
            Err(GgufError::Outside { .. })
        ));
        assert!(matches!(tensor.read_at(usize::MAX, &mut [0; 2]), Err(GgufError::Outside { .. })));
    }
}

#[test]
fn metadata_of_another_type_is_not_taken_for_the_right_one() {
    for (key, value) in [
        ("general.architecture", Meta::U32(1)),
        ("llama.block_count", Meta::Text("3".into())),
        ("llama.block_count", Meta::F32(3.0)),
        ("llama.context_length", Meta::Bool(true)),
        ("llama.embedding_length", Meta::I32s(vec![64])),
        ("llama.attention.layer_norm_rms_epsilon", Meta::Text("1e-5".into())),
        ("llama.attention.layer_norm_rms_epsilon", Meta::F32(f32::INFINITY)),
    ] {
        assert!(
            matches!(
                load_error(small_llama(F32, false).set(key, value)),
                LoadError::MetadataMissing { .. }
            ),
            "{key}"
        );
    }
}

#[test]
fn windows_are_one_number_or_one_flag_for_each_layer() {
    let writer = |key: &str, value: Meta| {
        let mut writer = Shape::small("gemma3").write(1, |_| F32);
        writer.set(&format!("gemma3.attention.{key}"), value);
        writer
    };
    let windows =
        |writer: &Writer| open(writer.bytes()).expect("a file").config().map(|c| c.windows);
    let pattern = |value| windows(&writer("sliding_window_pattern", value));
    assert_eq!(pattern(Meta::U32(2)).expect("a period"), [Some(5), None]);
    assert_eq!(pattern(Meta::U32(1)).expect("a period"), [None, None]);
    assert_eq!(pattern(Meta::I32s(vec![0, 1])).expect("flags"), [None, Some(5)]);
    assert_eq!(windows(&writer("sliding_window", Meta::U32(0))).expect("none"), [None, None]);
    for (key, value) in [
        ("sliding_window_pattern", Meta::I32s(vec![1])),
        ("sliding_window_pattern", Meta::F32s(vec![1.0, 0.0])),
        ("sliding_window_pattern", Meta::U32(0)),
        ("sliding_window", Meta::U32(u32::MAX)),
    ] {
        assert!(matches!(windows(&writer(key, value)), Err(LoadError::Metadata { .. })), "{key}");
    }
}

#[test]
fn models_that_we_cannot_run_are_named() {
    let error = load_error(small_llama(F32, false).set("general.architecture", "mamba"));
    assert_eq!(
        error.to_string(),
        "the architecture `mamba` is not supported; supported: llama, qwen2, qwen3, granite, \
         granitemoe, qwen3moe, gemma3, phi3, gpt-oss"
    );

    let mut writer = small_llama(F32, false);
    writer.tensors.retain(|tensor| tensor.name != "output.weight");
    // Q8_1: known to the format, but without a kernel.
    writer.tensor(
        "output.weight",
        &[support::VOCABULARY, support::HIDDEN],
        9,
        vec![0; 300 * 2 * 36],
    );
    let error = open(writer.bytes()).err().expect("refused").to_string();
    assert!(
        error.contains("tensor type 9") && error.contains("Q8_0") && error.contains("IQ4_XS"),
        "{error}"
    );

    let mut writer = small_llama(F32, false);
    writer.tensor("blk.1.attn_q.bias", &[support::HIDDEN], F32, vec![0; 256]);
    assert!(
        matches!(load_error(&writer), LoadError::TensorUnknown { .. }),
        "a bias would be left out silently"
    );
    assert!(matches!(
        load_error(small_llama(F32, false).set("llama.expert_count", 8)),
        LoadError::Metadata { .. }
    ));
    let mut yarn = small_llama(F32, false);
    yarn.set("llama.rope.scaling.type", "yarn");
    assert!(matches!(load_error(&yarn), LoadError::MetadataMissing { .. }));
    yarn.set("llama.rope.scaling.original_context_length", 64);
    assert!(load(&yarn).is_ok());
    for (key, value) in [
        ("llama.rope.scaling.factor", Meta::F32(0.5)),
        ("llama.rope.scaling.yarn_beta_slow", Meta::F32(64.0)),
        ("llama.rope.scaling.attn_factor", Meta::F32(0.0)),
    ] {
        let mut bad = yarn.clone();
        assert!(matches!(load_error(bad.set(key, value)), LoadError::Metadata { .. }), "{key}");
    }
    assert!(matches!(
        load_error(small_llama(F32, false).set("llama.rope.scaling.type", "longrope")),
        LoadError::Metadata { .. }
    ));
}

#[test]
fn metadata_that_contradicts_itself_is_refused() {
    for (key, value) in [
        ("llama.block_count", 0),
        ("llama.block_count", 513),
        ("llama.block_count", 4),
        ("llama.embedding_length", 0),
        ("llama.embedding_length", 96),
        ("llama.embedding_length", u32::MAX),
        ("llama.attention.head_count", 0),
        ("llama.attention.head_count", 3),
        ("llama.attention.head_count_kv", 3),
        ("llama.attention.head_count_kv", 4),
        ("llama.attention.key_length", 15),
        ("llama.attention.value_length", 8),
        ("llama.rope.dimension_count", 18),
        ("llama.rope.dimension_count", 7),
        ("llama.feed_forward_length", 97),
        ("llama.context_length", 0),
    ] {
        let mut writer = small_llama(F32, false);
        writer.set(key, value);
        let outcome = load(&writer);
        let refused = matches!(
            outcome,
            Err(LoadError::Metadata { .. }
                | LoadError::TensorShape { .. }
                | LoadError::TensorMissing { .. }
                | LoadError::Range { .. })
        );
        // A model of four layers with three in the file: the range asked for loads, the fourth
        // layer does not.
        assert!(
            refused || (key, value) == ("llama.block_count", 4),
            "{key} = {value}: {:?}",
            outcome.err()
        );
    }
    for key in [
        "general.architecture",
        "llama.block_count",
        "llama.context_length",
        "llama.attention.layer_norm_rms_epsilon",
    ] {
        assert!(
            matches!(
                load_error(small_llama(F32, false).remove(key)),
                LoadError::MetadataMissing { .. }
            ),
            "{key}"
        );
    }
    for name in ["token_embd.weight", "blk.2.ffn_up.weight", "output_norm.weight"] {
        assert!(
            matches!(
                load_error(small_llama(F32, false).remove(name)),
                LoadError::TensorMissing { .. }
            ),
            "{name}"
        );
    }
    assert!(matches!(
        load_error(
            small_llama(F32, false)
                .set("llama.attention.layer_norm_rms_epsilon", Meta::F32(f32::NAN))
        ),
        LoadError::MetadataMissing { .. }
    ));
    let file = open(small_llama(F32, false).bytes()).expect("well-formed");
    for (first, end) in [(0, 4), (3, 3), (2, 1), (7, 9)] {
        assert!(matches!(
            Model::load(&file, LayerRange { first, end }, Threads::new(1)),
            Err(LoadError::Range { .. })
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes changed at random in the header never panic, whatever they then mean.
    #[test]
    fn random_damage_never_panics(changes in prop::collection::vec((0usize..4000, any::<u8>()), 1..8)) {
        let mut bytes = WHOLE.with(Clone::clone);
        for (at, value) in changes {
            bytes[at] = value;
        }
        if let Ok(file) = open(bytes) {
            let _outcome = Model::load(&file, LayerRange { first: 0, end: 3 }, Threads::new(1)).map(|_| ());
            let _outcome = mica_engine::Tokenizer::from_gguf(&file).map(|_| ());
        }
    }
}

thread_local! {
    static WHOLE: Vec<u8> = small_llama(Q8_0, true).bytes();
}
