//! Sources that know no trees: files, servers, members of archives. A tensor comes from one of them
//! at a time and is verified when it is whole.

use std::{path::Path, sync::atomic::Ordering};

use mica_engine::{GgufFile, TensorView};
use mica_host::lock;
use tokio::time::sleep;

use super::{ATTEMPTS, End, FIRST_PAUSE, Sharing};
use crate::{
    source::{self, Opened, READ_BYTES, Reader, SourceError},
    spec::Spec,
    store::StoreError,
    work::blocking,
};

/// A source that broke off after so many bytes is tried again as if it had not.
const WORTH_TRYING: u64 = 1 << 20;
/// What lies between two tensors is read rather than asked for anew up to so many bytes.
const WORTH_READING: u64 = 1 << 20;

/// Why a source that knows no trees gives no more.
#[derive(Debug, thiserror::Error)]
enum PlainError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("it is another model")]
    Other,
    #[error("it sent wrong bytes and is asked no more")]
    Lied,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sharing {
    /// Whole tensors from a source that knows no trees.
    pub(super) async fn ask_place(&self, spec: &Spec, scratch: &Path) -> End {
        let mut end = End { name: spec.to_string(), reason: None, disk: None };
        let mut attempts = 0;
        self.asked.fetch_add(1, Ordering::Relaxed);
        loop {
            let mut came = 0;
            let error = match self.read_place(spec, scratch, &mut came).await {
                Ok(()) => break,
                Err(error) => error,
            };
            tracing::info!(source = %spec, %error, "a source gave no more weights");
            end.reason = Some(error.to_string());
            attempts = if came >= WORTH_TRYING { 1 } else { attempts + 1 };
            match error {
                PlainError::Source(error) if error.is_passing() && attempts < ATTEMPTS => {
                    if self.work.missing().is_empty() {
                        break;
                    }
                    sleep(FIRST_PAUSE * (1 << attempts)).await;
                }
                PlainError::Store(error) => {
                    end.disk = Some(error);
                    break;
                }
                PlainError::Lied => {
                    lock(&self.liars).push(spec.to_string());
                    break;
                }
                _ => break,
            }
        }
        self.asked.fetch_sub(1, Ordering::Relaxed);
        end
    }

    /// Tensors, until there is nothing more to do; counts in `came` what was received.
    async fn read_place(
        &self,
        spec: &Spec,
        scratch: &Path,
        came: &mut u64,
    ) -> Result<(), PlainError> {
        let opened = Opened::find(spec, scratch).await?;
        let mut reader = opened.read(0).await?;
        let (file, _) = source::header(&mut reader, &opened).await?;
        drop(reader);
        let starts = starts(&file, self.work.held.file())?;
        let mut open: Option<(Reader, u64)> = None;
        loop {
            let at = open.as_ref().map_or(0, |(_, at)| *at);
            let key = |tensor: usize| (starts[tensor] < at, starts[tensor]);
            let Some(tensor) = self.work.wait_for(|| self.work.tensor(key)).await else {
                return Ok(());
            };
            let read = self.read_tensor(&opened, tensor, starts[tensor], open.take(), came).await;
            self.work.end_tensor(tensor, matches!(read, Ok((_, true))));
            match read? {
                (reader, true) => open = Some(reader),
                (_, false) => return Err(PlainError::Lied),
            }
        }
    }

    /// One tensor, and where the reader is then. False if it is not what it should be.
    async fn read_tensor(
        &self,
        opened: &Opened,
        tensor: usize,
        start: u64,
        open: Option<(Reader, u64)>,
        came: &mut u64,
    ) -> Result<((Reader, u64), bool), PlainError> {
        let work = self.work.clone();
        let mut prefix = blocking(move || work.held.prefix(tensor)).await?;
        let from = start + prefix.len();
        let had = prefix.len();
        let mut reader = match open {
            Some((mut reader, at))
                if at <= from && (from - at <= WORTH_READING || !opened.has_parts()) =>
            {
                source::skip(&mut reader, from - at, opened.name()).await?;
                reader
            }
            _ => opened.read(from).await?,
        };
        let mut buffer = vec![0; READ_BYTES];
        while prefix.missing() > 0 {
            let most = buffer.len().min(usize::try_from(prefix.missing()).unwrap_or(usize::MAX));
            let read = source::next(&mut reader, &mut buffer[..most], opened.name()).await?;
            self.received.fetch_add(read as u64, Ordering::Relaxed);
            *came += read as u64;
            let bytes = buffer[..read].to_vec();
            prefix = blocking(move || {
                prefix.append(&bytes)?;
                Ok(prefix)
            })
            .await?;
        }
        let end = start + prefix.len();
        let is_good = blocking(move || prefix.finish()).await?;
        if is_good {
            self.work.written.fetch_add(end - start, Ordering::Relaxed);
        } else if had > 0 {
            // What was there before may have come from somebody else: once more, all from here.
            tracing::info!(source = opened.name(), "a tensor is fetched again from its beginning");
            return Box::pin(self.read_tensor(opened, tensor, start, None, came)).await;
        }
        Ok(((reader, end), is_good))
    }
}

/// Where each tensor of `model` begins in `file`.
fn starts(file: &GgufFile, model: &GgufFile) -> Result<Vec<u64>, PlainError> {
    let start = |wanted: TensorView<'_>| {
        let found = file.tensor(wanted.name).filter(|found| {
            found.dtype == wanted.dtype
                && found.shape == wanted.shape
                && found.size_bytes() == wanted.size_bytes()
        });
        found.map(|found| found.start()).ok_or(PlainError::Other)
    };
    model.tensors().map(start).collect()
}
