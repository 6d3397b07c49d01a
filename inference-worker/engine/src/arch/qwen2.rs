//! Qwen 2 and 2.5: queries, keys and values have biases.

use super::{Architecture, Biases, PLAIN, Pairs};

pub(super) const QWEN2: Architecture =
    Architecture { name: "qwen2", pairs: Pairs::Halves, biases: Biases::QueryKeyValue, ..PLAIN };
