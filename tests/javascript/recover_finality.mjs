// Has GRANDPA's voters changed by force, with the key that may do everything on a chain for tests:
// node recover_finality.mjs URL DELAY LAST_FINAL. Fails with the chain's reason.
import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";

const [url, delay, lastFinal] = process.argv.slice(2);
const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const alice = new Keyring({ type: "sr25519" }).addFromUri("//Alice");
const recovery = api.tx.sudo.sudo(api.tx.clock.recoverFinality(delay, lastFinal));
const events = await new Promise((resolve, reject) => {
  recovery
    .signAndSend(alice, ({ status, events, dispatchError, internalError }) => {
      if (internalError || dispatchError || status.isInvalid || status.isDropped) {
        reject(internalError ?? new Error(dispatchError?.toString() ?? status.type));
      } else if (status.isInBlock) {
        resolve(events.map(({ event }) => event));
      }
    })
    .catch(reject);
});
const [result] = events.filter((event) => api.events.sudo.Sudid.is(event)).map((event) => event.data[0]);
if (!result?.isOk) {
  const error = result?.asErr;
  throw new Error(error?.isModule ? api.registry.findMetaError(error.asModule).name : `${error}`);
}
await api.disconnect();
