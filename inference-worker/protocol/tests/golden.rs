//! The bytes of every message, fixed. A change here is a change of the protocol's version.

mod common;

use codec::Encode;
use common::samples::{messages, redeem};
use mica_primitives::TickProof;
use mica_protocol::wire::{decode_content, encode_frame};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn frames_have_these_bytes() {
    let found: String = messages()
        .iter()
        .map(|(name, message)| format!("{name} {}\n", hex(&encode_frame(message).expect("fits"))))
        .collect();
    assert!(
        found == include_str!("golden.txt"),
        "the wire format has changed; if that is meant, golden.txt becomes:\n{found}"
    );
}

#[test]
fn every_message_reads_back_and_every_cut_is_malformed() {
    for (name, message) in messages() {
        let frame = encode_frame(&message).expect("fits");
        assert_eq!(decode_content(&frame[4..]), Ok(message.clone()), "{name}");
        for end in 5..frame.len() {
            assert!(decode_content(&frame[4..end]).is_err(), "{name} cut at {end}");
        }
        let has_none = ["quote", "hub_quote", "close_consent"];
        let is_session = !has_none.iter().any(|kind| name.starts_with(kind));
        assert_eq!(message.session().is_some(), is_session, "{name}");
        assert_eq!(frame.len(), message.encode().len() + 5);
    }
}

#[test]
fn a_tick_is_small_and_a_redeem_fits_its_bound() {
    let tick = messages().into_iter().find(|(name, _)| *name == "pay_tick").expect("listed").1;
    assert_eq!(encode_frame(&tick).expect("fits").len(), 73);
    assert!(redeem(Some(TickProof { n: 5, preimage: [8; 32] })).encode().len() <= 400);
}
