//! How results look: every table and text for people, and every JSON form.

pub mod answer;
pub mod market;
pub mod matrix_progress;
pub mod preview;

pub use answer::Printer;
