//! A writer of small GGUF files, and small models made with it.
#![allow(dead_code, unused_imports, reason = "every test file uses another part")]

pub mod blocks;
pub mod reference;
pub mod shapes;

pub use blocks::{F16, F32, Q4_0, Q8_0, quantise};

/// A metadata value.
#[derive(Clone)]
pub enum Meta {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

impl From<&str> for Meta {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u32> for Meta {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    /// Rows first.
    pub shape: Vec<u64>,
    pub kind: u32,
    pub bytes: Vec<u8>,
}

/// What a file will hold.
#[derive(Clone, Default)]
pub struct Writer {
    pub metadata: Vec<(String, Meta)>,
    pub tensors: Vec<Tensor>,
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

impl Meta {
    fn put(&self, out: &mut Vec<u8>) {
        let kind = |out: &mut Vec<u8>, kind: u32| out.extend_from_slice(&kind.to_le_bytes());
        let array = |out: &mut Vec<u8>, element: u32, length: usize| {
            kind(out, 9);
            kind(out, element);
            out.extend_from_slice(&(length as u64).to_le_bytes());
        };
        match self {
            Self::U32(value) => {
                kind(out, 4);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::F32(value) => {
                kind(out, 6);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Bool(value) => {
                kind(out, 7);
                out.push(u8::from(*value));
            }
            Self::Text(text) => {
                kind(out, 8);
                put_text(out, text);
            }
            Self::Texts(texts) => {
                array(out, 8, texts.len());
                texts.iter().for_each(|text| put_text(out, text));
            }
            Self::F32s(values) => {
                array(out, 6, values.len());
                values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            }
            Self::I32s(values) => {
                array(out, 5, values.len());
                values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            }
        }
    }
}

impl Writer {
    pub fn set(&mut self, key: &str, value: impl Into<Meta>) -> &mut Self {
        self.metadata.retain(|(name, _)| name != key);
        self.metadata.push((key.to_owned(), value.into()));
        self
    }

    pub fn remove(&mut self, key: &str) -> &mut Self {
        self.metadata.retain(|(name, _)| name != key);
        self.tensors.retain(|tensor| tensor.name != key);
        self
    }

    pub fn tensor(&mut self, name: &str, shape: &[u64], kind: u32, bytes: Vec<u8>) -> &mut Self {
        self.tensors.push(Tensor { name: name.to_owned(), shape: shape.to_vec(), kind, bytes });
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend_from_slice(&3u32.to_le_bytes());
        out.extend_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_text(&mut out, key);
            value.put(&mut out);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            put_text(&mut out, &tensor.name);
            out.extend_from_slice(&(tensor.shape.len() as u32).to_le_bytes());
            tensor
                .shape
                .iter()
                .rev()
                .for_each(|dimension| out.extend_from_slice(&dimension.to_le_bytes()));
            out.extend_from_slice(&tensor.kind.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            offset += (tensor.bytes.len() as u64).next_multiple_of(32);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend_from_slice(&tensor.bytes);
        }
        out
    }
}

/// Values in ±0.5 made by integer arithmetic.
fn values(n: usize, salt: u64) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            (((i + salt * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32)
                / 16_777_216.0
                - 0.5
        })
        .collect()
}

/// Shape of the small models: heads 4, key/value heads 2, head size 16, three layers.
pub const HIDDEN: u64 = 64;
pub const LAYERS: u64 = 3;
pub const VOCABULARY: u64 = 300;

/// A random Llama with matrices of one type; `tied` leaves the output matrix out.
pub fn small_llama(kind: u32, tied: bool) -> Writer {
    let mut writer = Writer::default();
    writer
        .set("general.architecture", "llama")
        .set("general.name", "small")
        .set("llama.block_count", LAYERS as u32)
        .set("llama.embedding_length", HIDDEN as u32)
        .set("llama.feed_forward_length", 96)
        .set("llama.attention.head_count", 4)
        .set("llama.attention.head_count_kv", 2)
        .set("llama.context_length", 256)
        .set("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5));
    let mut salt = 0;
    let mut add = |name: &str, shape: &[u64], kind: u32| {
        salt += 1;
        let n = shape.iter().product::<u64>() as usize;
        let values: Vec<f32> = match shape.len() {
            1 => values(n, salt).iter().map(|x| x + 1.0).collect(),
            _ => values(n, salt),
        };
        writer.tensor(name, shape, kind, quantise(&values, kind));
    };
    add("token_embd.weight", &[VOCABULARY, HIDDEN], kind);
    for layer in 0..LAYERS {
        let mut part = |name: &str, shape: &[u64], kind: u32| {
            add(&format!("blk.{layer}.{name}.weight"), shape, kind)
        };
        part("attn_norm", &[HIDDEN], F32);
        part("attn_q", &[HIDDEN, HIDDEN], kind);
        part("attn_k", &[32, HIDDEN], kind);
        part("attn_v", &[32, HIDDEN], kind);
        part("attn_output", &[HIDDEN, HIDDEN], kind);
        part("ffn_norm", &[HIDDEN], F32);
        part("ffn_gate", &[96, HIDDEN], kind);
        part("ffn_up", &[96, HIDDEN], kind);
        part("ffn_down", &[HIDDEN, 96], kind);
    }
    add("output_norm.weight", &[HIDDEN], F32);
    if !tied {
        add("output.weight", &[VOCABULARY, HIDDEN], kind);
    }
    writer
}
