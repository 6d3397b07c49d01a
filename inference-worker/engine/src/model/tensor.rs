//! Single tensors: from the file, checked, into the kernels' layouts.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

use mica_kernels::{Matrix, WeightType, embedding};

use crate::{
    error::LoadError,
    gguf::{GgufError, GgufFile, TensorView},
    memory,
    threads::Pool,
};

/// Bytes that a thread reads and checks at once.
const PIECE_BYTES: usize = 1 << 18;

/// Reads tensors one after the other, each with all threads, through one buffer.
pub(super) struct Reader<'a> {
    file: &'a GgufFile,
    pool: &'a Pool,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a GgufFile, pool: &'a Pool) -> Self {
        Self { file, pool, buffer: Vec::new() }
    }

    /// Whether the file has a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_some()
    }

    /// A `[rows, columns]` matrix.
    pub(super) fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, LoadError> {
        let (tensor, format) = self.find(name, &[rows, columns])?;
        self.pack(tensor, format, 0..rows, columns)
    }

    /// The matrices of `rows` rows each that a `[Σ rows, columns]` matrix is made of.
    pub(super) fn stacked<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Matrix; N], LoadError> {
        let (tensor, format) = self.find(name, &[rows.iter().sum(), columns])?;
        let mut matrices = Vec::with_capacity(N);
        let mut next = 0;
        for rows in rows {
            matrices.push(self.pack(tensor, format, next..next + rows, columns)?);
            next += rows;
        }
        // There were N.
        matrices.try_into().map_err(|_| LoadError::TensorMissing { name: name.to_owned() })
    }

    /// The matrices of a `[count, rows, columns]` tensor, such as those of all experts.
    pub(super) fn matrices(
        &mut self,
        name: &str,
        count: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Vec<Matrix>, LoadError> {
        let (tensor, format) = self.find(name, &[count, rows, columns])?;
        let rows_of = |index: usize| index * rows..(index + 1) * rows;
        (0..count).map(|index| self.pack(tensor, format, rows_of(index), columns)).collect()
    }

    /// The vectors of a `[count, length]` tensor of F32, such as the biases of all experts.
    pub(super) fn vectors(
        &self,
        name: &str,
        count: usize,
        length: usize,
    ) -> Result<Vec<Vec<f32>>, LoadError> {
        let values = self.vector_of(name, &[count, length])?;
        Ok(values.chunks_exact(length).map(<[f32]>::to_vec).collect())
    }

    /// A vector of F32, such as a norm's weights.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, LoadError> {
        self.vector_of(name, &[length])
    }

    fn vector_of(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let (tensor, format) = self.find(name, shape)?;
        if format != WeightType::F32 {
            let found = format.name().to_owned();
            return Err(LoadError::Quantisation { tensor: name.to_owned(), found });
        }
        let mut values = vec![0.0; shape.iter().product()];
        embedding::row(format, &self.rows(tensor, format)?, &mut values);
        Ok(values)
    }

    /// A `[rows, columns]` matrix as it is in the file, and its type.
    pub(super) fn raw(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<(WeightType, Vec<u8>), LoadError> {
        let (tensor, format) = self.find(name, &[rows, columns])?;
        Ok((format, self.rows(tensor, format)?))
    }

    fn rows(&self, tensor: TensorView<'_>, format: WeightType) -> Result<Vec<u8>, LoadError> {
        let mut bytes = vec![0; tensor.size_bytes()];
        fill(self.pool, tensor, format, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Some rows of a tensor as a matrix.
    fn pack(
        &mut self,
        tensor: TensorView<'_>,
        format: WeightType,
        rows: Range<usize>,
        columns: usize,
    ) -> Result<Matrix, LoadError> {
        let (first, rows) = (rows.start, rows.len());
        let bytes = rows * tensor.row_bytes();
        self.buffer.resize(self.buffer.len().max(bytes), 0);
        let buffer = &mut self.buffer[..bytes];
        fill(self.pool, tensor, format, first * tensor.row_bytes(), buffer)?;
        let mut run = |parts: usize, task: &(dyn Fn(usize) + Sync)| {
            self.pool.run(parts, &|part, _| task(part))
        };
        Matrix::new_with(format, rows, columns, buffer, &mut run, &mut memory::ask_for_huge_pages)
            .ok_or_else(|| LoadError::TensorShape {
                name: tensor.name.to_owned(),
                found: tensor.shape.to_vec(),
                expected: vec![rows, columns],
            })
    }

    /// The tensor of that name, if it has that shape, and its type.
    fn find(&self, name: &str, shape: &[usize]) -> Result<(TensorView<'a>, WeightType), LoadError> {
        let tensor = self
            .file
            .tensor(name)
            .ok_or_else(|| LoadError::TensorMissing { name: name.to_owned() })?;
        if tensor.shape != shape {
            return Err(LoadError::TensorShape {
                name: name.to_owned(),
                found: tensor.shape.to_vec(),
                expected: shape.to_vec(),
            });
        }
        // Rows of another type's blocks were refused when the file was opened.
        Ok((tensor, tensor.dtype.weight_type()))
    }
}

/// Reads `out` from the tensor's byte `offset` on, whole blocks, and looks at every scale.
fn fill(
    pool: &Pool,
    tensor: TensorView<'_>,
    format: WeightType,
    offset: usize,
    out: &mut [u8],
) -> Result<(), LoadError> {
    let piece = PIECE_BYTES.next_multiple_of(format.block_bytes());
    let first_error: Mutex<Option<LoadError>> = Mutex::new(None);
    pool.each(out.chunks_mut(piece).enumerate(), |(index, out), _| {
        let read: Result<(), GgufError> = tensor.read_at(offset + index * piece, out);
        let outcome = read.map_err(LoadError::File).and_then(|()| match all_finite(format, out) {
            true => Ok(()),
            false => Err(LoadError::NotFinite { name: tensor.name.to_owned() }),
        });
        if let Err(error) = outcome {
            first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    });
    let error = first_error.into_inner().unwrap_or_else(PoisonError::into_inner);
    error.map_or(Ok(()), Err)
}

/// Whether no scale or minimum of the blocks, or no value of a plain type, is a NaN or an infinity.
fn all_finite(format: WeightType, bytes: &[u8]) -> bool {
    let half = |block: &[u8], at: usize, exponent: u16| {
        u16::from_le_bytes([block[at], block[at + 1]]) & exponent != exponent
    };
    let halves = |places: &[usize], exponent: u16| {
        bytes
            .chunks_exact(format.block_bytes())
            .all(|block| places.iter().all(|&at| half(block, at, exponent)))
    };
    // Every value of a plain type is looked at: a maximum, which the compiler takes of many at
    // once.
    let largest = |exponent: u16| {
        let exponents = bytes.as_chunks().0.iter().map(|half| u16::from_le_bytes(*half) & exponent);
        exponents.fold(0, |largest, found| if found > largest { found } else { largest })
    };
    const F16_EXPONENT: u16 = 0x7c00;
    const F32_EXPONENT: u16 = 0x7f80;
    match format {
        WeightType::F32 => {
            let exponents = bytes
                .as_chunks()
                .0
                .iter()
                .map(|single| u32::from_le_bytes(*single) >> 16 & u32::from(F32_EXPONENT));
            exponents.fold(0, |largest, found| if found > largest { found } else { largest })
                != u32::from(F32_EXPONENT)
        }
        WeightType::BF16 => largest(F32_EXPONENT) != F32_EXPONENT,
        WeightType::F16 => largest(F16_EXPONENT) != F16_EXPONENT,
        _ => halves(format.halves(), F16_EXPONENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_that_is_a_nan_or_an_infinity_is_seen_and_nothing_else() {
        for format in WeightType::ALL {
            let mut bytes = vec![0x11; 3 * format.block_bytes()];
            assert!(all_finite(format, &bytes), "{}", format.name());
            let at = match format {
                WeightType::F32 => 4 + 2,
                // Every power of two that it can say is finite.
                WeightType::MXFP4 => continue,
                _ => format.block_bytes() + format.halves().first().copied().unwrap_or(0),
            };
            let bad: u16 =
                if matches!(format, WeightType::F32 | WeightType::BF16) { 0xff80 } else { 0xfc00 };
            for bad in [bad, bad | 1] {
                bytes[at..at + 2].copy_from_slice(&bad.to_le_bytes());
                assert!(!all_finite(format, &bytes), "{}", format.name());
            }
        }
        let quants = [vec![0, 0x3c], vec![0xff; 32]].concat();
        assert!(all_finite(WeightType::Q8_0, &quants));
    }
}
