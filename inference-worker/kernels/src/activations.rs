//! The rows that enter a matrix product, plain and quantised, in memory that is used again from product to product.

use alloc::vec::Vec;

use crate::{BLOCK, Isa, quant};

/// Which forms of the rows a product needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Forms {
    /// f32 as they are, for F32 and F16 matrices.
    pub plain: bool,
    /// Blocks of 32, for Q8_0 and Q4_0 matrices; the row length must be a multiple of 32.
    pub quantised: bool,
}

impl Forms {
    /// What either needs.
    pub const fn union(self, other: Self) -> Self {
        Self { plain: self.plain || other.plain, quantised: self.quantised || other.quantised }
    }
}

/// Input rows of a matrix product. Grows to the largest product that it has seen.
#[derive(Default, Debug)]
pub struct Activations {
    columns: usize,
    rows: usize,
    plain: Vec<f32>,
    quants: Vec<[i8; BLOCK]>,
    scales: Vec<f32>,
    /// Σ of a block's integers: kernels whose weights carry an offset take it back with this.
    sums: Vec<i32>,
}

/// One quantised row.
#[derive(Clone, Copy)]
pub(crate) struct QuantRow<'a> {
    pub quants: &'a [[i8; BLOCK]],
    pub scales: &'a [f32],
    #[cfg_attr(
        not(all(target_arch = "x86_64", feature = "std")),
        expect(dead_code, reason = "only kernels with an offset need it")
    )]
    pub sums: &'a [i32],
}

impl Activations {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `values: [rows, columns]` in the given forms, replacing what was here.
    ///
    /// # Panics
    /// If `values` is not whole rows, or if rows that are to be quantised are not whole blocks.
    pub fn load(&mut self, isa: Isa, values: &[f32], columns: usize, forms: Forms) {
        assert!(columns > 0 && values.len().is_multiple_of(columns), "rows of {columns} cannot make {} values", values.len());
        assert!(!forms.quantised || columns.is_multiple_of(BLOCK), "a row of {columns} is not whole blocks of {BLOCK}");
        self.columns = columns;
        self.rows = values.len() / columns;
        self.plain.clear();
        if forms.plain {
            self.plain.extend_from_slice(values);
        }
        let blocks = if forms.quantised { values.len() / BLOCK } else { 0 };
        self.quants.resize(blocks, [0; BLOCK]);
        self.scales.resize(blocks, 0.0);
        self.sums.resize(blocks, 0);
        let outputs = self.quants.iter_mut().zip(&mut self.scales).zip(&mut self.sums);
        isa.run(|| {
            for (x, ((quants, scale), sum)) in values.as_chunks::<BLOCK>().0.iter().zip(outputs) {
                *scale = quant::quantize_block(x, quants);
                *sum = quants.iter().map(|&q| i32::from(q)).sum();
            }
        });
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn plain_row(&self, row: usize) -> &[f32] {
        &self.plain[row * self.columns..][..self.columns]
    }

    pub(crate) fn quant_row(&self, row: usize) -> QuantRow<'_> {
        let blocks = self.columns / BLOCK;
        let range = row * blocks..(row + 1) * blocks;
        QuantRow { quants: &self.quants[range.clone()], scales: &self.scales[range.clone()], sums: &self.sums[range] }
    }
}
