//! The same question answered by the same model in one process.

use mica_engine::{
    ForwardError, Input, LoadError, Model, Output as Computed, Sampler, Threads, Want,
};
use mica_payer::model::LocalModel;

use super::DemoError;

/// An answer that is being computed.
pub(super) type Reference = tokio::task::JoinHandle<Result<Vec<u32>, DemoError>>;

/// The tokens of at most `max_tokens` that `model` answers `prompt` with, in this process.
pub(super) fn begin(model: LocalModel, prompt: Vec<u32>, max_tokens: u32) -> Reference {
    tokio::task::spawn_blocking(move || {
        generate(&model, &prompt, max_tokens)
            .map_err(|error| DemoError::Reference(error.to_string()))
    })
}

/// Why the model in one process failed.
#[derive(Debug, thiserror::Error)]
enum GenerateError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error("the model gave no logits")]
    NoLogits,
}

fn generate(
    model: &LocalModel,
    prompt: &[u32],
    max_tokens: u32,
) -> Result<Vec<u32>, GenerateError> {
    let layers = mica_primitives::LayerRange { first: 0, end: model.manifest().layers };
    let whole = Model::load(model.file(), layers, Threads::new(1))?;
    let positions = prompt.len() + max_tokens as usize;
    let mut cache = whole.new_cache(positions.min(model.manifest().context as usize))?;
    let sampler = Sampler::greedy();
    let (mut input, mut tokens, mut position) = (prompt.to_vec(), Vec::new(), prompt.len());
    let room = model.manifest().context as usize;
    while tokens.len() < max_tokens as usize && position <= room {
        let Computed::Logits(logits) =
            whole.forward(&mut cache, Input::Tokens(&input), Want::LastLogits)?
        else {
            return Err(GenerateError::NoLogits);
        };
        let token = sampler.sample(&logits, u32::try_from(position).unwrap_or(u32::MAX));
        tokens.push(token);
        if model.end_ids().contains(&token) {
            break;
        }
        input = vec![token];
        position += 1;
    }
    Ok(tokens)
}
