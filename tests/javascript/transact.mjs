// Registers a model and a worker, opens channels, redeems a voucher, proposes an agreement, and brings a
// referendum about.
import assert from "node:assert/strict";

import { Keyring } from "@polkadot/api";
import { blake2AsU8a, ed25519PairFromSeed, ed25519Sign } from "@polkadot/util-crypto";
import { stringToU8a, u8aConcat, u8aToHex } from "@polkadot/util";

const UNIT = 1_000_000_000_000n;
const LAYERS = 4;

// Signs and sends; the events of its block that are its own.
export async function submit(api, transaction, signer) {
  const events = await new Promise((resolve, reject) => {
    transaction
      .signAndSend(signer, ({ status, events, dispatchError, internalError }) => {
        if (internalError || status.isInvalid || status.isDropped || status.isUsurped) {
          reject(internalError ?? new Error(`${transaction.method.method}: ${status.type}`));
        } else if (dispatchError) {
          const { section, name, docs } = dispatchError.isModule
            ? api.registry.findMetaError(dispatchError.asModule)
            : { section: "dispatch", name: dispatchError.type, docs: [] };
          reject(new Error(`${section}.${name}: ${docs.join(" ")}`));
        } else if (status.isInBlock) {
          resolve(events.map(({ event }) => event));
        }
      })
      .catch(reject);
  });
  const find = (kind) => events.filter((event) => kind.is(event)).map((event) => event.data);
  return { find };
}

// The bytes that are signed, by docs/protocol/messages.md: the domain of `tag`, and SCALE.
function signed(api, tag, value) {
  const domain = blake2AsU8a(u8aConcat(stringToU8a(`mica/${tag}`), api.genesisHash.toU8a()));
  return u8aConcat(domain, value.toU8a());
}

// The error with which the chain answers, as `pallet.Name`; fails if it takes the transaction.
async function refusal(api, transaction, signer) {
  try {
    await submit(api, transaction, signer);
  } catch (error) {
    return error.message.split(":")[0];
  }
  throw new Error(`${transaction.method.method} was not refused`);
}

async function register(api, worker) {
  const manifest = {
    name: "spoken by polkadot-js",
    architecture: "llama",
    quantisation: "q8_0",
    layers: LAYERS,
    hidden: 64,
    vocabulary: 256,
    context: 512,
    weightsRoot: blake2AsU8a("weights"),
    tokenizerHash: blake2AsU8a("tokenizer"),
    profile: blake2AsU8a("profile"),
  };
  const units = { priceUnit: 1_000, costUnitUs: 10 };
  const made = await submit(api, api.tx.registry.registerModel(manifest, units), worker);
  const [{ model }] = made.find(api.events.registry.ModelRegistered);
  const { minStakePerLayer } = await api.call.registryApi.registryParameters();
  const peer = ed25519PairFromSeed(blake2AsU8a(`peer of ${worker.address}`));
  // The peer key says whose it is.
  const account = api.createType("AccountId32", worker.address);
  const proof = ed25519Sign(signed(api, "peer/v1", account), peer);
  const serve = api.tx.registry.register(
    model,
    { first: 0, end: LAYERS },
    120,
    5_000,
    peer.publicKey,
    proof,
    ["/ip4/127.0.0.1/tcp/4001", "/dns4/worker.example/udp/4001/quic-v1"],
    minStakePerLayer.toBigInt() * BigInt(LAYERS),
  );
  const served = await submit(api, serve, worker);
  const [{ worker: registered, range }] = served.find(api.events.registry.WorkerRegistered);
  assert.deepEqual([registered.toString(), range.toJSON()], [worker.address, { first: 0, end: LAYERS }]);
  assert.equal(await refusal(api, serve, worker), "registry.AlreadyRegistered");
  return model;
}

async function openMany(api, payer, worker, signer) {
  const { minDeposit, minWindow } = await api.call.channelsApi.channelParameters();
  const least = { payee: worker.address, signer, deposit: minDeposit, window: minWindow };
  const openings = [{ ...least, deposit: 10n * UNIT }, least];
  const opened = await submit(api, api.tx.channels.openMany(openings), payer);
  const events = opened.find(api.events.channels.Opened);
  assert.deepEqual(events.map(({ deposit }) => deposit.toBigInt()), [10n * UNIT, minDeposit.toBigInt()]);
  return events.map(({ channel }) => channel)[0];
}

// One voucher with a chain of ticks, of which three are shown.
async function redeem(api, channel, worker, pair) {
  const chain = [blake2AsU8a("secret of the payer")];
  for (let step = 0; step < 10; step += 1) chain.push(blake2AsU8a(chain.at(-1)));
  const shown = 3;
  const voucher = api.createType("MicaPrimitivesChannelVoucher", {
    channel,
    lane: 2,
    seq: 1,
    cumulative: UNIT,
    receiptsRoot: blake2AsU8a("receipts"),
    receipts: 7,
    expires: (await api.rpc.chain.getHeader()).number.toNumber() + 1_000,
    tick: { anchor: chain.at(-1), unit: 1_000, max: chain.length - 1 },
  });
  const signature = ed25519Sign(signed(api, "voucher/v2", voucher), pair);
  const tick = { n: shown, preimage: chain.at(-1 - shown) };
  const redeemed = await submit(api, api.tx.channels.redeem({ voucher, signature, tick }), worker);
  const [event] = redeemed.find(api.events.channels.Redeemed);
  assert.equal(event.paid.toBigInt(), UNIT + 3_000n);
  return event;
}

// Proposes an agreement: the price is agreed before the work.
async function propose(api, payer, worker, model, signer) {
  const terms = {
    model,
    range: { first: 0, end: LAYERS },
    tokens: 64,
    pricePerLayerToken: UNIT / 10_000n,
    window: 16,
    startBlocks: 20,
    firstBlocks: 4,
    workBlocks: 20,
    signer,
  };
  const proposed = await submit(api, api.tx.sla.propose(worker.address, terms), payer);
  const [{ agreement, escrow }] = proposed.find(api.events.sla.Proposed);
  assert.ok(escrow.toBigInt() >= (64n * 4n * UNIT) / 10_000n);
  return agreement;
}

// Proposes a remark of the chain itself, and votes for it.
async function refer(api, proposer) {
  const call = api.tx.system.remark("proposed with polkadot-js").method;
  await submit(api, api.tx.preimage.notePreimage(call.toHex()), proposer);
  const proposal = { Lookup: { hash: call.hash, len: call.encodedLength } };
  const propose = api.tx.referenda.submit({ system: "Root" }, proposal, { After: 10 });
  const [{ index }] = (await submit(api, propose, proposer)).find(api.events.referenda.Submitted);
  await submit(api, api.tx.referenda.placeDecisionDeposit(index), proposer);
  const vote = { Standard: { vote: { aye: true, conviction: "Locked1x" }, balance: 1_000n * UNIT } };
  await submit(api, api.tx.convictionVoting.vote(index, vote), proposer);
  const { tally } = (await api.query.referenda.referendumInfoFor(index)).unwrap().asOngoing;
  assert.equal(tally.ayes.toBigInt(), 1_000n * UNIT);
  return index.toNumber();
}

// Everything of the above with two accounts; what was made.
export async function transact(api, workerSecret, payerSecret) {
  const accounts = new Keyring({ type: "sr25519" });
  const [worker, payer] = [workerSecret, payerSecret].map((secret) => accounts.addFromUri(secret));
  const pair = ed25519PairFromSeed(blake2AsU8a(`vouchers of ${payer.address}`));
  const model = await register(api, worker);
  const channel = await openMany(api, payer, worker, pair.publicKey);
  const { paid, lane } = await redeem(api, channel, worker, pair);
  const referendum = await refer(api, payer);
  // Last: it waits for an answer for a minute only.
  const agreement = await propose(api, payer, worker, model, pair.publicKey);
  return {
    worker: worker.address,
    payer: payer.address,
    model: model.toHex(),
    channel: channel.toHex(),
    signer: u8aToHex(pair.publicKey),
    lane: lane.toNumber(),
    agreement: agreement.toNumber(),
    paid: paid.toString(),
    referendum,
  };
}
