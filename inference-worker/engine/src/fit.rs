//! Which layers of a model this machine has room for, before anything is loaded.

use mica_primitives::LayerRange;

use crate::{cache::PAGE_POSITIONS, config::ModelConfig, gguf::GgufFile};

/// Of the memory that is available, the part that weights and caches may take, in percent: the rest
/// is for what else a program needs, and for estimates that are a little off.
const USABLE_PERCENT: u64 = 90;

/// Bytes that loading `range` takes at its peak: its tensors, and the largest once more, because
/// each is read before it is arranged.
pub fn load_bytes(file: &GgufFile, config: &ModelConfig, range: LayerRange) -> u64 {
    let is_tied = file.tensor("output.weight").is_none();
    let is_ours = |name: &str| is_large(name, range, config.layers, is_tied);
    let sizes = || {
        file.tensors()
            .filter(|tensor| is_ours(tensor.name))
            .map(|tensor| tensor.size_bytes() as u64)
    };
    sizes().fold(sizes().max().unwrap_or(0), u64::saturating_add)
}

/// Whether `name` is one of the matrices that `range` of a model with so many layers is loaded
/// from, or anything else of its blocks. `is_tied`: the head has no matrix of its own.
pub(crate) fn is_large(name: &str, range: LayerRange, layers: u16, is_tied: bool) -> bool {
    let (is_first, is_last) = (range.first == 0, range.end == layers);
    match name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
        Some((layer, _)) => layer.parse::<u16>().is_ok_and(|layer| range.contains(layer)),
        None => {
            (name == "token_embd.weight" && (is_first || (is_last && is_tied)))
                || (name == "output.weight" && is_last)
        }
    }
}

/// Bytes that keys and values of so many positions take in one layer.
pub fn cache_bytes(config: &ModelConfig, positions: u32) -> u64 {
    let pages = u64::from(positions).div_ceil(PAGE_POSITIONS as u64);
    // Keys and values, two bytes each. The product was bounded when the configuration was read.
    let page = 4 * (PAGE_POSITIONS * config.kv_heads * config.head_size) as u64;
    pages.saturating_mul(page)
}

/// For each first layer the widest range, of at most `width` layers, that fits into `available`
/// bytes together with caches for `positions` positions in each layer. Caches get half of what the
/// weights leave, so twice their room is wanted. First layers from which not even one layer fits
/// have no range.
///
/// O(layers · log layers) looks at the file's table of tensors.
pub fn widest_ranges(
    file: &GgufFile,
    config: &ModelConfig,
    available: u64,
    width: u16,
    positions: u32,
) -> Vec<LayerRange> {
    let usable = available / 100 * USABLE_PERCENT;
    let cache = cache_bytes(config, positions).saturating_mul(2);
    let fits = |range: LayerRange| {
        let caches = cache.saturating_mul(range.len().into());
        load_bytes(file, config, range).saturating_add(caches) <= usable
    };
    let widest = |first: u16| {
        // What fits still fits without its last layers, so halving finds the end.
        let (mut most, mut least) = (config.layers.min(first.saturating_add(width)), first);
        while least < most {
            let middle = least + (most - least).div_ceil(2);
            match LayerRange::new(first, middle).is_some_and(fits) {
                true => least = middle,
                false => most = middle - 1,
            }
        }
        LayerRange::new(first, least)
    };
    (0..config.layers).filter_map(widest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    const ROOM: u32 = 128;

    fn tiny() -> (GgufFile, ModelConfig) {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let config = file.config().expect("config");
        (file, config)
    }

    #[test]
    fn with_plenty_of_room_every_range_reaches_the_end_or_the_width() {
        let (file, config) = tiny();
        let all = widest_ranges(&file, &config, 1 << 40, u16::MAX, ROOM);
        assert_eq!(all.len(), usize::from(config.layers));
        assert!(all.iter().all(|range| range.end == config.layers), "{all:?}");
        let three = widest_ranges(&file, &config, 1 << 40, 3, ROOM);
        assert_eq!(three[0], LayerRange { first: 0, end: 3 });
        assert_eq!(three[7], LayerRange { first: 7, end: 8 });
    }

    #[test]
    fn what_fits_is_the_widest_that_a_plain_search_finds() {
        let (file, config) = tiny();
        let whole = LayerRange { first: 0, end: config.layers };
        let most = load_bytes(&file, &config, whole)
            + 2 * cache_bytes(&config, ROOM) * u64::from(config.layers);
        for part in 1..=12_u64 {
            let available = most * part / 10;
            let found = widest_ranges(&file, &config, available, u16::MAX, ROOM);
            for first in 0..config.layers {
                let plain = (first + 1..=config.layers)
                    .filter_map(|end| LayerRange::new(first, end))
                    .filter(|range| {
                        let caches = 2 * cache_bytes(&config, ROOM) * u64::from(range.len());
                        load_bytes(&file, &config, *range) + caches <= available / 100 * 90
                    })
                    .max_by_key(|range| range.end);
                let found = found.iter().find(|range| range.first == first).copied();
                assert_eq!(found, plain, "from layer {first} with {part} tenths");
            }
        }
        assert_eq!(widest_ranges(&file, &config, 0, u16::MAX, ROOM), []);
        assert_eq!(widest_ranges(&file, &config, 1 << 40, 0, ROOM), []);
    }

    #[test]
    fn a_cache_takes_whole_pages() {
        let (_, config) = tiny();
        let page = cache_bytes(&config, 1);
        assert_eq!(page, 4 * 64 * (config.kv_heads * config.head_size) as u64);
        assert_eq!(cache_bytes(&config, 64), page);
        assert_eq!(cache_bytes(&config, 65), 2 * page);
        assert_eq!(cache_bytes(&config, 0), 0);
    }
}
