//! Every instruction set against the definition, bit for bit, over random shapes and extremes; and
//! several rows against one.

mod products;
mod stream;

use mica_kernels::{
    Isa, TILE,
    attention::{Shape, attend},
    elementwise, norm, rope,
};
use proptest::prelude::*;
use stream::Stream;

/// Bits of the values; which NaN a NaN is differs between CPUs and does not count.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_else_equals_the_scalar_code(n in 1usize..300, seed in any::<u64>()) {
        let mut stream = Stream(seed);
        let (x, y) = (stream.floats(n), stream.floats(n));
        let run = |isa: Isa| {
            let mut out = vec![0.0; n];
            norm::rms_norm(isa, &x, &y, 1e-5, &mut out);
            let mut gated = x.clone();
            elementwise::silu_mul(isa, &mut gated, &y);
            elementwise::add(isa, &mut gated, &out);
            let mut soft = x.clone();
            elementwise::softmax(isa, &mut soft);
            let (mut gelu, mut clamped) = (x.clone(), x.clone());
            elementwise::gelu_mul(isa, &mut gelu, &y);
            elementwise::clamped_swiglu(isa, &mut clamped, &y);
            let mut turned = x.clone();
            let angles: Vec<f32> = y.iter().take(n / 2).copied().collect();
            rope::rotate(isa, &mut turned, n, &angles, &x[..n / 2]);
            bits(&[out, gated, soft, turned, gelu, clamped].concat())
        };
        let truth = run(Isa::scalar());
        for isa in Isa::available() {
            prop_assert_eq!(&run(isa), &truth, "{}", isa.name());
        }
    }

    #[test]
    fn attention_equals_the_scalar_code_and_does_not_see_the_batch(
        head_size in 1usize..72, group in 1usize..5, first_position in 0usize..150, rows in 1usize..80,
        window in prop::option::of(1usize..180), has_sinks in any::<bool>(), seed in any::<u64>(),
    ) {
        let mut stream = Stream(seed);
        let positions = first_position + rows;
        let (keys, values) = (stream.halves(positions * head_size), stream.halves(positions * head_size));
        let queries = stream.floats(rows * group * head_size);
        let sinks = if has_sinks { stream.floats(group) } else { Vec::new() };
        let run = |isa: Isa, shape: Shape, queries: &[f32]| {
            let mut scratch = vec![f32::NAN; shape.scratch_len()];
            let mut out = vec![f32::NAN; queries.len()];
            let tile = |t: usize| (&keys[t * TILE * head_size..], &values[t * TILE * head_size..]);
            attend(isa, shape, 0.125, &sinks, queries, tile, &mut scratch, &mut out);
            bits(&out)
        };
        let shape = Shape { head_size, group, first_position, rows, window };
        let truth = run(Isa::scalar(), shape, &queries);
        for isa in Isa::available() {
            prop_assert_eq!(&run(isa, shape, &queries), &truth, "{}", isa.name());
        }
        let width = group * head_size;
        for (row, queries) in queries.chunks_exact(width).enumerate() {
            let alone = run(Isa::best(), Shape { first_position: first_position + row, rows: 1, ..shape }, queries);
            prop_assert_eq!(&alone, &truth[row * width..][..width]);
        }
    }
}
