//! An opened and checked GGUF file.

use std::{borrow::Cow, fs::File, io::Cursor, path::Path};

use candle_core::{
    Device,
    quantized::{
        GgmlDType, QStorage, QTensor,
        gguf_file::{Content, Value},
    },
};
use memmap2::Mmap;

use super::{GgufError, scan};

enum Bytes {
    Mapped(Mmap),
    Memory(Cow<'static, [u8]>),
}

/// A GGUF file whose header was checked and whose tensors all lie inside it.
///
/// A mapped file must not be changed while it is open; replace models by renaming a new file over the old one.
pub struct GgufFile {
    bytes: Bytes,
    content: Content,
    spans: Vec<scan::TensorSpan>,
}

/// One tensor of the file.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub dtype: GgmlDType,
    /// Its shape, rows first.
    pub shape: &'a [usize],
    /// Its bytes as they are in the file.
    pub bytes: &'a [u8],
}

impl TensorView<'_> {
    /// A copy of the tensor in candle's quantised storage.
    pub(crate) fn to_qtensor(self) -> Result<QTensor, candle_core::Error> {
        // candle wants its blocks aligned, which bytes that came from memory need not be.
        const ALIGNMENT: usize = 4;
        let aligned = (self.bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT);
        let mut moved = vec![0; if aligned { 0 } else { self.bytes.len() + ALIGNMENT }];
        let bytes = if aligned {
            self.bytes
        } else {
            let start = moved.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            let target = &mut moved[start..start + self.bytes.len()];
            target.copy_from_slice(self.bytes);
            target
        };
        QTensor::new(QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, self.dtype)?, self.shape.to_vec())
    }
}

impl GgufFile {
    /// Maps the file into memory and checks it.
    ///
    /// # Errors
    /// Every [`GgufError`]; each says what to do about it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GgufError> {
        let io = |source| GgufError::Io { path: path.as_ref().to_owned(), source };
        let file = File::open(&path).map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(io(std::io::Error::other("not a regular file")));
        }
        // SAFETY: the mapping is private and read-only. Another process could still change the file; the type's documentation
        // forbids that, tensors are copied out and hashed once, and no reference into the map outlives this struct.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Self::new(Bytes::Mapped(map))
    }

    /// Checks a file that is in memory already.
    ///
    /// # Errors
    /// Every [`GgufError`] but `Io`.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, GgufError> {
        Self::new(Bytes::Memory(bytes.into()))
    }

    fn new(bytes: Bytes) -> Result<Self, GgufError> {
        let slice = slice(&bytes);
        let spans = scan::scan(slice)?;
        let content = Content::read(&mut Cursor::new(slice)).map_err(GgufError::Parser)?;
        Ok(Self { bytes, content, spans })
    }

    /// Value of a metadata key.
    pub fn metadata(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// All metadata entries, ordered by key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let mut entries: Vec<_> = self.content.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
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
        self.spans.iter().find(|span| span.name == name).and_then(|span| self.view(span))
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorView<'_>> {
        self.spans.iter().filter_map(|span| self.view(span))
    }

    fn view<'a>(&'a self, span: &'a scan::TensorSpan) -> Option<TensorView<'a>> {
        let described = self.content.tensor_infos.get(&span.name)?;
        let bytes = slice(&self.bytes).get(span.start..)?.get(..span.bytes)?;
        Some(TensorView { name: &span.name, dtype: described.ggml_dtype, shape: described.shape.dims(), bytes })
    }
}

fn slice(bytes: &Bytes) -> &[u8] {
    match bytes {
        Bytes::Mapped(map) => map,
        Bytes::Memory(memory) => memory,
    }
}
