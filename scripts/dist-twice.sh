#!/usr/bin/env bash
# Whether the packages depend on their sources alone: builds them from two copies of the last commit,
# in folders of different names and at different times, and compares the sums.
#   scripts/dist-twice.sh [amd64|arm64]...
# Takes twice the time and the disk of a first `make dist`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/mica-twice-XXXXXX")
trap 'rm -rf "$work"' EXIT
for copy in first a-second-one; do
  git clone --quiet --shared . "$work/$copy"
  CARGO_TARGET_DIR=$work/$copy-target bash "$work/$copy/scripts/dist.sh" "$@"
done
if diff "$work/first-target/dist/SHA256SUMS" "$work/a-second-one-target/dist/SHA256SUMS"; then
  cat "$work/first-target/dist/SHA256SUMS"
  echo "dist-twice: the same bytes: passed"
else
  echo "dist-twice: what differs stands above" >&2
  exit 1
fi
