//! One row of an embedding matrix, from the bytes of the model file.

use crate::{
    BLOCK, f16,
    quant::{self, Q4_0_BYTES, Q8_0_BYTES},
};

/// Widens a little-endian F32 row; `bytes` has 4 per element of `out`.
pub fn f32_row(bytes: &[u8], out: &mut [f32]) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *out = f32::from_le_bytes(*bytes);
    }
}

/// Widens a little-endian F16 row; `bytes` has 2 per element of `out`.
pub fn f16_row(bytes: &[u8], out: &mut [f32]) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *out = f16::to_f32(u16::from_le_bytes(*bytes));
    }
}

/// `q · scale` of every element of a Q8_0 row.
pub fn q8_0_row(bytes: &[u8], out: &mut [f32]) {
    for (out, block) in out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(bytes.as_chunks::<Q8_0_BYTES>().0) {
        let (scale, quants) = quant::unpack_q8_0(block);
        *out = quants.map(|q| f32::from(q) * scale);
    }
}

/// `q · scale` of every element of a Q4_0 row.
pub fn q4_0_row(bytes: &[u8], out: &mut [f32]) {
    for (out, block) in out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(bytes.as_chunks::<Q4_0_BYTES>().0) {
        let (scale, quants) = quant::unpack_q4_0(block);
        *out = quants.map(|q| f32::from(q) * scale);
    }
}
