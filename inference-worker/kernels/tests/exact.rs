//! Every instruction set against the definition, bit for bit, over random shapes; and several rows against one.

use mica_kernels::{
    Activations, BLOCK, Forms, Isa, Matrix,
    attention::{Shape, attend},
    dense, elementwise, f16, norm,
    packed::{Format, reference_dot},
    quant::{Q4_0_BYTES, Q8_0_BYTES},
    reduce, rope,
};
use proptest::prelude::*;

const BOTH: Forms = Forms { plain: true, quantised: true };

/// A small generator, so that a seed names a whole matrix.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn float(&mut self) -> f32 {
        let magnitude = (self.next() % 24) as i32 - 12;
        ((self.next() >> 40) as f32 / 8_388_608.0 - 1.0) * 2.0f32.powi(magnitude)
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    fn halves(&mut self, n: usize) -> Vec<u16> {
        (0..n).map(|_| f16::from_f32(self.float())).collect()
    }

    /// Blocks with any integers, −128 too, and finite scales, denormal ones too.
    fn blocks(&mut self, n: usize, block_bytes: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(n * block_bytes);
        for _ in 0..n {
            let scale = (self.next() % 0x7c00) as u16 | ((self.next() as u16) & 0x8000);
            bytes.extend_from_slice(&scale.to_le_bytes());
            for _ in 2..block_bytes {
                let byte = self.next();
                bytes.push(if byte.is_multiple_of(5) { 0x80 } else { (byte >> 8) as u8 });
            }
        }
        bytes
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn product(isa: Isa, matrix: &Matrix, x: &Activations) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.rows() * matrix.rows()];
    matrix.matmul(isa, x, 0..matrix.groups(), &mut out);
    out
}

fn loaded(isa: Isa, values: &[f32], columns: usize) -> Activations {
    let mut x = Activations::new();
    x.load(isa, values, columns, Forms { plain: true, quantised: columns.is_multiple_of(BLOCK) });
    x
}

fn isas() -> Vec<Isa> {
    Isa::available().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quantised_products_equal_the_definition(
        rows in 1usize..70, blocks in 1usize..9, batch in 1usize..16, seed in any::<u64>(), eight in any::<bool>(),
    ) {
        let (columns, mut stream) = (blocks * BLOCK, Stream(seed));
        let format = if eight { Format::Q8_0 } else { Format::Q4_0 };
        let block_bytes = if eight { Q8_0_BYTES } else { Q4_0_BYTES };
        let bytes = stream.blocks(rows * blocks, block_bytes);
        let matrix = if eight { Matrix::q8_0(rows, columns, &bytes) } else { Matrix::q4_0(rows, columns, &bytes) }.expect("shape fits");
        let values = stream.floats(batch * columns);
        let x = loaded(Isa::scalar(), &values, columns);
        let mut truth = Vec::new();
        for x_row in 0..batch {
            truth.extend(bytes.chunks_exact(blocks * block_bytes).map(|row| reference_dot(format, row, &x, x_row)));
        }
        for isa in isas() {
            let x = loaded(isa, &values, columns);
            prop_assert_eq!(bits(&product(isa, &matrix, &x)), bits(&truth), "{}", isa.name());
        }
    }

    #[test]
    fn each_row_of_a_batch_and_each_range_of_groups_gives_the_same_bytes(
        rows in 1usize..100, blocks in 1usize..5, batch in 1usize..9, seed in any::<u64>(), kind in 0usize..4, cut in 0usize..7,
    ) {
        let (columns, mut stream) = (blocks * BLOCK, Stream(seed));
        let matrix = match kind {
            0 => Matrix::q8_0(rows, columns, &stream.blocks(rows * blocks, Q8_0_BYTES)),
            1 => Matrix::q4_0(rows, columns, &stream.blocks(rows * blocks, Q4_0_BYTES)),
            2 => Matrix::f32(rows, columns, &stream.floats(rows * columns).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()),
            _ => Matrix::f16(rows, columns, &stream.halves(rows * columns).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()),
        }.expect("shape fits");
        let values = stream.floats(batch * columns);
        for isa in isas() {
            let whole = product(isa, &matrix, &loaded(isa, &values, columns));
            let one_by_one: Vec<f32> = values.chunks_exact(columns).flat_map(|row| product(isa, &matrix, &loaded(isa, row, columns))).collect();
            prop_assert_eq!(bits(&whole), bits(&one_by_one), "{}", isa.name());
            let x = loaded(isa, &values, columns);
            let cut = cut.min(matrix.groups());
            let mut parts = vec![f32::NAN; batch * rows];
            for groups in [0..cut, cut..matrix.groups()] {
                let (width, first) = (matrix.group_rows(&groups), groups.start * 16);
                let mut out = vec![0.0; batch * width];
                matrix.matmul(isa, &x, groups, &mut out);
                for row in 0..batch {
                    parts[row * rows + first.min(rows)..][..width].copy_from_slice(&out[row * width..][..width]);
                }
            }
            prop_assert_eq!(bits(&whole), bits(&parts), "{}", isa.name());
        }
    }

    #[test]
    fn everything_else_equals_the_scalar_code(n in 1usize..300, seed in any::<u64>()) {
        let mut stream = Stream(seed);
        let (x, y, w) = (stream.floats(n), stream.floats(n), stream.halves(n));
        let run = |isa: Isa| {
            let mut out = vec![0.0; n];
            norm::rms_norm(isa, &x, &y, 1e-5, &mut out);
            let mut gated = x.clone();
            elementwise::silu_mul(isa, &mut gated, &y);
            elementwise::add(isa, &mut gated, &out);
            let mut soft = x.clone();
            elementwise::softmax(isa, &mut soft);
            let mut turned = x.clone();
            let angles: Vec<f32> = y.iter().take(n / 2).copied().collect();
            rope::rotate(isa, &mut turned, n, &angles, &x[..n / 2]);
            let f32s = Matrix::f32(1, n, &y.iter().flat_map(|y| y.to_le_bytes()).collect::<Vec<_>>()).expect("shape fits");
            let f16s = Matrix::f16(1, n, &w.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>()).expect("shape fits");
            let mut activations = Activations::new();
            activations.load(isa, &x, n, Forms { plain: true, quantised: false });
            let products = [product(isa, &f32s, &activations), product(isa, &f16s, &activations)].concat();
            bits(&[out, gated, soft, turned, products].concat())
        };
        let truth = run(Isa::scalar());
        prop_assert_eq!(&truth[4 * n..], &bits(&[reduce::dot(&y, &x), dense::dot_f16(&w, &x)]));
        for isa in isas() {
            prop_assert_eq!(&run(isa), &truth, "{}", isa.name());
        }
    }

    #[test]
    fn attention_equals_the_scalar_code_and_does_not_see_the_batch(
        head_size in 1usize..72, group in 1usize..5, first_position in 0usize..150, rows in 1usize..80, seed in any::<u64>(),
    ) {
        let mut stream = Stream(seed);
        let positions = first_position + rows;
        let (keys, values) = (stream.halves(positions * head_size), stream.halves(positions * head_size));
        let queries = stream.floats(rows * group * head_size);
        let run = |isa: Isa, shape: Shape, queries: &[f32]| {
            let mut scratch = vec![f32::NAN; shape.scratch_len()];
            let mut out = vec![f32::NAN; queries.len()];
            attend(isa, shape, 0.125, queries, &keys, &values, &mut scratch, &mut out);
            bits(&out)
        };
        let shape = Shape { head_size, group, first_position, rows };
        let truth = run(Isa::scalar(), shape, &queries);
        for isa in isas() {
            prop_assert_eq!(&run(isa, shape, &queries), &truth, "{}", isa.name());
        }
        let width = group * head_size;
        for (row, queries) in queries.chunks_exact(width).enumerate() {
            let alone = run(Isa::best(), Shape { first_position: first_position + row, rows: 1, ..shape }, queries);
            prop_assert_eq!(&alone, &truth[row * width..][..width]);
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    assert!(Matrix::q8_0(2, 32, &[0; 67]).is_none());
    assert!(Matrix::q8_0(2, 33, &[0; 68]).is_none());
    assert!(Matrix::q8_0(2, 0, &[]).is_none());
    assert!(Matrix::q4_0(usize::MAX, 64, &[0; 36]).is_none());
    assert!(Matrix::f32(2, 3, &[0; 23]).is_none());
    assert!(Matrix::f16(usize::MAX, usize::MAX, &[]).is_none());
}

#[test]
#[should_panic(expected = "not whole blocks")]
fn a_ragged_row_cannot_be_quantised() {
    Activations::new().load(Isa::scalar(), &[0.0; 33], 33, BOTH);
}
