//! The tensors of one block, found by their names.

use super::{FeedForward, Layer, Linear, Swiglu};
use crate::{
    arch::{Biases, HeadNorms},
    config::{Experts, ModelConfig},
    error::LoadError,
    model::tensor::Reader,
};

/// The tensors of layer `layer` of the model.
///
/// # Errors
/// [`LoadError`] if one is missing or has another shape.
pub(super) fn load(
    reader: &mut Reader<'_>,
    config: &ModelConfig,
    layer: u16,
) -> Result<Layer, LoadError> {
    let (hidden, head_size, description) = (config.hidden, config.head_size, config.description);
    let name = |part: &str| format!("blk.{layer}.{part}");
    let norms = |reader: &Reader<'_>, parts: [&str; 2], length: usize| {
        let [first, second] = parts.map(|part| reader.vector(&name(part), length));
        Ok::<_, LoadError>([first?, second?])
    };
    let head_norms = match description.head_norms {
        HeadNorms::None => None,
        HeadNorms::QueryKey => {
            Some(norms(reader, ["attn_q_norm.weight", "attn_k_norm.weight"], head_size)?)
        }
    };
    let norms_behind = match description.norms_behind {
        false => None,
        true => {
            Some(norms(reader, ["post_attention_norm.weight", "post_ffw_norm.weight"], hidden)?)
        }
    };
    let sinks = match description.sinks {
        false => Vec::new(),
        true => reader.vector(&name("attn_sinks.weight"), config.heads)?,
    };
    let [query, key, value] = load_queries(reader, config, &name)?;
    let attention_output = Linear {
        matrix: reader.matrix(&name("attn_output.weight"), hidden, config.heads * head_size)?,
        bias: match description.biases {
            Biases::None | Biases::QueryKeyValue => None,
            Biases::All => Some(reader.vector(&name("attn_output.bias"), hidden)?),
        },
    };
    Ok(Layer {
        attention_norm: reader.vector(&name("attn_norm.weight"), hidden)?,
        query,
        key,
        value,
        head_norms,
        sinks,
        window: config.windows.get(usize::from(layer)).copied().flatten(),
        attention_output,
        feed_forward_norm: reader.vector(&name(description.feed_forward_norm), hidden)?,
        feed_forward: load_feed_forward(reader, config, &name)?,
        norms_behind,
    })
}

/// What gives queries, keys and values.
fn load_queries(
    reader: &mut Reader<'_>,
    config: &ModelConfig,
    name: &impl Fn(&str) -> String,
) -> Result<[Linear; 3], LoadError> {
    let (hidden, description) = (config.hidden, config.description);
    let keys = config.kv_heads * config.head_size;
    let rows = [config.heads * config.head_size, keys, keys];
    let fused = name("attn_qkv.weight");
    if description.fused && reader.has(&fused) {
        return Ok(reader.stacked(&fused, rows, hidden)?.map(Linear::plain));
    }
    let mut linear = |part: &str, rows: usize| {
        let bias = match description.biases {
            Biases::None => None,
            Biases::QueryKeyValue | Biases::All => {
                Some(reader.vector(&name(&format!("{part}.bias")), rows)?)
            }
        };
        let matrix = reader.matrix(&name(&format!("{part}.weight")), rows, hidden)?;
        Ok::<_, LoadError>(Linear { matrix, bias })
    };
    let [queries, keys, values] = rows;
    Ok([linear("attn_q", queries)?, linear("attn_k", keys)?, linear("attn_v", values)?])
}

fn load_feed_forward(
    reader: &mut Reader<'_>,
    config: &ModelConfig,
    name: &impl Fn(&str) -> String,
) -> Result<FeedForward, LoadError> {
    let (hidden, inner) = (config.hidden, config.feed_forward);
    let Some(experts) = config.experts else {
        let [gate, up] = if config.description.fused {
            reader.stacked(&name("ffn_up.weight"), [inner, inner], hidden)?
        } else {
            let gate = reader.matrix(&name("ffn_gate.weight"), inner, hidden)?;
            [gate, reader.matrix(&name("ffn_up.weight"), inner, hidden)?]
        };
        let down = reader.matrix(&name("ffn_down.weight"), hidden, inner)?;
        let [gate, up, down] = [gate, up, down].map(Linear::plain);
        return Ok(FeedForward::Dense(Box::new(Swiglu { gate, up, down })));
    };
    load_experts(reader, config, experts, name)
}

fn load_experts(
    reader: &mut Reader<'_>,
    config: &ModelConfig,
    Experts { count, used }: Experts,
    name: &impl Fn(&str) -> String,
) -> Result<FeedForward, LoadError> {
    let (hidden, inner) = (config.hidden, config.feed_forward);
    let has_biases = config.description.biases == Biases::All;
    let router = Linear {
        matrix: reader.matrix(&name("ffn_gate_inp.weight"), count, hidden)?,
        bias: match has_biases {
            true => Some(reader.vector(&name("ffn_gate_inp.bias"), count)?),
            false => None,
        },
    };
    let mut linears = |part: &str, rows: usize, columns: usize| {
        let matrices = reader.matrices(&name(&format!("{part}.weight")), count, rows, columns)?;
        let mut biases = match has_biases {
            true => reader.vectors(&name(&format!("{part}.bias")), count, rows)?.into_iter(),
            false => Vec::new().into_iter(),
        };
        let linear = |matrix| Linear { matrix, bias: biases.next() };
        Ok::<_, LoadError>(matrices.into_iter().map(linear).collect::<Vec<_>>())
    };
    let gates = linears("ffn_gate_exps", inner, hidden)?;
    let ups = linears("ffn_up_exps", inner, hidden)?;
    let downs = linears("ffn_down_exps", hidden, inner)?;
    let experts = gates
        .into_iter()
        .zip(ups)
        .zip(downs)
        .map(|((gate, up), down)| Swiglu { gate, up, down })
        .collect();
    Ok(FeedForward::Experts { router, experts, used })
}
