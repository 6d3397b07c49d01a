//! Weights of the calls of BABE and GRANDPA.
//!
//! The SDK's benchmarks of both measure the check of one proof only; the rest of a report, which
//! slashes a validator and all of its nominators, is the formula of the SDK's placeholders, with
//! this node's database and with as many nominators as an election leaves a validator.

use frame_support::weights::{
    Weight,
    constants::{ParityDbWeight, WEIGHT_REF_TIME_PER_MICROS, WEIGHT_REF_TIME_PER_NANOS},
};

/// The check of two signed headers, as the SDK's benchmark measured it.
const BABE_PROOF: u64 = 89 * WEIGHT_REF_TIME_PER_MICROS;
/// The check of two signed votes, as the SDK's benchmark measured it.
const GRANDPA_PROOF: u64 = 79 * WEIGHT_REF_TIME_PER_MICROS;
/// A proof of membership is charged for at least as many validators.
const LEAST_VALIDATORS: u32 = 100;

/// Weights of `pallet_babe` and `pallet_grandpa`.
pub struct ConsensusWeights;

/// What it costs to record an offence of one validator and to slash it and `nominators`.
pub fn slash(nominators: u32) -> Weight {
    let nominators = u64::from(nominators);
    Weight::from_parts(110 * WEIGHT_REF_TIME_PER_MICROS, 0)
        .saturating_add(Weight::from_parts(25 * WEIGHT_REF_TIME_PER_MICROS * nominators, 0))
        .saturating_add(ParityDbWeight::get().reads(14 + 3 * nominators))
        .saturating_add(ParityDbWeight::get().writes(10 + 3 * nominators))
}

/// What it costs to check who had a key, among `validators`.
fn membership(validators: u32) -> Weight {
    let validators = u64::from(validators.max(LEAST_VALIDATORS));
    Weight::from_parts(
        35 * WEIGHT_REF_TIME_PER_MICROS + 175 * WEIGHT_REF_TIME_PER_NANOS * validators,
        0,
    )
    .saturating_add(ParityDbWeight::get().reads(5))
}

impl pallet_babe::WeightInfo for ConsensusWeights {
    fn plan_config_change() -> Weight {
        Weight::from_parts(10 * WEIGHT_REF_TIME_PER_MICROS, 0)
            .saturating_add(ParityDbWeight::get().writes(1))
    }

    fn report_equivocation(validators: u32, nominators: u32) -> Weight {
        membership(validators)
            .saturating_add(Weight::from_parts(BABE_PROOF, 0))
            .saturating_add(slash(nominators))
    }
}

impl pallet_grandpa::WeightInfo for ConsensusWeights {
    fn report_equivocation(validators: u32, nominators: u32) -> Weight {
        membership(validators)
            .saturating_add(Weight::from_parts(GRANDPA_PROOF, 0))
            .saturating_add(slash(nominators))
            // The session of a set of voters.
            .saturating_add(ParityDbWeight::get().reads(2))
    }

    fn note_stalled() -> Weight {
        Weight::from_parts(3 * WEIGHT_REF_TIME_PER_MICROS, 0)
            .saturating_add(ParityDbWeight::get().writes(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        configs::system::RuntimeBlockWeights,
        constants::{MAX_BACKERS_PER_VALIDATOR, MAX_VALIDATORS},
    };
    use frame_support::dispatch::DispatchClass;

    #[test]
    fn the_dearest_report_fits_into_a_block() {
        let most = RuntimeBlockWeights::get().get(DispatchClass::Normal).max_extrinsic;
        let most = most.expect("normal extrinsics have a bound");
        for weight in [
            <ConsensusWeights as pallet_babe::WeightInfo>::report_equivocation(
                MAX_VALIDATORS,
                MAX_BACKERS_PER_VALIDATOR,
            ),
            <ConsensusWeights as pallet_grandpa::WeightInfo>::report_equivocation(
                MAX_VALIDATORS,
                MAX_BACKERS_PER_VALIDATOR,
            ),
        ] {
            assert!(weight.all_lt(most), "{weight:?} exceeds {most:?}");
        }
    }
}
