//! What a chat has cost, and the models that it can use.

use mica_chain::{AccountId, amount};
use mica_primitives::{ModelId, ModelManifest, ModelRecord};

use mica_text::{MAX_SHOWN_BYTES, shown};

use crate::chat::Spent;

/// Answers, tokens and money of a chat, on one line.
pub(crate) fn spent(spent: &Spent) -> String {
    let Spent { turns, prompt_tokens, answer_tokens, paid, fees } = spent;
    let (paid, fees) = (amount::format(*paid), amount::format(*fees));
    format!(
        "{turns} answers, {prompt_tokens} + {answer_tokens} tokens: {paid} to workers, {fees} in \
         fees"
    )
}

/// Name and size of a model, on one line.
pub(crate) fn model(manifest: &ModelManifest) -> String {
    let name = shown(&String::from_utf8_lossy(&manifest.name), MAX_SHOWN_BYTES);
    format!("{name} ({} layers, context {})", manifest.layers, manifest.context)
}

/// The models of a chain, one a line, with a star at the one that is in use.
pub(crate) fn models(models: &[(ModelId, ModelRecord<AccountId>)], used: ModelId) -> String {
    let line = |(id, record): &(ModelId, ModelRecord<AccountId>)| {
        let mark = if *id == used { "*" } else { " " };
        let name = shown(&String::from_utf8_lossy(&record.manifest.name), MAX_SHOWN_BYTES);
        format!("{mark} {name}  {id}\n")
    };
    models.iter().map(line).collect()
}
