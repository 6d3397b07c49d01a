#!/usr/bin/env bash
# The packages' services as they run: boots the Debian in a folder, in which the packages are
# installed, and lets its systemd run a node, a worker and a gateway, locked in as their units say. A
# prompt to the gateway is answered by the worker and paid on the node's chain.
#   scripts/test-services.sh FOLDER
# Needs root, systemd-nspawn, and systemd with curl in that Debian; scripts/test-dist.sh sees to it.
set -euo pipefail
root=$(realpath "${1:?the folder of a Debian}")
log=$(mktemp)
leader=
fail() {
  echo "services test: $1" >&2
  if [ -n "$leader" ]; then inside 'journalctl --no-pager --quiet -n 30 -u mica-node -u mica-worker -u mica-gateway' >&2 || true; fi
  exit 1
}
cleanup() {
  if [ -n "$leader" ]; then kill -s RTMIN+4 "$leader" 2>/dev/null || true; fi
  wait "$nspawn" 2>/dev/null || true
  rm -f "$log"
}
# A network of its own, of loopback alone: ports are free, and nobody outside is asked.
timeout 600 systemd-nspawn --quiet --register=no --keep-unit --private-network --boot --directory="$root" \
  --machine=mica-services </dev/null >"$log" 2>&1 &
nspawn=$!
trap cleanup EXIT
inside() { nsenter --target "$leader" --all env -i HOME=/root PATH=/usr/bin:/usr/sbin:/bin:/sbin bash -euc "$1"; }
# Polls a condition inside until it holds.
until_holds() {
  local what=$1 patience=$2 condition=$3 began=$SECONDS
  until inside "$condition" >/dev/null 2>&1; do
    [ $((SECONDS - began)) -lt "$patience" ] || fail "$what did not happen within $patience s"
    sleep 1
  done
  echo "services test: $what ($((SECONDS - began)) s)"
}
for _ in $(seq 60); do
  machine=$(pgrep -P "$nspawn" systemd-nspawn || true)
  leader=$(pgrep -P "${machine:-$nspawn}" -x systemd || true)
  if [ -n "$leader" ] && nsenter --target "$leader" --all systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; then break; fi
  leader=
  sleep 1
done
[ -n "$leader" ] || { cat "$log" >&2; fail "the Debian does not boot"; }

inside "sed -i 's/^MICA_NODE_ARGS=.*/MICA_NODE_ARGS=\"--dev --no-telemetry\"/' /etc/default/mica-node && systemctl restart mica-node"
rpc='curl -sf -H "Content-Type: application/json" -d "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"chain_getHeader\"}" http://127.0.0.1:9944'
until_holds "the node makes blocks" 120 "$rpc | grep -q '\"number\":\"0x[1-9a-f]'"

# As a development chain's worker; a real one has the account that its operator has funded.
as_worker="setpriv --reuid mica-worker --regid mica-worker --clear-groups mica-worker --data-dir /var/lib/mica-worker"
inside "rm -f /var/lib/mica-worker/*.key /var/lib/mica-worker/config.toml; $as_worker init --suri //Bob >/dev/null
  sed -i 's/^register_model = false/register_model = true/' /var/lib/mica-worker/config.toml
  systemctl restart mica-worker"
until_holds "the worker serves" 180 "$as_worker status"

inside 'umask 077; mkdir -p /etc/mica; head -c 24 /dev/urandom | base64 >/etc/mica/gateway.password
  export MICA_HOME=/var/lib/mica-gateway MICA_PASSWORD_FILE=/etc/mica/gateway.password
  rm -rf ${MICA_HOME:?}/*
  mica wallet new >/dev/null
  mica wallet transfer "$(mica wallet show | awk "/^address/ {print \$2}")" 100MICA --dev-account Alice --yes >/dev/null
  chown -R mica-gateway: $MICA_HOME
  systemctl restart mica-gateway'
until_holds "the gateway lists the model" 60 'curl -sf http://127.0.0.1:11434/v1/models | grep -q mica'
inside 'model=$(curl -sf http://127.0.0.1:11434/v1/models | grep -o "\"id\":\"[^\"]*" | head -1 | cut -d\" -f4)
  curl -sf --max-time 120 http://127.0.0.1:11434/v1/chat/completions -H "Content-Type: application/json" \
    -d "{\"model\":\"$model\",\"max_tokens\":8,\"messages\":[{\"role\":\"user\",\"content\":\"What is a fox?\"}]}"' >"$log.answer" ||
  fail "the gateway does not answer: $(cat "$log.answer")"
grep -q '"completion_tokens":' "$log.answer" || fail "no answer: $(cat "$log.answer")"
rm -f "$log.answer"
echo "services test: a prompt to the gateway was answered by the worker"

# Everything stops in time and by itself, and nobody wrote where they should not.
inside 'systemctl stop mica-gateway mica-worker mica-node'
for service in mica-gateway mica-worker mica-node; do
  result=$(inside "systemctl show --property Result --value $service")
  [ "$result" = success ] || fail "$service ended with $result"
  inside "test -z \"\$(find / -xdev -user $service -not -path '/var/lib/$service*' -print -quit 2>/dev/null)\"" ||
    fail "$service left files outside of its folder"
done
echo "services test: node, worker and gateway ran locked in, and stopped: passed"
