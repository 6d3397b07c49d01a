//! How fast this machine computes a model, and how fast its memory would let it.
//!
//! A decoded token reads every weight once, so that decoding can never be faster than [`bandwidth`]
//! over [`decode_bytes`]. What a worker advertises as its cost comes from
//! [`cost_us_per_layer_token`]; what it shows to its operator from [`Trial`]. Both time the same
//! steps. Times are wall-clock times of this process: on a busy machine they are longer.

mod bandwidth;
mod trial;

pub use bandwidth::read_bytes_per_second;
pub use trial::{Round, Trial, Workload, cost_us_per_layer_token};

use mica_primitives::LayerRange;

use crate::{config::ModelConfig, gguf::GgufFile};

/// Bytes of the file's tensors that one decoded token reads in layers `range`: the layers', and the
/// head's if the range ends the model. Of an embedding table a token reads one row, which is not
/// counted; of a layer with experts only those that it uses.
///
/// The bytes are those of the file: what is needed to hold the weights, whatever their arrangement
/// in memory.
pub fn decode_bytes(file: &GgufFile, config: &ModelConfig, range: LayerRange) -> u64 {
    let key = |name: &str| file.integer(&format!("{}.{name}", config.architecture));
    let (experts, used) =
        (key("expert_count").unwrap_or(0).max(1), key("expert_used_count").unwrap_or(1));
    let layers = file.tensors().filter_map(|tensor| {
        let (layer, name) = tensor.name.strip_prefix("blk.")?.split_once('.')?;
        let bytes = tensor.size_bytes() as u64;
        let read =
            if name.contains("_exps.") { bytes / experts * used.min(experts) } else { bytes };
        layer.parse().is_ok_and(|layer| range.contains(layer)).then_some(read)
    });
    let head = file.tensor("output.weight").or_else(|| file.tensor("token_embd.weight"));
    let head =
        head.filter(|_| range.end == config.layers).map_or(0, |head| head.size_bytes() as u64);
    layers.sum::<u64>() + head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    #[test]
    fn a_token_reads_the_layers_and_the_head_but_not_the_embedding() {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let config = file.config().expect("config");
        let read = |first, end| decode_bytes(&file, &config, LayerRange { first, end });
        let layers: u64 = file
            .tensors()
            .filter(|t| t.name.starts_with("blk."))
            .map(|t| t.size_bytes() as u64)
            .sum();
        let head = file
            .tensor("output.weight")
            .or_else(|| file.tensor("token_embd.weight"))
            .expect("a head")
            .size_bytes() as u64;
        assert_eq!(read(0, config.layers), layers + head);
        assert_eq!(
            read(0, 1) * u64::from(config.layers),
            layers,
            "all layers of this model have the same shape"
        );
        assert_eq!(read(0, 3) + read(3, config.layers), layers + head);
    }
}
