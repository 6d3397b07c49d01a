//! One message of every kind and form, always the same.

use super::{GENESIS, MODEL, PROFILE, peer, peer_key};
use bounded_collections::BoundedVec;
use mica_primitives::{
    ChannelId, CooperativeClose, LayerRange, Leaf, Redeem, Tick, TickProof, Voucher,
};
use mica_protocol::{
    FaultCode, Message, Path, PathStage, PaymentTerms, SessionId, SessionSpec,
    messages::{
        Acceptance, Close, CloseConsent, CloseWhen, Closed, Fault, HeldPromises, HubFee, HubQuote,
        HubQuoteRequest, Open, Opened, Pay, Payees, Payload, Payment, Promises, Quote,
        QuoteRequest, RelayOpen, RelayPay, RelayRefused, Relayed, SessionReceipt, SignedHubQuote,
        SignedQuote, Statement, Step, Token,
    },
    probability::{Candidate, Candidates, LogProbabilities, LogProbability},
    receipts::sign_leaf,
    session::{EndIds, Sampling, StopReason},
};

const SESSION: SessionId = SessionId([3; 32]);

/// A redeem, with a tick if it is given.
pub fn redeem(tick: Option<TickProof>) -> Redeem {
    let voucher = Voucher {
        channel: ChannelId([4; 32]),
        lane: 2,
        seq: 9,
        cumulative: 1_000,
        receipts_root: [5; 32],
        receipts: 6,
        expires: 700,
        tick: Some(Tick { anchor: [6; 32], unit: 15, max: 64 }),
        lock: None,
        bounty: 0,
    };
    Redeem { voucher, signature: [7; 64], tick, preimage: None }
}

fn open() -> Open {
    let addresses = BoundedVec::truncate_from(vec![BoundedVec::truncate_from(
        b"/ip4/127.0.0.1/tcp/4001".to_vec(),
    )]);
    let stage = |node, first, end| PathStage {
        peer: peer(node),
        range: LayerRange { first, end },
        addresses: addresses.clone(),
    };
    Open {
        session: SESSION,
        model: MODEL,
        profile: PROFILE,
        path: Path::new(vec![stage(1, 0, 3), stage(2, 3, 8)], 8).expect("a path"),
        stage: 1,
        channel: ChannelId([4; 32]),
        lane: 2,
        terms: PaymentTerms {
            price_per_layer_token: 3,
            credit_positions: 16,
            exposure_positions: 48,
        },
        spec: SessionSpec {
            prompt_positions: 12,
            max_new_tokens: 100,
            max_positions: 111,
            sampling: Sampling::new(0.7, 40, 0.95, 1),
            end_ids: EndIds::truncate_from(vec![2]),
            logprobs: Some(2),
        },
        voucher: redeem(None),
        prepaid_positions: 3,
        quote: Some(quote()),
    }
}

fn token(
    id: u32,
    stop: Option<StopReason>,
    log_probabilities: Option<LogProbabilities>,
) -> Message {
    Message::Token(Token { session: SESSION, position: 20, id, stop, log_probabilities })
}

fn likely() -> LogProbabilities {
    let candidate = |(id, value)| Candidate { id, log_probability: LogProbability::new(value) };
    let top = [(65, -0.25), (66, -1.5)].map(candidate);
    LogProbabilities {
        drawn: LogProbability::new(-0.25),
        top: Candidates::truncate_from(top.into()),
    }
}

fn quote() -> SignedQuote {
    let quote = Quote {
        peer: peer(2),
        nonce: 1,
        model: MODEL,
        profile: PROFILE,
        range: LayerRange { first: 3, end: 8 },
        price_per_layer_token: 3,
        holding_price: 40,
        cost_us_per_layer_token: 250,
        credit_positions: 16,
        free_positions: 4_096,
        free_sessions: 4,
        valid_until: 600,
    };
    SignedQuote::sign(quote, &peer_key(2), &GENESIS)
}

fn hub_quote() -> SignedHubQuote {
    let quote = HubQuote {
        peer: peer(3),
        account: [10; 32],
        nonce: 1,
        fee: HubFee { ppm: 2_500, least: 1 },
        credit_positions: 128,
        min_window: 20,
        free: BoundedVec::truncate_from(vec![5_000, 0]),
        valid_until: 600,
    };
    SignedHubQuote::sign(quote, &peer_key(3), &GENESIS)
}

/// What a payer and a hub say to each other, and the end of a channel.
fn relay_messages() -> Vec<(&'static str, Message)> {
    let proof = TickProof { n: 5, preimage: [8; 32] };
    let pay = |payment| Message::RelayPay(RelayPay { session: SESSION, stage: 1, payment });
    let close = CooperativeClose { channel: ChannelId([4; 32]), total: 1_450, expires: 700 };
    let request =
        HubQuoteRequest { nonce: 1, payees: Payees::truncate_from(vec![[11; 32], [12; 32]]) };
    let open = RelayOpen {
        session: SESSION,
        stage: 1,
        payee: [11; 32],
        unit: 14,
        positions: 111,
        voucher: redeem(None),
    };
    let promise = Box::new(redeem(None));
    let fault = Fault::new(Some(SESSION), FaultCode::NoRelay, "none");
    vec![
        ("hub_quote_request", Message::HubQuoteRequest(request)),
        ("hub_quote", Message::HubQuote(Box::new(hub_quote()))),
        ("relay_open", Message::RelayOpen(Box::new(open))),
        ("relay_pay_tick", pay(Payment::Tick(proof))),
        ("relay_pay_voucher", pay(Payment::Voucher(Box::new(redeem(Some(proof)))))),
        ("relayed", Message::Relayed(Relayed { session: SESSION, stage: 1, promise })),
        ("relay_refused", Message::RelayRefused(RelayRefused { stage: 1, fault })),
        ("close_consent", Message::CloseConsent(CloseConsent::sign(close, &peer_key(2), &GENESIS))),
    ]
}

/// Samples of every kind of message, by name; some kinds have several forms.
pub fn messages() -> Vec<(&'static str, Message)> {
    let acceptance = Acceptance {
        session: SESSION,
        open: open().hash(),
        range: LayerRange { first: 3, end: 8 },
        unit: 15,
        credit_positions: 16,
        max_positions: 111,
    };
    let leaf = Leaf {
        session: SESSION.0,
        lane: 2,
        first_position: 16,
        positions: 16,
        layers: LayerRange { first: 3, end: 8 },
        profile: PROFILE,
        h_in: [1; 32],
        h_out: [2; 32],
        kv_root: [3; 32],
        trace_root: [0; 32],
    };
    let step = |payload| {
        Message::Step(Step { session: SESSION, first_position: 16, rows: 2, sample: true, payload })
    };
    let pay = |payment| Message::Pay(Pay { session: SESSION, payment });
    let proof = TickProof { n: 5, preimage: [8; 32] };
    let promises = Promises {
        session: SESSION,
        held: HeldPromises::truncate_from(vec![redeem(None), redeem(Some(proof))]),
    };
    let fault = Fault {
        held: Some(Box::new(redeem(Some(proof)))),
        ..Fault::new(Some(SESSION), FaultCode::StaleVoucher, "old")
    };
    let sessions = vec![
        ("quote_request", Message::QuoteRequest(QuoteRequest { model: MODEL, nonce: 1 })),
        ("quote", Message::Quote(quote())),
        ("open", Message::Open(Box::new(open()))),
        ("opened", Message::Opened(Opened::sign(acceptance, &peer_key(2), &GENESIS))),
        ("step_tokens", step(Payload::Tokens(vec![1, 2]))),
        ("step_hidden", step(Payload::from_f32(&[1.0, -2.5]))),
        ("token", token(65, None, None)),
        ("token_likely", token(65, None, Some(likely()))),
        ("token_last", token(2, Some(StopReason::EndId), None)),
        ("pay_tick", pay(Payment::Tick(proof))),
        ("pay_voucher", pay(Payment::Voucher(Box::new(redeem(None))))),
        (
            "receipt",
            Message::Receipt(SessionReceipt { receipt: sign_leaf(leaf, &peer_key(2), &GENESIS) }),
        ),
        ("close", Message::Close(Close { session: SESSION, when: CloseWhen::Now })),
        (
            "statement",
            Message::Statement(Statement {
                session: SESSION,
                positions: 30,
                cumulative: 1_450,
                receipts_root: [9; 32],
                receipts: 8,
            }),
        ),
        ("closed", Message::Closed(Closed { session: SESSION, cumulative: 1_450 })),
        ("promises", Message::Promises(promises)),
        ("fault", Message::Fault(fault)),
    ];
    sessions.into_iter().chain(relay_messages()).collect()
}
