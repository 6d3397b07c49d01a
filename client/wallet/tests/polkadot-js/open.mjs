// Opens a file that `mica wallet export --polkadot-js` wrote, with polkadot-js itself: `node open.mjs FILE PASSWORD [SIGNATURE MESSAGE]`.
// Prints the address and whether the signature of `mica wallet sign` holds. Fails if anything does not.
import { readFileSync } from 'node:fs';
import { Keyring } from '@polkadot/keyring';
import { u8aToHex } from '@polkadot/util';
import { cryptoWaitReady, signatureVerify } from '@polkadot/util-crypto';

const [file, password, signature, message] = process.argv.slice(2);
await cryptoWaitReady();
const pair = new Keyring({ type: 'sr25519' }).createFromJson(JSON.parse(readFileSync(file, 'utf8')));
pair.decodePkcs8(password);
const own = pair.sign('check');
if (!signatureVerify('check', own, pair.publicKey).isValid) throw new Error('the key does not sign');
console.log(pair.address, u8aToHex(pair.publicKey));
if (signature) {
  if (!signatureVerify(message, signature, pair.address).isValid) throw new Error('the signature does not hold');
  console.log('the signature holds');
}
