// Makes plain.json, hard-and-soft.json and facts.json in this folder with polkadot-js itself: `node make.mjs`.
import { writeFileSync } from 'node:fs';
import { Keyring } from '@polkadot/keyring';
import { stringToU8a, u8aToHex, u8aWrapBytes } from '@polkadot/util';
import { cryptoWaitReady } from '@polkadot/util-crypto';

const PHRASE = 'bottom drive obey lake curtain smoke basket hold race lonely fit walk';
const MESSAGE = 'signed by polkadot-js';

await cryptoWaitReady();
const facts = {};
for (const [file, path, name, password] of [
  ['plain', '//Alice', 'Alice of the tests', 'their password'],
  ['hard-and-soft', '//hard/soft/7', 'a path', 'pässwörd ✓'],
]) {
  const pair = new Keyring({ type: 'sr25519', ss58Format: 42 }).addFromUri(PHRASE + path, { name });
  const signature = u8aToHex(pair.sign(u8aWrapBytes(stringToU8a(MESSAGE))));
  writeFileSync(`${file}.json`, `${JSON.stringify(pair.toJson(password))}\n`);
  facts[file] = { suri: PHRASE + path, address: pair.address, name, password, message: MESSAGE, signature };
}
writeFileSync('facts.json', `${JSON.stringify(facts, null, 2)}\n`);
