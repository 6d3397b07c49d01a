//! Numbers in JSON that others write.
//!
//! A language that has one kind of number writes 3 as `3.0` or `3e0`, so a whole number is known by
//! its value, not by its spelling.
//!
//! How `serde_json` keeps a number is decided by a feature, `arbitrary_precision`, which any crate
//! of a build switches on for all of them. A [`Number`] that a float holds is read alike in both
//! builds, as the nearest float if it has a point or an exponent. One that is beyond every float
//! (`1e400`, a thousand digits) is a number that nothing here takes with the feature, and no JSON
//! without. What serde keeps aside while it looks for the right place is not: with the feature, a
//! number with a point is a map there. Hence no structure that is read from JSON may be flattened,
//! untagged or tagged.

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};
use serde_json::Number;

/// The whole number that `number` is, however it is spelt; nothing for 3.5, and nothing that 64
/// bits, signed or not, do not hold.
///
/// Digits alone count exactly. With a point or an exponent a number is the nearest float, as it is
/// for most who write it so: `9007199254740993.0` is 9007199254740992, `2.00000000000000000001` is
/// 2, and `1e-400` is 0.
pub fn whole(number: &Number) -> Option<i128> {
    let (least, end) = (-2f64.powi(63), 2f64.powi(64));
    match number.as_i128() {
        Some(integer) => {
            (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&integer).then_some(integer)
        }
        // An integer beyond 64 bits comes here too, as the nearest float: the bounds themselves are
        // such.
        None => number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && least < *float && *float < end)
            .map(|float| float as i128),
    }
}

/// Reads a field of a structure that counts something.
///
/// # Errors
/// If it is not a number, not whole, negative, or beyond 64 bits.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let count = whole(&number).and_then(|whole| u64::try_from(whole).ok());
    count.ok_or_else(|| {
        D::Error::invalid_value(
            Unexpected::Other(&number.to_string()),
            &"a whole number that is not negative",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<i128> {
        whole(&serde_json::from_str(text).expect("a number"))
    }

    #[test]
    fn whole_numbers_are_known_by_their_value() {
        for (text, expected) in [
            ("3", 3),
            ("3.0", 3),
            ("3e0", 3),
            ("30E-1", 3),
            ("0.3e+1", 3),
            ("-0", 0),
            ("-0.0", 0),
            ("-2.0", -2),
            ("1e+16", 10_000_000_000_000_000),
            ("9007199254740993", 9_007_199_254_740_993),
            // The nearest float.
            ("9007199254740993.0", 9_007_199_254_740_992),
            ("2.00000000000000000001", 2),
            ("1e-400", 0),
            ("9223372036854775808", 9_223_372_036_854_775_808),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_whole_or_too_long_is_none() {
        for text in [
            "3.5",
            "-0.1",
            "1e-1",
            "1e300",
            "1e20",
            "-1e20",
            "18446744073709551616",
            "18446744073709551615.0",
            "-9223372036854775809",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_structure_counts_with_either_spelling() {
        #[derive(Deserialize)]
        struct Counted {
            #[serde(default, deserialize_with = "count")]
            tokens: u64,
        }
        let read = |text: &str| serde_json::from_str::<Counted>(text).map(|counted| counted.tokens);
        for (text, expected) in
            [("{}", 0), ("{\"tokens\": 5}", 5), ("{\"tokens\": 5.0}", 5), ("{\"tokens\": 5e1}", 50)]
        {
            assert_eq!(read(text).expect(text), expected);
        }
        for text in
            ["{\"tokens\": -1}", "{\"tokens\": 1.5}", "{\"tokens\": \"5\"}", "{\"tokens\": {}}"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("{\"tokens\": -1}").is_err_and(|error| error.to_string().contains("-1")));
        // From a value that was read before, too.
        let value: serde_json::Value = serde_json::from_str("{\"tokens\": 5e1}").expect("JSON");
        assert_eq!(Counted::deserialize(&value).expect("reads").tokens, 50);
    }
}
