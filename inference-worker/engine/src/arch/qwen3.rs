//! Qwen 3, dense: heads of a size of their own, each query and key head normed before it is
//! rotated.

use super::{Architecture, HeadNorms, PLAIN, Pairs};

pub(super) const QWEN3: Architecture =
    Architecture { name: "qwen3", pairs: Pairs::Halves, head_norms: HeadNorms::QueryKey, ..PLAIN };
