//! The rows that enter a matrix product, plain and quantised, in memory that is reused from product
//! to product.
//!
//! Quantised rows lie in panels: a row alone as it is, more rows in fours, so that the integers of
//! 4 columns of 4 rows are 16 neighbouring bytes and one pass over the weights serves several rows.
//! Rows that fill up the last panel are zeros.

use alloc::vec::Vec;

use crate::{BLOCK, Isa, SUPER_BLOCK, WeightType, isa::Operation, lanes::Lanes, quant};

/// Which forms of the rows a product needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Forms {
    /// f32 as they are, for F32, F16 and BF16 matrices.
    pub plain: bool,
    /// Integers in blocks of 32, for Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 matrices; the row length must
    /// be a multiple of 32.
    pub blocks: bool,
    /// Integers in blocks of 256, for Q4_K, Q5_K and Q6_K matrices; the row length must be a
    /// multiple of 256.
    pub super_blocks: bool,
}

impl Forms {
    /// What a product with a matrix of this type needs.
    pub const fn of(format: WeightType) -> Self {
        let elements = format.block_elements();
        Self {
            plain: elements == 1,
            blocks: elements == BLOCK,
            super_blocks: elements == SUPER_BLOCK,
        }
    }

    /// What either needs.
    pub const fn union(self, other: Self) -> Self {
        Self {
            plain: self.plain || other.plain,
            blocks: self.blocks || other.blocks,
            super_blocks: self.super_blocks || other.super_blocks,
        }
    }
}

/// Rows of a panel when there is more than one.
pub(crate) const PANEL: usize = 4;

/// Sums of a super-block in pairs, as the 16-bit multiplications want them: of its 16 parts, then
/// of its 8 blocks.
pub(crate) const PAIRS: usize = 12;
/// Where the sums of blocks begin.
pub(crate) const BLOCK_PAIRS: usize = 8;

/// Four neighbouring integers of a row.
pub(crate) type Four = [i8; 4];

/// Input rows of a matrix product. Grows to the largest product that it has seen.
#[derive(Default, Debug)]
pub struct Activations {
    columns: usize,
    rows: usize,
    plain: Vec<f32>,
    /// Σ of a block's integers: kernels whose weights carry an offset or a minimum need it.
    blocks: Panels<i32>,
    super_blocks: Panels<[i16; 2]>,
}

/// Quantised rows of one block size.
#[derive(Default, Debug)]
struct Panels<S> {
    /// `[panel, block, four columns, row of the panel]`.
    quants: Vec<Four>,
    /// `[panel, block, row of the panel]`.
    scales: Vec<f32>,
    /// `[panel, block, sum, row of the panel]`.
    sums: Vec<S>,
}

/// `R` rows quantised in blocks of 32.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a, const R: usize> {
    pub quants: &'a [[[Four; R]; BLOCK / 4]],
    pub scales: &'a [[f32; R]],
    pub sums: &'a [[i32; R]],
}

/// `R` rows quantised in blocks of 256.
#[derive(Clone, Copy)]
pub(crate) struct SuperPanel<'a, const R: usize> {
    /// By super-block, by block of 32.
    pub quants: &'a [[[[Four; R]; BLOCK / 4]; SUPER_BLOCK / BLOCK]],
    pub scales: &'a [[f32; R]],
    pub pairs: &'a [[[[i16; 2]; R]; PAIRS]],
}

impl Activations {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `values: [rows, columns]` in the given forms, replacing what was here.
    ///
    /// # Panics
    /// As [`Activations::begin`].
    pub fn load(&mut self, isa: Isa, values: &[f32], columns: usize, forms: Forms) {
        self.begin(values, columns, forms).for_each(|rows| rows.load(isa));
    }

    /// As [`Activations::load`] in parts for several threads: all of them have to be loaded before
    /// the activations are used.
    ///
    /// # Panics
    /// If `values` is not whole rows, or if rows that are to be quantised are not whole blocks.
    pub fn begin<'a>(
        &'a mut self,
        values: &'a [f32],
        columns: usize,
        forms: Forms,
    ) -> impl Iterator<Item = LoadRows<'a>> {
        assert!(
            columns > 0 && values.len().is_multiple_of(columns),
            "rows of {columns} cannot make {} values",
            values.len()
        );
        self.columns = columns;
        self.rows = values.len() / columns;
        self.plain.clear();
        if forms.plain {
            self.plain.extend_from_slice(values);
        }
        let (panels, panel_rows) = (self.panels(), self.panel_rows());
        let (small, large) = (
            if forms.blocks { values } else { &[] },
            if forms.super_blocks { values } else { &[] },
        );
        let mut small = self.blocks.begin::<BLOCK, 1>(small, columns, panel_rows);
        let mut large = self.super_blocks.begin::<SUPER_BLOCK, PAIRS>(large, columns, panel_rows);
        (0..panels)
            .map(move |_| LoadRows { small: small.split_panel(), large: large.split_panel() })
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Number of panels.
    pub(crate) const fn panels(&self) -> usize {
        self.rows.div_ceil(self.panel_rows())
    }

    /// Rows of each panel: 1 or [`PANEL`].
    pub(crate) const fn panel_rows(&self) -> usize {
        if self.rows == 1 { 1 } else { PANEL }
    }

    pub(crate) fn plain_row(&self, row: usize) -> &[f32] {
        &self.plain[row * self.columns..][..self.columns]
    }

    /// Panel `index` in blocks of 32; `R` is [`Self::panel_rows`].
    pub(crate) fn panel<const R: usize>(&self, index: usize) -> Panel<'_, R> {
        debug_assert_eq!(R, self.panel_rows());
        let (blocks, Panels { quants, scales, sums }) = (self.columns / BLOCK, &self.blocks);
        Panel {
            quants: &quants.as_chunks::<R>().0.as_chunks().0[index * blocks..][..blocks],
            scales: &scales.as_chunks().0[index * blocks..][..blocks],
            sums: &sums.as_chunks().0[index * blocks..][..blocks],
        }
    }

    /// Panel `index` in blocks of 256; `R` is [`Self::panel_rows`].
    pub(crate) fn super_panel<const R: usize>(&self, index: usize) -> SuperPanel<'_, R> {
        debug_assert_eq!(R, self.panel_rows());
        let (blocks, Panels { quants, scales, sums }) =
            (self.columns / SUPER_BLOCK, &self.super_blocks);
        SuperPanel {
            quants: &quants.as_chunks::<R>().0.as_chunks().0.as_chunks().0[index * blocks..]
                [..blocks],
            scales: &scales.as_chunks().0[index * blocks..][..blocks],
            pairs: &sums.as_chunks::<R>().0.as_chunks().0[index * blocks..][..blocks],
        }
    }

    /// Integers and scale of one block of 32.
    pub(crate) fn block(&self, row: usize, index: usize) -> ([i8; BLOCK], f32) {
        self.blocks.get(row, self.columns, index, self.panel_rows())
    }

    /// Integers and scale of one block of 256.
    pub(crate) fn super_block(&self, row: usize, index: usize) -> ([i8; SUPER_BLOCK], f32) {
        self.super_blocks.get(row, self.columns, index, self.panel_rows())
    }
}

impl<S> Panels<S> {
    fn get<const N: usize>(
        &self,
        row: usize,
        columns: usize,
        index: usize,
        panel_rows: usize,
    ) -> ([i8; N], f32) {
        let (panel, within) = (row / panel_rows, row % panel_rows);
        let at = panel * (columns / N) + index;
        let mut quants = [0; N];
        for (c, four) in quants.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *four = self.quants[(at * (N / 4) + c) * panel_rows + within];
        }
        (quants, self.scales[at * panel_rows + within])
    }
}

/// Some of the rows that [`Activations::begin`] cut its values into, and where they go.
pub struct LoadRows<'a> {
    small: Load<'a, i32, BLOCK, 1>,
    large: Load<'a, [i16; 2], SUPER_BLOCK, PAIRS>,
}

impl LoadRows<'_> {
    /// Quantises them.
    pub fn load(self, isa: Isa) {
        isa.call(self.small);
        isa.call(self.large);
    }
}

impl<S: Copy + Default> Panels<S> {
    /// Memory for `values: [rows, columns]` in blocks of `N`, each with `SUMS` sums.
    fn begin<'a, const N: usize, const SUMS: usize>(
        &'a mut self,
        values: &'a [f32],
        columns: usize,
        panel_rows: usize,
    ) -> Load<'a, S, N, SUMS> {
        assert!(
            values.is_empty() || columns.is_multiple_of(N),
            "a row of {columns} is not whole blocks of {N}"
        );
        let (rows, blocks) = (values.len() / columns, columns / N);
        let held = rows.next_multiple_of(panel_rows) * blocks;
        if held != rows * blocks {
            // The rows that fill up the last panel are nobody's.
            self.quants.clear();
            self.scales.clear();
            self.sums.clear();
        }
        self.quants.resize(held * (N / 4), [0; 4]);
        self.scales.resize(held, 0.0);
        self.sums.resize(held * SUMS, S::default());
        let Self { quants, scales, sums } = self;
        Load { quants, scales, sums, values, columns, panel_rows }
    }
}

/// Quantises `[rows, columns]` in blocks of `N`, each with `SUMS` sums, into whole panels.
struct Load<'a, S, const N: usize, const SUMS: usize> {
    quants: &'a mut [Four],
    scales: &'a mut [f32],
    sums: &'a mut [S],
    values: &'a [f32],
    columns: usize,
    panel_rows: usize,
}

impl<S, const N: usize, const SUMS: usize> Load<'_, S, N, SUMS> {
    /// The first panel, which is taken off; nothing if there is none.
    fn split_panel(&mut self) -> Self {
        let (columns, panel_rows) = (self.columns, self.panel_rows);
        let held = if self.values.is_empty() { 0 } else { panel_rows * (columns / N) };
        let (quants, rest) = core::mem::take(&mut self.quants).split_at_mut(held * (N / 4));
        self.quants = rest;
        let (scales, rest) = core::mem::take(&mut self.scales).split_at_mut(held);
        self.scales = rest;
        let (sums, rest) = core::mem::take(&mut self.sums).split_at_mut(held * SUMS);
        self.sums = rest;
        let (values, rest) = self.values.split_at((panel_rows * columns).min(self.values.len()));
        self.values = rest;
        Self { quants, scales, sums, values, columns, panel_rows }
    }
}

impl<S: Sums<N, SUMS> + Copy + Default, const N: usize, const SUMS: usize> Operation
    for Load<'_, S, N, SUMS>
{
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { quants: all_quants, scales, sums, values, columns, panel_rows } = self;
        let blocks = columns / N;
        for (row, values) in values.chunks_exact(columns).enumerate() {
            let (panel, within) = (row / panel_rows, row % panel_rows);
            for (block, x) in values.as_chunks::<N>().0.iter().enumerate() {
                let at = panel * blocks + block;
                let mut quants = [0; N];
                scales[at * panel_rows + within] = quant::quantize_block(x, &mut quants);
                let to = all_quants[at * (N / 4) * panel_rows..][..N / 4 * panel_rows]
                    .chunks_exact_mut(panel_rows);
                for (to, four) in to.zip(quants.as_chunks::<4>().0) {
                    to[within] = *four;
                }
                let to = sums[at * SUMS * panel_rows..][..SUMS * panel_rows]
                    .chunks_exact_mut(panel_rows);
                for (to, sum) in to.zip(S::sums(&quants)) {
                    to[within] = sum;
                }
            }
        }
    }
}

/// What kernels need of the integers of a block of `N` beside themselves.
trait Sums<const N: usize, const SUMS: usize>: Sized {
    fn sums(quants: &[i8; N]) -> [Self; SUMS];
}

/// The sum.
impl Sums<BLOCK, 1> for i32 {
    #[inline(always)]
    fn sums(quants: &[i8; BLOCK]) -> [Self; 1] {
        [quants.iter().fold(0i32, |sum, &q| sum.wrapping_add(i32::from(q)))]
    }
}

/// Sums of the parts and of the blocks of a super-block: at most 32·127, so 16 bits hold them.
impl Sums<SUPER_BLOCK, PAIRS> for [i16; 2] {
    #[inline(always)]
    fn sums(quants: &[i8; SUPER_BLOCK]) -> [Self; PAIRS] {
        let mut parts = [0i16; quant::PARTS];
        for (part, quants) in parts.iter_mut().zip(quants.as_chunks::<{ quant::PART }>().0) {
            *part = quants.iter().fold(0i16, |sum, &q| sum.wrapping_add(i16::from(q)));
        }
        core::array::from_fn(|pair| match pair {
            0..BLOCK_PAIRS => [parts[2 * pair], parts[2 * pair + 1]],
            _ => {
                let first = 4 * (pair - BLOCK_PAIRS);
                [
                    parts[first].wrapping_add(parts[first + 1]),
                    parts[first + 2].wrapping_add(parts[first + 3]),
                ]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_here_before_leaves_no_trace() {
        let forms = Forms { plain: true, blocks: true, super_blocks: true };
        let (many, few) =
            (vec![3.0; 7 * 512], (0..5 * 256).map(|i| i as f32 - 600.0).collect::<Vec<_>>());
        let mut used = Activations::new();
        used.load(Isa::best(), &many, 512, forms);
        used.load(Isa::best(), &few, 256, forms);
        let mut fresh = Activations::new();
        fresh.load(Isa::scalar(), &few, 256, forms);
        assert_eq!(format!("{used:?}"), format!("{fresh:?}"));
    }

    #[test]
    fn sums_belong_to_their_integers() {
        let values: Vec<f32> = (0..3 * 512).map(|i| ((i * 7919) % 255) as f32 - 127.0).collect();
        let mut x = Activations::new();
        x.load(Isa::best(), &values, 512, Forms { plain: false, blocks: true, super_blocks: true });
        for row in 0..3 {
            let panel = x.panel::<PANEL>(0);
            for block in 0..16 {
                let sum = x.block(row, block).0.iter().map(|&q| i32::from(q)).sum::<i32>();
                assert_eq!(panel.sums[block][row], sum);
            }
            for (block, pairs) in x.super_panel::<PANEL>(0).pairs.iter().enumerate() {
                let quants = x.super_block(row, block).0;
                let sum = |range: core::ops::Range<usize>| {
                    quants[range].iter().map(|&q| i16::from(q)).sum::<i16>()
                };
                assert_eq!(pairs[3][row], [sum(96..112), sum(112..128)]);
                assert_eq!(pairs[BLOCK_PAIRS + 1][row], [sum(64..96), sum(96..128)]);
            }
        }
    }
}
