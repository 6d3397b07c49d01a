//! Exact arithmetic for transformer inference: equal inputs give equal bytes on every CPU.
//!
//! Elsewhere a sum depends on the width of the registers, on the number of threads and on how a
//! prompt is split, so nobody can say whether a worker computed what it was paid for. Here the
//! arithmetic is fixed:
//!
//! 1. **Quantised products** ([`quant`]): inside a block of 32 or 256 only integers; across blocks
//!    `acc += (d_w·d_x)·isum` in f32, in block order, one accumulator per output row. SIMD works
//!    across 16 output rows, each lane does the scalar sequence.
//! 2. **Other reductions** ([`reduce`], [`norm`], products with F32, F16 and BF16): 16 virtual
//!    lanes, element `i` in lane `i mod 16`, then one fixed tree.
//! 3. **Only `+ − × ÷ √`** of IEEE f32, no fused multiply-add, denormals on. [`math`] has our own
//!    exp, sin, cos, ln and √.
//! 4. **Attention** ([`attention`]): online softmax over tiles of 64 positions in order; keys and
//!    values are [`mod@f16`].
//! 5. Several rows at once give each row the bytes that it has alone.
//!
//! The scalar code in these modules *is* the definition and is meant to be read. [`Isa`] names what
//! a CPU can do beside it: most operations are the same code compiled again for wider registers
//! (Rust neither reassociates nor fuses floating-point operations, so the bits stay) or written
//! once for 16 lanes that are numbers or registers, and the quantised products have hand-written
//! twins for AVX2, AVX-512 and NEON. Tests compare every twin with the definition bit for bit and
//! compare all of them with stored hashes.
//!
//! Architecture invariant: no I/O, no clock, no threads, no global state; no allocation in an
//! operation, only in constructors. `unsafe` occurs only for instructions whose presence was
//! checked at run time, for parts of an output that threads share ([`Columns`]), and for memory of
//! weights ([`memory`]). A NaN is an error, never a value: operations keep it visible, callers must
//! look.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_op_in_unsafe_fn)]

extern crate alloc;

pub mod activations;
pub mod attention;
mod dense;
pub mod elementwise;
pub mod embedding;
pub mod f16;
pub mod isa;
mod lanes;
pub mod math;
pub mod matrix;
pub mod memory;
pub mod norm;
mod packed;
mod pieces;
pub mod quant;
pub mod reduce;
pub mod rope;
pub mod router;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), feature = "std"))]
mod simd;
pub mod weight_type;

pub use activations::{Activations, Forms, LoadRows};
pub use isa::Isa;
pub use matrix::{Matrix, RunParts};
pub use memory::{Fresh, HUGE_PAGE};
pub use pieces::Columns;
pub use weight_type::WeightType;

/// Version of the arithmetic. Any change that changes a byte of any result changes this number and
/// with it every profile.
pub const KERNEL_VERSION: u32 = 1;

/// Number of virtual lanes of a reduction, and of output rows that are packed together.
pub const LANES: usize = 16;

/// Elements of one quantisation block.
pub const BLOCK: usize = 32;

/// Elements of one super-block, the quantisation block of the K formats.
pub const SUPER_BLOCK: usize = 256;

/// Positions of one attention tile.
pub const TILE: usize = 64;
