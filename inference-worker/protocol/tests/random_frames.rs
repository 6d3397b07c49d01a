//! Frames that nobody meant: random contents of every kind, and good frames that were damaged on
//! their way. Whatever comes, decoding ends in a message or in an error.
//!
//! Which kinds there are is asked of the decoder, not counted here: a kind that is added is reached
//! at once by the random contents, and [`every_kind_has_a_sample`] fails until
//! `common/samples.rs` has one of it.

mod common;

use std::collections::BTreeSet;

use codec::{Decode, Encode};
use common::samples::messages;
use mica_protocol::{
    Message,
    limits::PROTOCOL_VERSION,
    wire::{FrameDecoder, WireError, decode_content, encode_frame},
};
use proptest::prelude::*;

/// Indices of all kinds of messages: those that the decoder does not call unknown.
fn kinds() -> BTreeSet<u8> {
    let is_known = |index: &u8| match Message::decode(&mut &[*index][..]) {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("variant doesn't exist"),
    };
    (0..=u8::MAX).filter(is_known).collect()
}

/// What is to be random: the samples' frames.
fn frames() -> Vec<Vec<u8>> {
    let frames = messages().into_iter().map(|(_, message)| encode_frame(&message));
    frames.collect::<Result<_, _>>().expect("samples fit")
}

#[test]
fn every_kind_has_a_sample() {
    let sampled: BTreeSet<u8> = messages().iter().map(|(_, message)| message.encode()[0]).collect();
    assert_eq!(
        kinds(),
        sampled,
        "kinds that can be decoded (left) and those with a sample in common/samples.rs (right)"
    );
    let names: BTreeSet<&str> = messages().iter().map(|(_, message)| message.kind()).collect();
    assert_eq!(names.len(), sampled.len(), "every kind has a name of its own");
}

#[test]
fn an_index_without_a_kind_is_malformed() {
    for index in (0..=u8::MAX).filter(|index| !kinds().contains(index)) {
        let content = [&[PROTOCOL_VERSION, index][..], &[0; 600]].concat();
        assert_eq!(decode_content(&content), Err(WireError::Malformed), "{index}");
    }
}

proptest! {
    #[test]
    fn random_contents_of_every_kind_never_panic(
        kind in prop::sample::select(kinds().into_iter().collect::<Vec<_>>()),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let content = [&[PROTOCOL_VERSION, kind][..], &bytes].concat();
        if let Ok(message) = decode_content(&content) {
            prop_assert_eq!(message.encode(), &content[1..], "one form for each message");
        }
    }

    #[test]
    fn damaged_frames_never_panic(
        mut frame in prop::sample::select(frames()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if cut {
            frame.truncate(end.index(frame.len()) + 1);
        }
        let mut decoder = FrameDecoder::new();
        decoder.push(&frame);
        while let Ok(Some(_)) = decoder.next_message() {}
    }

    #[test]
    fn random_streams_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = FrameDecoder::new();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next_message() {}
    }
}
