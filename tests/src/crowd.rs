//! Many registered workers of whom nobody runs: what a large market looks like on a real chain.
//!
//! Each is an account of its own, derived from a development account that signs for all of them
//! (`Utility.as_derivative`), with its own stake and peer key.

use ed25519_dalek::SigningKey;
use mica_chain::{AccountId, Call, Chain, MicaEvent, Signer, Until, derivative};
use mica_primitives::{
    Balance, Hash32, LayerRange, ModelId, PeerClaim, UNIT, WorkerAddresses, domain::blake2_256,
};
use mica_protocol::signing;

/// Workers that one extrinsic registers: a small part of what a block takes.
const BATCH: usize = 100;
/// Extrinsics of one account that are under way at once.
const AT_ONCE: usize = 12;
/// What an account keeps beside its stake.
const POCKET: Balance = UNIT / 10;

/// What all workers of a crowd have in common.
pub struct Crowd {
    /// The model that they register for.
    pub model: ModelId,
    /// Its layers.
    pub layers: u16,
    /// Base units per layer-token, at least; the dearest ask twice as much.
    pub price: Balance,
    /// Least declared µs per layer-token.
    pub cost_us: u32,
    /// Where they say that they are.
    pub address: String,
    /// Hash of the chain's block 0.
    pub genesis: Hash32,
}

impl Crowd {
    /// Registers workers `range` of the crowd, paid and signed for by the development account
    /// `suri`; they are in blocks when this returns.
    pub async fn register(&self, chain: &Chain, suri: &str, range: std::ops::Range<u16>) {
        let signer = Signer::from_suri(suri).expect("a development key");
        let view = chain.at_best().await.expect("the node answers");
        let stake = view.registry_parameters().await.expect("parameters").min_stake_per_layer;
        let indices: Vec<u16> = range.collect();
        let calls: Vec<Call> =
            indices.chunks(BATCH).map(|chunk| self.batch(signer.account(), stake, chunk)).collect();
        for calls in calls.chunks(AT_ONCE) {
            let sent = calls.iter().map(|call| chain.submit(&signer, call.clone(), Until::InBlock));
            for submitted in futures::future::join_all(sent).await {
                let submitted = submitted.expect("a batch of registrations");
                let registered = submitted
                    .known()
                    .filter(|event| matches!(event, MicaEvent::WorkerRegistered { .. }));
                assert!(registered.count() > 0, "nobody was registered");
            }
        }
    }

    fn batch(&self, signer: AccountId, stake_per_layer: Balance, indices: &[u16]) -> Call {
        let calls = indices.iter().flat_map(|index| {
            let first = index % self.layers;
            let width = 1 + (index / self.layers) % (self.layers - first);
            let stake = stake_per_layer * Balance::from(width);
            let (spread, account) = (Balance::from(index % 97), derivative(signer, *index));
            let (key, claim) = (peer_key(account), PeerClaim { account });
            let register = Call::Register {
                model: self.model,
                range: LayerRange { first, end: first + width },
                cost_us_per_layer_token: self.cost_us + u32::from(index % 89),
                list_price_per_layer_token: self.price + self.price * spread / 97,
                peer: signing::public_key(&key),
                proof: signing::sign(&key, &claim.signing_bytes(&self.genesis)),
                addresses: self.addresses(),
                stake,
            };
            let call = Box::new(register);
            [
                Call::Transfer { to: account, amount: stake + POCKET },
                Call::AsDerivative { index: *index, call },
            ]
        });
        Call::BatchAll(calls.collect())
    }

    fn addresses(&self) -> WorkerAddresses {
        let address = self.address.as_bytes().to_vec().try_into().expect("short");
        vec![address].try_into().expect("one")
    }
}

/// The peer key of an account of the crowd.
fn peer_key(account: AccountId) -> SigningKey {
    SigningKey::from_bytes(&blake2_256(&account.0))
}
