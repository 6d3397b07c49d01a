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
    /// 256 integers of 2 bits in 16 parts, each part with a scale and a minimum of 4 bits.
    Q2_K,
    /// 256 integers of 3 bits, 4 too large, in 16 parts, each part with a scale of 6 bits.
    Q3_K,
    /// 32 places in a table of 16 integers, and a scale.
    IQ4_NL,
    /// 256 places in the same table in 8 parts, each part with a scale of 6 bits.
    IQ4_XS,
    /// 32 numbers of 4 bits, two of them the exponent, and a power of two as scale.
    MXFP4,
}

impl WeightType {
    /// Every type.
    pub const ALL: [Self; 16] = [
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
        Self::Q2_K,
        Self::Q3_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
        Self::MXFP4,
    ];

    /// Elements of a block: what is stored together; a row is whole blocks.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0
            | Self::Q4_0
            | Self::Q4_1
            | Self::Q5_0
            | Self::Q5_1
            | Self::IQ4_NL
            | Self::MXFP4 => crate::BLOCK,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K | Self::IQ4_XS => {
                crate::SUPER_BLOCK
            }
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
            Self::Q2_K => 16 + 64 + 2 + 2,
            Self::Q3_K => 32 + 64 + 12 + 2,
            Self::IQ4_NL => 2 + 16,
            Self::IQ4_XS => 2 + 2 + 4 + 128,
            Self::MXFP4 => 1 + 16,
        }
    }

    /// Bytes of a row in a file; `None` if a row of `columns` is not whole blocks, or has none.
    pub const fn row_bytes(self, columns: usize) -> Option<usize> {
        if columns == 0 || !columns.is_multiple_of(self.block_elements()) {
            return None;
        }
        (columns / self.block_elements()).checked_mul(self.block_bytes())
    }

    /// Where the f16 numbers of a block are, in bytes from its start. Plain types have none, and
    /// MXFP4's scale is a byte of its own kind.
    pub const fn halves(self) -> &'static [usize] {
        match self {
            Self::F32 | Self::F16 | Self::BF16 | Self::MXFP4 => &[],
            Self::Q8_0 | Self::Q4_0 | Self::Q5_0 | Self::IQ4_NL | Self::IQ4_XS => &[0],
            Self::Q4_1 | Self::Q5_1 | Self::Q4_K | Self::Q5_K => &[0, 2],
            Self::Q6_K => &[208],
            Self::Q2_K => &[80, 82],
            Self::Q3_K => &[108],
        }
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
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::IQ4_NL => "IQ4_NL",
            Self::IQ4_XS => "IQ4_XS",
            Self::MXFP4 => "MXFP4",
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
        assert_eq!(WeightType::Q2_K.row_bytes(256), Some(84));
        assert_eq!(WeightType::Q3_K.row_bytes(256), Some(110));
        assert_eq!(WeightType::IQ4_XS.row_bytes(256), Some(136));
        assert_eq!(WeightType::MXFP4.row_bytes(64), Some(34));
        assert_eq!(WeightType::F32.row_bytes(0), None);
        assert_eq!(WeightType::F32.row_bytes(usize::MAX), None);
    }
}
