//! A walk over a GGUF header that bounds every count, length and offset before anything is
//! allocated for it.

use std::collections::HashSet;

use super::{GgufError, TensorType};

/// Most metadata entries.
const MAX_ENTRIES: u64 = 4096;
/// Most tensors; 512 layers have 9 each in a Llama model.
const MAX_TENSORS: u64 = 16_384;
/// Longest metadata key or tensor name, in bytes.
const MAX_NAME_BYTES: u64 = 256;
/// Longest string value: chat templates and merges stay far below.
const MAX_STRING_BYTES: u64 = 1 << 20;
/// Most array elements in the whole header: vocabularies of 262,144 have three arrays and as many
/// merges.
const MAX_ELEMENTS: u64 = 4 << 20;
/// Most dimensions of a tensor.
const MAX_DIMENSIONS: u32 = 4;
/// Largest value of `general.alignment`.
const MAX_ALIGNMENT: u64 = 1 << 16;
const DEFAULT_ALIGNMENT: u64 = 32;

const TYPE_STRING: u32 = 8;
const TYPE_ARRAY: u32 = 9;

/// What a tensor is and where its bytes lie in the file.
#[derive(Debug, Clone)]
pub(super) struct TensorSpan {
    pub name: String,
    pub dtype: TensorType,
    /// Rows first.
    pub shape: Vec<usize>,
    pub start: u64,
    pub bytes: usize,
}

/// What the header says of a tensor.
struct Described<'a> {
    name: &'a str,
    dtype: TensorType,
    /// Rows first.
    shape: Vec<usize>,
    offset: u64,
    bytes: u64,
}

/// A place in the part of the file that is in memory.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Size of the whole file.
    size: u64,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: u64, part: &dyn Fn() -> String) -> Result<&'a [u8], GgufError> {
        let rest = &self.bytes[self.at..];
        let n = usize::try_from(n).ok().filter(|&n| n <= rest.len());
        let n = n.ok_or_else(|| GgufError::Truncated { size: self.size, part: part() })?;
        self.at += n;
        Ok(&rest[..n])
    }

    fn u32(&mut self, part: &dyn Fn() -> String) -> Result<u32, GgufError> {
        let bytes = self.take(4, part)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    fn u64(&mut self, part: &dyn Fn() -> String) -> Result<u64, GgufError> {
        let bytes = self.take(8, part)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn count(&mut self, limit: u64, part: &dyn Fn() -> String) -> Result<u64, GgufError> {
        let found = self.u64(part)?;
        if found > limit {
            Err(GgufError::TooLarge { part: part(), found, limit })
        } else {
            Ok(found)
        }
    }

    fn name(&mut self, part: &dyn Fn() -> String) -> Result<&'a str, GgufError> {
        let length = self.count(MAX_NAME_BYTES, part)?;
        let bytes = self.take(length, part)?;
        // The parser cuts zeros off the end of names: with them, two names could become one.
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        text.ok_or_else(|| GgufError::Malformed {
            part: part(),
            reason: "it is not UTF-8 without zeros".into(),
        })
    }
}

/// What the header says, before it is compared with the size of the file.
pub(super) struct Header<'a> {
    /// In the file's order.
    tensors: Vec<Described<'a>>,
    /// Where the metadata ends.
    pub metadata_end: usize,
    /// Where tensor data begins.
    base: u64,
}

/// Walks the header of a file of `size` bytes that begins with `bytes`.
///
/// `Truncated` with fewer `bytes` than `size` means that more of the file is needed.
pub(super) fn walk(bytes: &[u8], size: u64) -> Result<Header<'_>, GgufError> {
    if !bytes.starts_with(b"GGUF") {
        return Err(GgufError::Magic { found: bytes[..bytes.len().min(4)].to_vec() });
    }
    let mut cursor = Cursor { bytes, at: 4, size };
    let version = cursor.u32(&|| "the version".into())?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version { found: version });
    }
    let tensors = cursor.count(MAX_TENSORS, &|| "the number of tensors".into())?;
    let entries = cursor.count(MAX_ENTRIES, &|| "the number of metadata entries".into())?;
    let alignment = scan_metadata(&mut cursor, entries)?;
    let metadata_end = cursor.at;
    let tensors = scan_tensors(&mut cursor, tensors, alignment)?;
    Ok(Header { tensors, metadata_end, base: (cursor.at as u64).next_multiple_of(alignment) })
}

impl Header<'_> {
    /// Finds the tensors in a file of `size` bytes: all inside it, none over another.
    pub(super) fn place(self, size: u64) -> Result<Vec<TensorSpan>, GgufError> {
        let place = |Described { name, dtype, shape, offset, bytes }: Described<'_>| {
            let start = self.base.checked_add(offset);
            let end = start.and_then(|start| start.checked_add(bytes)).filter(|&end| end <= size);
            match (start, end, usize::try_from(bytes)) {
                (Some(start), Some(_), Ok(bytes)) => {
                    Ok(TensorSpan { name: name.to_owned(), dtype, shape, start, bytes })
                }
                _ => {
                    Err(GgufError::Truncated { size, part: format!("the data of tensor `{name}`") })
                }
            }
        };
        let spans = self.tensors.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        no_overlap(&spans)?;
        Ok(spans)
    }
}

/// Walks the metadata; returns the alignment of the tensor data.
fn scan_metadata(cursor: &mut Cursor<'_>, entries: u64) -> Result<u64, GgufError> {
    let mut alignment = DEFAULT_ALIGNMENT;
    let mut elements_left = MAX_ELEMENTS;
    let mut keys = HashSet::new();
    for entry in 0..entries {
        let key = cursor.name(&|| format!("the key of metadata entry {entry}"))?;
        let part = || format!("metadata entry `{key}`");
        if !keys.insert(key) {
            return Err(GgufError::Malformed { part: part(), reason: "it occurs twice".into() });
        }
        let kind = cursor.u32(&part)?;
        let value_at = cursor.at;
        match kind {
            TYPE_STRING => skip_string(cursor, &part)?,
            TYPE_ARRAY => skip_array(cursor, &mut elements_left, &part)?,
            kind => skip_scalar(cursor, kind, &part)?,
        }
        if key == "general.alignment" {
            let raw = &cursor.bytes[value_at..cursor.at];
            let is_integer = matches!(kind, 0 | 2 | 4 | 10)
                || (matches!(kind, 1 | 3 | 5 | 11) && raw.last().is_some_and(|b| b & 0x80 == 0));
            let value =
                raw.iter().rev().fold(0u64, |value, &byte| value.wrapping_shl(8) | u64::from(byte));
            // candle's parser ignores 64-bit alignments, so that they must not occur.
            if !is_integer || raw.len() == 8 || !value.is_power_of_two() || value > MAX_ALIGNMENT {
                return Err(GgufError::Malformed {
                    part: part(),
                    reason: format!("not a power of two up to {MAX_ALIGNMENT}"),
                });
            }
            alignment = value;
        }
    }
    Ok(alignment)
}

fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn skip_scalar(
    cursor: &mut Cursor<'_>,
    kind: u32,
    part: &dyn Fn() -> String,
) -> Result<(), GgufError> {
    let bytes = scalar_bytes(kind).ok_or_else(|| GgufError::Malformed {
        part: part(),
        reason: format!("unknown value type {kind}"),
    })?;
    let value = cursor.take(bytes, part)?;
    if kind == 7 && value[0] > 1 {
        return Err(GgufError::Malformed {
            part: part(),
            reason: format!("a boolean is {}", value[0]),
        });
    }
    Ok(())
}

fn skip_string(cursor: &mut Cursor<'_>, part: &dyn Fn() -> String) -> Result<(), GgufError> {
    let length =
        cursor.count(MAX_STRING_BYTES, &|| format!("the length of a string in {}", part()))?;
    cursor.take(length, part).map(drop)
}

fn skip_array(
    cursor: &mut Cursor<'_>,
    elements_left: &mut u64,
    part: &dyn Fn() -> String,
) -> Result<(), GgufError> {
    let kind = cursor.u32(part)?;
    let length = cursor.count(*elements_left, &|| format!("the length of {}", part()))?;
    *elements_left -= length;
    match kind {
        TYPE_STRING => (0..length).try_for_each(|_| skip_string(cursor, part)),
        7 => (0..length).try_for_each(|_| skip_scalar(cursor, 7, part)),
        TYPE_ARRAY => Err(GgufError::Malformed {
            part: part(),
            reason: "arrays of arrays are not used by any model".into(),
        }),
        kind => {
            let bytes = scalar_bytes(kind);
            let bytes = bytes.ok_or_else(|| GgufError::Malformed {
                part: part(),
                reason: format!("unknown element type {kind}"),
            })?;
            cursor.take(length * bytes, part).map(drop)
        }
    }
}

/// Walks the descriptions of the tensors.
fn scan_tensors<'a>(
    cursor: &mut Cursor<'a>,
    tensors: u64,
    alignment: u64,
) -> Result<Vec<Described<'a>>, GgufError> {
    let mut found = Vec::new();
    let mut names = HashSet::new();
    for index in 0..tensors {
        let name = cursor.name(&|| format!("the name of tensor {index}"))?;
        let part = || format!("tensor `{name}`");
        let malformed = |reason: String| GgufError::Malformed { part: part(), reason };
        if !names.insert(name) {
            return Err(malformed("it occurs twice".into()));
        }
        let dimensions = cursor.u32(&part)?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(malformed(format!(
                "it has {dimensions} dimensions, not 1 to {MAX_DIMENSIONS}"
            )));
        }
        let mut elements = 1u64;
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let dimension = cursor.u64(&part)?;
            let product = elements.checked_mul(dimension).filter(|&product| product > 0);
            let size = usize::try_from(dimension).ok();
            let (Some(product), Some(size)) = (product, size) else {
                return Err(malformed(format!(
                    "a dimension of {dimension} makes its size zero or too large"
                )));
            };
            elements = product;
            // The file has columns first.
            shape.insert(0, size);
        }
        let number = cursor.u32(&part)?;
        let dtype = TensorType::numbered(number).ok_or_else(|| {
            malformed(format!(
                "tensor type {number} is not supported; convert the model to one of {}",
                TensorType::names()
            ))
        })?;
        let weight_type = dtype.weight_type();
        let (block, block_bytes) =
            (weight_type.block_elements() as u64, weight_type.block_bytes() as u64);
        if !shape.last().is_some_and(|&row| (row as u64).is_multiple_of(block)) {
            return Err(malformed(format!("its rows are not whole blocks of {block}")));
        }
        let bytes = (elements / block)
            .checked_mul(block_bytes)
            .ok_or_else(|| malformed("its size overflows".into()))?;
        let offset = cursor.u64(&part)?;
        if !offset.is_multiple_of(alignment) {
            return Err(malformed(format!("its offset {offset} is not a multiple of {alignment}")));
        }
        found.push(Described { name, dtype, shape, offset, bytes });
    }
    Ok(found)
}

/// Two tensors that share bytes can only be damage or malice: every byte of a model is named by one
/// tensor.
fn no_overlap(spans: &[TensorSpan]) -> Result<(), GgufError> {
    let mut ordered: Vec<&TensorSpan> = spans.iter().collect();
    ordered.sort_unstable_by_key(|span| span.start);
    for pair in ordered.windows(2) {
        if pair[0].start + pair[0].bytes as u64 > pair[1].start {
            let reason = format!("its data overlaps that of tensor `{}`", pair[0].name);
            return Err(GgufError::Malformed {
                part: format!("tensor `{}`", pair[1].name),
                reason,
            });
        }
    }
    Ok(())
}
