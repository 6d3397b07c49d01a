//! The fields of a request's JSON, each taken out by its name.
//!
//! A body is read once into values, and every field from there. So an error names its field and
//! says what was expected, `null` is always as good as no field, and a number is read alike in
//! every build; see [`mica_workflow::number`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use mica_workflow::number;
use serde_json::{Map, Value};

use crate::core::{GatewayError, Kind};

/// Most letters of a wrong value, and of a name that the client chose, that are told back or
/// logged.
const SHOWN_LETTERS: usize = 40;
/// Most names of unknown fields in one line of the log.
const LOGGED_NAMES: usize = 16;

/// An object of the body, without the fields that were taken out.
#[derive(Debug)]
pub(super) struct Fields {
    /// What comes before a field's name in errors: nothing in the body itself, `options.` or
    /// `messages[2].` in objects of it.
    place: String,
    values: Map<String, Value>,
}

impl Fields {
    /// Those of a whole body.
    ///
    /// # Errors
    /// [`GatewayError`] if it is not a JSON object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, GatewayError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self { place: String::new(), values }),
            Ok(other) => Err(GatewayError::new(
                Kind::Invalid,
                format!("the body must be a JSON object, not {}", shown(&other)),
            )),
            Err(error) => {
                Err(GatewayError::new(Kind::Invalid, format!("the body is not JSON: {error}")))
            }
        }
    }

    /// A field, whatever it holds.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// A string.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, GatewayError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }

    /// A number in `range`.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, GatewayError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            self.wrong(name, &format!("a number from {} to {}", range.start(), range.end()), &value)
        })
    }

    /// A whole number of at most 64 bits, signed or not; `3.0` and `3e0` are 3.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i128>, GatewayError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value
            .as_number()
            .and_then(number::whole)
            .map(Some)
            .ok_or_else(|| self.wrong(name, "a whole number", &value))
    }

    /// A whole number in `range`; `3.0` and `3e0` are 3.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn whole<T: Whole>(
        &mut self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, GatewayError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        self.as_whole(name, &value, &range).map(Some)
    }

    /// The same of a value that was taken out.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn as_whole<T: Whole>(
        &self,
        name: &str,
        value: &Value,
        range: &RangeInclusive<T>,
    ) -> Result<T, GatewayError> {
        let whole =
            value.as_number().and_then(number::whole).and_then(|whole| T::try_from(whole).ok());
        whole.filter(|whole| range.contains(whole)).ok_or_else(|| {
            self.wrong(
                name,
                &format!("a whole number from {} to {}", range.start(), range.end()),
                value,
            )
        })
    }

    /// A list of whole numbers, for example of token ids; empty if there is none.
    ///
    /// # Errors
    /// [`GatewayError`] names the field and the number's place.
    pub(super) fn wholes<T: Whole>(
        &mut self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Result<Vec<T>, GatewayError> {
        let list = self.list(name)?;
        self.as_wholes(name, &list, &range)
    }

    /// The same of a list that was taken out.
    ///
    /// # Errors
    /// [`GatewayError`] names the field and the number's place.
    pub(super) fn as_wholes<T: Whole>(
        &self,
        name: &str,
        list: &[Value],
        range: &RangeInclusive<T>,
    ) -> Result<Vec<T>, GatewayError> {
        (0..)
            .zip(list)
            .map(|(index, value)| self.as_whole(&element(name, index), value, range))
            .collect()
    }

    /// A list; empty if there is none.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, GatewayError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(self.wrong(name, "a list", &other)),
        }
    }

    /// An object.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, GatewayError> {
        self.take(name).map(|value| self.as_object(name, value)).transpose()
    }

    /// A list of objects; empty if there is none.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Self>, GatewayError> {
        let list = self.list(name)?;
        self.as_objects(name, list)
    }

    /// The same of a list that was taken out.
    ///
    /// # Errors
    /// [`GatewayError`] names the field and the object's place.
    pub(super) fn as_objects(
        &self,
        name: &str,
        list: Vec<Value>,
    ) -> Result<Vec<Self>, GatewayError> {
        (0..).zip(list).map(|(index, value)| self.as_object(&element(name, index), value)).collect()
    }

    fn as_object(&self, name: &str, value: Value) -> Result<Self, GatewayError> {
        match value {
            Value::Object(values) => Ok(Self { place: format!("{}{name}.", self.place), values }),
            other => Err(self.wrong(name, "an object", &other)),
        }
    }

    /// All fields as strings.
    ///
    /// # Errors
    /// [`GatewayError`] names the one that is not.
    pub(super) fn texts(mut self) -> Result<BTreeMap<String, String>, GatewayError> {
        let names: Vec<String> = self.rest().map(str::to_owned).collect();
        let texts = names.into_iter().map(|name| Ok(self.text(&name)?.map(|text| (name, text))));
        texts.filter_map(Result::transpose).collect()
    }

    /// Names of the fields that are left.
    pub(super) fn rest(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Leaves the rest alone, and tells the log those that are not in `harmless`.
    pub(super) fn ignore_rest(self, harmless: &[&str]) {
        let unknown = self.unknown(harmless);
        if !unknown.is_empty() {
            tracing::info!(?unknown, "fields that are not known here are ignored");
        }
    }

    /// Names of fields that are left and not in `harmless`, so many and so long as a line of the
    /// log has room for.
    fn unknown(&self, harmless: &[&str]) -> Vec<String> {
        let mut rest = self.rest().filter(|name| !harmless.contains(name));
        let mut names: Vec<String> = rest
            .by_ref()
            .take(LOGGED_NAMES)
            .map(|name| format!("{}{}", self.place, shorten(name)))
            .collect();
        match rest.count() {
            0 => {}
            more => names.push(format!("and {more} more")),
        }
        names
    }

    /// The error of a field that does not hold what it must.
    pub(super) fn wrong(&self, name: &str, expected: &str, value: &Value) -> GatewayError {
        let name = format!("{}{}", self.place, shorten(name));
        GatewayError::field(&name, format!("{name} must be {expected}, not {}", shown(value)))
    }

    /// The error of a field that cannot be done here. In an object of the body, `why` needs not say
    /// which field.
    pub(super) fn refuse(&self, name: &str, why: &str) -> GatewayError {
        let name = shorten(name);
        match self.place.as_str() {
            "" => GatewayError::field(&name, why),
            place => {
                GatewayError::field(&format!("{place}{name}"), format!("{place}{name}: {why}"))
            }
        }
    }
}

/// An integer that a field may hold.
pub(super) trait Whole: Copy + PartialOrd + Display + TryFrom<i128> {}

impl<T: Copy + PartialOrd + Display + TryFrom<i128>> Whole for T {}

fn element(name: &str, index: usize) -> String {
    format!("{name}[{index}]")
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        other => shorten(&other.to_string()),
    }
}

/// The beginning of what a client wrote, which may be as long as a body.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields {
        Fields::parse(body.as_bytes()).expect("an object")
    }

    fn refused<T: std::fmt::Debug>(result: Result<T, GatewayError>) -> (String, String) {
        let error = result.expect_err("refused");
        (error.field.expect("a field"), error.message)
    }

    #[test]
    fn null_is_no_field() {
        let mut fields = fields(r#"{"a": null, "b": null, "c": null, "d": null, "e": null}"#);
        assert_eq!(
            (fields.text("a").expect("none"), fields.flag("b").expect("none")),
            (None, None)
        );
        assert_eq!(
            (
                fields.number("c", 0.0..=1.0).expect("none"),
                fields.whole("d", 0..=1u8).expect("none")
            ),
            (None, None)
        );
        assert!(
            fields.object("e").expect("none").is_none()
                && fields.list("f").expect("none").is_empty()
        );
    }

    #[test]
    fn numbers_are_read_however_they_are_spelt() {
        for (text, expected) in [
            ("0.7", 0.7),
            ("7e-1", 0.7),
            ("1E-1", 0.1),
            ("1", 1.0),
            ("1.0", 1.0),
            ("0", 0.0),
            ("-0.0", 0.0),
        ] {
            let mut fields = fields(&format!("{{\"n\": {text}}}"));
            assert_eq!(fields.number("n", 0.0..=1.0).expect(text), Some(expected), "{text}");
        }
        for text in ["3", "3.0", "3e0", "0.3e1"] {
            assert_eq!(
                fields(&format!("{{\"n\": {text}}}")).whole("n", 1..=u32::MAX).expect(text),
                Some(3),
                "{text}"
            );
        }
        assert_eq!(
            fields(r#"{"n": 18446744073709551615}"#).integer("n").expect("fits"),
            Some(u64::MAX.into())
        );
        assert_eq!(
            fields(r#"{"n": [1, 2.0, 3e0]}"#).wholes("n", 0..=u32::MAX).expect("ids"),
            [1, 2, 3]
        );
    }

    #[test]
    fn errors_name_the_field_what_is_expected_and_what_came() {
        let told = |field: &str, message: &str| (field.to_owned(), message.to_owned());
        let mut all = fields(
            r#"{"f": 3.5, "t": "hot", "r": 2.5, "b": "yes", "m": 5, "s": [], "l": {}, "o": 1, "ids": [1, -1],
                "inner": {"x": 1e-1}, "many": [{"y": 5}, 7]}"#,
        );
        assert_eq!(
            refused(all.whole("f", 1..=9u8)),
            told("f", "f must be a whole number from 1 to 9, not 3.5")
        );
        assert_eq!(
            refused(all.number("t", 0.0..=2.0)),
            told("t", "t must be a number from 0 to 2, not \"hot\"")
        );
        assert_eq!(
            refused(all.number("r", 0.0..=2.0)),
            told("r", "r must be a number from 0 to 2, not 2.5")
        );
        assert_eq!(refused(all.flag("b")), told("b", "b must be true or false, not \"yes\""));
        assert_eq!(refused(all.text("m")), told("m", "m must be a string, not 5"));
        assert_eq!(refused(all.text("s")), told("s", "s must be a string, not a list"));
        assert_eq!(refused(all.list("l")), told("l", "l must be a list, not an object"));
        assert_eq!(refused(all.object("o")), told("o", "o must be an object, not 1"));
        assert_eq!(
            refused(all.wholes("ids", 0..=9u32)),
            told("ids[1]", "ids[1] must be a whole number from 0 to 9, not -1")
        );
        let mut inner = all.object("inner").expect("an object").expect("there");
        let (field, message) = refused(inner.integer("x"));
        assert!(
            field == "inner.x" && message.starts_with("inner.x must be a whole number, not "),
            "{field}: {message}"
        );
        assert_eq!(refused(all.objects("many")).0, "many[1]");
        let mut many = fields(r#"{"many": [{"y": 5}]}"#).objects("many").expect("objects");
        assert_eq!(
            refused(many[0].text("y")),
            told("many[0].y", "many[0].y must be a string, not 5")
        );
        let long = refused(fields(&format!("{{\"n\": \"{}\"}}", "9".repeat(1000))).integer("n")).1;
        assert!(long.len() < 100, "{long}");
    }

    #[test]
    fn what_clients_wrote_is_told_back_and_logged_in_part() {
        let long = "é".repeat(1_000_000);
        let few = fields(&format!("{{\"{long}\": 1, \"b\": 2, \"harmless\": 3}}"));
        assert_eq!(few.unknown(&["harmless"]), ["b".to_owned(), "é".repeat(SHOWN_LETTERS)]);
        let many: Vec<String> = (0..1000).map(|number| format!("\"field {number}\": 0")).collect();
        let many = fields(&format!("{{{}}}", many.join(",")));
        let unknown = many.unknown(&[]);
        assert_eq!(
            (unknown.len(), unknown.last().map(String::as_str)),
            (LOGGED_NAMES + 1, Some("and 984 more"))
        );
        let inner = fields(&format!("{{\"options\": {{\"{long}\": 1}}}}"))
            .object("options")
            .expect("an object")
            .expect("there");
        assert_eq!(inner.unknown(&[]), [format!("options.{}", "é".repeat(SHOWN_LETTERS))]);
        assert!(refused(inner.texts()).1.len() < 200);
    }

    #[test]
    fn a_body_is_one_object() {
        for body in ["", "{", "[]", "5", "\"x\"", "null", "{}{}"] {
            assert_eq!(
                Fields::parse(body.as_bytes()).map(|_| ()).expect_err(body).kind,
                Kind::Invalid
            );
        }
        assert!(Fields::parse(&[b'{', b'"', 0xff, b'"', b'}']).is_err());
    }
}
