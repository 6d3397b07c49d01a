#!/usr/bin/env bash
# Measures the gateway over a network on this machine and writes docs/benchmarks-gateway.md: what it
# adds before the first byte and per token compared with `mica ask`, and the throughput of many
# clients. Python 3 generates a second model with the shape of SmolLM2-135M, whose tokens take as
# long as real ones.
#   BENCH_DIR    where that model is kept; the target folder's `bench` if unset
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${BENCH_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/bench}
mkdir -p "$folder"
model=$folder/gateway-smollm2-135m-q4_0.gguf
if [ ! -e "$model" ]; then
  if command -v python3 >/dev/null; then
    python3 scripts/bench/make_model.py --shape smollm2-135m --format q4_0 \
      --words-of inference-worker/engine/models/mica-tiny-q8_0.gguf --out "$model.part"
    mv "$model.part" "$model"
  else
    echo "bench: Python 3 is not installed: the gateway is measured with the built-in model only, and no page is written" >&2
    model=
  fi
fi
[ -z "$model" ] || export MICA_BENCH_MODEL=$model
log=$folder/gateway.log
cargo --locked test --release --workspace --test gateway -- --ignored --nocapture speed 2>&1 | tee "$log"
[ -n "$model" ] || exit 0

cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
commit=$(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no -- ':!docs/benchmarks*.md' 2>/dev/null)" ] || commit+=" with changes"
{
  cat <<PAGE
# Benchmarks of the gateway

\`make bench\` measures the gateway beside \`mica ask\` on this machine and writes this page.

| | |
|---|---|
| machine | ${cpu:-unknown processor}, $(uname -m), $(getconf _NPROCESSORS_ONLN) processors, $(uname -sr) |
| date, commit | $(date +%F), $commit |
| command | \`make bench\`, which calls \`scripts/bench-gateway.sh\` |
| network | a node, four workers of one thread each (two with half of the built-in model each, one with all of a second one, one with all of the model \`bench\`), the gateway, \`mica ask\` and the clients, all on this machine |
| models | the built-in one, whose tokens take less than a millisecond through two workers; \`bench\` has the shape of SmolLM2-135M with random weights |

PAGE
  # The tables as they were printed, and the empty lines between them.
  sed -n '/^|/,$p' "$log" | sed -n -e '/^|/p' -e '/^$/p' | cat -s | sed '${/^$/d}'
  cat <<'PAGE'

Before the first byte: from the request's last byte to the answer's first, without opening the session and computing the prompt, which
`mica ask` does as well. Per token: answers of the gateway and of `mica ask` take turns, with a rest before each, timed by whoever
reads the stream; the share is the median over the pairs, with the bounds between which the true median lies with 95 % probability. The
gateway writes what comes within 8 ms together, `mica ask` writes each token as it comes; the first token and the last leave both at
once. Clients at once ask for the same answers that one alone asks for, each with its seed.
PAGE
} >docs/benchmarks-gateway.md
echo "wrote docs/benchmarks-gateway.md" >&2
