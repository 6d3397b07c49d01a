#!/usr/bin/env bash
# Measures the gateway over a network on this computer: what it adds before the first byte and to each token beside `mica ask`, and what
# many clients get. A second model with the shape of SmolLM2-135M, whose tokens take as long as real ones, needs Python 3 to be written.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${BENCH_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/bench}
model=$folder/gateway-smollm2-135m-q4_0.gguf
if [ ! -e "$model" ]; then
  if command -v python3 >/dev/null; then
    mkdir -p "$folder"
    python3 scripts/bench/make_model.py --shape smollm2-135m --format q4_0 \
      --words-of inference-worker/engine/models/mica-tiny-q8_0.gguf --out "$model.part"
    mv "$model.part" "$model"
  else
    echo "bench: Python 3 is not installed: the gateway is measured with the built-in model only" >&2
    model=
  fi
fi
[ -z "$model" ] || export MICA_BENCH_MODEL=$model
exec cargo --locked test --release --workspace --test gateway -- --ignored --nocapture speed
