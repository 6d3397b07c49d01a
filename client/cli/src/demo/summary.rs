//! What a demo proves, and whether it adds up. Money is whole base units.

use mica_primitives::{Balance, LayerRange};

/// One stage of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StageSummary {
    /// SS58 address of the worker.
    pub worker: String,
    /// The layers that it serves.
    pub layers: LayerRange,
    /// Positions computed and paid for: prompt and answer, except the answer's last token, which no
    /// stage computes further.
    pub tokens: u32,
    /// Base units per layer and position.
    pub price_per_layer_token: Balance,
    /// Base units that the chain paid out to the worker.
    pub paid: Balance,
    /// Receipts that were verified.
    pub receipts: u64,
    /// Whether the worker's redeem is in a block and pays exactly what was promised.
    pub redeemed: bool,
}

/// The payer's money in base units, free and on hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayerSummary {
    /// After funding, before anything was spent.
    pub before: Balance,
    /// After all channels were closed and the rest was released.
    pub after: Balance,
    /// Transaction fees between the two.
    pub fees: Balance,
}

/// The blocks between which everything happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlocksSummary {
    /// The block in which the wallet was funded.
    pub first: u32,
    /// The block in which the last channel was gone.
    pub last: u32,
}

/// The whole demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// As asked.
    pub prompt: String,
    /// As answered.
    pub text: String,
    /// Token ids of the answer, from the three workers.
    pub tokens: Vec<u32>,
    /// The path.
    pub stages: Vec<StageSummary>,
    /// The payer's money.
    pub payer: PayerSummary,
    /// The blocks.
    pub blocks: BlocksSummary,
    /// Token ids of the same model in one process.
    pub reference_tokens: Vec<u32>,
}

/// What does not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The stages do not cover the model.
    #[error("the stages do not cover layers 0 to {0} one after the other")]
    Layers(u16),
    /// A stage was not paid.
    #[error("worker {0} was not paid by the chain what it was promised")]
    Unpaid(String),
    /// A stage left no receipt.
    #[error("worker {0} left no receipt that verifies")]
    NoReceipts(String),
    /// Distributed and single-process answers differ.
    #[error(
        "the workers' tokens differ from those of the same model in one process, from token {0} on"
    )]
    Tokens(usize),
    /// The payer's balance fell by another amount than paid and fees.
    #[error("the payer lost {lost} base units, but payments and fees are {accounted}")]
    Money {
        /// `before − after`.
        lost: Balance,
        /// `Σ paid + fees`.
        accounted: Balance,
    },
    /// A sum that no balance can hold.
    #[error("the sums overflow")]
    Overflow,
}

impl Summary {
    /// Checks that everything adds up for a model of `layers` layers.
    ///
    /// # Errors
    /// The first thing that does not.
    pub(crate) fn check(&self, layers: u16) -> Result<(), Mismatch> {
        let mut next = 0;
        for stage in &self.stages {
            if stage.layers.first != next || stage.layers.is_empty() {
                return Err(Mismatch::Layers(layers));
            }
            next = stage.layers.end;
            if stage.paid == 0 || !stage.redeemed {
                return Err(Mismatch::Unpaid(stage.worker.clone()));
            }
            if stage.receipts == 0 {
                return Err(Mismatch::NoReceipts(stage.worker.clone()));
            }
        }
        if next != layers {
            return Err(Mismatch::Layers(layers));
        }
        if self.tokens != self.reference_tokens || self.tokens.is_empty() {
            let same = self
                .tokens
                .iter()
                .zip(&self.reference_tokens)
                .take_while(|(ours, theirs)| ours == theirs)
                .count();
            return Err(Mismatch::Tokens(same));
        }
        let accounted = self
            .stages
            .iter()
            .try_fold(self.payer.fees, |sum, stage| sum.checked_add(stage.paid))
            .ok_or(Mismatch::Overflow)?;
        let lost = self.payer.before.checked_sub(self.payer.after).ok_or(Mismatch::Overflow)?;
        if lost == accounted { Ok(()) } else { Err(Mismatch::Money { lost, accounted }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(first: u16, end: u16, paid: Balance) -> StageSummary {
        StageSummary {
            worker: format!("w{first}"),
            layers: LayerRange { first, end },
            tokens: 10,
            price_per_layer_token: 2,
            paid,
            receipts: 1,
            redeemed: true,
        }
    }

    fn summary() -> Summary {
        Summary {
            prompt: "Hello".into(),
            text: "Hi".into(),
            tokens: vec![1, 2],
            stages: vec![stage(0, 3, 60), stage(3, 8, 100)],
            payer: PayerSummary { before: 1_000, after: 833, fees: 7 },
            blocks: BlocksSummary { first: 3, last: 9 },
            reference_tokens: vec![1, 2],
        }
    }

    #[test]
    fn a_sound_summary_passes_and_each_flaw_is_named() {
        assert_eq!(summary().check(8), Ok(()));
        let broken = |change: fn(&mut Summary)| {
            let mut summary = summary();
            change(&mut summary);
            summary.check(8).expect_err("a flaw")
        };
        assert_eq!(broken(|s| s.stages[1].layers.first = 4), Mismatch::Layers(8));
        assert_eq!(broken(|s| s.stages.truncate(1)), Mismatch::Layers(8));
        assert_eq!(broken(|s| s.stages.clear()), Mismatch::Layers(8));
        assert_eq!(broken(|s| s.stages[1].paid = 0), Mismatch::Unpaid("w3".into()));
        assert_eq!(broken(|s| s.stages[0].redeemed = false), Mismatch::Unpaid("w0".into()));
        assert_eq!(broken(|s| s.stages[0].receipts = 0), Mismatch::NoReceipts("w0".into()));
        assert_eq!(broken(|s| s.reference_tokens[1] = 3), Mismatch::Tokens(1));
        assert_eq!(broken(|s| s.payer.after += 1), Mismatch::Money { lost: 166, accounted: 167 });
        assert_eq!(broken(|s| s.payer.after = 2_000), Mismatch::Overflow);
    }
}
