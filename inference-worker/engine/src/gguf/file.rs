//! An opened and checked GGUF file.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::Cursor,
    ops::Range,
    path::{Path, PathBuf},
};

use candle_core::quantized::gguf_file::{Content, Value};

use super::{GgufError, TensorView, parts, scan, source::Source, tensor::Described};

/// How much of a file is read at first to find its header; doubled until the header is whole.
const FIRST_READ_BYTES: usize = 1 << 20;
/// Longest header: metadata and descriptions of tensors. The largest vocabularies in use need 16
/// MiB.
const MAX_HEADER_BYTES: usize = 1 << 28;

/// A GGUF file whose header was checked and whose tensors all lie inside it, without overlap.
///
/// The metadata is in memory, tensors are read when asked for. The file should not be changed while
/// it is open: replace models by renaming a new file over the old one, of which this one then still
/// reads the old bytes. What happens otherwise is an error ([`GgufError::Changed`]).
pub struct GgufFile {
    /// The file, or the parts that the model was split into.
    sources: Vec<Source>,
    metadata: HashMap<String, Value>,
    /// In the file's order.
    tensors: Vec<Described>,
    by_name: HashMap<String, usize>,
}

impl GgufFile {
    /// Opens the file, reads its header and checks it. If it is one of the parts of a model, all of
    /// them are opened as one.
    ///
    /// # Errors
    /// Every [`GgufError`]; each says what to do about it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        parts::open(path.as_ref(), Self::open_one)
    }

    fn open_one(path: &Path) -> Result<Self, GgufError> {
        let source = Source::open(path)?;
        let size = usize::try_from(source.size()).unwrap_or(usize::MAX).min(MAX_HEADER_BYTES);
        let mut header = Vec::new();
        loop {
            let held = header.len();
            header.resize(size.min((held * 2).max(FIRST_READ_BYTES)), 0);
            source.read_at(held as u64, &mut header[held..])?;
            match scan::walk(&header, source.size()) {
                Err(GgufError::Truncated { .. }) if header.len() < size => {}
                Err(GgufError::Truncated { .. }) if (size as u64) < source.size() => {
                    let (found, limit) = (source.size(), MAX_HEADER_BYTES as u64);
                    return Err(GgufError::TooLarge { part: "the header".into(), found, limit });
                }
                walked => {
                    let walked = walked?;
                    let metadata = parse(&header[..walked.metadata_end])?;
                    return Self::new(walked.place(source.size())?, metadata, source);
                }
            }
        }
    }

    /// Checks a file that is in memory already.
    ///
    /// # Errors
    /// Every [`GgufError`] but `Io` and `Changed`.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, GgufError> {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        let walked = scan::walk(&bytes, size)?;
        let metadata = parse(&bytes[..walked.metadata_end])?;
        let spans = walked.place(size)?;
        Self::new(spans, metadata, Source::Memory(bytes)).and_then(parts::refuse)
    }

    /// A model of which the head is here ([`GgufFile::head`]) and each tensor lies, or may come to
    /// lie, in a file of its own: `file_of` says where, by the tensor's number in the head's order.
    /// Only reading a tensor needs its file.
    ///
    /// # Errors
    /// Every [`GgufError`] but `Io` and `Changed`.
    pub fn from_head(
        head: &[u8],
        mut file_of: impl FnMut(usize) -> PathBuf,
    ) -> Result<Self, GgufError> {
        // Nothing follows the head, so that nothing can be cut off there.
        let walked = scan::walk(head, head.len() as u64)?;
        let metadata = parse(&head[..walked.metadata_end])?;
        let nothing = Source::Memory(Cow::Borrowed(&[]));
        let mut file = Self::new(walked.place(u64::MAX)?, metadata, nothing)?;
        let apart = |(number, tensor): (usize, &mut Described)| {
            (tensor.part, tensor.start) = (number, 0);
            Source::Apart { path: file_of(number), size: tensor.bytes as u64 }
        };
        file.sources = file.tensors.iter_mut().enumerate().map(apart).collect();
        parts::refuse(file)
    }

    /// Checks a header whose file is elsewhere and has `size` bytes, of which these are the first;
    /// tensors cannot be read. Nothing if more of it is needed.
    ///
    /// # Errors
    /// Every [`GgufError`] but `Io` and `Changed`.
    pub fn from_beginning(beginning: &[u8], size: u64) -> Result<Option<Self>, GgufError> {
        let is_all = beginning.len() as u64 >= size;
        if beginning.len() > MAX_HEADER_BYTES {
            let (found, limit) = (size, MAX_HEADER_BYTES as u64);
            return Err(GgufError::TooLarge { part: "the header".into(), found, limit });
        }
        match scan::walk(beginning, size) {
            Err(GgufError::Truncated { .. }) if !is_all => Ok(None),
            walked => {
                let walked = walked?;
                let metadata = parse(&beginning[..walked.metadata_end])?;
                let nothing = Source::Memory(Cow::Borrowed(&[]));
                Self::new(walked.place(size)?, metadata, nothing).and_then(parts::refuse).map(Some)
            }
        }
    }

    /// One model out of its parts, in their order; the metadata is the first one's, without what is
    /// about parts.
    pub(super) fn joined(parts: Vec<Self>) -> Result<Self, GgufError> {
        let mut whole = Self {
            sources: Vec::new(),
            metadata: HashMap::new(),
            tensors: Vec::new(),
            by_name: HashMap::new(),
        };
        for (number, part) in parts.into_iter().enumerate() {
            if number == 0 {
                whole.metadata = part.metadata;
                whole.metadata.retain(|key, _| !key.starts_with("split."));
            }
            for tensor in part.tensors {
                if whole.by_name.insert(tensor.name.clone(), whole.tensors.len()).is_some() {
                    let (part, reason) =
                        (format!("tensor `{}`", tensor.name), "it occurs in two parts".into());
                    return Err(GgufError::Malformed { part, reason });
                }
                whole.tensors.push(Described { part: number, ..tensor });
            }
            whole.sources.extend(part.sources);
        }
        Ok(whole)
    }

    fn new(
        spans: Vec<scan::TensorSpan>,
        metadata: HashMap<String, Value>,
        source: Source,
    ) -> Result<Self, GgufError> {
        let mut tensors = Vec::with_capacity(spans.len());
        let mut by_name = HashMap::with_capacity(spans.len());
        for scan::TensorSpan { name, dtype, shape, start, bytes } in spans {
            by_name.insert(name.clone(), tensors.len());
            tensors.push(Described { name, dtype, shape, part: 0, start, bytes });
        }
        Ok(Self { sources: vec![source], metadata, tensors, by_name })
    }

    /// Whether the file on disk is still the one that was opened, as far as its size and time of
    /// modification tell. Every read checks this by itself.
    ///
    /// # Errors
    /// [`GgufError::Changed`] if it is not, [`GgufError::Io`] if that cannot be found out.
    pub fn unchanged(&self) -> Result<(), GgufError> {
        self.sources.iter().try_for_each(Source::unchanged)
    }

    /// Size of the file in bytes, of all parts together.
    pub fn size_bytes(&self) -> u64 {
        self.sources.iter().map(Source::size).sum()
    }

    /// Value of a metadata key.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// All metadata entries, ordered by key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let mut entries: Vec<_> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter()
    }

    /// A metadata string; `None` if it is absent or no string.
    pub fn string(&self, key: &str) -> Option<&str> {
        match self.metadata(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A metadata integer of any width; `None` if it is absent, negative or no integer.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match *self.metadata(key)? {
            Value::U8(value) => Some(value.into()),
            Value::U16(value) => Some(value.into()),
            Value::U32(value) => Some(value.into()),
            Value::U64(value) => Some(value),
            Value::I8(value) => value.try_into().ok(),
            Value::I16(value) => value.try_into().ok(),
            Value::I32(value) => value.try_into().ok(),
            Value::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// A metadata number; `None` if it is absent or no finite float.
    pub fn float(&self, key: &str) -> Option<f64> {
        let value = match *self.metadata(key)? {
            Value::F32(value) => value.into(),
            Value::F64(value) => value,
            _ => return None,
        };
        value.is_finite().then_some(value)
    }

    /// A metadata boolean.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.metadata(key)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A metadata array.
    pub fn array(&self, key: &str) -> Option<&[Value]> {
        match self.metadata(key)? {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The tensor with that name.
    pub fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        self.by_name.get(name).map(|&index| self.view(&self.tensors[index]))
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorView<'_>> {
        self.tensors.iter().map(|described| self.view(described))
    }

    fn view<'a>(&'a self, described: &'a Described) -> TensorView<'a> {
        TensorView::new(described, &self.sources[described.part])
    }
}

/// Where a header has the number of its tensors.
const TENSOR_COUNT: Range<usize> = 8..16;

/// Runs candle's parser over the metadata of a header that passed the scan. It is told that there
/// are no tensors: it knows fewer types than we do.
fn parse(metadata: &[u8]) -> Result<HashMap<String, Value>, GgufError> {
    let mut metadata = metadata.to_vec();
    metadata[TENSOR_COUNT].fill(0);
    Content::read(&mut Cursor::new(metadata))
        .map(|content| content.metadata)
        .map_err(GgufError::Parser)
}
