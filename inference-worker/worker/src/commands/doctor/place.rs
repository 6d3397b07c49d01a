//! Where the worker stands among the others: which layers have nobody, and which nobody but it.

use mica_chain::AccountId;
use mica_primitives::{LayerRange, WorkerRecord};

use super::{Finding, typed};

/// The model's layers and those who serve them.
pub(super) struct Place {
    layers: u16,
    own: LayerRange,
    /// Layers that no live worker serves, this one left out unless it is live.
    pub gaps: Vec<LayerRange>,
    /// Fewest other live workers on one of our layers, and most.
    others: (usize, usize),
}

impl Place {
    /// Of the worker with this record. Its own layers count as served: what keeps it from serving
    /// them is said elsewhere.
    pub(super) fn of(
        record: &WorkerRecord<AccountId>,
        workers: &[(WorkerRecord<AccountId>, bool)],
        layers: u16,
    ) -> Self {
        let others = |layer: u16| {
            let serves = |worker: &WorkerRecord<AccountId>| {
                worker.account != record.account && worker.range.contains(layer)
            };
            workers.iter().filter(|(worker, online)| *online && serves(worker)).count()
        };
        let is_gap = |layer: u16| !record.range.contains(layer) && others(layer) == 0;
        let mut gaps: Vec<LayerRange> = Vec::new();
        for layer in (0..layers).filter(|layer| is_gap(*layer)) {
            match gaps.last_mut().filter(|gap| gap.end == layer) {
                Some(gap) => gap.end = layer.saturating_add(1),
                None => gaps.extend(LayerRange::new(layer, layer.saturating_add(1))),
            }
        }
        let counts = || record.range.layers().map(others);
        let others = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        Self { layers, own: record.range, gaps, others }
    }

    /// What is to be said of it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        if !self.gaps.is_empty() {
            return self.gaps.iter().map(|gap| self.gap(*gap)).collect();
        }
        let (fewest, most) = self.others;
        let company = match (fewest, most) {
            (0, 0) => "nobody else serves its own".to_owned(),
            (0, most) => format!("some of its own have nobody else, others {most} workers"),
            (fewest, most) if fewest == most => format!("its own have {most} other workers"),
            (fewest, most) => format!("its own have {fewest} to {most} other workers"),
        };
        let found = format!("all {} layers have a live worker; {company}", self.layers);
        vec![Finding::good("coverage", found)]
    }

    fn gap(&self, gap: LayerRange) -> Finding {
        let found = format!(
            "nobody serves layers {} of {}: no payer can ask this model, so nobody pays for layers \
             {}",
            typed(gap),
            self.layers,
            typed(self.own)
        );
        let mend = format!(
            "serve them as well: in a second folder, mica-worker run --layers {}",
            typed(gap)
        );
        Finding::wrong("coverage", found, mend)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};
    use crate::pricing::tests::worker;

    #[test]
    fn layers_without_anybody_are_named() {
        let own = worker(1, 2, 4, 1, 1);
        let workers = [(own.clone(), false), (worker(2, 4, 6, 1, 1), true)];
        let place = Place::of(&own, &workers, 8);
        let gap = |first, end| LayerRange { first, end };
        assert_eq!(place.gaps, [gap(0, 2), gap(6, 8)]);
        let findings = place.findings();
        assert!(findings.iter().all(|finding| finding.state == State::Wrong), "{findings:?}");
        assert!(findings[0].mend.as_deref().is_some_and(|mend| mend.ends_with("0..2")));
    }

    #[test]
    fn company_on_its_own_layers_is_counted_without_itself_and_the_dead() {
        let own = worker(1, 0, 4, 1, 1);
        let workers =
            [(own.clone(), true), (worker(2, 2, 4, 1, 1), true), (worker(3, 0, 4, 1, 1), false)];
        let place = Place::of(&own, &workers, 4);
        assert_eq!((place.gaps.len(), place.others), (0, (0, 1)));
        assert_eq!(place.findings()[0].state, State::Good);
    }
}
