#!/usr/bin/env bash
# Whether the packages depend on their sources alone: builds them twice from nothing, from clones of
# the last commit, and compares the sums.
#   scripts/dist-twice.sh [amd64|arm64]...
#   ELSEWHERE=1     the second time in a folder of another name. The names do not get into mica and
#                   mica-worker; Cargo names the crates of the runtime's Wasm in mica-node after them.
# Takes twice the time of a first `make dist`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/mica-twice-XXXXXX")
trap 'rm -rf "$work"' EXIT
for time in first second; do
  folder=$work/mica
  if [ "$time" = second ] && [ "${ELSEWHERE:-}" = 1 ]; then folder=$work/somewhere/else; fi
  git clone --quiet --shared . "$folder"
  CARGO_TARGET_DIR=$folder/target bash "$folder/scripts/dist.sh" "$@"
  cp "$folder/target/dist/SHA256SUMS" "$work/$time"
  rm -rf "$folder"
done
if diff "$work/first" "$work/second"; then
  cat "$work/first"
  echo "dist-twice: the same bytes: passed"
else
  echo "dist-twice: what differs stands above" >&2
  exit 1
fi
