// Upgrades the runtime through governance, as anybody's client would:
//   node upgrade.mjs URL authorize BLOB      a referendum on the track root, from its preimage to its enactment
//   node upgrade.mjs URL apply BLOB NUMBER   sends the code, and makes the new call over the same connection
// Prints what it sees as JSON. Fails with the chain's reason.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";
import { u8aToHex } from "@polkadot/util";
import { blake2AsHex } from "@polkadot/util-crypto";

import { submit } from "./transact.mjs";

const UNIT = 1_000_000_000_000n;
// Of a million that each of the accounts starts with: four of them are more than half of all money.
const VOTE = 900_000n * UNIT;
// Blocks that a step is waited for, and the time for all of it.
const PATIENCE = 60;
const LONGEST_MS = 300_000;

setTimeout(() => {
  console.error(`not done within ${LONGEST_MS} ms`);
  process.exit(1);
}, LONGEST_MS).unref();

const [url, step, blob, number] = process.argv.slice(2);
const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const accounts = new Keyring({ type: "sr25519" });
const voters = ["//Alice", "//Bob", "//Charlie", "//Dave"].map((secret) => accounts.addFromUri(secret));
const sender = voters.at(-1);
const code = new Uint8Array(readFileSync(blob));

// Looks at every new block until `holds`.
async function until(what, holds) {
  let left = PATIENCE;
  await new Promise((resolve, reject) => {
    const look = async () => {
      left -= 1;
      if (await holds()) {
        resolve();
      } else if (left === 0) {
        reject(new Error(`${what}: not after ${PATIENCE} blocks`));
      }
    };
    api.rpc.chain.subscribeNewHeads(() => look().catch(reject)).catch(reject);
  });
}

async function authorize() {
  const call = api.tx.system.authorizeUpgrade(blake2AsHex(code)).method;
  await submit(api, api.tx.preimage.notePreimage(call.toHex()), sender);
  const proposal = { Lookup: { hash: call.hash, len: call.encodedLength } };
  const propose = api.tx.referenda.submit({ system: "Root" }, proposal, { After: 0 });
  const [{ index }] = (await submit(api, propose, sender)).find(api.events.referenda.Submitted);
  await submit(api, api.tx.referenda.placeDecisionDeposit(index), sender);
  const vote = { Standard: { vote: { aye: true, conviction: "Locked1x" }, balance: VOTE } };
  await Promise.all(voters.map((voter) => submit(api, api.tx.convictionVoting.vote(index, vote), voter)));
  await until("the upgrade is authorized", async () => (await api.query.system.authorizedUpgrade()).isSome);
  return { referendum: index.toNumber() };
}

async function apply() {
  const before = api.runtimeVersion.specVersion.toNumber();
  assert.equal(api.tx.next, undefined);
  // Not watched: the library reads events by the newest metadata, and those of the block of an upgrade are older.
  await api.tx.system.applyAuthorizedUpgrade(u8aToHex(code)).signAndSend(sender);
  const isNew = () => api.runtimeVersion.specVersion.toNumber() > before && api.tx.next !== undefined;
  await until("the client has the new metadata", async () => isNew());
  await until("the migration has run", async () => (await api.query.next.lastBlockBefore()).isSome);
  const [noted] = (await submit(api, api.tx.next.note(number), sender)).find(api.events.next.Noted);
  return {
    before,
    after: api.runtimeVersion.specVersion.toNumber(),
    last_block_before: (await api.query.next.lastBlockBefore()).unwrap().toNumber(),
    open_channels: (await api.query.next.openChannels()).unwrap().toNumber(),
    pallet_version: (await api.query.next.palletVersion()).toNumber(),
    noted: { who: noted.who.toString(), number: noted.number.toNumber() },
    sender: sender.address,
  };
}

console.log(JSON.stringify(await { authorize, apply }[step]()));
await api.disconnect();
