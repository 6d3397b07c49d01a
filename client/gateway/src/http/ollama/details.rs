//! What is said of a model in several places.

use serde_json::{Value, json};

use crate::core::LoadedModel;

/// `details` of a model, as `tags`, `ps` and `show` have them.
pub(crate) fn details(model: &LoadedModel) -> Value {
    let manifest = model.local.manifest();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let family = text(&manifest.architecture);
    json!({
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": size(parameters(model)),
        "quantization_level": text(&manifest.quantisation),
        "context_length": manifest.context,
        "embedding_length": manifest.hidden,
    })
}

/// Weights of the model.
pub(crate) fn parameters(model: &LoadedModel) -> u64 {
    let count = |shape: &[usize]| {
        shape.iter().fold(1u64, |product, length| product.saturating_mul(*length as u64))
    };
    model.local.file().tensors().fold(0, |sum: u64, tensor| sum.saturating_add(count(tensor.shape)))
}

/// `digest` of a model: the id by which the chain knows it.
pub(crate) fn digest(model: &LoadedModel) -> String {
    hex::encode(model.local.id().0)
}

/// A number of weights as people write it, for example `5.5M`.
fn size(parameters: u64) -> String {
    let (scale, unit) = match parameters {
        1_000_000_000.. => (1e9, "B"),
        1_000_000.. => (1e6, "M"),
        _ => (1e3, "K"),
    };
    format!("{:.1}{unit}", parameters as f64 / scale)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_short() {
        assert_eq!(
            [super::size(5_509_376), super::size(7_600_000_000), super::size(900)],
            ["5.5M", "7.6B", "0.9K"]
        );
    }
}
