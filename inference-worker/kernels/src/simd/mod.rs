//! Hand-written twins of the quantised products for x86-64. Each lane of a register is one output row and runs the scalar
//! sequence; only the integers inside a block are summed in another order, which cannot change them.

mod avx2;
mod avx512;

use crate::{
    Activations, LANES,
    packed::{Format, Group},
};

/// 16 rows with every row of `x`, by AVX2. To be called only under [`crate::isa::Kind::Avx2`].
pub(crate) fn avx2_group(format: Format, group: Group<'_>, x: &Activations, store: &mut impl FnMut(usize, [f32; LANES])) {
    let mut row = 0;
    while row + 2 <= x.rows() {
        let pair = [x.quant_row(row), x.quant_row(row + 1)];
        // SAFETY: the caller holds an `Isa` of this kind, which exists only where AVX2 and F16C were seen.
        let sums = unsafe {
            match format {
                Format::Q8_0 => avx2::q8_0(group, pair),
                Format::Q4_0 => avx2::q4_0(group, pair),
            }
        };
        store(row, sums[0]);
        store(row + 1, sums[1]);
        row += 2;
    }
    if row < x.rows() {
        // SAFETY: as above.
        let [sums] = unsafe {
            match format {
                Format::Q8_0 => avx2::q8_0(group, [x.quant_row(row)]),
                Format::Q4_0 => avx2::q4_0(group, [x.quant_row(row)]),
            }
        };
        store(row, sums);
    }
}

/// Input rows that one pass over a group's weights serves.
const WIDE: usize = 6;

/// 16 rows with every row of `x`, by AVX-512 VNNI. To be called only under [`crate::isa::Kind::Avx512`].
pub(crate) fn avx512_group(format: Format, group: Group<'_>, x: &Activations, store: &mut impl FnMut(usize, [f32; LANES])) {
    let mut row = 0;
    while row + WIDE <= x.rows() {
        let rows = core::array::from_fn::<_, WIDE, _>(|i| x.quant_row(row + i));
        // SAFETY: the caller holds an `Isa` of this kind, which exists only where AVX-512 F, BW, VL and VNNI were seen.
        let sums = unsafe {
            match format {
                Format::Q8_0 => avx512::q8_0(group, rows),
                Format::Q4_0 => avx512::q4_0(group, rows),
            }
        };
        for (i, sums) in sums.into_iter().enumerate() {
            store(row + i, sums);
        }
        row += WIDE;
    }
    while row < x.rows() {
        // SAFETY: as above.
        let [sums] = unsafe {
            match format {
                Format::Q8_0 => avx512::q8_0(group, [x.quant_row(row)]),
                Format::Q4_0 => avx512::q4_0(group, [x.quant_row(row)]),
            }
        };
        store(row, sums);
        row += 1;
    }
}
