use mica_primitives::LayerRange;
use mica_protocol::PathStage;

use super::*;

const NEXT: PublicKey = [2; 32];
const PAYER: PublicKey = [9; 32];

fn addresses(texts: &[&str]) -> WorkerAddresses {
    let bytes: Vec<_> =
        texts.iter().map(|text| text.as_bytes().to_vec().try_into().expect("short")).collect();
    bytes.try_into().expect("few")
}

fn registered(texts: &[&str]) -> Answer {
    Answer::Registered(addresses(texts))
}

/// An opening with this number whose next worker is said to be at `named`.
fn check(neighbours: &mut Neighbours<u8>, number: u8, named: &[&str], now: Instant) -> Verdict<u8> {
    let next = Some((NEXT, addresses(named)));
    neighbours.check(PAYER, SessionId([number; 32]), next, number, now)
}

#[test]
fn the_worker_that_is_dialled_is_the_next_one_or_the_first() {
    let stage = |peer: u8, first: u16, at: &str| PathStage {
        peer: [peer; 32],
        range: LayerRange { first, end: first + 1 },
        addresses: addresses(&[at]),
    };
    let path = Path::new(vec![stage(1, 0, "a"), stage(2, 1, "b"), stage(3, 2, "c")], 3);
    let path = path.expect("a path");
    let next = |own: u8, index: u8| {
        next_worker(&[own; 32], &path, index).map(|(peer, at)| (peer[0], address_texts(&at)))
    };
    assert_eq!(next(1, 0), Some((2, vec!["b".to_owned()])));
    assert_eq!(next(3, 2), Some((1, vec!["a".to_owned()])), "the ring");
    assert_eq!(next(1, 1), None, "not this worker's place");
    assert_eq!(next(1, 9), None);
    let alone = Path::new(vec![stage(1, 0, "a")], 1).expect("a path");
    assert_eq!(next_worker(&[1; 32], &alone, 0), None);
}

#[test]
fn an_opening_waits_until_the_registry_has_answered_and_only_once() {
    let (mut neighbours, now) = (Neighbours::default(), Instant::now());
    assert_eq!(check(&mut neighbours, 1, &["a"], now), Verdict::Ask(NEXT));
    assert_eq!(check(&mut neighbours, 2, &["x"], now), Verdict::Wait);
    assert!(neighbours.addresses(&NEXT).is_empty());
    let opened = neighbours.answer(NEXT, registered(&["a", "b"]), now);
    assert_eq!(opened, [(PAYER, Ok(1)), (PAYER, Ok(2))]);
    assert_eq!(neighbours.addresses(&NEXT), ["a", "b"], "not what the second one named");
    assert_eq!(check(&mut neighbours, 3, &["b"], now + REREAD), Verdict::Go(3));
}

#[test]
fn a_peer_that_is_in_no_registry_is_not_dialled() {
    let (mut neighbours, now) = (Neighbours::default(), Instant::now());
    assert_eq!(check(&mut neighbours, 1, &["a"], now), Verdict::Ask(NEXT));
    let refused = neighbours.answer(NEXT, Answer::NotRegistered, now);
    let [(PAYER, Err(Message::Fault(fault)))] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(
        (fault.code(), fault.session),
        (FaultCode::UnknownNeighbour, Some(SessionId([1; 32])))
    );
    assert!(neighbours.addresses(&NEXT).is_empty());
    assert_eq!(check(&mut neighbours, 2, &["a"], now), Verdict::Ask(NEXT), "it may register");
}

#[test]
fn a_chain_that_does_not_answer_takes_no_record_away() {
    let (mut neighbours, now) = (Neighbours::default(), Instant::now());
    check(&mut neighbours, 1, &["a"], now);
    let refused = neighbours.answer(NEXT, Answer::Unknown, now);
    let [(PAYER, Err(Message::Fault(fault)))] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(fault.code(), FaultCode::ChainStalled, "whether it is registered nobody knows");
    check(&mut neighbours, 2, &["a"], now);
    neighbours.answer(NEXT, registered(&["a"]), now);
    let later = now + FRESH;
    assert_eq!(check(&mut neighbours, 3, &["a"], later), Verdict::Ask(NEXT));
    assert_eq!(
        neighbours.answer(NEXT, Answer::Unknown, later),
        [(PAYER, Ok(3))],
        "with what is known"
    );
    assert_eq!(neighbours.addresses(&NEXT), ["a"]);
    assert_eq!(check(&mut neighbours, 4, &["a"], later), Verdict::Ask(NEXT), "it asks again");
    neighbours.answer(NEXT, Answer::NotRegistered, later);
    assert!(neighbours.addresses(&NEXT).is_empty());
}

#[test]
fn addresses_newer_than_the_record_have_it_read_once_more() {
    let (mut neighbours, now) = (Neighbours::default(), Instant::now());
    check(&mut neighbours, 1, &["old"], now);
    neighbours.answer(NEXT, registered(&["old"]), now);
    assert_eq!(check(&mut neighbours, 2, &["new"], now), Verdict::Go(2), "read a moment ago");
    let later = now + REREAD;
    assert_eq!(check(&mut neighbours, 3, &["old"], later), Verdict::Go(3));
    assert_eq!(check(&mut neighbours, 4, &["new"], later), Verdict::Ask(NEXT));
    neighbours.answer(NEXT, registered(&["new"]), later);
    assert_eq!(neighbours.addresses(&NEXT), ["new"]);
    let much_later = later + FRESH;
    assert_eq!(check(&mut neighbours, 5, &["new"], much_later), Verdict::Ask(NEXT), "stale");
}

#[test]
fn a_payer_that_is_gone_has_no_opening_left() {
    let (mut neighbours, now) = (Neighbours::default(), Instant::now());
    check(&mut neighbours, 1, &["a"], now);
    check(&mut neighbours, 2, &["a"], now);
    neighbours.withdraw(&PAYER, Some(&SessionId([1; 32])));
    neighbours.withdraw(&[7; 32], None);
    assert_eq!(check(&mut neighbours, 3, &["a"], now), Verdict::Wait, "asked already");
    assert_eq!(neighbours.answer(NEXT, registered(&["a"]), now), [(PAYER, Ok(2)), (PAYER, Ok(3))]);
    check(&mut neighbours, 4, &["z"], now + FRESH);
    neighbours.withdraw(&PAYER, None);
    assert!(neighbours.answer(NEXT, Answer::NotRegistered, now).is_empty());
}

/// Attack: open and close again and again, each time with another next worker.
#[test]
fn openings_that_are_withdrawn_do_not_ask_the_registry_without_end() {
    let (mut neighbours, now) = (Neighbours::<u8>::default(), Instant::now());
    let mut ask = |number: usize| {
        let (peer, session) = ([number as u8; 32], SessionId([number as u8; 32]));
        let next = Some((peer, addresses(&["a"])));
        let verdict = neighbours.check(PAYER, session, next, 0, now);
        neighbours.withdraw(&PAYER, Some(&session));
        verdict
    };
    for number in 0..MAX_OPENINGS {
        assert!(matches!(ask(number), Verdict::Ask(_)), "{number}");
    }
    assert!(matches!(ask(MAX_OPENINGS), Verdict::Refuse(_)), "as many questions are under way");
    neighbours.answer([0; 32], Answer::Unknown, now);
    assert!(matches!(check(&mut neighbours, 1, &["a"], now), Verdict::Wait), "there is room again");
}

#[test]
fn openings_that_wait_and_records_are_bounded() {
    let (mut neighbours, now) = (Neighbours::<u8>::default(), Instant::now());
    for number in 0..MAX_OPENINGS as u8 {
        let verdict = check(&mut neighbours, number, &["a"], now);
        assert!(matches!(verdict, Verdict::Ask(_) | Verdict::Wait));
    }
    assert!(matches!(check(&mut neighbours, 255, &["a"], now), Verdict::Refuse(_)));
    for number in 0..MAX_KNOWN as u16 + 5 {
        let mut peer = [0; 32];
        peer[..2].copy_from_slice(&number.to_le_bytes());
        neighbours.answer(peer, registered(&["a"]), now);
    }
    assert_eq!(neighbours.known.len(), MAX_KNOWN);
}
