//! A stream of bytes from a peer: cut into frames, decoded, and encoded again.

use mica_protocol::wire::{FrameDecoder, decode_content, encode_frame};

use crate::{outcome::Outcome, reader::Reader};

/// The first byte says into pieces of which size the stream is cut; the rest is the stream.
pub(crate) fn run(bytes: &[u8]) -> u64 {
    let mut outcome = Outcome::new();
    let mut reader = Reader::new(bytes);
    let size = 1 + usize::from(reader.byte());
    let stream = bytes.get(1..).unwrap_or_default();
    let mut decoder = FrameDecoder::new();
    for piece in stream.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => {
                    let frame = encode_frame(&message).expect("what was a frame is one again");
                    assert_eq!(
                        decode_content(&frame[4..]).as_ref(),
                        Ok(&message),
                        "one form for each message"
                    );
                    outcome.text(message.kind());
                }
                Ok(None) => break,
                Err(error) => {
                    outcome.text(&error.to_string());
                    break;
                }
            }
        }
        assert!(decoder.buffered_bytes() <= stream.len());
    }
    if let Ok(message) = decode_content(stream) {
        outcome.text(message.kind());
    }
    outcome.number()
}
