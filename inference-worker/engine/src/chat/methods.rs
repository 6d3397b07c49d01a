//! What published templates expect beyond Jinja: Python's methods of strings, lists and dictionaries.

use minijinja::{
    Error, ErrorKind, State,
    value::{Value, ValueKind, from_args},
};

/// Python's methods that templates call. Lists and dictionaries cannot be changed by them.
pub(super) fn call(_state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => string(value.as_str().unwrap_or_default(), method, args),
        ValueKind::Map => map(value, method, args),
        ValueKind::Seq => list(value, method, args),
        _ => Err(unknown(method)),
    }
}

fn unknown(method: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("the method {method} is not supported"))
}

fn string(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let chars = || -> Result<Option<Vec<char>>, Error> {
        let (set,): (Option<String>,) = from_args(args)?;
        Ok(set.map(|set| set.chars().collect()))
    };
    let strip = |set: &Option<Vec<char>>, c: char| set.as_ref().map_or(c.is_whitespace(), |set| set.contains(&c));
    let one = || from_args::<(&str,)>(args).map(|(argument,)| argument);
    let every = |is: fn(char) -> bool| from_args::<()>(args).map(|()| !text.is_empty() && text.chars().all(is));
    Ok(match method {
        "strip" => chars().map(|set| text.trim_matches(|c| strip(&set, c)).into())?,
        "lstrip" => chars().map(|set| text.trim_start_matches(|c| strip(&set, c)).into())?,
        "rstrip" => chars().map(|set| text.trim_end_matches(|c| strip(&set, c)).into())?,
        "removeprefix" => one().map(|prefix| text.strip_prefix(prefix).unwrap_or(text).into())?,
        "removesuffix" => one().map(|suffix| text.strip_suffix(suffix).unwrap_or(text).into())?,
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "capitalize" => capitalised(text).into(),
        "title" => text.split_inclusive(|c: char| !c.is_alphabetic()).map(capitalised).collect::<String>().into(),
        "startswith" => affix(args, |prefix| text.starts_with(prefix))?,
        "endswith" => affix(args, |suffix| text.ends_with(suffix))?,
        "find" => one().map(|part| position(text, text.find(part)))?,
        "rfind" => one().map(|part| position(text, text.rfind(part)))?,
        "count" => one().map(|part| if part.is_empty() { text.chars().count() + 1 } else { text.matches(part).count() })?.into(),
        "replace" => match from_args::<(&str, &str, Option<i64>)>(args)? {
            (from, to, None | Some(..0)) => text.replace(from, to).into(),
            (from, to, Some(times)) => text.replacen(from, to, usize::try_from(times).unwrap_or(usize::MAX)).into(),
        },
        "split" => split(text, args, Side::Left)?,
        "rsplit" => split(text, args, Side::Right)?,
        "splitlines" => text.lines().map(Value::from).collect(),
        "join" => {
            let (parts,): (Vec<String>,) = from_args(args)?;
            parts.join(text).into()
        }
        "isdigit" | "isdecimal" | "isnumeric" => every(char::is_numeric)?.into(),
        "isalpha" => every(char::is_alphabetic)?.into(),
        "isalnum" => every(char::is_alphanumeric)?.into(),
        "isspace" => every(char::is_whitespace)?.into(),
        "isupper" => (text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)).into(),
        "islower" => (text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)).into(),
        _ => return Err(unknown(method)),
    })
}

fn capitalised(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest.flat_map(char::to_lowercase)).collect())
}

/// `startswith` and `endswith` take one text or several.
fn affix(args: &[Value], fits: impl Fn(&str) -> bool) -> Result<Value, Error> {
    let (argument,): (&Value,) = from_args(args)?;
    if let Some(one) = argument.as_str() {
        return Ok(fits(one).into());
    }
    for one in argument.try_iter()? {
        let one = one.as_str().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "an affix is a text"))?;
        if fits(one) {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

/// Python counts characters and says -1 for none.
fn position(text: &str, at: Option<usize>) -> Value {
    at.map_or(Value::from(-1), |at| Value::from(text[..at].chars().count()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// `split(separator, at most)` from either side; without a separator at runs of white space.
fn split(text: &str, args: &[Value], side: Side) -> Result<Value, Error> {
    let (separator, most): (Option<&str>, Option<i64>) = from_args(args)?;
    // So many cuts; negative is as many as there are.
    let cuts = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX - 1);
    Ok(match (separator, side) {
        (Some(""), _) => return Err(Error::new(ErrorKind::InvalidOperation, "split needs a separator")),
        (Some(separator), Side::Left) => text.splitn(cuts + 1, separator).map(Value::from).collect(),
        (Some(separator), Side::Right) => {
            let mut parts: Vec<&str> = text.rsplitn(cuts + 1, separator).collect();
            parts.reverse();
            parts.into_iter().map(Value::from).collect()
        }
        (None, Side::Left) if most.is_some_and(|most| most >= 0) => {
            let (mut rest, mut parts) = (text.trim_start(), Vec::new());
            while !rest.is_empty() && parts.len() < cuts {
                let (part, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                parts.push(Value::from(part));
                rest = behind.trim_start();
            }
            if !rest.is_empty() {
                parts.push(Value::from(rest));
            }
            parts.into()
        }
        (None, Side::Right) if most.is_some_and(|most| most >= 0) => {
            return Err(Error::new(ErrorKind::InvalidOperation, "rsplit with a bound needs a separator"));
        }
        (None, _) => text.split_whitespace().map(Value::from).collect(),
    })
}

fn list(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let wanted = || from_args::<(&Value,)>(args).map(|(wanted,)| wanted);
    Ok(match method {
        "index" => {
            let wanted = wanted()?;
            let at = value.try_iter()?.position(|item| item == *wanted);
            at.map(Value::from).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the list does not have that item"))?
        }
        "count" => {
            let wanted = wanted()?;
            value.try_iter()?.filter(|item| item == wanted).count().into()
        }
        _ => return Err(unknown(method)),
    })
}

fn map(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let pairs = || -> Result<Vec<(Value, Value)>, Error> {
        value.try_iter()?.map(|key| value.get_item(&key).map(|item| (key, item))).collect()
    };
    Ok(match method {
        "items" => pairs()?.into_iter().map(|(key, item)| Value::from(vec![key, item])).collect(),
        "keys" => pairs()?.into_iter().map(|(key, _)| key).collect(),
        "values" => pairs()?.into_iter().map(|(_, item)| item).collect(),
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = value.get_item(&key)?;
            if found.is_undefined() { default.unwrap_or(Value::from(())) } else { found }
        }
        _ => return Err(unknown(method)),
    })
}
