//! The tensors of a layer range, arranged as the architecture's description says.

mod layers;

use mica_kernels::{Matrix, WeightType, embedding};
use mica_primitives::LayerRange;

use super::tensor::Reader;
use crate::{
    config::ModelConfig,
    error::LoadError,
    fit::{is_large, load_bytes},
    gguf::GgufFile,
    memory,
    threads::Pool,
};

/// One transformer block.
pub(super) struct Layer {
    pub attention_norm: Vec<f32>,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    /// Weights of the norms of query and key heads.
    pub head_norms: Option<[Vec<f32>; 2]>,
    /// The heads' own scores, by head; empty if they have none.
    pub sinks: Vec<f32>,
    /// Positions that queries see at most, their own the last; `None` for all.
    pub window: Option<usize>,
    pub attention_output: Linear,
    pub feed_forward_norm: Vec<f32>,
    pub feed_forward: FeedForward,
    /// Weights of the norms of what the halves of the block give.
    pub norms_behind: Option<[Vec<f32>; 2]>,
}

/// A product and what is added to it.
pub(super) struct Linear {
    pub matrix: Matrix,
    pub bias: Option<Vec<f32>>,
}

/// The second half of a block.
pub(super) enum FeedForward {
    Dense(Box<Swiglu>),
    /// The router's matrix has a row for each expert.
    Experts {
        router: Linear,
        experts: Vec<Swiglu>,
        used: usize,
    },
}

/// `down · (act(gate · x) ∘ (up · x))`.
pub(super) struct Swiglu {
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

/// What comes after the last layer.
pub(super) struct Head {
    pub norm: Vec<f32>,
    pub output: Matrix,
}

/// What turns tokens into rows.
enum Embedding {
    /// `[vocabulary, hidden]` as in the file. A copy, so that no later change of the file can reach
    /// it.
    Own { format: WeightType, row_bytes: usize, bytes: Vec<u8> },
    /// The head's matrix, where the model has one for both and the range has both ends of it.
    Head,
}

/// All tensors of a range.
pub(super) struct Weights {
    /// With layer 0 only.
    embedding: Option<Embedding>,
    pub layers: Vec<Layer>,
    /// With the last layer only.
    pub head: Option<Head>,
}

impl Weights {
    pub(super) fn load(
        file: &GgufFile,
        config: &ModelConfig,
        range: LayerRange,
        pool: &Pool,
    ) -> Result<Self, LoadError> {
        check_names(file, config, range)?;
        check_memory(file, config, range, memory::available_bytes())?;
        let (vocabulary, hidden) = (config.vocabulary, config.hidden);
        let mut reader = Reader::new(file, pool);
        let is_tied = file.tensor("output.weight").is_none();
        let embedding = match range.first {
            0 if is_tied && range.end == config.layers => Some(Embedding::Head),
            0 => {
                let (format, bytes) = reader.raw("token_embd.weight", vocabulary, hidden)?;
                Some(Embedding::Own { format, row_bytes: bytes.len() / vocabulary, bytes })
            }
            _ => None,
        };
        let layers = range
            .layers()
            .map(|layer| layers::load(&mut reader, config, layer))
            .collect::<Result<_, _>>()?;
        let head = if range.end == config.layers {
            // Without a matrix of its own the head shares the embedding's.
            let name = if is_tied { "token_embd.weight" } else { "output.weight" };
            Some(Head {
                norm: reader.vector("output_norm.weight", hidden)?,
                output: reader.matrix(name, vocabulary, hidden)?,
            })
        } else {
            None
        };
        Ok(Self { embedding, layers, head })
    }

    /// The row that enters layer 0 for `token`, which is below the vocabulary. `None` without layer
    /// 0.
    pub(super) fn embed(&self, token: u32, out: &mut [f32]) -> Option<()> {
        match self.embedding.as_ref()? {
            Embedding::Own { format, row_bytes, bytes } => {
                embedding::row(*format, &bytes[token as usize * row_bytes..][..*row_bytes], out);
            }
            Embedding::Head => self.head.as_ref()?.output.row(token as usize, out),
        }
        Some(())
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let embedding = match &self.embedding {
            Some(Embedding::Own { bytes, .. }) => bytes.len(),
            Some(Embedding::Head) | None => 0,
        };
        let head =
            self.head.as_ref().map_or(0, |head| head.output.bytes() + size_of_val(&*head.norm));
        embedding + head + self.layers.iter().map(Layer::bytes).sum::<usize>()
    }
}

impl Layer {
    fn bytes(&self) -> usize {
        let linears = [&self.query, &self.key, &self.value, &self.attention_output];
        let vectors = [&self.attention_norm, &self.feed_forward_norm, &self.sinks]
            .into_iter()
            .chain(self.head_norms.iter().flatten())
            .chain(self.norms_behind.iter().flatten());
        let feed_forward = match &self.feed_forward {
            FeedForward::Dense(swiglu) => swiglu.bytes(),
            FeedForward::Experts { router, experts, .. } => {
                router.bytes() + experts.iter().map(Swiglu::bytes).sum::<usize>()
            }
        };
        linears.into_iter().map(Linear::bytes).sum::<usize>()
            + vectors.map(|vector| size_of_val(&**vector)).sum::<usize>()
            + feed_forward
    }
}

impl Linear {
    const fn plain(matrix: Matrix) -> Self {
        Self { matrix, bias: None }
    }

    fn bytes(&self) -> usize {
        self.matrix.bytes() + self.bias.as_ref().map_or(0, |bias| size_of_val(&**bias))
    }
}

impl Swiglu {
    fn bytes(&self) -> usize {
        self.gate.bytes() + self.up.bytes() + self.down.bytes()
    }
}

/// Per-position rotations of the pairs.
pub(super) struct Rotations {
    /// In layers that see everything, `[rotated / 2]`.
    pub everywhere: Vec<f64>,
    /// In the others, where they have their own.
    pub in_windows: Option<Vec<f64>>,
}

/// Rotations as the configuration says, divided by the factors that the file brings along.
pub(super) fn rotations(
    file: &GgufFile,
    config: &ModelConfig,
    pool: &Pool,
) -> Result<Rotations, LoadError> {
    let pairs = config.rotated / 2;
    let name = if config.description.fused { SHORT_FACTORS } else { FACTORS };
    let factors = match file.tensor(name) {
        Some(_) => Reader::new(file, pool).vector(name, pairs)?,
        None => vec![1.0; pairs],
    };
    if factors.iter().any(|&factor| !factor.is_normal() || factor < 0.0) {
        return Err(LoadError::config(name, "a factor is not positive".into()));
    }
    Ok(Rotations {
        everywhere: config.rope.frequencies(config.rotated, &factors),
        in_windows: config.rope.local_frequencies(config.rotated),
    })
}

/// Factors of rotations.
const FACTORS: &str = "rope_freqs.weight";
/// Those of models with two sets of them, for the original context.
const SHORT_FACTORS: &str = "rope_factors_short.weight";
/// And for longer ones: left out, see [`crate::arch`].
const LONG_FACTORS: &str = "rope_factors_long.weight";

/// Refuses tensors that we would have to leave out of the computation.
fn check_names(file: &GgufFile, config: &ModelConfig, range: LayerRange) -> Result<(), LoadError> {
    for tensor in file.tensors() {
        let known = match tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, name)) => {
                let ours = layer.parse::<u16>().is_ok_and(|layer| range.contains(layer));
                !ours || config.description.has_block_tensor(name)
            }
            None => match tensor.name {
                "token_embd.weight" | "output_norm.weight" | "output.weight" => true,
                FACTORS => !config.description.fused,
                SHORT_FACTORS | LONG_FACTORS => config.description.fused,
                _ => false,
            },
        };
        if !known {
            return Err(LoadError::TensorUnknown {
                name: tensor.name.to_owned(),
                architecture: config.description.name,
            });
        }
    }
    Ok(())
}

/// Refuses a range that the system has no room for: what takes more than there is does not fail,
/// the process is killed.
fn check_memory(
    file: &GgufFile,
    config: &ModelConfig,
    range: LayerRange,
    available: Option<usize>,
) -> Result<(), LoadError> {
    let Some(available) = available.and_then(|bytes| u64::try_from(bytes).ok()) else {
        return Ok(());
    };
    let needed = load_bytes(file, config, range);
    if needed > available { Err(LoadError::Memory { range, needed, available }) } else { Ok(()) }
}

impl GgufFile {
    /// Numbers of the tensors that `range` is loaded from, in the file's order.
    ///
    /// # Errors
    /// [`LoadError`] if the file holds no model that we can run, or not these layers.
    pub fn tensors_of(&self, range: LayerRange) -> Result<Vec<usize>, LoadError> {
        let layers = self.config()?.layers;
        if !range.is_valid_for(layers) {
            return Err(LoadError::Range { range, layers });
        }
        let is_tied = self.tensor("output.weight").is_none();
        let is_needed = |name: &str| {
            is_large(name, range, layers, is_tied)
                || [FACTORS, SHORT_FACTORS].contains(&name)
                || (name == "output_norm.weight" && range.end == layers)
        };
        let tensors = self.tensors().enumerate();
        Ok(tensors.filter(|(_, tensor)| is_needed(tensor.name)).map(|(number, _)| number).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    #[test]
    fn every_tensor_is_of_some_range_and_all_of_the_whole() {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let layers = file.config().expect("config").layers;
        let of = |first, end| file.tensors_of(LayerRange { first, end }).expect("a range");
        let whole = of(0, layers);
        assert_eq!(whole, (0..file.tensors().count()).collect::<Vec<_>>());
        let mut parts = [of(0, 3), of(3, 5), of(5, layers)].concat();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts, whole);
        assert!(of(3, 5).len() < whole.len() / 3);
        assert!(file.tensors_of(LayerRange { first: 3, end: layers + 1 }).is_err());
    }

    #[test]
    fn a_range_that_does_not_fit_is_refused_by_name() {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let config = file.config().expect("config");
        let check = |first, end, available| {
            check_memory(&file, &config, LayerRange { first, end }, available)
        };
        assert!(check(0, config.layers, None).is_ok());
        let whole: usize = file.tensors().map(|tensor| tensor.size_bytes()).sum();
        assert!(check(0, config.layers, Some(2 * whole)).is_ok());
        let error = check(0, config.layers, Some(whole / 2)).expect_err("too much").to_string();
        assert!(error.contains("--layers"), "{error}");
        assert!(check(1, 2, Some(whole / 2)).is_ok(), "a part fits");
    }
}
