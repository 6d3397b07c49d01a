//! The values that blocks stand for, bit for bit those of gguf-py: `fixtures/dequantised.json`,
//! made by `fixtures/make_dequantised.py`.

use mica_kernels::{WeightType, embedding};
use serde_json::Value;

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_format_stands_for_the_values_of_gguf_py() {
    let fixture: Value =
        serde_json::from_str(include_str!("fixtures/dequantised.json")).expect("JSON");
    for format in WeightType::ALL.into_iter().filter(|&format| format != WeightType::F32) {
        let entry = &fixture[format.name()];
        let expected: Vec<u32> = entry["bits"]
            .as_array()
            .unwrap_or_else(|| panic!("{} is not in the fixture", format.name()))
            .iter()
            .filter_map(Value::as_u64)
            .map(|bits| bits as u32)
            .collect();
        let bytes = bytes(entry["bytes"].as_str().expect("bytes"));
        assert_eq!(format.row_bytes(expected.len()), Some(bytes.len()), "{}", format.name());
        let mut found = vec![f32::NAN; expected.len()];
        embedding::row(format, &bytes, &mut found);
        // The sign of a zero is not the same everywhere, and counts nowhere.
        let bits = |value: u32| if value == 1 << 31 { 0 } else { value };
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(bits(found.to_bits()), bits(*expected), "{}, {at}: {found}", format.name());
        }
    }
}
