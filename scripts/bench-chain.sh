#!/usr/bin/env bash
# Measures what payment costs off chain and on it, and how long a client waits for the registry's
# list, and writes docs/benchmarks-chain.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${CARGO_TARGET_DIR:-$PWD/target}/bench
mkdir -p "$folder"
off_chain=$folder/payments.log
on_chain=$folder/chain.log
cargo --locked bench --profile release -p mica-protocol 2>&1 | tee "$off_chain"
cargo --locked test --release --workspace --test redeem_costs -- --nocapture --test-threads 1 2>&1 | tee "$on_chain"
cargo --locked test --release --workspace --test registry_read -- --ignored --nocapture 2>&1 | tee -a "$on_chain"

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no -- ':!docs/benchmarks*.md' 2>/dev/null)" ] || commit+=" with changes"
{
  cat <<PAGE
# Benchmarks of payments and of the chain

\`make bench-chain\` measures what payment costs payers, workers and the chain, and writes this page.

| | |
|---|---|
| machine | ${cpu:-unknown processor}, $(uname -m), $(getconf _NPROCESSORS_ONLN) processors, $(uname -sr) |
| date, commit | $(date +%F), $commit |
| command | \`make bench-chain\`, which calls \`scripts/bench-chain.sh\` |

## Payers and workers
PAGE
  sed -n 's/  */ /g; /^|/p' "$off_chain"
  cat <<'PAGE'

One thread, the best of five runs. Wanted are at least 10,000 vouchers and 5 million ticks a second. A voucher is signed by the payer's
ledger and checked by the worker's, with everything that either keeps. A tick is one blake2-256 of 32 bytes; each needs the one before.

## The chain
| what | found | wanted |
|---|---|---|
PAGE
  # The first row of a test stands behind its name.
  sed -n 's/^test [^|]*|/|/; /^|/p' "$on_chain"
  cat <<'PAGE'

A redeem's bytes are those of a signed extrinsic with the largest numbers. A block is filled by the runtime itself, with its measured
weights (`pallets/channels/src/weights.rs`) and its limits of time and of bytes, until it refuses another: these figures do not depend on
the machine. A payee with several lanes or channels sends its redeems together, in one `Utility.force_batch`. The first on a lane makes a
place for the root of its receipts; later ones, until that root is forgotten, find it. The registry's workers have two addresses each; it
is the best of nine calls, and their median, on a state in memory, after the Wasm was compiled.
PAGE
} >docs/benchmarks-chain.md
echo "wrote docs/benchmarks-chain.md" >&2
