//! Figures as SVG documents: those of the paper, and those of a run.

pub mod chart;
pub mod paper;
pub mod series;

pub use chart::{Chart, Curve, DrawError};
