//! A picture of which worker serves which layers.

use mica_payer::market::ModelSnapshot;
use mica_primitives::LayerRange;

use crate::render::path::short;

/// Most columns of the picture.
const MAX_COLUMNS: usize = 64;

/// The coverage: one line per worker, `█` where it serves, and a last line with the number of live
/// workers per layer (`9` for nine or more, `-` for none). A model with more than 64 layers is
/// drawn with several layers to a column.
pub(super) fn lines(snapshot: &ModelSnapshot) -> Vec<(String, String)> {
    let layers = usize::from(snapshot.layers());
    let per_column = layers.div_ceil(MAX_COLUMNS).max(1);
    let columns = layers.div_ceil(per_column);
    let within = |column: usize| column * per_column..((column + 1) * per_column).min(layers);
    let mut lines = Vec::with_capacity(snapshot.workers.len() + 1);
    for worker in &snapshot.workers {
        let (full, none) = if worker.is_live() { ('█', '·') } else { ('░', '·') };
        let serves = |column: usize| {
            within(column).any(|layer| {
                u16::try_from(layer).is_ok_and(|layer| worker.record.range.contains(layer))
            })
        };
        lines.push((
            short(&worker.record.account),
            (0..columns).map(|column| if serves(column) { full } else { none }).collect(),
        ));
    }
    let coverage = snapshot.coverage();
    let least = |column: usize| {
        within(column).filter_map(|layer| coverage.get(layer)).min().copied().unwrap_or(0)
    };
    let digit = |count: u32| {
        if count == 0 { '-' } else { char::from_digit(count.min(9), 10).unwrap_or('9') }
    };
    lines.push(("live workers".into(), (0..columns).map(|column| digit(least(column))).collect()));
    lines
}

/// Layers as people count them: first and last, both included.
pub(super) fn ranges(gaps: &[LayerRange]) -> String {
    let one = |range: &LayerRange| match range.len() {
        1 => range.first.to_string(),
        _ => format!("{}-{}", range.first, range.end - 1),
    };
    gaps.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixtures::{model, worker};
    use mica_payer::market::Memory;

    #[test]
    fn the_coverage_shows_who_serves_what() {
        let mut offline = worker(3, 4, 8);
        offline.is_online = false;
        let snapshot = model(8, vec![worker(1, 0, 3), worker(2, 2, 4), offline]);
        let drawn: Vec<String> = lines(&snapshot).into_iter().map(|(_, line)| line).collect();
        assert_eq!(drawn, ["███·····", "··██····", "····░░░░", "1121----"]);
        let (market, nothing) = (std::slice::from_ref(&snapshot), Memory::none());
        let text =
            super::super::Market::new(1, market, &nothing).to_text(market, &nothing, "final");
        assert!(text.contains("no worker serves layer 4-7"), "{text}");
    }

    #[test]
    fn wide_models_share_columns() {
        let snapshot = model(130, vec![worker(1, 0, 3), worker(2, 3, 130)]);
        for (_, line) in lines(&snapshot) {
            assert_eq!(line.chars().count(), 44);
        }
    }

    #[test]
    fn layers_are_named_as_people_write_them() {
        let range = |first, end| LayerRange { first, end };
        assert_eq!(ranges(&[range(1, 3), range(4, 5)]), "1-2, 4");
    }
}
