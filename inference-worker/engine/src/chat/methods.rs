//! What published templates expect beyond Jinja: Python's methods of strings, lists and
//! dictionaries.

use minijinja::{
    Error, ErrorKind, State,
    formatting::{FormatStyle, format},
    value::{Kwargs, Tuple, Value, ValueKind, from_args},
};

/// Widest padding, in characters.
const MAX_WIDTH: usize = 4096;

/// Python's methods that templates call. Lists and dictionaries cannot be changed by them.
pub(super) fn call(
    _state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
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
    let strip = |set: &Option<Vec<char>>, c: char| {
        set.as_ref().map_or(c.is_whitespace(), |set| set.contains(&c))
    };
    let one = || from_args::<(&str,)>(args).map(|(argument,)| argument);
    let every = |is: fn(char) -> bool| {
        from_args::<()>(args).map(|()| !text.is_empty() && text.chars().all(is))
    };
    Ok(match method {
        "strip" => chars().map(|set| text.trim_matches(|c| strip(&set, c)).into())?,
        "lstrip" => chars().map(|set| text.trim_start_matches(|c| strip(&set, c)).into())?,
        "rstrip" => chars().map(|set| text.trim_end_matches(|c| strip(&set, c)).into())?,
        "removeprefix" => one().map(|prefix| text.strip_prefix(prefix).unwrap_or(text).into())?,
        "removesuffix" => one().map(|suffix| text.strip_suffix(suffix).unwrap_or(text).into())?,
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "capitalize" => capitalised(text).into(),
        "title" => text
            .split_inclusive(|c: char| !c.is_alphabetic())
            .map(capitalised)
            .collect::<String>()
            .into(),
        "swapcase" => text.chars().flat_map(swapped).collect::<String>().into(),
        "startswith" => affix(text, args, |text, prefix| text.starts_with(prefix))?,
        "endswith" => affix(text, args, |text, suffix| text.ends_with(suffix))?,
        "format" => format(FormatStyle::StrFormat, text, args)?.into(),
        "ljust" | "rjust" | "center" | "zfill" => padded(text, method, args)?,
        "partition" => one()
            .map(|separator| parted(text, text.split_once(separator), separator, Side::Left))?,
        "rpartition" => one()
            .map(|separator| parted(text, text.rsplit_once(separator), separator, Side::Right))?,
        "index" => match one().map(|part| text.find(part))? {
            Some(at) => position(text, Some(at)),
            None => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "the text does not have that part",
                ));
            }
        },
        "find" => one().map(|part| position(text, text.find(part)))?,
        "rfind" => one().map(|part| position(text, text.rfind(part)))?,
        "count" => one()
            .map(|part| {
                if part.is_empty() { text.chars().count() + 1 } else { text.matches(part).count() }
            })?
            .into(),
        "replace" => match from_args::<(&str, &str, Option<i64>)>(args)? {
            (from, to, None | Some(..0)) => text.replace(from, to).into(),
            (from, to, Some(times)) => {
                text.replacen(from, to, usize::try_from(times).unwrap_or(usize::MAX)).into()
            }
        },
        "split" => split(text, args, Side::Left)?,
        "rsplit" => split(text, args, Side::Right)?,
        "splitlines" => match from_args::<(Option<bool>,)>(args)? {
            (Some(true),) => text.split_inclusive('\n').map(Value::from).collect(),
            _ => text.lines().map(Value::from).collect(),
        },
        "casefold" => text.to_lowercase().replace('ß', "ss").into(),
        "join" => joined(text, args)?,
        "isdigit" | "isdecimal" | "isnumeric" => every(char::is_numeric)?.into(),
        "isalpha" => every(char::is_alphabetic)?.into(),
        "isalnum" => every(char::is_alphanumeric)?.into(),
        "isspace" => every(char::is_whitespace)?.into(),
        "isupper" => {
            (text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)).into()
        }
        "islower" => {
            (text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)).into()
        }
        _ => return Err(unknown(method)),
    })
}

fn capitalised(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(rest.flat_map(char::to_lowercase)).collect()
    })
}

/// Texts, or the characters of one, with `separator` in between.
fn joined(separator: &str, args: &[Value]) -> Result<Value, Error> {
    let (parts,): (&Value,) = from_args(args)?;
    if let Some(text) = parts.as_str() {
        return Ok(text.chars().map(String::from).collect::<Vec<_>>().join(separator).into());
    }
    let (parts,): (Vec<String>,) = from_args(args)?;
    Ok(parts.join(separator).into())
}

/// A letter in the other case.
fn swapped(letter: char) -> Vec<char> {
    if letter.is_uppercase() {
        letter.to_lowercase().collect()
    } else {
        letter.to_uppercase().collect()
    }
}

/// `startswith` and `endswith` take one text or several, and the character to begin at.
fn affix(text: &str, args: &[Value], fits: impl Fn(&str, &str) -> bool) -> Result<Value, Error> {
    let (argument, start): (&Value, Option<usize>) = from_args(args)?;
    let from = text.char_indices().nth(start.unwrap_or(0)).map_or(text.len(), |(at, _)| at);
    let text = &text[from..];
    if let Some(one) = argument.as_str() {
        return Ok(fits(text, one).into());
    }
    for one in argument.try_iter()? {
        let one = one
            .as_str()
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "an affix is a text"))?;
        if fits(text, one) {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

/// What stands before a separator, the separator, and what stands behind it; without one, all is on
/// the far side.
fn parted(text: &str, cut: Option<(&str, &str)>, separator: &str, side: Side) -> Value {
    let parts = match (cut, side) {
        (Some((before, behind)), _) => [before, separator, behind],
        (None, Side::Left) => [text, "", ""],
        (None, Side::Right) => ["", "", text],
    };
    Value::from(Tuple::from(parts.map(Value::from).to_vec()))
}

/// A text of at least so many characters.
fn padded(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (width, filling): (usize, Option<char>) = from_args(args)?;
    if width > MAX_WIDTH {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("{method}: at most {MAX_WIDTH} characters"),
        ));
    }
    let missing = width.saturating_sub(text.chars().count());
    let fill = |count: usize| filling.unwrap_or(' ').to_string().repeat(count);
    Ok(match method {
        "ljust" => text.to_owned() + &fill(missing),
        "rjust" => fill(missing) + text,
        "center" => {
            // Python puts the odd one in front if the width is odd, else behind.
            let before = missing / 2 + (missing & width & 1);
            fill(before) + text + &fill(missing - before)
        }
        _ => {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            sign.to_owned() + &"0".repeat(missing) + digits
        }
    }
    .into())
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
    let (separator, most, options): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let separator =
        separator.map_or_else(|| options.get("sep"), |separator| Ok(Some(separator)))?;
    let most = most.map_or_else(|| options.get("maxsplit"), |most| Ok(Some(most)))?;
    options.assert_all_used()?;
    // So many cuts; negative is as many as there are.
    let cuts = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX - 1);
    Ok(match (separator, side) {
        (Some(""), _) => {
            return Err(Error::new(ErrorKind::InvalidOperation, "split needs a separator"));
        }
        (Some(separator), Side::Left) => {
            text.splitn(cuts + 1, separator).map(Value::from).collect()
        }
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
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "rsplit with a bound needs a separator",
            ));
        }
        (None, _) => text.split_whitespace().map(Value::from).collect(),
    })
}

fn list(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let wanted = || from_args::<(&Value,)>(args).map(|(wanted,)| wanted);
    Ok(match method {
        "copy" => from_args::<()>(args).map(|()| value.clone())?,
        "index" => {
            let wanted = wanted()?;
            let at = value.try_iter()?.position(|item| item == *wanted);
            at.map(Value::from).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, "the list does not have that item")
            })?
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
        "copy" => from_args::<()>(args).map(|()| value.clone())?,
        "items" => pairs()?
            .into_iter()
            .map(|(key, item)| Value::from(Tuple::from(vec![key, item])))
            .collect(),
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
