//! The types that GGML gives numbers and that a file may have.

use mica_kernels::WeightType;

/// Type of a tensor in a file.
///
/// What `Debug` prints goes into the hash that names a model: variants are never renamed.
#[expect(non_camel_case_types, reason = "the names of the file format, where they are not older")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TensorType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// bfloat16.
    BF16,
    /// Blocks of 32 integers of 4 bits.
    Q4_0,
    /// The same with a minimum.
    Q4_1,
    /// Blocks of 32 integers of 5 bits.
    Q5_0,
    /// The same with a minimum.
    Q5_1,
    /// Blocks of 32 integers of 8 bits.
    Q8_0,
    /// Super-blocks of 256 integers of 2 bits.
    Q2K,
    /// Super-blocks of 256 integers of 3 bits.
    Q3K,
    /// Super-blocks of 256 integers of 4 bits.
    Q4K,
    /// Super-blocks of 256 integers of 5 bits.
    Q5K,
    /// Super-blocks of 256 integers of 6 bits.
    Q6K,
    /// Blocks of 32 places in a table.
    IQ4_NL,
    /// Super-blocks of 256 places in a table.
    IQ4_XS,
    /// Blocks of 32 floats of 4 bits.
    MXFP4,
}

impl TensorType {
    const ALL: [(u32, Self); 16] = [
        (0, Self::F32),
        (1, Self::F16),
        (2, Self::Q4_0),
        (3, Self::Q4_1),
        (6, Self::Q5_0),
        (7, Self::Q5_1),
        (8, Self::Q8_0),
        (10, Self::Q2K),
        (11, Self::Q3K),
        (12, Self::Q4K),
        (13, Self::Q5K),
        (14, Self::Q6K),
        (20, Self::IQ4_NL),
        (23, Self::IQ4_XS),
        (30, Self::BF16),
        (39, Self::MXFP4),
    ];

    /// The type that a file calls by this number; `None` for those that we have no kernels for.
    pub(super) fn numbered(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|(own, _)| *own == number).map(|(_, kind)| kind)
    }

    /// The number that a file calls it by.
    pub(super) fn number(self) -> u32 {
        // All of them are there.
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or(0, |(number, _)| number)
    }

    /// Names of all, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(|(_, kind)| kind.weight_type().name()).join(", ")
    }

    /// The kernels' name for it.
    pub const fn weight_type(self) -> WeightType {
        match self {
            Self::F32 => WeightType::F32,
            Self::F16 => WeightType::F16,
            Self::BF16 => WeightType::BF16,
            Self::Q4_0 => WeightType::Q4_0,
            Self::Q4_1 => WeightType::Q4_1,
            Self::Q5_0 => WeightType::Q5_0,
            Self::Q5_1 => WeightType::Q5_1,
            Self::Q8_0 => WeightType::Q8_0,
            Self::Q2K => WeightType::Q2_K,
            Self::Q3K => WeightType::Q3_K,
            Self::Q4K => WeightType::Q4_K,
            Self::Q5K => WeightType::Q5_K,
            Self::Q6K => WeightType::Q6_K,
            Self::IQ4_NL => WeightType::IQ4_NL,
            Self::IQ4_XS => WeightType::IQ4_XS,
            Self::MXFP4 => WeightType::MXFP4,
        }
    }

    /// GGML's name of it, such as `Q4_K`.
    pub const fn name(self) -> &'static str {
        self.weight_type().name()
    }
}
