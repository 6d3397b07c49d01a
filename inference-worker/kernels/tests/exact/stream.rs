//! Test values from a seed, extremes among them.

use mica_kernels::{WeightType, f16};

/// A small generator, so that a seed names a whole matrix.
pub struct Stream(pub u64);

impl Stream {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn float(&mut self) -> f32 {
        let magnitude = self.below(24) as i32 - 12;
        ((self.next() >> 40) as f32 / 8_388_608.0 - 1.0) * 2.0f32.powi(magnitude)
    }

    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    pub fn halves(&mut self, n: usize) -> Vec<u16> {
        (0..n).map(|_| f16::from_f32(self.float())).collect()
    }

    /// Activations, most of them ordinary, some blocks extreme: equal, ±largest, denormal, ±0,
    /// huge, dust.
    pub fn activations(&mut self, n: usize) -> Vec<f32> {
        let mut values = self.floats(n);
        for block in values.chunks_mut(32) {
            let kind = self.below(12);
            for (i, value) in block.iter_mut().enumerate() {
                let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                *value = match kind {
                    0 => 3.25,
                    1 => sign * 127.0,
                    2 => -127.0,
                    3 => sign * f32::from_bits(1 + i as u32),
                    4 => sign * 0.0,
                    5 => sign * 3.0e38,
                    6 => sign * 1.0e-30,
                    _ => *value,
                };
            }
        }
        values
    }

    /// A finite half-precision number, often an extreme one.
    fn scale(&mut self) -> u16 {
        let sign = (self.next() as u16) & 0x8000;
        sign | match self.below(8) {
            0 => 0,
            1 => 1,
            2 => 0x03ff,
            3 => 0x7bff,
            _ => self.below(0x7c00) as u16,
        }
    }

    /// Weights in a file's layout: any bytes or all of one kind, finite scales.
    pub fn weights(&mut self, format: WeightType, elements: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..elements / format.block_elements() {
            let kind = self.below(10);
            let start = bytes.len();
            for _ in 0..format.block_bytes() {
                let byte = self.next();
                bytes.push(match kind {
                    0 => 0x00,
                    1 => 0xff,
                    2 => 0x80,
                    3 => 0x7f,
                    4 => 0x88,
                    _ if byte.is_multiple_of(5) => 0x80,
                    _ => (byte >> 8) as u8,
                });
            }
            match format {
                WeightType::F32 => {
                    let value = self.float().to_le_bytes();
                    bytes[start..].copy_from_slice(&value);
                }
                WeightType::BF16 => {
                    let value = self.float().to_le_bytes();
                    bytes[start..].copy_from_slice(&value[2..]);
                }
                // Not so large that sums of f32 overflow.
                WeightType::MXFP4 => bytes[start] = self.below(160) as u8,
                _ => {}
            }
            let halves: &[usize] = if format == WeightType::F16 { &[0] } else { format.halves() };
            for &at in halves {
                let scale = self.scale().to_le_bytes();
                bytes[start + at..][..2].copy_from_slice(&scale);
            }
        }
        bytes
    }
}
