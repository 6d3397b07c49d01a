//! Openings that a worker must refuse, each with its own code, and quotes that it must keep to.

mod common;

use common::{
    DEPOSIT, GENESIS, PAYER, PRICE, World, channel_of, facts_of, peer, peer_key, voucher_key,
};
use mica_primitives::{LayerRange, PublicKey};
use mica_protocol::{
    FaultCode, Message, Now, Path, PathStage, SessionId,
    channel::ChannelFacts,
    limits,
    messages::{Close, CloseWhen, Open, QuoteRequest, SignedQuote},
    payer::{PayerOutput, PayerSession},
    signing,
    stage::{StageIdentity, StageInput, StageOffer, StageOutput, StageTable},
};

const NOW: Now = Now::new(1_000, 500);

/// A good opening for worker 1 of a path of two.
fn opening(session: u8) -> Open {
    let mut world = World::new(1, &[2], 4);
    let plan = world.plan(session, (0..40).collect(), 60);
    let (_, outputs) = PayerSession::start(plan, NOW).expect("a good plan");
    let open = outputs.into_iter().find_map(|output| match output {
        PayerOutput::Send { to, message: Message::Open(open), .. } if to == peer(1) => Some(*open),
        _ => None,
    });
    open.expect("an opening for worker 1")
}

fn offer() -> StageOffer {
    common::offer(LayerRange { first: 0, end: 2 }, 4)
}

fn table(offer: StageOffer) -> StageTable {
    StageTable::new(StageIdentity::new(peer_key(1), GENESIS), offer)
}

fn say(table: &mut StageTable, from: PublicKey, message: Message) -> Vec<StageOutput> {
    table.handle(NOW, StageInput::Message { from, message })
}

fn code(outputs: &[StageOutput]) -> Option<FaultCode> {
    outputs.iter().find_map(|output| match output {
        StageOutput::Send { message: Message::Fault(fault), .. } => Some(fault.code()),
        _ => None,
    })
}

/// Sends an opening and the chain's answer; returns the refusal, if it is one.
fn ask(
    table: &mut StageTable,
    from: PublicKey,
    open: Open,
    facts: Option<ChannelFacts>,
) -> Option<FaultCode> {
    let channel = open.channel;
    let outputs = say(table, from, Message::Open(Box::new(open)));
    if let Some(code) = code(&outputs) {
        return Some(code);
    }
    assert_eq!(outputs, [StageOutput::ReadChannel(channel)]);
    let outputs = table.handle(NOW, StageInput::Channel { channel, facts });
    let opened = outputs
        .iter()
        .any(|output| matches!(output, StageOutput::Send { message: Message::Opened(_), .. }));
    assert_eq!(opened, code(&outputs).is_none());
    if opened {
        let place = |is: fn(&StageOutput) -> bool| outputs.iter().position(is);
        let written = place(|output| matches!(output, StageOutput::Persist { .. }));
        let left =
            place(|output| matches!(output, StageOutput::Send { message: Message::Opened(_), .. }));
        assert!(
            written.is_some() && written < left,
            "the voucher is on disk before the acceptance leaves"
        );
    }
    code(&outputs)
}

fn refused(change: impl FnOnce(&mut Open)) -> Option<FaultCode> {
    let mut open = opening(1);
    change(&mut open);
    ask(&mut table(offer()), peer(PAYER), open, Some(facts_of(1, DEPOSIT)))
}

fn path(stages: &[(usize, u16, u16)]) -> Path {
    let stage = |(node, first, end): &(usize, u16, u16)| PathStage {
        peer: peer(*node),
        range: LayerRange { first: *first, end: *end },
        addresses: Default::default(),
    };
    Path::new(stages.iter().map(stage).collect(), stages.last().expect("not empty").2)
        .expect("a path")
}

#[test]
fn what_does_not_fit_the_offer_is_refused_by_name() {
    assert_eq!(refused(|_| {}), None);
    assert_eq!(refused(|open| open.model.0[0] ^= 1), Some(FaultCode::WrongModel));
    assert_eq!(refused(|open| open.profile[0] ^= 1), Some(FaultCode::WrongProfile));
    assert_eq!(
        refused(|open| open.path = path(&[(1, 0, 3), (2, 3, 4)])),
        Some(FaultCode::WrongRange)
    );
    assert_eq!(refused(|open| open.path = path(&[(1, 0, 2), (2, 2, 5)])), Some(FaultCode::BadPath));
    assert_eq!(refused(|open| open.path = path(&[(3, 0, 2), (2, 2, 4)])), Some(FaultCode::BadPath));
    assert_eq!(
        refused(|open| open.path = path(&[(1, 0, 2), (PAYER, 2, 4)])),
        Some(FaultCode::BadPath)
    );
    assert_eq!(refused(|open| open.stage = 1), Some(FaultCode::BadPath));
    assert_eq!(refused(|open| open.stage = 200), Some(FaultCode::BadPath));
    assert_eq!(refused(|open| open.spec.max_new_tokens = 0), Some(FaultCode::BadLimits));
    assert_eq!(refused(|open| open.spec.logprobs = Some(20)), None);
    assert_eq!(refused(|open| open.spec.logprobs = Some(21)), Some(FaultCode::BadLimits));
    assert_eq!(refused(|open| open.spec.max_positions += 1), Some(FaultCode::BadLimits));
    let longer =
        |open: &mut Open| (open.spec.max_new_tokens, open.spec.max_positions) = (4_058, 4_097);
    assert_eq!(refused(longer), Some(FaultCode::NoCacheRoom));
    assert_eq!(
        refused(|open| open.terms.price_per_layer_token = PRICE - 1),
        Some(FaultCode::PriceTooLow)
    );
    assert_eq!(refused(|open| open.terms.exposure_positions = 0), Some(FaultCode::BadTerms));
    assert_eq!(
        refused(|open| open.terms.price_per_layer_token = u128::MAX),
        Some(FaultCode::BadTerms)
    );
    assert_eq!(
        refused(|open| open.terms.price_per_layer_token = PRICE + 1),
        Some(FaultCode::WrongUnit)
    );
}

#[test]
fn a_part_of_the_workers_layers_is_served_at_its_own_price() {
    let wide = common::offer(LayerRange { first: 0, end: 4 }, 4);
    let mut table = table(wide);
    assert_eq!(ask(&mut table, peer(PAYER), opening(1), Some(facts_of(1, DEPOSIT))), None);
}

#[test]
fn money_that_does_not_fit_the_channel_is_refused_by_name() {
    let with = |facts| ask(&mut table(offer()), peer(PAYER), opening(1), facts);
    assert_eq!(with(None), Some(FaultCode::UnknownChannel));
    assert_eq!(with(Some(facts_of(2, DEPOSIT))), Some(FaultCode::UnknownChannel));
    assert_eq!(
        with(Some(facts_of(1, 99 * 2 * PRICE - 1))),
        Some(FaultCode::Overspend),
        "the last position is not covered"
    );
    assert_eq!(with(Some(facts_of(1, 99 * 2 * PRICE))), None);
    let closing = ChannelFacts { ends: Some(700), ..facts_of(1, DEPOSIT) };
    assert_eq!(with(Some(closing)), Some(FaultCode::ChannelClosing));
    let other_signer = ChannelFacts { signer: peer(5), ..facts_of(1, DEPOSIT) };
    assert_eq!(with(Some(other_signer)), Some(FaultCode::BadSignature));
    let no_key = ChannelFacts { signer: [2; 32], ..facts_of(1, DEPOSIT) };
    assert_eq!(with(Some(no_key)), Some(FaultCode::BadSignature));
    assert_eq!(refused(|open| open.lane = 1), Some(FaultCode::ForeignVoucher));
    assert_eq!(
        refused(|open| open.voucher.voucher.expires = 599),
        Some(FaultCode::VoucherExpiring)
    );
    assert_eq!(refused(|open| open.voucher.voucher.receipts = 1), Some(FaultCode::ReceiptsDiffer));
    assert_eq!(refused(|open| open.voucher.signature[0] ^= 1), Some(FaultCode::BadSignature));
}

#[test]
fn sessions_do_not_get_in_each_others_way() {
    let mut table = table(offer());
    let facts = || Some(facts_of(1, DEPOSIT));
    assert_eq!(ask(&mut table, peer(PAYER), opening(1), facts()), None);
    assert_eq!(ask(&mut table, peer(PAYER), opening(1), facts()), Some(FaultCode::SessionExists));
    assert_eq!(ask(&mut table, peer(PAYER), opening(2), facts()), Some(FaultCode::LaneBusy));
    assert_eq!(table.busy_lanes(&channel_of(1)), [0]);
    table.drain();
    assert_eq!(ask(&mut table, peer(PAYER), opening(3), facts()), Some(FaultCode::Draining));
}

/// The opening with its voucher changed and signed again.
fn resigned(mut open: Open, change: impl FnOnce(&mut mica_primitives::Voucher)) -> Open {
    change(&mut open.voucher.voucher);
    open.voucher.signature =
        signing::sign(&voucher_key(), &open.voucher.voucher.signing_bytes(&GENESIS));
    open.lane = open.voucher.voucher.lane;
    open
}

#[test]
fn a_payer_that_died_takes_its_lane_over_under_another_name_and_nobody_else_does() {
    let mut table = table(offer());
    let facts = || Some(facts_of(1, DEPOSIT));
    assert_eq!(ask(&mut table, peer(PAYER), opening(1), facts()), None);
    let next = || {
        resigned(opening(2), |voucher| {
            (voucher.seq, voucher.cumulative) = (2, 2 * voucher.cumulative);
        })
    };
    assert_eq!(
        ask(&mut table, peer(77), next(), facts()),
        Some(FaultCode::LaneBusy),
        "its payer is still there"
    );
    table.handle(NOW, StageInput::Disconnected { peer: peer(PAYER) });
    let mut forged = next();
    forged.voucher.signature[0] ^= 1;
    assert_eq!(ask(&mut table, peer(78), forged, facts()), Some(FaultCode::BadSignature));
    assert_eq!(table.sessions(), 1, "the old session still waits for its last voucher");
    assert_eq!(ask(&mut table, peer(77), next(), facts()), None);
    assert_eq!(table.sessions(), 1);
}

/// What a worker shows in answer to an opening, by lane.
fn shown(table: &mut StageTable, from: PublicKey, open: Open) -> Vec<u16> {
    let channel = open.channel;
    say(table, from, Message::Open(Box::new(open)));
    let outputs =
        table.handle(NOW, StageInput::Channel { channel, facts: Some(facts_of(1, DEPOSIT)) });
    let shown = outputs.iter().find_map(|output| match output {
        StageOutput::Send { message: Message::Promises(shown), .. } => Some(shown),
        _ => None,
    });
    shown.map(|shown| shown.held.iter().map(|held| held.voucher.lane).collect()).unwrap_or_default()
}

#[test]
fn a_worker_shows_what_it_holds_to_the_channels_signer_alone() {
    let mut table = table(offer());
    assert!(shown(&mut table, peer(PAYER), opening(1)).is_empty(), "nothing is held yet");
    let other_lane = |session, seq: u64| {
        resigned(opening(session), |voucher| {
            (voucher.lane, voucher.seq) = (3, seq);
            voucher.cumulative *= u128::from(seq);
        })
    };
    assert_eq!(
        shown(&mut table, peer(PAYER), other_lane(2, 1)),
        [0],
        "a lane that begins is told of the others"
    );
    table.handle(NOW, StageInput::Disconnected { peer: peer(PAYER) });
    assert_eq!(
        shown(&mut table, peer(77), opening(3)),
        [0, 3],
        "a stale voucher is answered with everything"
    );
    let mut forged = opening(4);
    forged.voucher.signature[0] ^= 1;
    assert!(shown(&mut table, peer(78), forged).is_empty());
    assert!(
        shown(&mut table, peer(79), other_lane(5, 2)).is_empty(),
        "a lane that goes on needs no telling"
    );
}

#[test]
fn a_payer_that_gives_up_while_the_chain_is_asked_leaves_nothing_behind() {
    let mut table = table(offer());
    say(&mut table, peer(PAYER), Message::Open(Box::new(opening(1))));
    let close = Message::Close(Close { session: SessionId([1; 32]), when: CloseWhen::Now });
    assert_eq!(
        code(&say(&mut table, peer(7), close.clone())),
        Some(FaultCode::UnknownSession),
        "a stranger closes nothing"
    );
    assert_eq!(code(&say(&mut table, peer(PAYER), close)), Some(FaultCode::UnknownSession));
    let outputs = table.handle(
        NOW,
        StageInput::Channel { channel: channel_of(1), facts: Some(facts_of(1, DEPOSIT)) },
    );
    assert_eq!((outputs.len(), table.sessions()), (0, 0));
}

fn quote(table: &mut StageTable) -> SignedQuote {
    let outputs = say(
        table,
        peer(PAYER),
        Message::QuoteRequest(QuoteRequest { model: common::MODEL, nonce: 77 }),
    );
    match &outputs[..] {
        [StageOutput::Send { message: Message::Quote(quote), .. }] => *quote,
        other => panic!("no quote but {other:?}"),
    }
}

#[test]
fn a_worker_keeps_to_its_quote_until_it_ends() {
    let mut table = table(offer());
    let quote = quote(&mut table);
    assert!(quote.verify(&GENESIS) && !quote.verify(&[0; 32]));
    assert_eq!((quote.quote.nonce, quote.quote.price_per_layer_token), (77, PRICE));
    table.set_offer(StageOffer { price_per_layer_token: PRICE * 2, ..offer() });
    let facts = || Some(facts_of(1, DEPOSIT));
    assert_eq!(ask(&mut table, peer(PAYER), opening(1), facts()), Some(FaultCode::PriceTooLow));
    let quoted = Open { quote: Some(quote), ..opening(1) };
    let mut forged = quoted.clone();
    forged.quote = Some(SignedQuote { signature: [0; 64], ..quote });
    assert_eq!(ask(&mut table, peer(PAYER), forged, facts()), Some(FaultCode::PriceTooLow));
    let late = Now::new(1_000, 500 + limits::QUOTE_LIFETIME_BLOCKS + 1);
    let outputs = table.handle(
        late,
        StageInput::Message { from: peer(PAYER), message: Message::Open(Box::new(quoted.clone())) },
    );
    assert_eq!(code(&outputs), Some(FaultCode::PriceTooLow));
    assert_eq!(ask(&mut table, peer(PAYER), quoted, facts()), None);
}
