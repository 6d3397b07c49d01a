//! Files that are read where they lie: on this machine, on a server, in an archive.
//!
//! A source says how long it is and is read from any byte on. One that can only be read from its
//! beginning, such as a compressed member of an archive, says so, and reads on to that byte.

mod http;
mod inflate;
mod zip;

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use mica_engine::{GgufError, GgufFile};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncSeekExt},
    time::timeout,
};

use crate::spec::{self, Place, Spec};
pub(crate) use http::HttpError;
use http::HttpFile;
use inflate::Inflate;
use zip::{Member, ZipError};

/// Longest wait for the next bytes.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// Bytes that are read at once.
pub(crate) const READ_BYTES: usize = 256 << 10;
/// Bytes that are read at first to find a model's header.
const FIRST_HEADER_BYTES: usize = 1 << 20;
/// Longest time that `pip` may take.
const PIP_PATIENCE: Duration = Duration::from_secs(3600);

/// Bytes of a source from some point on.
pub(crate) type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A server.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An archive.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// It is no model, or one in several files.
    #[error("{name} cannot be used: {source}")]
    Gguf {
        /// What was read.
        name: String,
        /// What is wrong with it.
        source: GgufError,
    },
    /// The reading broke off.
    #[error("reading {name} broke off: {source}")]
    Broken {
        /// What was read.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Nothing came for too long.
    #[error("nothing came from {0} for {seconds} s", seconds = STALL.as_secs())]
    Silent(String),
    /// `pip` gave nothing.
    #[error("pip did not fetch {package}: {reason}; it needs python3 with pip, and a network")]
    Pip {
        /// The package.
        package: String,
        /// Its last words.
        reason: String,
    },
}

impl SourceError {
    /// Whether it may go better a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Http(error) => error.is_passing(),
            Self::Broken { .. } | Self::Silent(_) => true,
            Self::File { .. } | Self::Zip(_) | Self::Pip { .. } | Self::Gguf { .. } => false,
        }
    }
}

/// A source that was found.
#[derive(Clone)]
pub struct Opened {
    name: String,
    size: u64,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    File(
        PathBuf,
        #[expect(dead_code, reason = "removes what was fetched when it goes")] Option<Arc<TempDir>>,
    ),
    Http(HttpFile),
    Member(Box<Opened>, Member),
}

impl Opened {
    /// Finds what `spec` names. What must be fetched as a whole goes to a temporary folder below
    /// `scratch`, which is made.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn find(spec: &Spec, scratch: &Path) -> Result<Self, SourceError> {
        let name = spec.to_string();
        let opened = match &spec.place {
            Place::File(path) => Self::file(name, path.clone(), None)?,
            Place::Http(url) => Self::http(name, url, None).await?,
            Place::Hub { repository, revision, file } => {
                let url = spec::hub_url(repository, revision, file);
                Self::http(name, &url, spec::hub_token()).await?
            }
            Place::Package { name: package, version } => {
                let (path, folder) = fetch_package(package, version, scratch).await?;
                Self::file(name, path, Some(Arc::new(folder)))?
            }
        };
        match &spec.member {
            None => Ok(opened),
            Some(member) => {
                let member = zip::find(&opened, member).await?;
                let (name, size) = (opened.name.clone(), member.size);
                Ok(Self { name, size, bytes: Bytes::Member(Box::new(opened), member) })
            }
        }
    }

    fn file(
        name: String,
        path: PathBuf,
        folder: Option<Arc<TempDir>>,
    ) -> Result<Self, SourceError> {
        let found = std::fs::metadata(&path).and_then(|data| match data.is_file() {
            true => Ok(data.len()),
            false => Err(io::Error::other("not a regular file")),
        });
        let size = found.map_err(|source| SourceError::File { path: path.clone(), source })?;
        Ok(Self { name, size, bytes: Bytes::File(path, folder) })
    }

    async fn http(name: String, url: &str, token: Option<String>) -> Result<Self, SourceError> {
        let file = HttpFile::find(url, token).await?;
        Ok(Self { name, size: file.size(), bytes: Bytes::Http(file) })
    }

    /// What it is called, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it can be read from any byte on without reading what lies before.
    pub fn has_parts(&self) -> bool {
        match &self.bytes {
            Bytes::File(..) => true,
            Bytes::Http(file) => file.has_parts(),
            Bytes::Member(archive, member) => !member.is_deflated && archive.has_parts(),
        }
    }

    /// Its bytes from `from` on.
    ///
    /// # Errors
    /// [`SourceError`].
    pub(crate) fn read(
        &self,
        from: u64,
    ) -> Pin<Box<dyn Future<Output = Result<Reader, SourceError>> + Send + '_>> {
        Box::pin(async move {
            let broken = |source| SourceError::Broken { name: self.name.clone(), source };
            match &self.bytes {
                Bytes::File(path, _) => {
                    let failed = |source| SourceError::File { path: path.clone(), source };
                    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
                    file.seek(io::SeekFrom::Start(from)).await.map_err(failed)?;
                    Ok(Box::pin(file) as Reader)
                }
                Bytes::Http(file) => {
                    let (mut reader, skipped) = file.read(from).await?;
                    skip(&mut reader, from - skipped, &self.name).await?;
                    Ok(reader)
                }
                Bytes::Member(archive, member) if !member.is_deflated => {
                    let reader = archive.read(member.start.saturating_add(from)).await?;
                    Ok(Box::pin(reader.take(member.packed.saturating_sub(from))) as Reader)
                }
                Bytes::Member(archive, member) => {
                    let packed = archive.read(member.start).await?.take(member.packed);
                    let mut reader: Reader = Box::pin(Inflate::new(packed));
                    skip(&mut reader, from, &self.name).await.map_err(|error| match error {
                        SourceError::Broken { source, .. } => broken(source),
                        other => other,
                    })?;
                    Ok(reader)
                }
            }
        })
    }

    /// `length` bytes from `from` on.
    ///
    /// # Errors
    /// [`SourceError`], also if it ends before.
    pub(crate) async fn read_exact(
        &self,
        from: u64,
        length: usize,
    ) -> Result<Vec<u8>, SourceError> {
        let mut reader = self.read(from).await?;
        let mut bytes = vec![0; length];
        let mut held = 0;
        while held < length {
            held += next(&mut reader, &mut bytes[held..], &self.name).await?;
        }
        Ok(bytes)
    }
}

/// The next bytes, at least one.
///
/// # Errors
/// [`SourceError::Silent`]; [`SourceError::Broken`], also at the end.
pub(crate) async fn next(
    reader: &mut Reader,
    buffer: &mut [u8],
    name: &str,
) -> Result<usize, SourceError> {
    let broken = |source| SourceError::Broken { name: name.to_owned(), source };
    let read = timeout(STALL, reader.read(buffer)).await;
    match read.map_err(|_| SourceError::Silent(name.to_owned()))? {
        Ok(0) => Err(broken(io::ErrorKind::UnexpectedEof.into())),
        read => read.map_err(broken),
    }
}

/// A model's header, and what was read of `reader` for it, which stands at the beginning.
///
/// # Errors
/// [`SourceError::Gguf`] if it is none.
pub(crate) async fn header(
    reader: &mut Reader,
    opened: &Opened,
) -> Result<(GgufFile, Vec<u8>), SourceError> {
    let size = usize::try_from(opened.size).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    loop {
        let mut held = bytes.len();
        bytes.resize(size.min((held * 2).max(FIRST_HEADER_BYTES)), 0);
        while held < bytes.len() {
            held += next(reader, &mut bytes[held..], &opened.name).await?;
        }
        match GgufFile::from_beginning(&bytes, opened.size) {
            Ok(Some(file)) => return Ok((file, bytes)),
            Ok(None) => {}
            Err(source) => return Err(SourceError::Gguf { name: opened.name.clone(), source }),
        }
    }
}

/// Reads on without looking at what comes.
pub(crate) async fn skip(
    reader: &mut Reader,
    mut bytes: u64,
    name: &str,
) -> Result<(), SourceError> {
    let mut waste = vec![0; READ_BYTES.min(usize::try_from(bytes).unwrap_or(READ_BYTES))];
    while bytes > 0 {
        let most = waste.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        bytes -= next(reader, &mut waste[..most], name).await? as u64;
    }
    Ok(())
}

/// Has pip fetch a package as it is set up on this machine.
async fn fetch_package(
    name: &str,
    version: &str,
    scratch: &Path,
) -> Result<(PathBuf, TempDir), SourceError> {
    let package = format!("{name}=={version}");
    let failed = |reason: String| SourceError::Pip { package: package.clone(), reason };
    mica_host::files::create_private_folder(scratch).map_err(|error| failed(error.to_string()))?;
    let folder = tempfile::Builder::new().prefix("unfinished-").tempdir_in(scratch);
    let folder = folder.map_err(|error| failed(error.to_string()))?;
    let mut pip = tokio::process::Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"])
        .arg(folder.path())
        .arg(&package)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PIP_PATIENCE, pip.output()).await;
    let output = output
        .map_err(|_| failed(format!("it took longer than {} s", PIP_PATIENCE.as_secs())))?
        .map_err(|error| failed(format!("cannot start python3: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason");
        return Err(failed(last.chars().take(300).collect()));
    }
    let mut files = std::fs::read_dir(folder.path()).map_err(|error| failed(error.to_string()))?;
    let file = files.next().and_then(Result::ok);
    Ok((file.ok_or_else(|| failed("it left no file".into()))?.path(), folder))
}

#[cfg(test)]
pub(crate) mod tests;
