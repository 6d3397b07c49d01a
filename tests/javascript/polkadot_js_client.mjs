// `@polkadot/api` against a Mica chain: sends transactions, or decodes everything that the chain has.
//
//   node polkadot_js_client.mjs URL transact WORKER PAYER   two secrets, for example //Charlie //Dave
//   node polkadot_js_client.mjs URL inspect BLOCK FACTS     a hash, and JSON: what to ask the runtime for
//
// Prints one line of JSON.
import { ApiPromise, WsProvider } from "@polkadot/api";

import { inspect } from "./inspect.mjs";
import { transact } from "./transact.mjs";

const LONGEST_MS = 300_000;
setTimeout(() => {
  console.error(`not done within ${LONGEST_MS} ms`);
  process.exit(1);
}, LONGEST_MS).unref();

const [url, command, ...rest] = process.argv.slice(2);
const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const commands = {
  transact: (worker, payer) => transact(api, worker, payer),
  inspect: (block, facts) => inspect(api, block, JSON.parse(facts)),
};
const said = await commands[command](...rest);
await api.disconnect();
await new Promise((written) => process.stdout.write(`${JSON.stringify(said)}\n`, written));
