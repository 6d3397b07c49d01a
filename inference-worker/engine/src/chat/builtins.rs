//! Filters and tests that behave differently in Jinja2 and in minijinja.

use minijinja::{
    Environment, Error,
    value::{Kwargs, Value, ValueKind},
};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("replace", replace);
    // What has a length and items by number or name; what can be looped over.
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Map | ValueKind::Seq)
    });
    environment.add_test("iterable", |value: &Value| {
        use ValueKind::{Iterable, Map, Seq, String, Undefined};
        matches!(value.kind(), String | Map | Seq | Iterable | Undefined)
    });
}

/// `default(default_value='', boolean=False)`: with `boolean`, everything that counts as false is
/// replaced too.
fn default(
    value: &Value,
    other: Option<Value>,
    boolean: Option<bool>,
    options: Kwargs,
) -> Result<Value, Error> {
    let other = other.map_or_else(|| options.get("default_value"), |other| Ok(Some(other)))?;
    let boolean = boolean.map_or_else(|| options.get("boolean"), |boolean| Ok(Some(boolean)))?;
    options.assert_all_used()?;
    let is_replaced = value.is_undefined() || (boolean == Some(true) && !value.is_true());
    Ok(if is_replaced { other.unwrap_or_else(|| Value::from("")) } else { value.clone() })
}

/// `replace(old, new, count=None)`
fn replace(
    text: String,
    old: &str,
    new: &str,
    count: Option<usize>,
    options: Kwargs,
) -> Result<String, Error> {
    let count = count.map_or_else(|| options.get("count"), |count| Ok(Some(count)))?;
    options.assert_all_used()?;
    Ok(count.map_or_else(|| text.replace(old, new), |count| text.replacen(old, new, count)))
}
