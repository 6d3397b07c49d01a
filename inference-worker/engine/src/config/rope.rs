//! How positions become rotations, as the metadata says it.

use mica_kernels::{math, rope};

use super::Keys;
use crate::{
    arch::{Architecture, Windows},
    error::LoadError,
};

/// Rotations of a model.
#[derive(Clone, PartialEq, Debug)]
pub struct Rope {
    /// Base of the frequencies.
    pub base: f64,
    /// Base in layers that see only a window, if they have one of their own; they are not scaled
    /// then.
    pub local_base: Option<f64>,
    /// What is done for contexts longer than those of the first training.
    pub scaling: Scaling,
    /// Rotated elements are multiplied by this; 1 for most.
    pub magnitude: f32,
}

/// What is done to frequencies.
#[derive(Clone, PartialEq, Debug)]
pub enum Scaling {
    /// Divided by this; 1 for none.
    Linear(f64),
    /// YaRN: slow ones divided by the factor, fast ones left alone, those between them mixed.
    Yarn {
        /// At least 1.
        factor: f64,
        /// Context of the first training.
        original_context: f64,
        /// Turns in that context from which on a frequency is left alone.
        beta_fast: f64,
        /// Turns up to which it is divided.
        beta_slow: f64,
    },
}

impl Rope {
    pub(super) fn read(keys: &Keys<'_>, description: &Architecture) -> Result<Self, LoadError> {
        let float = |name: &str| keys.file.float(&keys.key(name));
        let scaling = Scaling::read(keys, description)?;
        let attention_factor = float("rope.scaling.attn_factor").unwrap_or(1.0);
        let magnitude = match scaling {
            Scaling::Linear(_) => attention_factor,
            Scaling::Yarn { factor, .. } => attention_factor * (1.0 + 0.1 * math::ln_64(factor)),
        };
        keys.check(
            "rope.scaling.attn_factor",
            (0.01..=100.0).contains(&magnitude),
            "it makes rotations larger than 100 or smaller than 1/100",
        )?;
        let local_base = match description.windows {
            Windows::AllBut { local_rope_base: Some(usual), .. } => {
                Some(float("rope.freq_base_swa").unwrap_or(f64::from(usual)))
            }
            Windows::AllBut { local_rope_base: None, .. } | Windows::Never => None,
        };
        let base = float("rope.freq_base").unwrap_or(10_000.0);
        for (name, base) in [("rope.freq_base", Some(base)), ("rope.freq_base_swa", local_base)] {
            let good = base.is_none_or(|base| (1.0..=1.0e12).contains(&base));
            keys.check(name, good, "not in 1..=1e12")?;
        }
        Ok(Self { base, local_base, scaling, magnitude: magnitude as f32 })
    }

    /// Rotations per position of the pairs, each divided by its factor.
    pub(crate) fn frequencies(&self, rotated: usize, factors: &[f32]) -> Vec<f64> {
        let plain = |pair| rope::frequency(self.base, pair, rotated);
        match self.scaling {
            Scaling::Linear(factor) => factors
                .iter()
                .enumerate()
                .map(|(pair, &own)| plain(pair) / (factor * f64::from(own)))
                .collect(),
            Scaling::Yarn { factor, original_context, beta_fast, beta_slow } => {
                // The pair that turns so often in the original context.
                let pair_of = |turns: f64| {
                    let per_turn = original_context / (turns * core::f64::consts::TAU);
                    rotated as f64 * math::ln_64(per_turn) / (2.0 * math::ln_64(self.base))
                };
                let first = pair_of(beta_fast).floor().max(0.0);
                let last = pair_of(beta_slow).ceil().min(rotated as f64 - 1.0);
                let mixed = |(pair, &own): (usize, &f32)| {
                    let slow = ((pair as f64 - first) / (last - first).max(0.001)).clamp(0.0, 1.0);
                    plain(pair) / f64::from(own) * (slow / factor + (1.0 - slow))
                };
                factors.iter().enumerate().map(mixed).collect()
            }
        }
    }

    /// The same in layers that see only a window, if they have their own.
    pub(crate) fn local_frequencies(&self, rotated: usize) -> Option<Vec<f64>> {
        let base = self.local_base?;
        Some((0..rotated / 2).map(|pair| rope::frequency(base, pair, rotated)).collect())
    }
}

impl Scaling {
    fn read(keys: &Keys<'_>, description: &Architecture) -> Result<Self, LoadError> {
        let name = "rope.scaling.type";
        let float = |name: &str| keys.file.float(&keys.key(name));
        let factor = float("rope.scaling.factor").unwrap_or(1.0);
        let kind = keys.file.string(&keys.key(name));
        if matches!(kind, None | Some("linear" | "yarn")) {
            keys.check(name, (1.0..=1.0e6).contains(&factor), "its factor is not in 1..=1e6")?;
        }
        match kind {
            Some("none") => Ok(Self::Linear(1.0)),
            None | Some("linear") => Ok(Self::Linear(factor)),
            // Its factors are tensors.
            Some("longrope") if description.fused => Ok(Self::Linear(1.0)),
            Some("yarn") => {
                let original_context =
                    keys.number("rope.scaling.original_context_length", 1 << 32)?;
                let beta_fast = float("rope.scaling.yarn_beta_fast").unwrap_or(32.0);
                let beta_slow = float("rope.scaling.yarn_beta_slow").unwrap_or(1.0);
                keys.check(
                    name,
                    beta_slow > 0.0 && beta_fast >= beta_slow && beta_fast < 1.0e6,
                    "its betas are not a range of turns",
                )?;
                let original_context = original_context as f64;
                Ok(Self::Yarn { factor, original_context, beta_fast, beta_slow })
            }
            Some(other) => Err(LoadError::config(
                &keys.key(name),
                format!("`{other}` is not supported (none, linear and yarn are)"),
            )),
        }
    }
}
