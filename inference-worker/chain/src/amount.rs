//! Money as people write it: base units to and from MICA, without a float in between.

use mica_primitives::{Balance, UNIT};
use thiserror::Error;

const DECIMALS: usize = 12;

/// Why a text is no amount.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AmountError {
    /// Neither a number nor a number with a unit.
    #[error("`{0}` is no amount: write MICA such as `2.5`, or base units such as `2500000000000u`")]
    Malformed(String),
    /// More than twelve decimals.
    #[error("`{0}` has more than 12 decimals: one base unit is 0.000000000001 MICA")]
    TooFine(String),
    /// More than 2^128 base units.
    #[error("`{0}` is more than the chain can count")]
    TooLarge(String),
}

/// Reads `2.5`, `2.5 MICA` or, in base units, `1000u`.
///
/// # Errors
/// [`AmountError`] names what is wrong with the text.
pub fn parse(text: &str) -> Result<Balance, AmountError> {
    let trimmed = text.trim();
    let malformed = || AmountError::Malformed(trimmed.to_owned());
    let too_large = || AmountError::TooLarge(trimmed.to_owned());
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(units) = trimmed.strip_suffix('u') {
        if units.is_empty() || !digits(units) {
            return Err(malformed());
        }
        return units.parse().map_err(|_| too_large());
    }
    let number = trimmed.strip_suffix("MICA").unwrap_or(trimmed).trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(malformed());
    }
    if fraction.len() > DECIMALS {
        return Err(AmountError::TooFine(trimmed.to_owned()));
    }
    let whole: Balance =
        if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
    let fraction: Balance = if fraction.is_empty() {
        0
    } else {
        format!("{fraction:0<DECIMALS$}").parse().map_err(|_| malformed())?
    };
    whole.checked_mul(UNIT).and_then(|units| units.checked_add(fraction)).ok_or_else(too_large)
}

/// An amount in a file of settings, as people write it; nothing if the setting is left out.
///
/// For `#[serde(default, with = "mica_chain::amount::setting")]`.
pub mod setting {
    use mica_primitives::Balance;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    /// Reads what [`super::parse`] reads.
    ///
    /// # Errors
    /// [`super::AmountError`], in the deserializer's words.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Balance>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::parse(&text).map_err(D::Error::custom)).transpose()
    }

    /// Writes what [`super::format()`] writes.
    ///
    /// # Errors
    /// That of the serializer.
    pub fn serialize<S: Serializer>(
        units: &Option<Balance>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        units.map(super::format).serialize(serializer)
    }
}

/// Writes `2.5 MICA`: all decimals that are not trailing zeros.
pub fn format(units: Balance) -> String {
    let (whole, fraction) = (units / UNIT, units % UNIT);
    if fraction == 0 {
        return format!("{whole} MICA");
    }
    let decimals = format!("{fraction:0DECIMALS$}");
    format!("{whole}.{} MICA", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for units in [0, 1, 999, UNIT - 1, UNIT, UNIT + 1, 12_345 * UNIT + 60, Balance::MAX] {
            assert_eq!(parse(&format(units)), Ok(units));
            assert_eq!(parse(&format!("{units}u")), Ok(units));
        }
        assert_eq!(format(2 * UNIT + UNIT / 2), "2.5 MICA");
        assert_eq!(parse(".5"), Ok(UNIT / 2));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ".", "-1", "1e3", "1.2.3", "u", "0x10", "1,5", "MICA"] {
            assert!(matches!(parse(text), Err(AmountError::Malformed(_))), "{text}");
        }
        assert!(matches!(parse("0.0000000000001"), Err(AmountError::TooFine(_))));
        assert!(matches!(
            parse("999999999999999999999999999999999999999"),
            Err(AmountError::TooLarge(_))
        ));
        assert!(matches!(
            parse("999999999999999999999999999999999999999u"),
            Err(AmountError::TooLarge(_))
        ));
    }

    #[test]
    fn a_setting_is_read_as_people_write_it_and_may_be_left_out() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Settings {
            #[serde(default, with = "setting")]
            price: Option<Balance>,
        }
        let read = |text: &str| serde_json::from_str::<Settings>(text).map(|found| found.price);
        assert_eq!(read("{}").expect("left out"), None);
        assert_eq!(read(r#"{"price":"1000u"}"#).expect("an amount"), Some(1_000));
        let error = read(r#"{"price":"much"}"#).expect_err("no amount").to_string();
        assert!(error.contains("is no amount"), "{error}");
        assert!(read(r#"{"price":1}"#).is_err(), "a number has no unit");
        let settings = Settings { price: Some(UNIT) };
        assert_eq!(serde_json::to_string(&settings).expect("written"), r#"{"price":"1 MICA"}"#);
    }
}
