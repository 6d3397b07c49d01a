//! Models split into several files (`llama-gguf-split`), opened as one if all parts are in one
//! folder.
//!
//! The first part has the metadata; each has some of the tensors and the entries `split.no`,
//! `split.count` and `split.tensors.count`. Their names end in `-00001-of-00002.gguf`. The model is
//! the same, to the hash, as that of the merged file.

use std::path::{Path, PathBuf};

use super::{GgufError, GgufFile, error::PartError};

/// Most parts of one model: each is an open file.
const MAX_PARTS: u64 = 256;
const ENDING: &str = ".gguf";
const DIGITS: usize = 5;

/// What the name of a file says.
struct PartName<'a> {
    /// What the names of all parts begin with.
    model: &'a str,
    /// From 1.
    number: u64,
    count: u64,
}

impl<'a> PartName<'a> {
    fn of(path: &'a Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?;
        let (rest, count) = name.rsplit_once("-of-")?;
        let (model, number) = rest.rsplit_once('-')?;
        let parse = |digits: &str| (digits.len() == DIGITS).then(|| digits.parse().ok()).flatten();
        Some(Self { model, number: parse(number)?, count: parse(count)? })
    }

    fn file(&self, number: u64) -> String {
        format!("{}-{number:05}-of-{:05}{ENDING}", self.model, self.count)
    }
}

/// What a part says of itself: its number, from 1, and how many there are; `None` for a whole
/// model.
fn described(file: &GgufFile) -> Option<(u64, u64)> {
    let count = file.integer("split.count").filter(|&count| count > 1)?;
    Some((file.integer("split.no").unwrap_or(0).saturating_add(1), count))
}

/// The error for a part that cannot be used, with the command that merges the parts.
fn unusable(path: Option<&Path>, number: u64, count: u64, reason: impl Into<String>) -> GgufError {
    let name = path.and_then(PartName::of);
    let model = name.as_ref().map_or("MODEL", |name| name.model);
    let first = PartName { model, number: 1, count }.file(1);
    let path = path.map_or_else(|| PathBuf::from("the file"), Path::to_owned);
    Box::new(PartError {
        path,
        number,
        count,
        reason: reason.into(),
        first,
        merged: format!("{model}{ENDING}"),
    })
    .into()
}

/// A file in memory must be a whole model.
pub(super) fn refuse(file: GgufFile) -> Result<GgufFile, GgufError> {
    match described(&file) {
        Some((number, count)) => Err(unusable(None, number, count, "it is alone")),
        None => Ok(file),
    }
}

/// Opens the model that the file at `path` is, or is a part of; `open` opens one file.
pub(super) fn open(
    path: &Path,
    open: impl Fn(&Path) -> Result<GgufFile, GgufError>,
) -> Result<GgufFile, GgufError> {
    let name = PartName::of(path);
    let opened = open(path).map_err(|error| match (&name, &error) {
        (_, GgufError::Io { .. } | GgufError::Changed { .. }) | (None, _) => error,
        (Some(name), _) => unusable(Some(path), name.number, name.count, error.to_string()),
    })?;
    let Some((number, count)) = described(&opened) else { return Ok(opened) };
    let refuse = |reason: String| unusable(Some(path), number, count, reason);
    let name = match name {
        _ if count > MAX_PARTS => {
            return Err(refuse(format!("at most {MAX_PARTS} parts are opened")));
        }
        Some(name) if (name.number, name.count) == (number, count) => name,
        _ => return Err(refuse("its name does not say so".into())),
    };
    let tensors = opened.integer("split.tensors.count");
    let mut parts = Vec::new();
    for other in 1..=count {
        let file = name.file(other);
        let part = open(&path.with_file_name(&file)).map_err(|error| refuse(error.to_string()))?;
        if described(&part) != Some((other, count))
            || part.integer("split.tensors.count") != tensors
        {
            return Err(refuse(format!("{file} is of another model")));
        }
        parts.push(part);
    }
    let whole = GgufFile::joined(parts)?;
    match tensors {
        Some(tensors) if tensors != whole.tensors().count() as u64 => Err(refuse(format!(
            "all parts together have {} tensors instead of {tensors}",
            whole.tensors().count()
        ))),
        _ => Ok(whole),
    }
}
