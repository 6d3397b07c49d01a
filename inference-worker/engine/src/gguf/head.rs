//! The head of a model: a GGUF header with what the model's manifest commits to, and nothing else.
//!
//! It is canonical. Metadata is sorted by its keys, what only remarks on the model is left out, and
//! the tensors lie one after the other. All files of one model, split or whole, have the same head,
//! and so one hash for it.

use candle_core::quantized::gguf_file::Value;

use super::GgufFile;

const VERSION: u32 = 3;
/// Offsets of tensors are multiples of this where a file does not say otherwise.
const ALIGNMENT: u64 = 32;

impl GgufFile {
    /// The model's head: what of its file is not weights and counts for what it computes. From it
    /// [`GgufFile::from_head`] makes a model with the same manifest.
    pub fn head(&self) -> Vec<u8> {
        let architecture = self.string("general.architecture").unwrap_or_default();
        // As the manifest has it, so that all that is left of two names for one model is one.
        let name = self.string("general.name").unwrap_or(architecture);
        let name = Value::String(short_name(name).to_owned());
        let mut entries: Vec<_> =
            self.entries().filter(|(key, _)| counts(key, architecture)).collect();
        entries.push(("general.name", &name));
        entries.sort_unstable_by_key(|(key, _)| *key);
        let mut out = b"GGUF".to_vec();
        number(&mut out, VERSION);
        long(&mut out, self.tensors().count() as u64);
        long(&mut out, entries.len() as u64);
        for (key, value) in entries {
            text(&mut out, key);
            number(&mut out, kind(value));
            write(&mut out, value);
        }
        let mut offset = 0u64;
        for tensor in self.tensors() {
            text(&mut out, tensor.name);
            // At most four.
            number(&mut out, tensor.shape.len() as u32);
            // The file's order is columns first.
            tensor.shape.iter().rev().for_each(|&dimension| long(&mut out, dimension as u64));
            number(&mut out, tensor.dtype.number());
            long(&mut out, offset);
            let end = offset.saturating_add(tensor.size_bytes() as u64);
            offset = end.checked_next_multiple_of(ALIGNMENT).unwrap_or(end);
        }
        out
    }
}

/// What a manifest takes of a model's name. It is for people; a long one is cut at a character.
pub(crate) fn short_name(name: &str) -> &str {
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
    &name[..ends.take_while(|&end| end <= 64).last().unwrap_or(0)]
}

/// Whether the manifest depends on the entry.
fn counts(key: &str, architecture: &str) -> bool {
    key == "general.architecture"
        || key.starts_with("tokenizer.")
        || key.strip_prefix(architecture).is_some_and(|rest| rest.starts_with('.'))
}

/// GGUF's number of a value's type.
fn kind(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(value) => out.extend(value.to_le_bytes()),
        Value::I8(value) => out.extend(value.to_le_bytes()),
        Value::U16(value) => out.extend(value.to_le_bytes()),
        Value::I16(value) => out.extend(value.to_le_bytes()),
        Value::U32(value) => out.extend(value.to_le_bytes()),
        Value::I32(value) => out.extend(value.to_le_bytes()),
        Value::F32(value) => out.extend(value.to_le_bytes()),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::String(value) => text(out, value),
        Value::Array(values) => {
            // Nothing depends on the type of the elements of an empty one.
            number(out, values.first().map_or(0, kind));
            long(out, values.len() as u64);
            values.iter().for_each(|value| write(out, value));
        }
        Value::U64(value) => out.extend(value.to_le_bytes()),
        Value::I64(value) => out.extend(value.to_le_bytes()),
        Value::F64(value) => out.extend(value.to_le_bytes()),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    long(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

fn long(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerRange, Model, Threads, embedded};

    fn tiny() -> GgufFile {
        GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded")
    }

    #[test]
    fn a_head_with_the_hashes_of_its_tensors_gives_the_manifest_of_its_file() {
        let file = tiny();
        let hashes = file.tensor_hashes().expect("it reads");
        let head = file.head();
        let alone = GgufFile::from_head(&head, |number| number.to_string().into()).expect("a head");
        assert_eq!(alone.head(), head, "the head of a head is itself");
        let (of_head, of_file) = (alone.manifest_with(&hashes), file.manifest());
        assert_eq!(of_head.expect("a manifest"), of_file.expect("a manifest"));
        let mut other = hashes.clone();
        other[3][0] ^= 1;
        assert_ne!(
            alone.manifest_with(&other).expect("a manifest").weights_root,
            file.manifest().expect("a manifest").weights_root
        );
        assert!(head.len() * 20 < embedded::TINY_Q8_0.len(), "{} bytes", head.len());
    }

    #[test]
    fn layers_compute_the_same_from_files_of_single_tensors() {
        let (file, folder) = (tiny(), tempfile::tempdir().expect("a folder"));
        let range = LayerRange { first: 2, end: 4 };
        let needed = file.tensors_of(range).expect("a model");
        let path = |number: usize| folder.path().join(number.to_string());
        for (number, tensor) in file.tensors().enumerate() {
            if needed.contains(&number) {
                std::fs::write(path(number), tensor.read().expect("it reads")).expect("written");
            }
        }
        let apart = GgufFile::from_head(&file.head(), path).expect("a head");
        let rows = vec![0.5; 3 * file.config().expect("config").hidden];
        let compute = |file: &GgufFile| {
            let model = Model::load(file, range, Threads::new(1)).expect("it loads");
            let mut cache = model.new_cache(8).expect("a cache");
            model
                .forward(&mut cache, crate::Input::Hidden(&rows), crate::Want::Nothing)
                .expect("it computes")
        };
        assert_eq!(compute(&apart), compute(&file));
        let other = LayerRange { first: 3, end: 5 };
        assert!(Model::load(&apart, other, Threads::new(1)).is_err(), "layer 4 is not there");
    }

    #[test]
    fn damaged_heads_are_refused() {
        let head = tiny().head();
        let open = |bytes: &[u8]| GgufFile::from_head(bytes, |_| "x".into());
        for end in (0..head.len()).step_by(head.len() / 61 + 1).chain([head.len() - 1]) {
            assert!(open(&head[..end]).is_err(), "cut at {end}");
        }
        assert!(open(b"GGML").is_err());
    }

    #[test]
    fn a_beginning_is_enough_when_it_holds_the_header() {
        let bytes = embedded::TINY_Q8_0;
        let whole = tiny();
        let begins = |n: usize| GgufFile::from_beginning(&bytes[..n], bytes.len() as u64);
        assert!(begins(1000).expect("no error").is_none(), "more is needed");
        let found = begins(bytes.len() / 2).expect("no error").expect("a header");
        let starts = |file: &GgufFile| file.tensors().map(|t| t.start()).collect::<Vec<_>>();
        assert_eq!(starts(&found), starts(&whole));
        assert!(GgufFile::from_beginning(b"not a model", 1 << 20).is_err());
    }
}
