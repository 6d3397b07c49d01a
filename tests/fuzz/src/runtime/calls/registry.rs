//! Calls of the registry.

use mica_primitives::{
    Balance, LayerRange, MarketUnits, ModelId, ModelManifest, PeerClaim, PublicKey, Signature,
    UNIT, WorkerAddresses,
};
use mica_runtime::{Runtime, RuntimeCall, constants::MIN_STAKE_PER_LAYER};
use sp_core::Pair;

use super::{
    super::{
        genesis_hash,
        people::{OWNER, WORKERS, Who, account, person},
    },
    Sent, amounts,
};
use crate::reader::Reader;

type Call = pallet_mica_registry::Call<Runtime>;

/// Layers of the models that there may be.
const LAYERS: [u16; 3] = [16, 40, 1];

fn manifest(number: usize) -> ModelManifest {
    ModelManifest {
        name: vec![b'a' + number as u8].try_into().expect("short"),
        architecture: b"llama".to_vec().try_into().expect("short"),
        quantisation: b"Q8_0".to_vec().try_into().expect("short"),
        layers: LAYERS[number],
        hidden: 64,
        vocabulary: 512,
        context: 256,
        weights_root: [1; 32],
        tokenizer_hash: [2; 32],
        profile: [3; 32],
    }
}

/// Id of a model.
pub(crate) fn model(number: usize) -> ModelId {
    manifest(number).id()
}

/// Registers a model.
pub(crate) fn register_model(number: usize) -> RuntimeCall {
    let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
    Call::register_model { manifest: manifest(number), units }.into()
}

/// Registers a worker for layers of a model, with its own peer key.
pub(crate) fn register(
    who: Who,
    number: usize,
    first: u16,
    end: u16,
    stake: Balance,
) -> RuntimeCall {
    let (peer, proof) = claim(who, who);
    registration(number, LayerRange { first, end }, peer, proof, stake)
}

/// Begins a worker's leaving.
pub(crate) fn unregister() -> RuntimeCall {
    Call::unregister {}.into()
}

fn registration(
    number: usize,
    range: LayerRange,
    peer: PublicKey,
    proof: Signature,
    stake: Balance,
) -> RuntimeCall {
    let model = model(number);
    let addresses = addresses(b"/dns/worker");
    let (cost_us, list_price) = (5, UNIT / 1_000);
    Call::register { model, range, cost_us, list_price, peer, proof, addresses, stake }.into()
}

/// The peer key of `of`, and its signature that it is the key of `claimant`.
fn claim(claimant: Who, of: Who) -> (PublicKey, Signature) {
    let key = &person(of).peer;
    let bytes = PeerClaim { account: account(claimant) }.signing_bytes(&genesis_hash());
    (key.public().0, key.sign(&bytes).0)
}

fn addresses(address: &[u8]) -> WorkerAddresses {
    vec![address.to_vec().try_into().expect("short")].try_into().expect("one")
}

fn range(reader: &mut Reader<'_>) -> LayerRange {
    let first = u16::from(reader.byte() % 42);
    LayerRange { first, end: first + reader.pick(&[1, 2, 8, 16, 0, 40]) }
}

/// The next call of the registry.
pub(crate) fn next(reader: &mut Reader<'_>) -> Sent {
    let who = match reader.below(8) {
        0 => amounts::anybody(reader),
        _ => reader.pick(&WORKERS),
    };
    let call: RuntimeCall = match reader.below(15) {
        0 => return (reader.pick(&[OWNER, who]), register_model(reader.below(LAYERS.len()))),
        1 => {
            let model = model(reader.below(LAYERS.len()));
            return (reader.pick(&[OWNER, who]), Call::remove_model { model }.into());
        }
        2..=4 => {
            let range = range(reader);
            let minimum = MIN_STAKE_PER_LAYER * Balance::from(range.len());
            let stake = minimum + reader.pick(&[0, UNIT, 200 * UNIT]);
            let other = reader.pick(&WORKERS);
            let (peer, proof) = match reader.below(8) {
                0 => claim(other, who),
                1 => claim(who, other),
                _ => claim(who, who),
            };
            registration(reader.below(LAYERS.len()), range, peer, proof, stake)
        }
        5 => Call::set_price { price: amounts::any(reader) }.into(),
        6 => Call::set_cost { cost_us: u32::from(reader.byte()) }.into(),
        7 | 8 => Call::set_range { range: range(reader) }.into(),
        9 => {
            let address: &[u8] = reader.pick(&[&b"/ip4/127.0.0.1"[..], b"", b"\xFF", b"/"]);
            Call::set_addresses { addresses: addresses(address) }.into()
        }
        10 | 11 => {
            let amount = reader.pick(&[0, 1, UNIT, 40 * UNIT, 400 * UNIT, Balance::MAX]);
            Call::top_up_stake { amount }.into()
        }
        12 => unregister(),
        13 => Call::withdraw {}.into(),
        _ => Call::unjail {}.into(),
    };
    (who, call)
}
