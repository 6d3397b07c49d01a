//! JSON as Python's `json.dumps` writes it, which is what models saw in training.
//!
//! With transformers' defaults: a space after commas and colons, nothing escaped beyond what JSON
//! requires, entries in the order in which they were written.

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs, from_args},
};

/// How deep lists and dictionaries may lie in each other.
const MAX_DEPTH: usize = 64;
/// Longest indentation of one level, in bytes.
const MAX_INDENT: usize = 64;

/// How it is written.
struct Style {
    ensure_ascii: bool,
    /// One level's indentation; with it, every entry has a line.
    indent: Option<String>,
    /// Between entries, and between a key and its value.
    separators: (String, String),
    sort_keys: bool,
}

/// The filter `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn tojson(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    type Positional = (Option<bool>, Option<Value>, Option<Value>, Option<bool>, Kwargs);
    let (ensure_ascii, indent, separators, sort_keys, options): Positional =
        from_args(&args.into_values())?;
    let option = |positional: Option<Value>, name: &str| match positional {
        Some(value) => Ok(Some(value)),
        None => options.get::<Option<Value>>(name),
    };
    let indent = indentation(option(indent, "indent")?)?;
    let separators = match option(separators, "separators")?.filter(|value| !value.is_none()) {
        Some(pair) => {
            (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string())
        }
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let flag = |positional: Option<bool>, name: &str| match positional {
        Some(flag) => Ok(flag),
        None => options.get::<Option<bool>>(name).map(Option::unwrap_or_default),
    };
    let (ensure_ascii, sort_keys) =
        (flag(ensure_ascii, "ensure_ascii")?, flag(sort_keys, "sort_keys")?);
    options.assert_all_used()?;
    let mut out = String::new();
    Style { ensure_ascii, indent, separators, sort_keys }.write(&mut out, value, 0)?;
    // A safe string, so that nothing escapes it again.
    Ok(Value::from_safe_string(out))
}

/// A number of spaces, or the text itself.
fn indentation(value: Option<Value>) -> Result<Option<String>, Error> {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(None) };
    let indent = match value.as_str() {
        Some(text) => text.to_owned(),
        None => " ".repeat(
            usize::try_from(i64::try_from(value)?.max(0)).unwrap_or(usize::MAX).min(MAX_INDENT + 1),
        ),
    };
    if indent.len() > MAX_INDENT {
        return Err(refused(format!("the indentation is longer than {MAX_INDENT}")));
    }
    Ok(Some(indent))
}

fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson: {what}"))
}

impl Style {
    fn write(&self, out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(refused("lists and dictionaries lie too deep in each other"));
        }
        match value.kind() {
            ValueKind::String => self.string(out, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.entries(out, ['[', ']'], items.len(), depth, |out, at| {
                    self.write(out, &items[at], depth + 1)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.entries(out, ['{', '}'], keys.len(), depth, |out, at| {
                    match keys[at].as_str() {
                        Some(key) => self.string(out, key),
                        None => self.string(out, &scalar(&keys[at])?),
                    }
                    out.push_str(&self.separators.1);
                    self.write(out, &value.get_item(&keys[at])?, depth + 1)
                })?;
            }
            _ => out.push_str(&scalar(value)?),
        }
        Ok(())
    }

    fn entries(
        &self,
        out: &mut String,
        brackets: [char; 2],
        count: usize,
        depth: usize,
        mut entry: impl FnMut(&mut String, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = |out: &mut String, depth: usize| {
            if let Some(indent) = &self.indent {
                out.push('\n');
                out.extend(std::iter::repeat_n(indent.as_str(), depth));
            }
        };
        out.push(brackets[0]);
        for at in 0..count {
            if at > 0 {
                out.push_str(&self.separators.0);
            }
            line(out, depth + 1);
            entry(out, at)?;
        }
        if count > 0 {
            line(out, depth);
        }
        out.push(brackets[1]);
        Ok(())
    }

    fn string(&self, out: &mut String, text: &str) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                // Characters for private use may stand for others until the text is whole
                // (`marks`).
                c if self.ensure_ascii && !c.is_ascii() && c < '\u{f0000}' => {
                    c.encode_utf16(&mut [0; 2])
                        .iter()
                        .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// A value that has no parts.
fn scalar(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null".to_owned(),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number if value.is_integer() => value.to_string(),
        ValueKind::Number => float(f64::try_from(value.clone())?),
        other => return Err(refused(format!("{other} has no JSON"))),
    })
}

/// A float as Python writes it: like Rust's debug format, but for the exponent's sign and width,
/// and for what is no number.
fn float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            format!("{digits}e{:+03}", exponent.parse::<i32>().unwrap_or_default())
        }
        None => text,
    }
}
