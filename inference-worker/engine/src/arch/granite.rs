//! Granite 3, dense: a Llama whose embedding, scores, residuals and logits are scaled by constants.

use super::{Architecture, PLAIN, Scales};

pub(super) const GRANITE: Architecture =
    Architecture { name: "granite", scales: Scales::InMetadata, ..PLAIN };
