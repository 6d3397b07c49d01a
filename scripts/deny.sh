#!/usr/bin/env bash
# Runs cargo-deny with deny.toml. Licences, bans and sources need nothing but Cargo.lock and are
# always checked. Advisories need their database: it is fetched if possible, else an existing copy
# is used; without either, the script says that they were not checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check=(cargo-deny --locked --workspace)

# Dates in deny.toml that have passed are a reminder and no error: nothing has changed but the day.
today=$(date +%F)
sed -n 's/.*id = "\(RUSTSEC[^"]*\)".*Look again \([0-9]\{4\}-[0-9][0-9]-[0-9][0-9]\)\..*/\1 \2/p' deny.toml |
  while read -r id day; do
    [[ "$day" > "$today" ]] || echo "deny: look again at $id in deny.toml, as was meant for $day" >&2
  done

# subxt spells GPL-3.0 the old way, which causes a long warning for each of its crates.
"${check[@]}" check --hide-inclusion-graph --allow parse-error licenses bans sources

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if timeout 120 cargo-deny --locked fetch db >"$log" 2>&1; then
  state="as of today"
elif compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/crates" >/dev/null; then
  state="with an older copy of the database: it could not be fetched"
else
  echo "deny: ADVISORIES WERE NOT CHECKED: their database cannot be fetched here, and there is no copy:" >&2
  grep -m 1 '^fatal' "$log" >&2 || tail -n 1 "$log" >&2
  exit 0
fi
"${check[@]}" --offline check --hide-inclusion-graph advisories
echo "deny: advisories checked $state"
