//! The one JSON form of money and of layers, in every program.
//!
//! * Money is a decimal string of base units (`"2500000000000"`): JSON numbers end at 2^53.
//! * A layer range is `[first, end]`, half-open.
//! * Ids and keys are the text that people see.
//!
//! Fields say it with `#[serde(with = "mica_host::json::money")]`, or `serialize_with` for
//! [`text`]; a value on its own is wrapped in [`Money`] or [`Layers`].

use std::fmt::Display;

use mica_primitives::{Balance, LayerRange};
use serde::{Serialize, Serializer};

/// Base units, as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Money(#[serde(with = "money")] pub Balance);

/// A layer range, as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Layers(#[serde(with = "layers")] pub LayerRange);

/// As people see it: ids in hex, accounts in SS58.
///
/// # Errors
/// That of the serializer.
pub fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Money in a field.
pub mod money {
    use mica_primitives::Balance;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes base units as a decimal string.
    ///
    /// # Errors
    /// That of the serializer.
    pub fn serialize<S: Serializer>(units: &Balance, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(units)
    }

    /// Reads a decimal string of base units.
    ///
    /// # Errors
    /// Anything else: a number would have lost its last digits on its way.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Balance, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let units = if is_plain { text.parse().ok() } else { None };
        units.ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no amount: write base units as a decimal string"))
        })
    }
}

/// Money in a field that may have none.
pub mod optional_money {
    use mica_primitives::Balance;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes base units as a decimal string, or null.
    ///
    /// # Errors
    /// That of the serializer.
    pub fn serialize<S: Serializer>(
        units: &Option<Balance>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        units.map(super::Money).serialize(serializer)
    }

    /// Reads a decimal string of base units, or null.
    ///
    /// # Errors
    /// Anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Balance>, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Read(#[serde(with = "super::money")] Balance);
        Ok(Option::<Read>::deserialize(deserializer)?.map(|read| read.0))
    }
}

/// A layer range in a field.
pub mod layers {
    use mica_primitives::LayerRange;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    /// Writes `[first, end]`.
    ///
    /// # Errors
    /// That of the serializer.
    pub fn serialize<S: Serializer>(range: &LayerRange, serializer: S) -> Result<S::Ok, S::Error> {
        [range.first, range.end].serialize(serializer)
    }

    /// Reads `[first, end]`.
    ///
    /// # Errors
    /// If it is no range or an empty one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LayerRange, D::Error> {
        let [first, end] = <[u16; 2]>::deserialize(deserializer)?;
        LayerRange::new(first, end).ok_or_else(|| {
            D::Error::custom(format!("[{first}, {end}] is no range of layers: the end is excluded"))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    struct Offer {
        #[serde(with = "money")]
        price: Balance,
        #[serde(with = "optional_money")]
        ceiling: Option<Balance>,
        #[serde(with = "layers")]
        layers: LayerRange,
    }

    #[test]
    fn what_is_written_is_read_back_to_the_last_unit() {
        let layers = LayerRange { first: 0, end: 4 };
        for ceiling in [None, Some(Balance::MAX)] {
            let offer = Offer { price: Balance::MAX - 1, ceiling, layers };
            let value = serde_json::to_value(&offer).expect("serializes");
            assert_eq!(value["price"], (Balance::MAX - 1).to_string());
            assert_eq!(value["layers"], json!([0, 4]));
            let read: Offer = serde_json::from_value(value).expect("is read");
            assert_eq!(read, offer);
        }
        assert_eq!(json!({ "m": Money(7), "l": Layers(layers) }), json!({ "m": "7", "l": [0, 4] }));
    }

    #[test]
    fn numbers_signs_and_empty_ranges_are_refused() {
        let offer = |price, layers| {
            let value = json!({ "price": price, "ceiling": null, "layers": layers });
            serde_json::from_value::<Offer>(value).is_ok()
        };
        assert!(offer(json!("10"), json!([0, 1])));
        for price in [json!(10), json!("+1"), json!("-1"), json!(""), json!("1.0"), json!(null)] {
            assert!(!offer(price.clone(), json!([0, 1])), "{price}");
        }
        let too_much = format!("{}0", Balance::MAX);
        assert!(!offer(json!(too_much), json!([0, 1])));
        for layers in [json!([1, 1]), json!([2, 1]), json!([0]), json!([0, 70_000])] {
            assert!(!offer(json!("10"), layers.clone()), "{layers}");
        }
    }
}
