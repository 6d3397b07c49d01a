#!/usr/bin/env bash
# Which Cargo features the programs get from each other.
#
# A workspace build gives every crate the union of the features that any member asks for, so what
# `make build` ships may behave differently from the same program built alone: the runtime's
# `arbitrary_precision` of serde_json once made the gateway refuse every number with a decimal
# point. This compares each program built alone with the workspace, and what differs with
# scripts/features.txt; and the workspace as shipped with the workspace as tested, which must not
# differ at all.
set -euo pipefail
cd "$(dirname "$0")/.."
list=scripts/features.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line `crate@version feature` for each feature of each crate (and one without, for the crate itself), of the edges $1 and the
# packages that follow. A version is as much of it as decides compatibility, so that updates change nothing here. Of one platform,
# whatever the machine; without procedural macros, whose features are their own.
features() {
    local edges=$1
    shift
    cargo --locked tree --target x86_64-unknown-linux-gnu --edges "$edges,no-proc-macro" --prefix none --format '{p}|{f}' "$@" |
        awk -F'|' 'NF == 2 {
            split($1, package, " "); split(substr(package[2], 2), part, ".")
            version = part[1] != "0" ? part[1] : part[1] "." part[2] (part[2] != "0" ? "" : "." part[3])
            sub(/ \(\*\)$/, "", $2); count = split($2, names, ",")
            print package[1] "@" version
            for (i = 1; i <= count; i++) if (names[i] ~ /[^ ]/) print package[1] "@" version " " names[i]
        }' | sort -u
}

# Lines of the second file that the first does not have, of crates that it has.
added() {
    awk 'NR == FNR { has[$0] = 1; next } !($0 in has) && ($1 in has)' "$1" "$2"
}

features normal --workspace >"$work/shipped"
features normal,dev --workspace >"$work/tested"
for program in cli worker node; do
    features normal -p "mica-$program" >"$work/alone"
    added "$work/alone" "$work/shipped" | sed "s/$/ $program/"
done >"$work/gained"

untested=$(added "$work/shipped" "$work/tested")
if [ -n "$untested" ]; then
    echo "features: \`make test\` would run programs with features that \`make build\` does not ship, because of a dev-dependency:" >&2
    echo "$untested" >&2
    exit 1
fi

# `crate@version feature: programs`
awk '{ programs[$1 " " $2] = programs[$1 " " $2] " " $3 } END { for (line in programs) print line ":" programs[line] }' "$work/gained" |
    LC_ALL=C sort >"$work/found"
sed '/^#/d; /^$/d' "$list" | LC_ALL=C sort >"$work/listed"
if ! difference=$(diff "$work/listed" "$work/found"); then
    echo "features: building the programs together changes their dependencies' features otherwise than $list says" >&2
    echo "(< only in the list, > only in the build: \`crate feature: programs that get it from another\`):" >&2
    grep '^[<>]' <<<"$difference" >&2
    echo "Look up what each new feature changes. Where it changes what a program does, make the program independent of it or let" >&2
    echo "its own Cargo.toml ask for it; then put the line under a reason in $list, and take out lines that are gone." >&2
    exit 1
fi
# What `arbitrary_precision` breaks: structures that are read through serde's own buffer.
# (polkadot_js.rs reads names, no numbers.)
buffered=$(grep -rlE 'serde\(.*\b(flatten|untagged|tag\b)' --include='*.rs' client/*/src inference-worker/*/src |
    xargs grep -lE 'derive\(.*\bDeserialize\b' | grep -v '^client/wallet/src/polkadot_js.rs$' || true)
if [ -n "$buffered" ]; then
    echo "features: a structure that is flattened, untagged or tagged cannot read a number with a point in these builds:" >&2
    echo "$buffered" >&2
    echo "Name its fields one by one, or take them from a serde_json::Value; see client/workflow/src/number.rs." >&2
    exit 1
fi
echo "features: $(wc -l <"$work/found") that programs get from each other, all of them known"
