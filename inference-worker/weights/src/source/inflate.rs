//! Deflated bytes, inflated as they come.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};

use super::READ_BYTES;

/// Inflates what `R` gives.
pub(super) struct Inflate<R> {
    packed: BufReader<R>,
    state: Box<InflateState>,
    is_over: bool,
}

impl<R: AsyncRead> Inflate<R> {
    pub(super) fn new(packed: R) -> Self {
        Self {
            packed: BufReader::with_capacity(READ_BYTES, packed),
            state: InflateState::new_boxed(DataFormat::Raw),
            is_over: false,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Inflate<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.is_over && buffer.remaining() > 0 {
            let packed = ready!(Pin::new(&mut this.packed).poll_fill_buf(context))?;
            let is_end = packed.is_empty();
            let result =
                inflate(&mut this.state, packed, buffer.initialize_unfilled(), MZFlush::None);
            Pin::new(&mut this.packed).consume(result.bytes_consumed);
            buffer.advance(result.bytes_written);
            match result.status {
                Ok(MZStatus::StreamEnd) => this.is_over = true,
                // It wants more to read.
                Ok(_) | Err(MZError::Buf) => {}
                Err(error) => {
                    let text = format!("the archive's member is damaged ({error:?})");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
            }
            if result.bytes_written > 0 {
                break;
            }
            if is_end && !this.is_over {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}
