//! What the kernels do per second on one core, by format and instruction set: `cargo bench -p
//! mica-kernels [filter]…`.
//!
//! Decode: one row times 22 matrices of 5632×2048 (a feed-forward matrix of every layer of a 1.1B
//! model), so that the weights come from memory; GB/s count the weights' bytes. Prefill: 128 rows
//! times one of them; GOP/s count a multiplication and an addition per weight and row. Attention:
//! 32 query heads over 4 key/value heads of 64, one layer. Every figure is the best of several
//! runs.

#![expect(clippy::print_stdout, reason = "its output is its table")]

use std::{hint::black_box, time::Instant};

use mica_kernels::{
    Activations, Columns, Isa, Matrix, TILE, WeightType,
    attention::{Shape, attend},
    f16,
};

const ROWS: usize = 5632;
const COLUMNS: usize = 2048;
const LAYERS: usize = 22;
const BATCH: usize = 128;
const RUNS: usize = 5;

/// Seconds of the fastest of several runs.
fn fastest(mut task: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        task();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn floats(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0).collect()
}

/// Any bytes, with exponents small enough that nothing overflows.
fn weights(format: WeightType) -> Vec<u8> {
    let length = format.row_bytes(COLUMNS).expect("whole blocks") * ROWS;
    (0..length).map(|i| (((i * 2_654_435_761) >> 13) as u8) & 0xbf).collect()
}

fn loaded(isa: Isa, matrix: &Matrix, rows: usize) -> Activations {
    let mut x = Activations::new();
    x.load(isa, &floats(rows * COLUMNS), COLUMNS, matrix.forms());
    x
}

fn products(format: WeightType) {
    let bytes = weights(format);
    let mut seconds = f64::INFINITY;
    let mut matrices = Vec::new();
    for _ in 0..LAYERS {
        let start = Instant::now();
        matrices.extend(Matrix::new(format, ROWS, COLUMNS, &bytes));
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let (first, total) = (&matrices[0], matrices.iter().map(Matrix::bytes).sum::<usize>());
    println!("{:<22} packing  {:8.1} GB/s", format.name(), bytes.len() as f64 / seconds / 1.0e9);
    for isa in Isa::available().skip(1) {
        let x = loaded(isa, first, 1);
        let mut out = vec![0.0; BATCH * ROWS];
        let decode = fastest(|| {
            for matrix in &matrices {
                matrix.matmul(isa, &x, 0..matrix.groups(), &mut out[..ROWS]);
            }
        });
        let mut rates = Vec::new();
        for rows in [4, 16, BATCH] {
            let x = loaded(isa, first, rows);
            let seconds = fastest(|| {
                first.matmul_into(
                    isa,
                    &x,
                    0..first.groups(),
                    Columns::new(&mut out[..rows * ROWS], ROWS),
                )
            });
            rates.push(2.0 * (rows * ROWS * COLUMNS) as f64 / seconds / 1.0e9);
        }
        let [four, sixteen, prefill] = rates[..] else { unreachable!("three batches") };
        let decode = total as f64 / decode / 1.0e9;
        println!(
            "{:<5} {:<16} decode   {decode:8.1} GB/s   4 rows {four:6.0}   16 rows {sixteen:6.0}   prefill {prefill:6.0} GOP/s",
            format.name(),
            isa.name()
        );
        black_box(&out);
    }
}

fn quantisation() {
    let values = floats(BATCH * COLUMNS);
    for format in [WeightType::Q8_0, WeightType::Q4_K] {
        for isa in Isa::available() {
            let mut x = Activations::new();
            let forms = mica_kernels::Forms::of(format);
            let seconds = fastest(|| x.load(isa, &values, COLUMNS, forms));
            let rate = values.len() as f64 / seconds / 1.0e9;
            println!(
                "quantise {:<4} {:<10} {rate:8.2} billion activations/s",
                format.block_elements(),
                isa.name()
            );
        }
    }
}

fn attention() {
    let (head_size, group, kv_heads) = (64, 8, 4);
    for (first_position, rows) in [(0, 128), (1920, 128), (127, 1), (2047, 1)] {
        let shape = Shape { head_size, group, first_position, rows, window: None };
        let halves: Vec<u16> =
            floats((first_position + rows) * head_size).iter().map(|&x| f16::from_f32(x)).collect();
        let queries = floats(rows * group * head_size);
        let (mut scratch, mut out) = (vec![0.0; shape.scratch_len()], vec![0.0; queries.len()]);
        let tile = |t: usize| (&halves[t * TILE * head_size..], &halves[t * TILE * head_size..]);
        for isa in Isa::available() {
            let seconds = kv_heads as f64
                * fastest(|| {
                    attend(isa, shape, 0.125, &[], &queries, tile, &mut scratch, &mut out)
                });
            println!(
                "attention {rows:>4} rows from {first_position:>5} {:<12} {:9.1} µs per layer",
                isa.name(),
                seconds * 1.0e6
            );
        }
    }
}

fn main() {
    // Cargo adds `--bench`.
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    for format in WeightType::ALL {
        if wanted(format.name()) {
            products(format);
        }
    }
    if wanted("quantise") {
        quantisation();
    }
    if wanted("attention") {
        attention();
    }
}
