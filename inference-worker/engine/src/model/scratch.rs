//! Working memory of a step, kept from layer to layer and from step to step, so that computing a
//! token allocates next to nothing.

use std::{ops::Range, sync::Mutex};

use mica_kernels::Activations;

/// Memory of a step. Every operation sets the sizes and values that it reads.
#[derive(Default)]
pub(super) struct Scratch {
    /// The hidden state, `[rows, hidden]`.
    pub x: Vec<f32>,
    pub activations: Activations,
    pub normed: Vec<f32>,
    pub query: Vec<f32>,
    pub key: Vec<f32>,
    pub value: Vec<f32>,
    pub attended: Vec<f32>,
    pub gate: Vec<f32>,
    pub up: Vec<f32>,
    /// What a half of a block adds to the hidden state.
    pub delta: Vec<f32>,
    /// Rotations in layers that see everything.
    pub everywhere: Angles,
    /// In the others, where they have their own.
    pub in_windows: Angles,
    /// Working memory of attention, by thread.
    pub threads: Vec<Mutex<Vec<f32>>>,
    pub experts: ExpertsScratch,
}

/// Cosines and sines, `[rows, rotated / 2]`.
#[derive(Default)]
pub(super) struct Angles {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
}

/// Memory of a mixture.
#[derive(Default)]
pub(super) struct ExpertsScratch {
    pub logits: Vec<f32>,
    /// Experts of each row and their weights, `[rows, used]`.
    pub chosen: Vec<usize>,
    pub weights: Vec<f32>,
    /// Experts that some row has chosen, ascending.
    pub active: Vec<Active>,
    /// Inputs by active expert.
    pub inputs: Vec<Activations>,
    pub gathered: Vec<f32>,
    pub gate: Vec<f32>,
    pub up: Vec<f32>,
    pub outputs: Vec<f32>,
    /// Where the outputs of a row's experts are, `[rows, used]`.
    pub places: Vec<usize>,
}

/// One expert's share of the rows.
pub(super) struct Active {
    pub expert: usize,
    /// Its rows among the rows gathered for all experts.
    pub gathered: Range<usize>,
}
