// Decodes everything that a Mica chain has at one block, and encodes it again: a decoder that misreads a
// value does not come back to the same bytes. What is printed is what came back.
import { Keyring } from "@polkadot/api";
import { u8aConcat, u8aToHex } from "@polkadot/util";

// Bytes from which almost every type can be read: empty lists, first variants, nothing.
const ZEROS = new Uint8Array(16_384);
// Functions that answer only in states that no finished block has: while a block is being made, and
// where the runtime may use the node's keys.
const NOT_CALLED = ["BlockBuilder_finalize_block", "SessionKeys_generate_session_keys"];

const pallets = (api) => [...api.runtimeMetadata.asLatest.pallets];

// Every entry of every pallet's storage, by its key: whose it is, and the value.
async function storage(at) {
  const entries = {};
  for (const [section, items] of Object.entries(at.query)) {
    if (section === "substrate") continue; // Keys outside pallets.
    for (const [method, item] of Object.entries(items)) {
      if (method === "palletVersion") continue; // The library's own addition.
      const { prefix, meta } = item.creator;
      const add = (key, value) => {
        // An optional value stands there bare, or not at all.
        const bare = meta.modifier.isOptional ? value.unwrap() : value;
        entries[key] = [`${prefix}.${meta.name}`, u8aToHex(bare.toU8a())];
      };
      if (meta.type.isMap) {
        for (const [key, value] of await item.entries()) add(item.key(...key.args), value);
      } else if ((await item.size()).toNumber() > 0) {
        add(item.key(), await item());
      }
    }
  }
  return entries;
}

// Every block up to this one: what each event says, and each call.
async function history(api, last) {
  const names = new Map(pallets(api).map(({ index, name }) => [index.toNumber(), name.toString()]));
  const blocks = [];
  for (let number = 0; number <= last; number += 1) {
    const hash = await api.rpc.chain.getBlockHash(number);
    const events = await (await api.at(hash)).query.system.events();
    const { extrinsics } = (await api.rpc.chain.getBlock(hash)).block;
    const said = ({ event }) => [`${names.get(event.index[0])}.${event.method}`, u8aToHex(event.data.toU8a())];
    blocks.push({ events: events.map(said), calls: extrinsics.map(({ method }) => method.toHex()) });
  }
  return blocks;
}

// How many zeros each kind of event, call and storage takes: what has happened on a chain is never all that
// can.
function kinds(api) {
  const taken = (ids) =>
    ids.reduce((sum, id) => sum + api.registry.createTypeUnsafe(`Lookup${id}`, [ZEROS]).encodedLength, 0);
  const kinds = {};
  for (const { name: pallet, events, calls, storage } of pallets(api)) {
    for (const [what, of] of [["event", events], ["call", calls]]) {
      if (of.isNone) continue;
      for (const { name, fields } of api.registry.lookup.getSiType(of.unwrap().type).def.asVariant.variants) {
        kinds[`${what} ${pallet}.${name}`] = taken(fields.map(({ type }) => type));
      }
    }
    for (const { name, type } of storage.isSome ? storage.unwrap().items : []) {
      kinds[`storage ${pallet}.${name}`] = taken([type.isMap ? type.asMap.value : type.asPlain]);
    }
  }
  return kinds;
}

// What a parameter may be, by its name if there it is, or else by its type.
async function plausible(api, at, block, facts) {
  const { header: sealed, extrinsics } = (await api.rpc.chain.getBlock(block)).block;
  // What is executed has not been sealed yet.
  const logs = sealed.digest.logs.slice(0, -1).map((log) => log.toU8a());
  const { parentHash, number, stateRoot, extrinsicsRoot } = sealed;
  const header = { parentHash, number, stateRoot, extrinsicsRoot, digest: { logs } };
  const alice = new Keyring({ type: "sr25519" }).addFromUri("//Alice");
  const remark = await api.tx.system.remark("0x01").signAsync(alice);
  const now = api.createType("u64", Date.now()).toHex(true);
  return {
    names: {
      payer: facts.payer,
      lane: facts.lane,
      "SlaApi_agreement.id": facts.agreement,
      limit: 64,
      version: 15,
      len: remark.encodedLength,
      length: remark.encodedLength,
      block_hash: block,
      encoded: (await at.query.session.queuedKeys())[0][1].toHex(),
      "GenesisBuilder_get_preset.id": "development",
      "GenesisBuilder_build_state.json": "{}",
    },
    types: {
      SpCoreCryptoAccountId32: facts.worker,
      MicaPrimitivesModelModelId: facts.model,
      MicaPrimitivesChannelChannelId: facts.channel,
      MicaPrimitivesShard: { model: facts.model, bucket: 0 },
      SpConsensusBabeAppPublic: (await at.query.babe.authorities())[0][0],
      SpConsensusGrandpaAppPublic: (await at.query.grandpa.authorities())[0][0],
      SpRuntimeBlockLazyBlock: { header, extrinsics: extrinsics.map((extrinsic) => extrinsic.toU8a()) },
      SpRuntimeHeader: header,
      SpRuntimeUncheckedExtrinsic: remark.toU8a(),
      MicaRuntimeRuntimeCall: remark.method,
      SpInherentsInherentData: { data: new Map([[new TextEncoder().encode("timstap0"), now]]) },
      SpWeightsWeightV2Weight: { refTime: 1_000_000_000, proofSize: 10_000 },
    },
  };
}

// Every function of the runtime: where it was called, with what, and what it said.
async function runtimeCalls(api, block, facts) {
  const after = await api.at(block);
  const before = (await api.rpc.chain.getHeader(block)).parentHash;
  const { names, types } = await plausible(api, after, block, facts);
  const calls = {};
  for (const [section, functions] of Object.entries(api.call)) {
    for (const [method, { meta }] of Object.entries(functions)) {
      if (NOT_CALLED.includes(meta.name)) continue;
      const values = meta.params.map(
        ({ name, type }) => names[`${meta.name}.${name}`] ?? names[name] ?? types[type],
      );
      const inputs = meta.params.map(({ type }, index) => api.createType(type, values[index]));
      // A block is executed on the state that it changes.
      const executes = meta.params.some(({ type }) => ["SpRuntimeBlockLazyBlock", "SpRuntimeHeader"].includes(type));
      const at = executes ? before : block;
      const encoded = inputs.map((input) => input.toU8a());
      let answer = await (await api.at(at)).call[section][method](...encoded);
      const argument = u8aToHex(u8aConcat(...encoded));
      // Of an answer that is bytes and nothing else, `api.call` takes the length for a part of them.
      if (["Bytes", "Option<Bytes>", "WrapperOpaque<Bytes>"].includes(answer.toRawType())) {
        const raw = await api.rpc.state.call(meta.name, argument, at);
        answer = api.createType(meta.type, raw.toU8a(true));
      }
      calls[meta.name] = { at: at.toString(), argument, answer: u8aToHex(answer.toU8a()) };
    }
  }
  return calls;
}

// What people would look at: some values by their names.
async function read(api, at, facts) {
  const [worker, online] = (await at.call.registryApi.worker(facts.worker)).unwrap();
  const channel = (await at.query.channels.channels(facts.channel)).unwrap();
  const lane = [...channel.lanes].find(([number]) => number.eq(facts.lane))[1];
  return {
    worker: worker.account.toString(),
    model: worker.model.toHex(),
    layers: [worker.range.first.toNumber(), worker.range.end.toNumber()],
    list_price: worker.listPricePerLayerToken.toString(),
    addresses: worker.addresses.map((address) => address.toUtf8()),
    stake: worker.stake.toString(),
    online: online.isTrue,
    payer: channel.payer.toString(),
    payee: channel.payee.toString(),
    deposit: channel.deposit.toString(),
    claimed: channel.claimed.toString(),
    lane_cumulative: lane.cumulative.toString(),
    is_open: channel.state.isOpen,
  };
}

// Everything at `block`; `facts` say what there is to ask for.
export async function inspect(api, block, facts) {
  const at = await api.at(block);
  const last = (await api.rpc.chain.getHeader(block)).number.toNumber();
  return {
    storage: await storage(at),
    history: await history(api, last),
    kinds: kinds(api),
    runtime_calls: await runtimeCalls(api, block, facts),
    read: await read(api, at, facts),
  };
}
