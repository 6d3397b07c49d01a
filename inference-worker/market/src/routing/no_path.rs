//! Why there is no path, with a message that says what to do about it.

use std::fmt;

use mica_primitives::LayerRange;

/// Why a worker was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Exclusion {
    /// It has missed its heartbeats, is jailed or is leaving.
    Offline,
    /// It failed us lately.
    Banned,
    /// It could not be reached just now.
    Unreachable,
    /// It gave no offer just now.
    Silent,
    /// It was not asked for an offer.
    NotAsked,
    /// It has no room in its KV cache for the positions asked for.
    NoKvRoom,
    /// Its price is so high that a sum of such prices would overflow.
    Unpayable,
    /// The caller asked to do without it, for example because it is on the path to be replaced.
    Unwanted,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "offline",
            Self::Banned => "banned after a failure",
            Self::Unreachable => "unreachable from here",
            Self::Silent => "without an answer",
            Self::NotAsked => "not asked",
            Self::NoKvRoom => "without KV room for this session",
            Self::Unpayable => "beyond any payable price",
            Self::Unwanted => "already used",
        })
    }
}

/// Layers that only excluded workers serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedLayers {
    /// The layers: as many neighbours as were excluded for the same reasons.
    pub layers: LayerRange,
    /// The reasons, each with the number of workers that it struck.
    pub reasons: Vec<(Exclusion, u32)>,
}

/// The layers that keep the model from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPath {
    /// Layers that nobody serves.
    pub uncovered: Vec<LayerRange>,
    /// Layers whose workers were all left out, and why.
    pub excluded: Vec<ExcludedLayers>,
}

impl std::error::Error for NoPath {}

impl fmt::Display for NoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no path:")?;
        for (i, layers) in self.uncovered.iter().enumerate() {
            write!(f, "{} layers {layers} have no worker", if i == 0 { "" } else { "," })?;
        }
        for (i, gap) in self.excluded.iter().enumerate() {
            let separator = if i == 0 && self.uncovered.is_empty() { "" } else { "," };
            write!(f, "{separator} the workers of layers {} are", gap.layers)?;
            for (k, (reason, count)) in gap.reasons.iter().enumerate() {
                write!(f, "{} {reason} ({count})", if k == 0 { "" } else { "," })?;
            }
        }
        let wait = "try again in a minute";
        let is_absent = |(reason, _): &(Exclusion, u32)| {
            matches!(reason, Exclusion::Unreachable | Exclusion::Silent)
        };
        let remedy = match (self.uncovered.is_empty(), self.excluded.is_empty()) {
            (false, true) => "start a worker for them or choose another model",
            (false, false) => "start a worker for the uncovered layers or choose another model",
            _ if self.excluded.iter().all(|gap| {
                gap.reasons.iter().any(|(reason, _)| *reason == Exclusion::NoKvRoom)
            }) =>
            {
                "try again in a minute or ask for fewer tokens"
            }
            _ if self
                .excluded
                .iter()
                .all(|gap| gap.reasons.iter().any(|(reason, _)| *reason == Exclusion::Banned)) =>
            {
                "try again in a minute, or forget what they did with `mica forget`"
            }
            // Waiting does not help against an address that is wrong.
            _ if self.excluded.iter().all(|gap| gap.reasons.iter().all(is_absent)) => {
                "check your own connection; else their operators must make them reachable, or \
                 another worker must serve these layers"
            }
            _ => wait,
        };
        write!(f, ": {remedy}")
    }
}

/// Why a route could not be found.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Some layers have no usable worker.
    #[error(transparent)]
    NoPath(#[from] NoPath),
    /// The layers asked for are none.
    #[error("layers {0} are empty: ask for at least one layer")]
    NoLayers(LayerRange),
    /// α outside `[0, 1]`.
    #[error("alpha is {0}: choose a number from 0 (only time counts) to 1 (only money counts)")]
    Alpha(f64),
    /// Every path needs more stages than allowed.
    #[error(
        "every path has more than {0} stages: wait for workers with wider ranges or allow more \
         stages"
    )]
    TooManyStages(u16),
    /// No path is within the limits.
    #[error("{}", over_limits(*.max_price, *.deadline_us, *.cheapest, *.fastest_us))]
    OverLimits {
        /// Most base units per token asked for.
        max_price: Option<u128>,
        /// Most microseconds per token asked for.
        deadline_us: Option<u64>,
        /// Base units per token of the cheapest path.
        cheapest: u128,
        /// Microseconds per token of the fastest path.
        fastest_us: u64,
    },
}

fn over_limits(
    max_price: Option<u128>,
    deadline_us: Option<u64>,
    cheapest: u128,
    fastest_us: u64,
) -> String {
    let price = max_price.map(|most| {
        format!(
            "at most {most} base units per token (the cheapest costs {cheapest}: raise \
             --max-price-per-token)"
        )
    });
    let time = deadline_us.map(|most| {
        format!("at most {most} µs per token (the fastest takes {fastest_us}: raise --deadline-ms)")
    });
    let limits: Vec<String> = price.into_iter().chain(time).collect();
    format!("no path is within the limits: {}", limits.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_they_were_given() {
        let told = |max_price, deadline_us| {
            let error =
                RouteError::OverLimits { max_price, deadline_us, cheapest: 9, fastest_us: 70 };
            error.to_string()
        };
        assert_eq!(
            told(Some(8), None),
            "no path is within the limits: at most 8 base units per token (the cheapest costs 9: \
             raise --max-price-per-token)"
        );
        assert_eq!(
            told(Some(8), Some(60)),
            "no path is within the limits: at most 8 base units per token (the cheapest costs 9: \
             raise --max-price-per-token), at most 60 µs per token (the fastest takes 70: raise \
             --deadline-ms)"
        );
    }

    #[test]
    fn the_message_names_layers_reasons_and_remedy() {
        let range = |first, end| LayerRange { first, end };
        let no_path = NoPath {
            uncovered: vec![range(3, 5)],
            excluded: vec![ExcludedLayers {
                layers: range(7, 8),
                reasons: vec![(Exclusion::Banned, 2), (Exclusion::NoKvRoom, 1)],
            }],
        };
        assert_eq!(
            no_path.to_string(),
            "no path: layers [3, 5) have no worker, the workers of layers [7, 8) are banned after \
             a failure (2), without KV room for this session (1): start a worker for the \
             uncovered layers or choose another model"
        );
        let full = NoPath { uncovered: vec![], excluded: no_path.excluded };
        assert!(full.to_string().ends_with("ask for fewer tokens"));
        let reasons = vec![(Exclusion::Unreachable, 1), (Exclusion::Silent, 2)];
        let absent = NoPath {
            uncovered: vec![],
            excluded: vec![ExcludedLayers { layers: range(0, 8), reasons }],
        };
        assert_eq!(
            absent.to_string(),
            "no path: the workers of layers [0, 8) are unreachable from here (1), without an \
             answer (2): check your own connection; else their operators must make them \
             reachable, or another worker must serve these layers"
        );
    }
}
