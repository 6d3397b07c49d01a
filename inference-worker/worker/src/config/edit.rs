//! Changing one setting of the annotated file, and leaving every other line as it is.
//!
//! Settings are named by their section and their key, `market.price`; those before the first
//! section by their key alone. A setting that has no value stands in the file as `# = key = value`,
//! as the template has it. What comes out is read as a configuration before it is written, so that
//! no value gets in that a start would refuse.

use std::fmt::Write;

use super::{Config, TEMPLATE};

/// How a line begins that shows a setting without a value.
const UNSET: &str = "# = ";

/// Why a setting cannot be read or changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such setting.
    #[error("there is no setting `{0}`: `mica-worker config list` has all of them")]
    Unknown(String),
    /// The value cannot be.
    #[error("`{key}` cannot be `{value}`: {reason}")]
    Value {
        /// The setting.
        key: String,
        /// What was asked for.
        value: String,
        /// The parser's reason.
        reason: String,
    },
    /// It needs a value.
    #[error("`{0}` needs a value: set it to another one instead")]
    Needed(String),
}

/// A setting, as it stands in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    /// Its name.
    pub key: String,
    /// Its value as it is written; nothing if it has none.
    pub value: Option<String>,
    /// What the template says about it.
    pub about: String,
}

/// Every setting that there is, in the order of the template, with its value in `text`.
pub(crate) fn list(text: &str) -> Vec<Setting> {
    let mut settings = lines(TEMPLATE);
    let present = lines(text);
    for setting in &mut settings {
        // A file of an earlier version may lack it.
        let found = present.iter().find(|found| found.key == setting.key);
        setting.value = found.and_then(|found| found.value.clone());
    }
    settings
}

/// The setting `key` in `text`.
///
/// # Errors
/// [`EditError::Unknown`].
pub(crate) fn get(text: &str, key: &str) -> Result<Setting, EditError> {
    let found = list(text).into_iter().find(|setting| setting.key == key);
    found.ok_or_else(|| EditError::Unknown(key.to_owned()))
}

/// `text` with another value for `key`. What is no TOML is taken as a text.
///
/// # Errors
/// [`EditError`]; nothing is changed then.
pub(crate) fn set(text: &str, key: &str, value: &str) -> Result<String, EditError> {
    get(text, key)?;
    let refused = |reason: String| EditError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        reason: reason.trim().to_owned(),
    };
    let value = value.trim();
    if value.contains(['\n', '\r']) {
        return Err(refused("write one value, in one line".to_owned()));
    }
    // As TOML if it is some, else as a text: nobody wants to quote for a shell and for TOML.
    let as_toml = toml::from_str::<toml::Table>(&format!("value = {value}"));
    let is_toml = as_toml.is_ok() && (!value.contains('#') || value.starts_with('"'));
    let written = is_toml.then(|| value.to_owned()).into_iter().chain([quoted(value)]);
    let mut reason = None;
    for written in written {
        let changed = with_line(text, key, &format!("{} = {written}", name(key)));
        match Config::parse(&changed) {
            Ok(_) => return Ok(changed),
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    Err(refused(reason.unwrap_or_default()))
}

/// `text` without a value for `key`: the default counts from then on.
///
/// # Errors
/// [`EditError::Needed`] for one that has no default.
pub(crate) fn unset(text: &str, key: &str) -> Result<String, EditError> {
    let setting = get(text, key)?;
    let Some(value) = setting.value else { return Ok(text.to_owned()) };
    let changed = with_line(text, key, &format!("{UNSET}{} = {value}", name(key)));
    match Config::parse(&changed) {
        Ok(_) => Ok(changed),
        Err(_) => Err(EditError::Needed(key.to_owned())),
    }
}

fn name(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}

fn section(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(section, _)| section)
}

fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// `text` with `line` in place of the line of `key`; at the end of its section if it has none.
fn with_line(text: &str, key: &str, line: &str) -> String {
    let is_there = lines(text).iter().any(|setting| setting.key == key);
    let (mut out, mut here, mut is_done) = (String::new(), "", false);
    for present in text.lines() {
        if let Some(next) = section_of(present) {
            if here == section(key) && !is_there && !is_done {
                let _ = writeln!(out, "{line}\n");
                is_done = true;
            }
            here = next;
        }
        let is_its =
            here == section(key) && key_of(present).is_some_and(|(found, _)| found == name(key));
        let written = if is_its && !is_done { line } else { present };
        is_done |= is_its;
        let _ = writeln!(out, "{written}");
    }
    if !is_done {
        if here != section(key) {
            let _ = writeln!(out, "\n[{}]", section(key));
        }
        let _ = writeln!(out, "{line}");
    }
    out
}

/// All settings of a file with their values.
fn lines(text: &str) -> Vec<Setting> {
    let (mut settings, mut here, mut about) = (Vec::<Setting>::new(), "", String::new());
    for line in text.lines() {
        if let Some(section) = section_of(line) {
            (here, about) = (section, String::new());
        } else if let Some((name, value)) = key_of(line) {
            let key = if here.is_empty() { name.to_owned() } else { format!("{here}.{name}") };
            let value = (!line.trim_start().starts_with(UNSET)).then(|| value.to_owned());
            settings.push(Setting { key, value, about: std::mem::take(&mut about) });
        } else if let Some(comment) = line.trim_start().strip_prefix("# ") {
            if !about.is_empty() {
                about.push(' ');
            }
            about.push_str(comment);
        } else {
            about.clear();
        }
    }
    settings
}

fn section_of(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name.trim())
}

/// Key and value of a line that has a setting, with a value or without one.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix(UNSET).unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name.then_some((name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, key: &str) -> Option<String> {
        get(text, key).expect("a setting").value
    }

    #[test]
    fn every_setting_is_listed_once_with_what_it_means() {
        let settings = list(TEMPLATE);
        for setting in &settings {
            let same = settings.iter().filter(|other| other.key == setting.key).count();
            assert_eq!(same, 1, "{}", setting.key);
        }
        let about = |key: &str| get(TEMPLATE, key).expect("a setting").about;
        assert!(about("node_url").starts_with("The node that the worker"), "{}", about("node_url"));
        assert!(about("market.price").contains("one token through one layer"));
        assert_eq!(value(TEMPLATE, "market.pricing").as_deref(), Some("true"));
        assert_eq!(value(TEMPLATE, "layers"), None);
        assert!(settings.len() > 30, "{}", settings.len());
    }

    #[test]
    fn a_value_that_is_set_is_read_back_and_the_other_lines_stay() {
        for (key, given, written) in [
            ("layers", "0..3", "\"0..3\""),
            ("market.price", "5000u", "\"5000u\""),
            ("market.pricing", "false", "false"),
            ("limits.sessions", "7", "7"),
            ("machine.share", "0.5", "0.5"),
            ("machine.hours", "22:00-07:00", "\"22:00-07:00\""),
            ("network.listen", "[\"/ip4/0.0.0.0/tcp/4001\"]", "[\"/ip4/0.0.0.0/tcp/4001\"]"),
            ("network.peers.links", "100", "100"),
            ("metrics.listen", "127.0.0.1:9104", "\"127.0.0.1:9104\""),
            ("node_url", "ws://node:9944", "\"ws://node:9944\""),
        ] {
            let changed = set(TEMPLATE, key, given).expect(key);
            assert_eq!(value(&changed, key).as_deref(), Some(written), "{key}");
            let differing = changed.lines().zip(TEMPLATE.lines()).filter(|(a, b)| a != b).count();
            assert_eq!(
                (differing, changed.lines().count()),
                (1, TEMPLATE.lines().count()),
                "{key}"
            );
        }
    }

    #[test]
    fn what_a_start_would_refuse_is_not_written() {
        for (key, given) in [
            ("layers", "3..0"),
            ("limits.sessions", "many"),
            ("limits.sessions", "-1"),
            ("machine.share", "2.0"),
            ("machine.hours", "always"),
            ("market.pricing", "perhaps"),
            ("market.price", ""),
            ("node_url", "\"a\"\nregister_model = true"),
            ("limits.sessions", "7 # more"),
        ] {
            let error = set(TEMPLATE, key, given).expect_err(key);
            assert!(matches!(&error, EditError::Value { .. }), "{key} {given}: {error}");
        }
        for key in ["", "price", "market", "market.prise", "[market]", "market.price.x"] {
            assert_eq!(set(TEMPLATE, key, "1"), Err(EditError::Unknown(key.to_owned())));
            assert_eq!(unset(TEMPLATE, key), Err(EditError::Unknown(key.to_owned())));
        }
    }

    #[test]
    fn one_that_is_unset_has_its_default_and_one_without_stays() {
        let changed = set(TEMPLATE, "market.price", "5000u").expect("set");
        let back = unset(&changed, "market.price").expect("unset");
        assert_eq!(value(&back, "market.price"), None);
        assert_eq!(unset(&back, "market.price"), Ok(back.clone()), "nothing to do");
        assert_eq!(unset(TEMPLATE, "node_url"), Err(EditError::Needed("node_url".to_owned())));
    }

    #[test]
    fn a_file_of_an_earlier_version_gets_the_setting_and_its_section() {
        let end = TEMPLATE.find("\n[machine]\n").expect("the section");
        let older = &TEMPLATE[..end + 1];
        assert_eq!(value(older, "machine.nice"), None);
        let changed = set(older, "machine.nice", "19").expect("set");
        assert_eq!(value(&changed, "machine.nice").as_deref(), Some("19"));
        assert_eq!(Config::parse(&changed).expect("valid").machine.nice, 19);
        let more = set(&changed, "machine.share", "0.5").expect("set");
        assert_eq!(Config::parse(&more).expect("valid").machine.share, 0.5);
        // One whose section is in the middle is put there.
        let without = |part: &str| -> String {
            let kept = TEMPLATE.lines().filter(|line| !line.contains(part));
            kept.map(|line| format!("{line}\n")).collect()
        };
        let older = without("sessions_per_account =");
        let changed = set(&older, "limits.sessions_per_account", "9").expect("set");
        assert_eq!(Config::parse(&changed).expect("valid").limits.sessions_per_account, 9);
        let changed = set(&without("width = 4"), "width", "3").expect("set");
        assert_eq!(Config::parse(&changed).expect("valid").width, Some(3));
    }
}
