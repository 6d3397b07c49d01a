//! One row of an embedding matrix, from the bytes of the model file.

use crate::{WeightType, f16, quant::unpack};

/// The values of one row in the file's layout; `bytes` has [`WeightType::row_bytes`] of `out`'s
/// length.
///
/// F32, F16 and BF16 are widened exactly; for the quantised formats see [`unpack::values`].
pub fn row(format: WeightType, bytes: &[u8], out: &mut [f32]) {
    let halves = bytes.as_chunks::<2>().0.iter().map(|half| u16::from_le_bytes(*half));
    match format {
        WeightType::F32 => {
            fill(out, bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)))
        }
        WeightType::F16 => fill(out, halves.map(f16::to_f32)),
        WeightType::BF16 => fill(out, halves.map(f16::from_bf16)),
        _ => unpack::values(format, bytes, out),
    }
}

fn fill(out: &mut [f32], values: impl Iterator<Item = f32>) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = value;
    }
}
