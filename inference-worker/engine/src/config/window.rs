//! Which layers see how much of what came before, as the metadata says it.

use candle_core::quantized::gguf_file::Value;

use super::{Keys, MAX_CONTEXT};
use crate::{
    arch::{Architecture, Windows},
    error::LoadError,
};

/// Positions that each layer sees at most; `None` for all.
pub(super) fn read(
    keys: &Keys<'_>,
    description: &Architecture,
    layers: u16,
) -> Result<Vec<Option<usize>>, LoadError> {
    let layers = usize::from(layers);
    let Windows::AllBut { period, .. } = description.windows else { return Ok(vec![None; layers]) };
    let length = "attention.sliding_window";
    if keys.file.integer(&keys.key(length)).unwrap_or(0) == 0 {
        return Ok(vec![None; layers]);
    }
    let window = keys.number(length, MAX_CONTEXT)?;
    let pattern = "attention.sliding_window_pattern";
    let is_local: Vec<bool> = match keys.file.array(&keys.key(pattern)) {
        // One that is neither makes the list too short.
        Some(values) => values.iter().map_while(flag).collect(),
        None => {
            let period = keys.optional(pattern, layers as u64 + 1, period)?;
            (1..=layers).map(|number| !number.is_multiple_of(period)).collect()
        }
    };
    keys.check(pattern, is_local.len() == layers, "it has not one entry for each layer")?;
    Ok(is_local.into_iter().map(|is_local| is_local.then_some(window)).collect())
}

/// A yes or no, which some converters write as a number.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::U32(number) => Some(*number != 0),
        Value::I32(number) => Some(*number != 0),
        _ => None,
    }
}
