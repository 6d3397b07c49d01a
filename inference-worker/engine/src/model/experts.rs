//! The feed-forward block of a mixture: each row goes through the experts that the router chooses
//! for it.
//!
//! Rows are gathered by expert, so that a chunk of a prompt reads each expert's weights once. A row
//! adds up its experts' outputs in the order of their ids, whatever else is computed with it.

use mica_kernels::{Activations, Forms, elementwise, router};

use super::{
    Model,
    product::{Gated, Product},
    scratch::{Active, ExpertsScratch, Scratch},
    weights::{Linear, Swiglu},
};

impl Model {
    /// The mixture over `scratch.normed`, into `scratch.delta`.
    pub(super) fn experts(
        &self,
        router: &Linear,
        experts: &[Swiglu],
        used: usize,
        scratch: &mut Scratch,
    ) {
        let (hidden, inner) = (self.config.hidden, self.config.feed_forward);
        let Scratch { activations, normed, delta, experts: memory, .. } = scratch;
        let rows = normed.len() / hidden;
        let matrix = &router.matrix;
        self.load_rows(activations, normed, hidden, matrix.forms());
        memory.logits.resize(rows * matrix.rows(), 0.0);
        self.products([Product { matrix, x: activations, out: &mut memory.logits }]);
        if let Some(bias) = &router.bias {
            for logits in memory.logits.chunks_exact_mut(bias.len()) {
                elementwise::add(self.isa, logits, bias);
            }
        }
        self.route(matrix.rows(), used, memory);
        gather(normed, hidden, experts.len(), used, memory);

        let ExpertsScratch { active, inputs, gathered, gate, up, outputs, .. } = memory;
        let total = rows * used;
        let (mut first, mut second) = (Forms::default(), Forms::default());
        for Swiglu { gate, up, down } in experts {
            first = first.union(gate.matrix.forms()).union(up.matrix.forms());
            second = second.union(down.matrix.forms());
        }
        inputs.resize_with(inputs.len().max(active.len()), Activations::default);
        self.load_inputs(active, inputs, gathered, hidden, first);
        gate.resize(total * inner, 0.0);
        up.resize(total * inner, 0.0);
        let (gates, ups) = (rows_of(active, gate, inner), rows_of(active, up, inner));
        self.gated(active.iter().zip(&*inputs).zip(gates.zip(ups)).map(
            |((active, x), (gate, up))| Gated { swiglu: &experts[active.expert], x, gate, up },
        ));
        self.load_inputs(active, inputs, gate, inner, second);
        outputs.resize(total * hidden, 0.0);
        let outs = rows_of(active, outputs, hidden);
        self.products(active.iter().zip(&*inputs).zip(outs).map(|((active, x), out)| Product {
            matrix: &experts[active.expert].down.matrix,
            x,
            out,
        }));
        for (active, outputs) in active.iter().zip(rows_of(active, outputs, hidden)) {
            if let Some(bias) = &experts[active.expert].down.bias {
                for output in outputs.chunks_exact_mut(hidden) {
                    elementwise::add(self.isa, output, bias);
                }
            }
        }
        self.mix(used, memory, delta, hidden);
    }

    /// Every row's experts and their weights.
    fn route(&self, count: usize, used: usize, memory: &mut ExpertsScratch) {
        let rows = memory.logits.len() / count;
        memory.chosen.resize(rows * used, 0);
        memory.weights.resize(rows * used, 0.0);
        let outputs =
            memory.chosen.chunks_exact_mut(used).zip(memory.weights.chunks_exact_mut(used));
        for (logits, (chosen, weights)) in memory.logits.chunks_exact(count).zip(outputs) {
            router::choose(self.isa, logits, chosen, weights);
        }
    }

    /// Takes each active expert's rows of `values` in the given forms.
    fn load_inputs(
        &self,
        active: &[Active],
        inputs: &mut [Activations],
        values: &[f32],
        width: usize,
        forms: Forms,
    ) {
        let load = |(active, input): (&Active, &mut Activations), _: usize| {
            let range = active.gathered.start * width..active.gathered.end * width;
            input.load(self.isa, &values[range], width, forms);
        };
        // Quantising an element costs about as much as some multiplications of a product.
        self.share(active.iter().zip(inputs).collect(), 8 * values.len(), load);
    }

    /// `delta[row] = Σ weight · output` over the row's experts in the order of their ids.
    fn mix(&self, used: usize, memory: &ExpertsScratch, delta: &mut Vec<f32>, hidden: usize) {
        let rows = memory.places.len() / used;
        delta.resize(rows * hidden, 0.0);
        let chunk = self.chunk(rows, hidden * used);
        self.pool.each(delta.chunks_mut(chunk * hidden).enumerate(), |(index, delta), _| {
            for (row, delta) in delta.chunks_exact_mut(hidden).enumerate() {
                let own = (index * chunk + row) * used..(index * chunk + row + 1) * used;
                delta.fill(0.0);
                for (&place, &weight) in memory.places[own.clone()].iter().zip(&memory.weights[own])
                {
                    elementwise::add_scaled(
                        self.isa,
                        delta,
                        &memory.outputs[place * hidden..][..hidden],
                        weight,
                    );
                }
            }
        });
    }
}

/// Copies the rows of every expert that has any to one place, expert after expert.
fn gather(normed: &[f32], hidden: usize, count: usize, used: usize, memory: &mut ExpertsScratch) {
    memory.active.clear();
    memory.places.resize(memory.chosen.len(), 0);
    memory.gathered.resize(memory.chosen.len() * hidden, 0.0);
    let mut next = 0;
    for expert in 0..count {
        let first = next;
        for (at, _) in memory.chosen.iter().enumerate().filter(|&(_, &chosen)| chosen == expert) {
            memory.places[at] = next;
            memory.gathered[next * hidden..][..hidden]
                .copy_from_slice(&normed[at / used * hidden..][..hidden]);
            next += 1;
        }
        if next > first {
            memory.active.push(Active { expert, gathered: first..next });
        }
    }
}

/// The active experts' rows of `values: [gathered rows, width]`.
fn rows_of<'a>(
    active: &'a [Active],
    values: &'a mut [f32],
    width: usize,
) -> impl Iterator<Item = &'a mut [f32]> {
    let mut rest = Some(values);
    active.iter().filter_map(move |active| {
        let (own, others) = rest.take()?.split_at_mut(active.gathered.len() * width);
        rest = Some(others);
        Some(own)
    })
}
