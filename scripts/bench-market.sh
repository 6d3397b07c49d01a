#!/usr/bin/env bash
# Measures how long `mica ask` takes to its path on a real chain with many registered workers, and
# writes docs/benchmarks-market.md.
#   MICA_BENCH_WORKERS   how many; 10,000 if unset
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${CARGO_TARGET_DIR:-$PWD/target}/bench
mkdir -p "$folder"
log=$folder/market.log
cargo --locked test --release --workspace --test network -- \
  --ignored --nocapture time_to_a_path_among_many_workers 2>&1 | tee "$log"

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no -- ':!docs/benchmarks*.md' 2>/dev/null)" ] || commit+=" with changes"
{
  cat <<PAGE
# Benchmarks of the market

\`make bench-market\` measures the time from the start of \`mica ask\` to the line that shows its path, on a development chain with many
registered workers, and writes this page.

| | |
|---|---|
| machine | ${cpu:-unknown processor}, $(uname -m), $(getconf _NPROCESSORS_ONLN) processors, $(uname -sr) |
| date, commit | $(date +%F), $commit |
| command | \`make bench-market\`, which calls \`scripts/bench-market.sh\` |
| network | a node, two workers that serve the built-in model, the others registered with stake, key and address but without a process, all on this machine |

PAGE
  sed -n '/^|/p' "$log"
  cat <<'PAGE'

The first question reads the market from the chain. "Market kept" is the median of nine questions, with the least and the most: program
start, connection, the market from the payer's database, quotes of the best paths' workers and their registration in the newest block.
"The best is silent" is the same where the cheapest worker takes connections and never answers.
[Whom a payer asks](concepts/prices.md#who-is-asked-for-a-quote) says how the path is found.
PAGE
} >docs/benchmarks-market.md
echo "wrote docs/benchmarks-market.md" >&2
