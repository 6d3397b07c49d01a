//! JSON as Python writes it, which is what models have seen in their training.
//!
//! `json.dumps` with `ensure_ascii=False`: a space behind commas and colons, nothing escaped but what JSON demands. With `indent`,
//! a line for each entry. The entries of a dictionary come in the order of their keys: minijinja's maps keep no other.

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value, ValueKind},
};

/// How deep lists and dictionaries may lie in each other.
const MAX_DEPTH: usize = 64;

/// The filter `tojson(indent=None)`; Python's other options change nothing here or are errors.
pub(super) fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    for ignored in ["ensure_ascii", "sort_keys"] {
        let _: Option<bool> = options.get(ignored)?;
    }
    options.assert_all_used()?;
    let mut out = String::new();
    write(&mut out, value, indent, 0)?;
    // A safe string, so that nothing escapes it again.
    Ok(Value::from_safe_string(out))
}

fn write(out: &mut String, value: &Value, indent: Option<usize>, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: lists and dictionaries lie too deep in each other"));
    }
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        ValueKind::String => string(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            entries(out, ['[', ']'], items.len(), indent, depth, |out, at| write(out, &items[at], indent, depth + 1))?;
        }
        ValueKind::Map => {
            let keys: Vec<Value> = value.try_iter()?.collect();
            entries(out, ['{', '}'], keys.len(), indent, depth, |out, at| {
                string(out, &keys[at].to_string());
                out.push_str(": ");
                write(out, &value.get_item(&keys[at])?, indent, depth + 1)
            })?;
        }
        other => return Err(Error::new(ErrorKind::InvalidOperation, format!("tojson: {other} has no JSON"))),
    }
    Ok(())
}

fn entries(
    out: &mut String,
    brackets: [char; 2],
    count: usize,
    indent: Option<usize>,
    depth: usize,
    mut entry: impl FnMut(&mut String, usize) -> Result<(), Error>,
) -> Result<(), Error> {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    out.push(brackets[0]);
    for at in 0..count {
        if at > 0 {
            out.push_str(if indent.is_some() { "," } else { ", " });
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

fn string(out: &mut String, text: &str) {
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
            c => out.push(c),
        }
    }
    out.push('"');
}
