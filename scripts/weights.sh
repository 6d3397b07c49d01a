#!/usr/bin/env bash
# Benchmarks every call of our pallets in the real Wasm runtime and writes
# pallets/<name>/src/weights.rs. Needs frame-omni-bencher ('cargo install frame-omni-bencher'), or
# another binary with its interface, named by FRAME_OMNI_BENCHER.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bencher=${FRAME_OMNI_BENCHER:-frame-omni-bencher}
command -v "$bencher" >/dev/null || {
  echo "weights: $bencher is not installed. Run 'cargo install frame-omni-bencher' or set FRAME_OMNI_BENCHER." >&2
  exit 1
}
target=${CARGO_TARGET_DIR:-$PWD/target}
# In a target folder of its own, so that the node never embeds a runtime with benchmarks. The build
# script makes the blob, so `check` is enough.
export CARGO_TARGET_DIR=$target/weights
cargo --locked check --release -p mica-runtime --features runtime-benchmarks
wasm=$CARGO_TARGET_DIR/release/wbuild/mica-runtime/mica_runtime.compact.compressed.wasm
for name in clock seats registry channels sla receipts; do
  "$bencher" v1 benchmark pallet --runtime "$wasm" --genesis-builder runtime --genesis-builder-preset development \
    --pallet "pallet_mica_$name" --extrinsic '*' --steps "${STEPS:-20}" --repeat "${REPEAT:-10}" \
    --template scripts/weights.hbs --output "pallets/$name/src/weights.rs"
done
cargo fmt -p pallet-mica-clock -p pallet-mica-seats -p pallet-mica-registry -p pallet-mica-channels -p pallet-mica-sla -p pallet-mica-receipts
