//! Frames: `u32 little-endian length ‖ version byte ‖ SCALE(message)`; the length counts what
//! follows it.
//!
//! The decoder takes bytes as they arrive from a stream, in pieces of any size, and never buffers
//! more than the bound of one frame beyond what one call pushed. After an error the frame boundary
//! is lost: the decoder stays failed, and the link must be closed once its
//! [`WireError::fault_code`] has been sent.

use codec::{Decode, Encode};

use crate::{
    FaultCode,
    limits::{MAX_FRAME_BYTES, PROTOCOL_VERSION},
    messages::{Fault, Message},
};

/// Bytes of the length field.
const LENGTH_BYTES: usize = 4;

/// Why bytes are no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The length is out of bounds.
    #[error(
        "a frame of {bytes} bytes exceeds the bound of {most}: send fewer positions per step, and \
         nothing large before the session is open"
    )]
    TooLarge {
        /// Bytes announced.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not even a version byte.
    #[error("a frame without content: check that the other side is a Mica peer")]
    Empty,
    /// Another version.
    #[error(
        "the peer speaks protocol version {found} and this program {PROTOCOL_VERSION}: update the \
         older one"
    )]
    UnknownVersion {
        /// The version byte that came.
        found: u8,
    },
    /// No message of this version.
    #[error(
        "the frame is no message of protocol version {PROTOCOL_VERSION}: check that the other \
         side is a Mica peer"
    )]
    Malformed,
    /// An earlier error has ended the stream.
    #[error("the stream has failed before: close it and connect again")]
    Failed,
}

impl WireError {
    /// The code that tells the other side.
    pub const fn fault_code(&self) -> FaultCode {
        match self {
            Self::TooLarge { .. } => FaultCode::FrameTooLarge,
            Self::UnknownVersion { .. } => FaultCode::UnknownVersion,
            Self::Empty | Self::Malformed | Self::Failed => FaultCode::Malformed,
        }
    }

    /// The message that tells the other side, before the link is closed.
    pub fn to_fault(self) -> Message {
        Message::Fault(Fault::new(None, self.fault_code(), self))
    }
}

/// One message as a frame.
///
/// # Errors
/// [`WireError::TooLarge`]: the other side would refuse it.
pub fn encode_frame(message: &Message) -> Result<Vec<u8>, WireError> {
    let mut frame = vec![0; LENGTH_BYTES];
    frame.reserve(message.size_hint() + 1);
    frame.push(PROTOCOL_VERSION);
    message.encode_to(&mut frame);
    let bytes = frame.len() - LENGTH_BYTES;
    if bytes > MAX_FRAME_BYTES {
        return Err(WireError::TooLarge { bytes, most: MAX_FRAME_BYTES });
    }
    // The bound is far below 2³², so the length fits its field.
    frame[..LENGTH_BYTES].copy_from_slice(&(bytes as u32).to_le_bytes());
    Ok(frame)
}

/// The message in a frame's content (version byte and SCALE, without the length).
///
/// # Errors
/// See [`WireError`]; bytes left over make a frame malformed.
pub fn decode_content(content: &[u8]) -> Result<Message, WireError> {
    if content.len() > MAX_FRAME_BYTES {
        return Err(WireError::TooLarge { bytes: content.len(), most: MAX_FRAME_BYTES });
    }
    let (version, mut scale) = content.split_first().ok_or(WireError::Empty)?;
    // A fault keeps its shape in every version: whoever refuses our version can say so.
    if *version != PROTOCOL_VERSION {
        return match Message::decode(&mut scale) {
            Ok(message @ Message::Fault(_)) if scale.is_empty() => Ok(message),
            _ => Err(WireError::UnknownVersion { found: *version }),
        };
    }
    let message = Message::decode(&mut scale).map_err(|_| WireError::Malformed)?;
    if scale.is_empty() { Ok(message) } else { Err(WireError::Malformed) }
}

/// Bytes that a decoder keeps allocated between two frames.
const KEPT_BYTES: usize = 4 * 1024;

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    read: usize,
    failed: bool,
    max_frame_bytes: usize,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), read: 0, failed: false, max_frame_bytes: MAX_FRAME_BYTES }
    }

    /// Refuses longer frames from now on, one that has begun included. More than
    /// [`MAX_FRAME_BYTES`] is never taken.
    pub fn set_max_frame_bytes(&mut self, bytes: usize) {
        self.max_frame_bytes = bytes.min(MAX_FRAME_BYTES);
    }

    /// Length of the frame that waits for its rest, as it announces it itself and whether or not it
    /// is within the bound; nothing before its length field is there.
    pub fn announced_bytes(&self) -> Option<usize> {
        let (length, _) = self.buffer[self.read..].split_first_chunk::<LENGTH_BYTES>()?;
        Some(u32::from_le_bytes(*length) as usize)
    }

    /// Takes bytes from the stream. Call [`FrameDecoder::next_message`] until it has nothing before
    /// pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        self.buffer.drain(..self.read);
        self.read = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT_BYTES);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that wait for the rest of their frame.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len() - self.read
    }

    /// The next whole message, or nothing until more bytes come.
    ///
    /// # Errors
    /// See [`WireError`]. An announced length out of bounds is refused before its bytes are waited
    /// for.
    pub fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        if self.failed {
            return Err(WireError::Failed);
        }
        let result = self.take_frame();
        if result.is_err() {
            self.failed = true;
            self.buffer = Vec::new();
            self.read = 0;
        }
        result
    }

    fn take_frame(&mut self) -> Result<Option<Message>, WireError> {
        let Some((length, rest)) = self.buffer[self.read..].split_first_chunk::<LENGTH_BYTES>()
        else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(*length) as usize;
        if bytes > self.max_frame_bytes {
            return Err(WireError::TooLarge { bytes, most: self.max_frame_bytes });
        }
        let Some(content) = rest.get(..bytes) else { return Ok(None) };
        let message = decode_content(content)?;
        self.read += LENGTH_BYTES + bytes;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SessionId, messages::Token};
    use proptest::prelude::*;

    fn token(position: u32) -> Message {
        Message::Token(Token {
            session: SessionId([7; 32]),
            position,
            id: 3,
            stop: None,
            log_probabilities: None,
        })
    }

    #[test]
    fn every_fault_of_the_wire_names_itself() {
        let cases = [
            (vec![0, 0, 0, 0], WireError::Empty),
            (vec![2, 0, 0, 0, 9, 5], WireError::UnknownVersion { found: 9 }),
            (vec![2, 0, 0, 0, PROTOCOL_VERSION, 200], WireError::Malformed),
            (
                vec![255, 255, 255, 255],
                WireError::TooLarge { bytes: u32::MAX as usize, most: MAX_FRAME_BYTES },
            ),
        ];
        for (bytes, error) in cases {
            let mut decoder = FrameDecoder::new();
            decoder.push(&bytes);
            assert_eq!(decoder.next_message(), Err(error));
            assert_eq!(decoder.next_message(), Err(WireError::Failed));
            decoder.push(&encode_frame(&token(1)).expect("fits"));
            assert_eq!(decoder.next_message(), Err(WireError::Failed));
            assert!(
                matches!(error.to_fault(), Message::Fault(fault) if fault.code() == error.fault_code())
            );
        }
    }

    #[test]
    fn a_narrower_bound_holds_from_the_next_frame_on() {
        let frame = encode_frame(&token(1)).expect("fits");
        let mut decoder = FrameDecoder::new();
        decoder.push(&frame[..frame.len() - 1]);
        assert_eq!(decoder.announced_bytes(), Some(frame.len() - LENGTH_BYTES));
        decoder.set_max_frame_bytes(frame.len() - LENGTH_BYTES);
        decoder.push(&frame[frame.len() - 1..]);
        assert_eq!(decoder.next_message(), Ok(Some(token(1))));
        assert_eq!(decoder.announced_bytes(), None);
        decoder.set_max_frame_bytes(frame.len() - LENGTH_BYTES - 1);
        decoder.push(&frame[..LENGTH_BYTES]);
        assert!(matches!(decoder.next_message(), Err(WireError::TooLarge { .. })));
    }

    #[test]
    fn a_fault_can_be_read_from_any_version() {
        let refusal = WireError::UnknownVersion { found: 1 }.to_fault();
        let mut frame = encode_frame(&refusal).expect("fits");
        frame[LENGTH_BYTES] = 77;
        assert_eq!(decode_content(&frame[LENGTH_BYTES..]), Ok(refusal));
    }

    #[test]
    fn bytes_left_over_make_a_frame_malformed() {
        let mut content = encode_frame(&token(1)).expect("fits").split_off(LENGTH_BYTES);
        content.push(0);
        assert_eq!(decode_content(&content), Err(WireError::Malformed));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_messages(count in 1u32..20, sizes in prop::collection::vec(1usize..97, 1..40)) {
            let stream: Vec<u8> = (0..count).flat_map(|i| encode_frame(&token(i)).expect("fits")).collect();
            let mut decoder = FrameDecoder::new();
            let (mut messages, mut at) = (Vec::new(), 0);
            for size in sizes.iter().cycle() {
                let end = (at + size).min(stream.len());
                decoder.push(&stream[at..end]);
                while let Some(message) = decoder.next_message().expect("good frames") {
                    messages.push(message);
                }
                at = end;
                if at == stream.len() {
                    break;
                }
            }
            prop_assert_eq!(messages, (0..count).map(token).collect::<Vec<_>>());
            prop_assert_eq!(decoder.buffered_bytes(), 0);
        }
    }
}
