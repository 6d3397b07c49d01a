#!/usr/bin/env bash
# What `make dist` has made, as a newcomer meets it, in a fresh Debian without anything else: the sums
# are right, the tarball's demo runs within a minute, the packages install, the commands of README.md
# and of docs/installation.md work as they stand there, and nothing of the user's is deleted.
#   scripts/test-dist.sh [FOLDER]     what to test: `dist` of the target folder
#   SUITE=bookworm                    the Debian
# Needs root and debootstrap, which fetches that Debian; says so and does nothing elsewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dist=$(realpath "${1:-${CARGO_TARGET_DIR:-$PWD/target}/dist}")
suite=${SUITE:-bookworm}
arch=$(dpkg --print-architecture 2>/dev/null || true)
[ -f "$dist/SHA256SUMS" ] || { echo "dist test: nothing in $dist: run 'make dist'" >&2; exit 1; }
(cd "$dist" && sha256sum --check --quiet SHA256SUMS)
echo "dist test: the sums are right"

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "dist test: a fresh Debian: SKIPPED, it needs root and debootstrap" >&2
  exit 0
fi
root=$(mktemp -d)
cleanup() {
  if mountpoint -q "$root/proc"; then umount -l "$root/proc"; fi
  rm -rf --one-file-system "$root"
}
trap cleanup EXIT
debootstrap --variant=minbase "$suite" "$root" >"$root.log" 2>&1 || { tail "$root.log" >&2; exit 1; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
mkdir -p "$root/release" "$root/usr/local/bin"
cp "$dist"/*_"$arch".deb "$dist"/*-"$arch".tar.xz "$dist/SHA256SUMS" "$root/release"
# Who is root needs none, and the minimal Debian has none.
cat >"$root/usr/local/bin/sudo" <<'END'
#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"; fi
exec "$@"
END
chmod +x "$root/usr/local/bin/sudo"
inside() { chroot "$root" env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin DEBIAN_FRONTEND=noninteractive bash -euc "$1"; }

# tar and xz are all that a tarball needs, and the minimal Debian lacks the second.
if ! inside 'command -v xz >/dev/null'; then inside 'apt-get install -y -qq --no-install-recommends xz-utils >/dev/null'; fi
began=$(date +%s)
inside 'cd /root && tar xf /release/*.tar.xz && mica-*/bin/mica demo --summary /root/demo.json'
took=$(($(date +%s) - began))
grep -q '"redeemed": true' "$root/root/demo.json"
echo "dist test: the tarball's demo took $took s in a fresh $suite"
[ "$took" -le 60 ] || { echo "dist test: that is more than a minute" >&2; exit 1; }
inside 'rm -rf /root/mica-*'

# Commands of the pages, block by block in one shell each. Services need a running systemd: those
# blocks are left, and say so by their first word.
python3 - README.md docs/installation.md >"$root/commands" <<'END'
import re, sys
for page in sys.argv[1:]:
    text = open(page).read()
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        installs = page.startswith("docs/") or block.startswith("sudo apt")
        if installs and not re.search(r"^(sudo systemctl|journalctl|make|sudo apt remove)", block, re.M):
            print(f"cd /release\n{block}")
END
sed -i "s/_amd64/_$arch/g; s/-amd64/-$arch/g" "$root/commands"
echo "dist test: commands of the pages:"
sed 's/^/  /' "$root/commands"
inside 'bash -eux /commands'
inside 'test -s /var/lib/mica-worker/account.key'
inside 'man=$(ls /usr/share/man/man1/mica*.gz | wc -l); test "$man" -gt 60'
inside 'dpkg --verify mica mica-worker mica-node'
if command -v systemd-nspawn >/dev/null; then
  inside 'apt-get install -y -qq --no-install-recommends systemd systemd-sysv dbus curl >/dev/null'
  bash scripts/test-services.sh "$root"
else
  echo "dist test: services under systemd: SKIPPED, it needs systemd-nspawn (package systemd-container)" >&2
fi
inside "$(grep -m1 '^sudo apt remove' docs/installation.md)"
inside 'dpkg --purge mica mica-worker mica-node >/dev/null && ! command -v mica && test -s /var/lib/mica-worker/account.key'
echo "dist test: packages installed, used and removed; the worker's key is still there: passed"
