#!/usr/bin/env bash
# Simulates the market at full size and draws the figures of the book's chapter.
#
# SEED=1 by default. Writes docs/pictures/market; prints the worst of a thousand random starts of
# STARTS_WORKERS=10000 workers and how fast MILLION=1000000 workers on 100 layers go.
set -euo pipefail
cd "$(dirname "$0")/.."
sim=${CARGO_TARGET_DIR:-$PWD/target}/release/mica-market-sim
seed=${SEED:-1}
commit=$(git rev-parse --short=10 HEAD)
git diff --quiet HEAD || commit="$commit, changed"

"$sim" --book docs/pictures/market --seed "$seed" --commit "$commit"
echo "a thousand random starts:"
"$sim" --starts "${STARTS:-1000}" --workers "${STARTS_WORKERS:-10000}" --layers 100 --rounds 200 --seed "$seed"
echo "a million workers:"
"$sim" --workers "${MILLION:-1000000}" --layers 100 --rounds 5 --no-moves --seed "$seed"
