//! The corpus: histories that reach every call of ours, put together by the rules by which
//! [`super::calls`] reads an input.

/// The first byte: where a history begins.
const GENESIS: u8 = 0;
const MARKET: u8 = 1;
const LATE: u8 = 2;

/// A piece of an input.
type Piece = Vec<u8>;

/// A block with these transactions, at most six.
fn block(transactions: &[Piece]) -> Piece {
    [vec![5, transactions.len() as u8 - 1], transactions.concat()].concat()
}

/// One block with one transaction.
fn one(transaction: Piece) -> Piece {
    block(&[transaction])
}

/// Empty blocks, at most 24.
fn blocks(count: u8) -> Piece {
    vec![0, count - 1]
}

/// Blocks in as many sessions, at most 12.
fn sessions(count: u8) -> Piece {
    vec![2, count - 1]
}

/// A transaction that is as it should be.
fn call(pallet: u8, rest: &[u8]) -> Piece {
    [&[1, pallet][..], rest, &[2]].concat()
}

fn registry(worker: u8, rest: &[u8]) -> Piece {
    call(0, &[&[1, worker][..], rest].concat())
}

fn register(worker: u8, first: u8, length: u8) -> Piece {
    registry(worker, &[2, first, length, 2, 0, 2, 0])
}

fn beat(worker: u8) -> Piece {
    vec![0, worker, 0, 1, 2, 0]
}

/// A call about the channel with this place among all.
fn channel(place: u8, kind: u8, rest: &[u8]) -> Piece {
    call(3, &[&[kind, 1, place, 0][..], rest].concat())
}

const PLAIN: &[u8] = &[2];
const TICKS: &[u8] = &[0, 2, 40, 1, 1];
const LOCK: &[u8] = &[1, 3, 50, 40, 1];

/// A new voucher with one receipt more, shown by its payee (0) or a stranger (2).
fn redeem(place: u8, steps: &[u8], by: u8) -> Piece {
    let voucher = [1, 0, 1, 99, 1, 0, 1, 3, 3, 50, 0];
    channel(place, 4, &[&voucher[..], steps, &[2, 1, by]].concat())
}

/// A call about the agreement with this place among all.
fn agreement(place: u8, kind: u8, rest: &[u8]) -> Piece {
    call(8, &[&[kind, place, 1, 0][..], rest].concat())
}

/// A claim of all tokens.
fn claim(place: u8) -> Piece {
    agreement(place, 11, &[1, 2, 1, 1, 2])
}

/// A call of staking, with era 0 where it needs one.
fn staking(who: &[u8], rest: &[u8]) -> Piece {
    call(11, &[who, &[0], rest].concat())
}

fn governance(who: u8, rest: &[u8]) -> Piece {
    call(14, &[&[who, 0][..], rest].concat())
}

/// What root does on a chain for tests.
fn sudo(decision: &[u8]) -> Piece {
    governance(0, &[&[0][..], decision, &[1]].concat())
}

/// All inputs, by name.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let history = |start: u8, pieces: Vec<Piece>| [vec![start], pieces.concat()].concat();
    vec![
        ("registered", history(GENESIS, registered())),
        ("redeemed", history(MARKET, redeemed())),
        ("closed", history(MARKET, closed())),
        ("agreed", history(MARKET, agreed())),
        ("disputed", history(MARKET, disputed())),
        ("jailed", history(MARKET, jailed())),
        ("left", history(LATE, left())),
        ("eras", history(MARKET, eras())),
        ("idle", history(MARKET, vec![vec![4, 8], blocks(24), sessions(12), blocks(24)])),
        ("stalled", history(MARKET, stalled())),
        ("paused", history(MARKET, paused())),
        ("governed", history(MARKET, governed())),
        ("wrapped", history(MARKET, wrapped())),
        ("moved", history(GENESIS, moved())),
    ]
}

fn registered() -> Vec<Piece> {
    let model = |number| registry(0, &[0, 0, number]);
    vec![
        block(&[model(0), model(1), model(2)]),
        block(&[register(0, 0, 2), register(1, 8, 2), register(2, 0, 3)]),
        block(&[registry(0, &[6, 7]), registry(0, &[9, 0]), registry(0, &[10, 4])]),
        blocks(20),
        block(&[beat(0), beat(1), beat(2), registry(0, &[5, 6])]),
        // It goes where others serve already.
        block(&[registry(0, &[7, 8, 2]), registry(0, &[1, 1, 0]), registry(1, &[12])]),
        blocks(20),
    ]
}

fn redeemed() -> Vec<Piece> {
    vec![
        block(&[redeem(0, PLAIN, 0), redeem(1, PLAIN, 2), redeem(2, TICKS, 0)]),
        block(&[redeem(0, TICKS, 0), redeem(3, LOCK, 0), redeem(1, LOCK, 0)]),
        block(&[call(3, &[0, 0, 2, 0, 1, 0]), call(3, &[2, 1, 2, 2, 0, 1, 0, 2, 1, 1, 1])]),
        block(&[channel(0, 3, &[3, 1, 0]), redeem(4, PLAIN, 0)]),
        blocks(24),
    ]
}

fn closed() -> Vec<Piece> {
    let close = |place, by| channel(place, 11, &[by]);
    vec![
        block(&[close(0, 0), close(1, 0), close(2, 0), close(3, 0)]),
        block(&[redeem(0, PLAIN, 0), redeem(1, TICKS, 2)]),
        blocks(17),
        block(&[
            redeem(0, PLAIN, 0),
            redeem(1, PLAIN, 0),
            redeem(2, PLAIN, 0),
            redeem(3, PLAIN, 0),
        ]),
        blocks(24),
        blocks(24),
        block(&[
            channel(3, 14, &[]),
            channel(2, 14, &[]),
            channel(1, 14, &[]),
            channel(0, 14, &[]),
        ]),
        // An end that both agree on, and one by the payee.
        block(&[channel(0, 13, &[0, 2, 5, 3, 50, 2]), call(3, &[0, 0, 2, 0, 1, 0])]),
        block(&[close(0, 2), close(1, 2)]),
    ]
}

fn agreed() -> Vec<Piece> {
    vec![
        block(&[agreement(0, 9, &[]), agreement(1, 3, &[])]),
        block(&[claim(0), agreement(0, 7, &[])]),
        block(&[
            agreement(0, 9, &[]),
            call(8, &[0, 0, 0, 0, 30, 7]),
            call(8, &[0, 0, 1, 2, 30, 7]),
        ]),
        block(&[claim(0), agreement(0, 6, &[0]), agreement(0, 3, &[])]),
        blocks(24),
        blocks(24),
    ]
}

fn disputed() -> Vec<Piece> {
    let proposal: &[u8] = &[8, 0, 0, 0, 0, 30, 7];
    let three = call(15, &[&[6], proposal, &[2], proposal, proposal, &[1]].concat());
    vec![
        block(&[agreement(0, 7, &[]), agreement(1, 3, &[])]),
        block(&[agreement(0, 13, &[1]), agreement(0, 9, &[])]),
        block(&[agreement(0, 13, &[0, 1, 2, 1, 1, 2])]),
        // Eighteen that are due in one block: more than it settles by itself.
        block(&vec![three; 6]),
        blocks(19),
        block(&[agreement(0, 15, &[0]), agreement(0, 15, &[0])]),
        blocks(12),
    ]
}

fn jailed() -> Vec<Piece> {
    let nine = vec![blocks(24); 9].concat();
    vec![nine, block(&[registry(0, &[14]), registry(1, &[10, 4]), registry(2, &[14])]), blocks(4)]
}

fn left() -> Vec<Piece> {
    vec![
        blocks(24),
        blocks(8),
        block(&[registry(1, &[13]), staking(&[0], &[5, 0]), staking(&[0], &[6, 0])]),
        block(&[register(1, 0, 1), redeem(0, PLAIN, 0)]),
    ]
}

fn eras() -> Vec<Piece> {
    vec![
        block(&[staking(&[1, 1], &[0, 0]), staking(&[1, 1], &[18, 1]), staking(&[1, 1], &[19])]),
        sessions(12),
        block(&[staking(&[2, 0], &[13, 0]), staking(&[0], &[2, 0, 3])]),
        sessions(12),
        block(&[staking(&[2, 1], &[10]), staking(&[1, 0], &[2, 0, 3]), staking(&[0], &[4, 7])]),
        sessions(12),
    ]
}

fn stalled() -> Vec<Piece> {
    vec![
        vec![3, 0, 1],
        blocks(24),
        blocks(24),
        blocks(12),
        block(&[sudo(&[7, 61, 1]), redeem(0, PLAIN, 0), beat(0)]),
        sessions(2),
        vec![3, 0, 4],
        blocks(12),
        vec![3, 90, 3],
        blocks(24),
    ]
}

fn paused() -> Vec<Piece> {
    vec![
        one(sudo(&[0])),
        block(&[redeem(0, PLAIN, 0), call(13, &[0, 1, 2, 5]), agreement(0, 9, &[]), beat(0)]),
        blocks(24),
        one(sudo(&[3])),
        block(&[governance(0, &[16, 0]), claim(0)]),
        blocks(24),
        block(&[governance(0, &[17, 0]), sudo(&[5, 0])]),
        blocks(24),
        blocks(24),
    ]
}

fn governed() -> Vec<Piece> {
    let vote = |who| governance(who, &[9, 1, 1, 0, 0]);
    vec![
        block(&[
            governance(4, &[3, 2, 0, 0]),
            governance(4, &[5]),
            vote(0),
            vote(1),
            vote(2),
            vote(3),
        ]),
        blocks(12),
        one(sudo(&[3])),
        block(&[governance(4, &[7]), governance(4, &[8]), governance(0, &[13])]),
        blocks(24),
        one(governance(0, &[14, 2])),
    ]
}

fn wrapped() -> Vec<Piece> {
    let transfer = [13, 5, 0, 2, 90];
    let within =
        |kind: u8, inner: &[u8], rest: &[u8]| call(15, &[&[kind][..], inner, rest].concat());
    vec![
        block(&[
            within(2, &[0, 1, 0, 6, 9], &[1]),
            within(2, &transfer, &[1]),
            within(6, &[0, 1, 2, 6, 9], &[0, 0]),
            within(9, &transfer, &[]),
            within(10, &transfer, &[0]),
            within(11, &transfer, &[]),
        ]),
        block(&[
            within(2, &[13, 1, 3, 2, 90], &[1]),
            within(7, &transfer, &[2, 13, 1, 2, 2, 80, 0, 1, 2, 6, 9, 1]),
        ]),
        blocks(3),
    ]
}

fn moved() -> Vec<Piece> {
    let from = |who: u8, rest: &[u8]| call(13, &[&[who][..], rest].concat());
    vec![
        block(&[from(0, &[12, 2, 200]), from(1, &[13, 0, 3]), from(2, &[13, 2, 9])]),
        block(&[from(12, &[1, 4, 1]), from(13, &[1, 4, 0]), from(3, &[0, 5, 20])]),
        block(&[from(4, &[1, 7, 255]), from(5, &[1, 7, 255]), from(0, &[1, 7, 200])]),
        blocks(2),
    ]
}
