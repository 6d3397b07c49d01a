//! How work is divided among the threads. Every output is computed entirely by one thread, so that
//! no division can change a byte.

use std::ops::Range;

use mica_kernels::{Activations, Columns, Forms, LANES, Matrix, elementwise};

use super::{Model, weights::Swiglu};
use crate::arch::Activation;

/// Multiplications that are worth handing to a thread: some microseconds.
const WORTH: usize = 1 << 17;

/// Parts of a product for each thread, at most: enough that a slow thread's parts can be done by
/// others.
const PARTS: usize = 16;

/// Elements that are worth handing to a thread where each is touched a few times.
const WORTH_ELEMENTS: usize = 1 << 13;

/// `out = x · matrixᵀ`, `[x.rows, matrix.rows]`.
pub(super) struct Product<'a> {
    pub matrix: &'a Matrix,
    pub x: &'a Activations,
    pub out: &'a mut [f32],
}

/// `gate = act(x · gateᵀ) ∘ (x · upᵀ)`, `[x.rows, inner]`; `up` is working memory as large.
pub(super) struct Gated<'a> {
    pub swiglu: &'a Swiglu,
    pub x: &'a Activations,
    pub gate: &'a mut [f32],
    pub up: &'a mut [f32],
}

impl Model {
    /// Computes several products at once.
    pub(super) fn products<'a>(&self, products: impl IntoIterator<Item = Product<'a>>) {
        let (mut parts, mut cost) = (Vec::new(), 0);
        for Product { matrix, x, out } in products {
            cost += x.rows() * matrix.rows() * matrix.columns();
            let step = self.step(matrix, x.rows());
            parts.extend(
                pieces(matrix, out, step).map(|(groups, columns)| (matrix, x, groups, columns)),
            );
        }
        self.share(parts, cost, |(matrix, x, groups, columns), _| {
            matrix.matmul_into(self.isa, x, groups, columns)
        });
    }

    /// Computes the first half of several SwiGLUs at once.
    pub(super) fn gated<'a>(&self, halves: impl IntoIterator<Item = Gated<'a>>) {
        let (mut parts, mut cost) = (Vec::new(), 0);
        for Gated { swiglu, x, gate, up } in halves {
            let (gates, ups) = (&swiglu.gate.matrix, &swiglu.up.matrix);
            cost += 2 * x.rows() * gates.rows() * gates.columns();
            let step = self.step(gates, 2 * x.rows());
            let both = pieces(gates, gate, step).zip(pieces(ups, up, step));
            parts.extend(both.map(|((groups, gate), (_, up))| (swiglu, x, groups, gate, up)));
        }
        self.share(parts, cost, |(swiglu, x, groups, mut gate, mut up), _| {
            let (rows, width, first) = (gate.rows(), gate.width(), groups.start * LANES);
            swiglu.gate.matrix.matmul_into(self.isa, x, groups.clone(), gate.reborrow());
            swiglu.up.matrix.matmul_into(self.isa, x, groups, up.reborrow());
            for row in 0..rows {
                let (gate, up) = (gate.row(row, 0, width), up.row(row, 0, width));
                for (outputs, linear) in [(&mut *gate, &swiglu.gate), (&mut *up, &swiglu.up)] {
                    if let Some(bias) = &linear.bias {
                        elementwise::add(self.isa, outputs, &bias[first..first + width]);
                    }
                }
                match self.config.description.activation {
                    Activation::Silu => elementwise::silu_mul(self.isa, gate, up),
                    Activation::Gelu => elementwise::gelu_mul(self.isa, gate, up),
                    Activation::ClampedSwiglu => elementwise::clamped_swiglu(self.isa, gate, up),
                }
            }
        });
    }

    /// `activations = values: [rows, columns]` in the given forms.
    pub(super) fn load_rows(
        &self,
        activations: &mut Activations,
        values: &[f32],
        columns: usize,
        forms: Forms,
    ) {
        if values.len() < 2 * WORTH_ELEMENTS {
            activations.load(self.isa, values, columns, forms);
        } else {
            self.pool
                .each(activations.begin(values, columns, forms), |rows, _| rows.load(self.isa));
        }
    }

    /// Calls `task(part, thread)` for every part, by this thread alone if all of them cost too
    /// little, in multiplications.
    pub(super) fn share<T: Send>(
        &self,
        parts: Vec<T>,
        cost: usize,
        task: impl Fn(T, usize) + Sync,
    ) {
        if cost < 2 * WORTH {
            parts.into_iter().for_each(|part| task(part, 0));
        } else {
            self.pool.each(parts, task);
        }
    }

    /// Rows of `width` elements that a thread should take at once of `rows`.
    pub(super) fn chunk(&self, rows: usize, width: usize) -> usize {
        rows.div_ceil(2 * self.pool.threads()).max(WORTH_ELEMENTS.div_ceil(width)).max(1)
    }

    /// Groups of a matrix that make one part of a product with `rows` rows; even, because kernels
    /// may take them two by two.
    fn step(&self, matrix: &Matrix, rows: usize) -> usize {
        let threads = self.pool.threads();
        match threads {
            1 => matrix.groups().max(1),
            _ => {
                let least = WORTH.div_ceil(rows * matrix.columns() * LANES);
                matrix.groups().div_ceil(threads * PARTS).max(least).max(1).next_multiple_of(2)
            }
        }
    }
}

/// Cuts `out: [rows, matrix.rows]` into the columns of every `step` groups.
fn pieces<'a>(
    matrix: &Matrix,
    out: &'a mut [f32],
    step: usize,
) -> impl Iterator<Item = (Range<usize>, Columns<'a>)> {
    let mut rest = Some(Columns::new(out, matrix.rows()));
    (0..matrix.groups()).step_by(step).filter_map(move |first| {
        let groups = first..(first + step).min(matrix.groups());
        let (columns, others) = rest.take()?.split_at(matrix.group_rows(&groups));
        rest = Some(others);
        Some((groups, columns))
    })
}
