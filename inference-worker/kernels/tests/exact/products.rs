//! Matrix products: every format on every instruction set against the definition; several rows
//! against one; parts against all.

use mica_kernels::{
    Activations, Columns, Forms, Isa, Matrix, WeightType, embedding, f16, quant, reduce,
};
use proptest::prelude::*;

use crate::{bits, stream::Stream};

fn product(isa: Isa, matrix: &Matrix, x: &Activations) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.rows() * matrix.rows()];
    matrix.matmul(isa, x, 0..matrix.groups(), &mut out);
    out
}

fn loaded(isa: Isa, values: &[f32], columns: usize, forms: Forms) -> Activations {
    let mut x = Activations::new();
    x.load(isa, values, columns, forms);
    x
}

fn format() -> impl Strategy<Value = WeightType> {
    prop::sample::select(WeightType::ALL.as_slice())
}

/// The definition of one output.
fn definition(
    format: WeightType,
    row: &[u8],
    x: &Activations,
    x_row: usize,
    values: &[f32],
) -> f32 {
    if format.block_elements() > 1 {
        return quant::dot(format, row, x, x_row);
    }
    let mut weights = vec![0.0; values.len()];
    embedding::row(format, row, &mut weights);
    reduce::dot(&weights, values)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn products_equal_the_definition(
        format in format(), rows in 1usize..40, blocks in 1usize..5, batch in 1usize..14, seed in any::<u64>(),
    ) {
        let elements = format.block_elements();
        let columns = blocks * elements * if elements == 1 { 29 } else { 1 };
        let mut stream = Stream(seed);
        let bytes = stream.weights(format, rows * columns);
        let matrix = Matrix::new(format, rows, columns, &bytes).expect("shape fits");
        let values = stream.activations(batch * columns);
        let x = loaded(Isa::scalar(), &values, columns, matrix.forms());
        let row_bytes = format.row_bytes(columns).expect("whole blocks");
        let mut truth = Vec::new();
        for (x_row, values) in values.chunks_exact(columns).enumerate() {
            truth.extend(bytes.chunks_exact(row_bytes).map(|row| definition(format, row, &x, x_row, values)));
        }
        for isa in Isa::available() {
            let x = loaded(isa, &values, columns, matrix.forms());
            prop_assert_eq!(bits(&product(isa, &matrix, &x)), bits(&truth), "{} {}", format.name(), isa.name());
        }
    }

    #[test]
    fn each_row_of_a_batch_and_each_range_of_groups_gives_the_same_bytes(
        format in format(), rows in 1usize..100, blocks in 1usize..3, batch in 1usize..30, seed in any::<u64>(), cut in 0usize..7,
    ) {
        let (columns, mut stream) = (blocks * format.block_elements().max(32), Stream(seed));
        let bytes = stream.weights(format, rows * columns);
        // Packed in a strange order, some parts twice, some not at all.
        let mut run = |parts: usize, task: &(dyn Fn(usize) + Sync)| {
            for part in (0..parts).rev().step_by(2).chain(0..parts.min(3)) {
                task(part);
            }
        };
        let matrix = Matrix::new_with(format, rows, columns, &bytes, &mut run, &mut |_| {});
        let matrix = matrix.expect("shape fits");
        let values = stream.activations(batch * columns);
        for isa in Isa::available() {
            let x = loaded(isa, &values, columns, matrix.forms());
            let whole = product(isa, &matrix, &x);
            let one_by_one: Vec<f32> = values
                .chunks_exact(columns)
                .flat_map(|row| product(isa, &matrix, &loaded(isa, row, columns, matrix.forms())))
                .collect();
            prop_assert_eq!(bits(&whole), bits(&one_by_one), "{}", isa.name());
            let cut = cut.min(matrix.groups());
            let mut parts = vec![f32::NAN; batch * rows];
            let (first, second) = Columns::new(&mut parts, rows).split_at(matrix.group_rows(&(0..cut)));
            matrix.matmul_into(isa, &x, 0..cut, first);
            matrix.matmul_into(isa, &x, cut..matrix.groups(), second);
            prop_assert_eq!(bits(&whole), bits(&parts), "{}", isa.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_matrix_gives_its_rows_as_the_file_has_them(
        format in format(), rows in 1usize..40, blocks in 1usize..4, seed in any::<u64>(),
    ) {
        let columns = blocks * format.block_elements();
        let bytes = Stream(seed).weights(format, rows * columns);
        let matrix = Matrix::new(format, rows, columns, &bytes).expect("shape fits");
        let row_bytes = format.row_bytes(columns).expect("whole blocks");
        for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
            let (mut ours, mut truth) = (vec![f32::NAN; columns], vec![f32::NAN; columns]);
            matrix.row(row, &mut ours);
            embedding::row(format, bytes, &mut truth);
            prop_assert_eq!(bits(&ours), bits(&truth), "{}", format.name());
        }
    }
}

/// The definition is worth something only if it is the product: against f64 and the dequantised
/// weights.
#[test]
fn products_are_products() {
    let mut stream = Stream(7);
    for format in WeightType::ALL {
        let (rows, columns) = (5, 512);
        let mut bytes = stream.weights(format, rows * columns);
        if format.block_elements() > 1 {
            // Scales as models have them, near 1, so that the activations' rounding stays in
            // proportion.
            for block in bytes.chunks_exact_mut(format.block_bytes()) {
                for (&at, scale) in format.halves().iter().zip([1.0, 2.0]) {
                    block[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
                }
                if format == WeightType::MXFP4 {
                    block[0] = 128;
                }
            }
        }
        let matrix = Matrix::new(format, rows, columns, &bytes).expect("shape fits");
        let values: Vec<f32> = (0..columns).map(|i| (i as f32 * 0.37).sin()).collect();
        let out =
            product(Isa::best(), &matrix, &loaded(Isa::best(), &values, columns, matrix.forms()));
        for (row, out) in
            bytes.chunks_exact(format.row_bytes(columns).expect("whole blocks")).zip(out)
        {
            let mut weights = vec![0.0; columns];
            embedding::row(format, row, &mut weights);
            let terms = weights.iter().zip(&values).map(|(w, x)| f64::from(*w) * f64::from(*x));
            let (truth, size) = (terms.clone().sum::<f64>(), terms.map(f64::abs).sum::<f64>());
            assert!(
                (f64::from(out) - truth).abs() <= size * 0.006,
                "{}: {out} {truth} {size}",
                format.name()
            );
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    assert!(Matrix::new(WeightType::Q8_0, 2, 32, &[0; 67]).is_none());
    assert!(Matrix::new(WeightType::Q8_0, 2, 33, &[0; 68]).is_none());
    assert!(Matrix::new(WeightType::Q8_0, 2, 0, &[]).is_none());
    assert!(Matrix::new(WeightType::Q4_K, 1, 128, &[0; 72]).is_none());
    assert!(Matrix::new(WeightType::Q4_0, usize::MAX, 64, &[0; 36]).is_none());
    assert!(Matrix::new(WeightType::F32, 2, 3, &[0; 23]).is_none());
    assert!(Matrix::new(WeightType::F16, usize::MAX, usize::MAX, &[]).is_none());
}

#[test]
fn a_matrix_without_rows_has_no_products() {
    for format in WeightType::ALL {
        let matrix = Matrix::new(format, 0, 256, &[]).expect("shape fits");
        assert_eq!(
            product(Isa::best(), &matrix, &loaded(Isa::best(), &[1.0; 512], 256, matrix.forms())),
            []
        );
    }
}

#[test]
#[should_panic(expected = "not whole blocks of 32")]
fn a_ragged_row_cannot_be_quantised() {
    loaded(Isa::scalar(), &[0.0; 33], 33, Forms::of(WeightType::Q8_0));
}

#[test]
#[should_panic(expected = "not whole blocks of 256")]
fn a_row_of_half_a_super_block_cannot_be_quantised() {
    loaded(Isa::scalar(), &[0.0; 384], 384, Forms::of(WeightType::Q6_K));
}

#[test]
#[should_panic(expected = "disagree on the number of columns")]
fn activations_of_another_width_are_refused() {
    let matrix = Matrix::new(WeightType::Q8_0, 1, 32, &[0; 34]).expect("shape fits");
    product(Isa::scalar(), &matrix, &loaded(Isa::scalar(), &[0.0; 64], 64, matrix.forms()));
}
