//! The types that a weight matrix can have in a model file, named as GGML names them.

/// Type of a weight matrix.
#[expect(non_camel_case_types, reason = "the names of the file format")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WeightType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// 32 signed bytes and a scale.
    Q8_0,
    /// 32 nibbles, 8 too large, and a scale.
    Q4_0,
    /// 32 nibbles, a scale and a minimum.
    Q4_1,
    /// 32 integers of 5 bits, 16 too large, and a scale.
    Q5_0,
    /// 32 integers of 5 bits, a scale and a minimum.
    Q5_1,
    /// 256 nibbles in 8 parts, each part with a scale and a minimum of 6 bits.
    Q4_K,
    /// 256 integers of 5 bits in 8 parts, each part with a scale and a minimum of 6 bits.
    Q5_K,
    /// 256 integers of 6 bits, 32 too large, in 16 parts, each part with a scale of 8 bits.
    Q6_K,
}

impl WeightType {
    /// Every type.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
    ];

    /// Elements of a block: what is stored together; a row is whole blocks.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => crate::BLOCK,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => crate::SUPER_BLOCK,
        }
    }

    /// Bytes of a block in a file.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q4_K => 2 + 2 + 12 + 128,
            Self::Q5_K => 2 + 2 + 12 + 32 + 128,
            Self::Q6_K => 128 + 64 + 16 + 2,
        }
    }

    /// Bytes of a row in a file; `None` if a row of `columns` is not whole blocks, or has none.
    pub const fn row_bytes(self, columns: usize) -> Option<usize> {
        if columns == 0 || !columns.is_multiple_of(self.block_elements()) {
            return None;
        }
        (columns / self.block_elements()).checked_mul(self.block_bytes())
    }

    /// The name, such as `Q4_K`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_whole_blocks() {
        assert_eq!(WeightType::Q4_K.row_bytes(512), Some(288));
        assert_eq!(WeightType::Q6_K.row_bytes(256), Some(210));
        assert_eq!(WeightType::Q5_K.row_bytes(256), Some(176));
        assert_eq!(WeightType::Q4_K.row_bytes(32), None);
        assert_eq!(WeightType::Q5_1.row_bytes(64), Some(48));
        assert_eq!(WeightType::F32.row_bytes(0), None);
        assert_eq!(WeightType::F32.row_bytes(usize::MAX), None);
    }
}
