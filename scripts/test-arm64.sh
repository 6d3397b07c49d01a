#!/usr/bin/env bash
# A paid prompt on arm64: the demo of an arm64 `mica` with three arm64 `mica-worker`, all emulated by
# qemu-user, against a node of this machine (amd64). Every byte of the answer is compared with the
# same model in one process, every receipt verified, every worker paid: the demo fails otherwise.
#   scripts/test-arm64.sh               build both programs as scripts/dist.sh does, and run them
#   scripts/test-arm64.sh FOLDER        run those of this folder, for example of an unpacked tarball
#   NODE=target/release/mica-node       the node
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
node=${NODE:-$target/release/mica-node}
fail() {
  echo "arm64 test: $1" >&2
  exit 1
}
[ -x "$node" ] || fail "there is no node at $node: run 'make build', or name one with NODE"
command -v qemu-aarch64 >/dev/null || fail "qemu-aarch64 is missing: run 'scripts/setup.sh test'"
# Where qemu finds the C library of arm64.
libraries=${QEMU_LD_PREFIX:-/usr/aarch64-linux-gnu}
[ -e "$libraries/lib/ld-linux-aarch64.so.1" ] || fail "libc6-dev-arm64-cross is missing: run 'scripts/setup.sh test'"
export QEMU_LD_PREFIX=$libraries

programs=${1:-}
if [ -z "$programs" ]; then
  programs=$(bash scripts/dist.sh --build-only mica mica-worker -- arm64 | tail -1)
fi
for program in mica mica-worker; do
  kind=$(od -An -tu2 -j18 -N2 "$programs/$program" | tr -d ' ')
  [ "$kind" = 183 ] || fail "$programs/$program is no program for arm64"
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '#!/bin/sh\nexec qemu-aarch64 "%s" "$@"\n' "$(realpath "$programs/mica-worker")" >"$folder/mica-worker"
chmod +x "$folder/mica-worker"
MICA_NODE_BIN=$(realpath "$node")
export MICA_NODE_BIN MICA_WORKER_BIN=$folder/mica-worker
echo "arm64 test: $(qemu-aarch64 "$programs/mica" --version) and $("$folder/mica-worker" --version), node of $(uname -m)"
timeout 600 qemu-aarch64 "$programs/mica" demo --max-tokens "${TOKENS:-24}" --summary "$folder/demo.json"
python3 - "$folder/demo.json" <<'END'
import json, sys
proof = json.load(open(sys.argv[1]))
stages = proof["stages"]
assert len(stages) == 3 and all(stage["redeemed"] and stage["receipts"] > 0 for stage in stages), stages
assert proof["tokens"] and proof["tokens"] == proof["reference_tokens"]
paid = sum(int(stage["paid"]) for stage in stages)
print(f"arm64 test: {len(proof['tokens'])} tokens of three arm64 workers, {paid} base units paid: passed")
END
