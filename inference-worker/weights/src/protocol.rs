//! What peers say about weights: requests and replies on a stream, one after the other.
//!
//! Each is a frame: its length in four bytes, little endian, and SCALE. Replies come in the order
//! of the requests, so that several can be under way. Everything is bounded before it is read.

use std::io;

use codec::{Decode, DecodeAll, Encode};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use mica_primitives::{Hash32, ModelId};

use crate::{index::MAX_INDEX_BYTES, tree::MAX_ENCODED_BYTES};

/// Longest request.
pub(crate) const MAX_REQUEST_BYTES: usize = 64;
/// Longest reply.
pub(crate) const MAX_REPLY_BYTES: usize =
    64 + if MAX_INDEX_BYTES > MAX_ENCODED_BYTES { MAX_INDEX_BYTES } else { MAX_ENCODED_BYTES };
/// Requests under way on one stream.
pub(crate) const WINDOW: usize = 16;

/// What one peer wants of another.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Request {
    /// A model's index.
    #[codec(index = 0)]
    Index(ModelId),
    /// Which of a model's tensors it holds.
    #[codec(index = 1)]
    Held(ModelId),
    /// A piece of the tensor or head with this hash.
    #[codec(index = 2)]
    Piece { hash: Hash32, piece: u32 },
}

/// The answer to it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Reply {
    /// As the index writes itself.
    #[codec(index = 0)]
    Index(Vec<u8>),
    /// A bit for each tensor.
    #[codec(index = 1)]
    Held(Vec<u8>),
    /// With the hashes that lead to it.
    #[codec(index = 2)]
    Piece(Vec<u8>),
    /// It does not have that.
    #[codec(index = 3)]
    Absent,
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Writes a frame; whoever has nothing more to write flushes.
pub(crate) async fn write<T: Encode>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> io::Result<()> {
    let body = message.encode();
    let length = u32::try_from(body.len()).map_err(|_| invalid("a frame is too long"))?;
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(&body).await
}

/// Reads a frame; nothing if the stream ends before one begins.
///
/// # Errors
/// If it breaks off, is longer than `limit`, or is no message.
pub(crate) async fn read<T: Decode>(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    let first = stream.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[first..]).await?;
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(invalid("a frame is longer than it may be"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    T::decode_all(&mut &body[..]).map(Some).map_err(|_| invalid("a frame is no message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn the_bytes_of_messages_are_these() {
        let hex = |message: &[u8]| hex::encode(message);
        let id = ModelId([1; 32]);
        assert_eq!(hex(&Request::Index(id).encode()), format!("00{}", "01".repeat(32)));
        assert_eq!(hex(&Request::Held(id).encode()), format!("01{}", "01".repeat(32)));
        let piece = Request::Piece { hash: [2; 32], piece: 258 };
        assert_eq!(hex(&piece.encode()), format!("02{}02010000", "02".repeat(32)));
        assert!(piece.encode().len() <= MAX_REQUEST_BYTES);
        assert_eq!(hex(&Reply::Piece(vec![5]).encode()), "020405");
        assert_eq!(hex(&Reply::Absent.encode()), "03");
        assert!(Reply::Piece(vec![0; MAX_ENCODED_BYTES]).encode().len() <= MAX_REPLY_BYTES);
        assert!(Reply::Index(vec![0; MAX_INDEX_BYTES]).encode().len() <= MAX_REPLY_BYTES);
    }

    #[test]
    fn frames_come_through_and_what_is_none_is_refused() {
        let mut bytes = Vec::new();
        let sent = Request::Piece { hash: [2; 32], piece: 7 };
        block_on(write(&mut bytes, &sent)).expect("written");
        let read = |bytes: &[u8]| block_on(read::<Request>(&mut &bytes[..], MAX_REQUEST_BYTES));
        assert_eq!(read(&bytes).expect("a frame"), Some(sent));
        assert_eq!(read(&[]).expect("an end"), None);
        for cut in 1..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read(&u32::MAX.to_le_bytes()).is_err(), "too long");
        assert!(read(&[1, 0, 0, 0, 9]).is_err(), "no such request");
        assert!(read(&[2, 0, 0, 0, 3, 0]).is_err(), "more than a message");
    }
}
