#!/usr/bin/env bash
# Makes what people install: for amd64 and arm64 a tarball of all three programs and a Debian package
# of each, with SHA256SUMS, in `dist` of the target folder. They run where glibc is 2.28 or newer
# (Debian 10, Ubuntu 20.04, RHEL 8, Raspberry Pi OS 11) and need no other library.
#   scripts/dist.sh [amd64|arm64]...          build and pack; both without a name
#   scripts/dist.sh --from FOLDER             pack programs that are there already, of this machine
#   scripts/dist.sh --build-only NAME... -- amd64|arm64   build these programs only: where they lie
#                                             is the last line printed
#   PROFILE=production                        optimise across crates: three times the time
#   GLIBC=2.28                                the oldest C library to run with; --from takes any
# The same commit gives the same bytes wherever it is built: docs/decisions/026.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
profile=${PROFILE:-release}
glibc=${GLIBC:-2.28}
out=$CARGO_TARGET_DIR/dist

fail() {
  echo "dist: $1" >&2
  exit 1
}
# One time for everything, that of the commit.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)

target_of() {
  case "$1" in
    amd64) echo x86_64-unknown-linux-gnu ;;
    arm64) echo aarch64-unknown-linux-gnu ;;
    *) fail "no architecture of the name $1: amd64 or arm64" ;;
  esac
}

# Where the sources lie on this machine does not get into the programs: not by panics' places, not
# by assertions in C.
prepare() {
  local target=$1 cargo_home=${CARGO_HOME:-$HOME/.cargo} sysroot
  bash scripts/setup-tools.sh zigbuild >&2
  export PATH=$CARGO_TARGET_DIR/tools/bin:$PATH
  CARGO_ZIGBUILD_ZIG_PATH=$(command -v zig)
  export CARGO_ZIGBUILD_ZIG_PATH
  sysroot=$(rustc --print sysroot)
  compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null ||
    rustup target add "$target" >&2 || fail "run 'rustup target add $target'"
  local maps=("$root=/mica" "$CARGO_TARGET_DIR=/mica/target" "$cargo_home=/cargo" "$sysroot=/rust") map
  # Stripped here and not by the profile, which the Wasm's build would follow too.
  local flags=("-Cstrip=symbols") c=()
  for map in "${maps[@]}"; do
    flags+=("--remap-path-prefix=$map")
    c+=("-ffile-prefix-map=$map")
  done
  CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
  export CARGO_ENCODED_RUSTFLAGS
  # The runtime is a build of its own within the build.
  export WASM_BUILD_RUSTFLAGS="${flags[*]:1}"
  export "CFLAGS_${target//-/_}=${c[*]}" "CXXFLAGS_${target//-/_}=${c[*]}"
  # Not from the folder's state, which differs between a clone and a tarball.
  SUBSTRATE_CLI_GIT_COMMIT_HASH=$(git rev-parse --short=11 HEAD 2>/dev/null || echo unknown)
  export SUBSTRATE_CLI_GIT_COMMIT_HASH
}

# Builds for an architecture; all programs, or those named by `-p` flags.
build() {
  local arch=$1 target
  shift
  target=$(target_of "$arch")
  prepare "$target"
  cargo --locked zigbuild --profile "$profile" --target "$target.$glibc" --bins "$@" >&2
  echo "$CARGO_TARGET_DIR/$target/$profile"
}

# What the programs say of themselves, by programs that run here; it is the same on every machine.
write_texts() {
  local programs=$1 texts=$2 shell
  rm -rf "$texts"
  mkdir -p "$texts/completions"
  "$programs/mica" --quiet man --out "$texts/man"
  "$programs/mica-worker" man --out "$texts/man"
  "$programs/mica-node" man --out "$texts/man"
  for shell in bash zsh fish; do
    "$programs/mica" completions $shell >"$texts/completions/mica.$shell"
    "$programs/mica-worker" completions $shell >"$texts/completions/mica-worker.$shell"
    "$programs/mica-node" completion $shell >"$texts/completions/mica-node.$shell"
  done
  python3 packaging/third_party.py >"$texts/THIRD-PARTY.txt"
}

pack() {
  python3 -B packaging/package.py --programs "$1" --texts "$out/texts" --out "$out" \
    --version "$version" --epoch "$SOURCE_DATE_EPOCH" --glibc "$glibc"
}

here=$(case "$(uname -m)" in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac)
case "${1:-}" in
  --build-only)
    shift
    crates=()
    while [ "${1:---}" != -- ]; do
      crates+=(-p "$([ "$1" = mica ] && echo mica-cli || echo "$1")")
      shift
    done
    build "${2:?an architecture}" "${crates[@]}"
    exit
    ;;
  --from)
    from=$(cd "${2:?a folder}" && pwd)
    archs=()
    glibc=${GLIBC:-99}
    ;;
  *)
    archs=("$@")
    [ ${#archs[@]} -gt 0 ] || archs=(amd64 arm64)
    ;;
esac

mkdir -p "$out"
rm -f "$out"/*.deb "$out"/*.tar.xz "$out/SHA256SUMS"
if [ -n "${from:-}" ]; then
  write_texts "$from" "$out/texts"
  pack "$from"
else
  # This machine's first: it runs, and says what the others print too.
  for arch in $(printf '%s\n' "${archs[@]}" | sort -u | awk -v here="$here" '{ print ($1 != here), $1 }' | sort | cut -d' ' -f2); do
    programs=$(build "$arch" --workspace)
    if [ "$arch" = "$here" ]; then write_texts "$programs" "$out/texts"; fi
    [ -d "$out/texts" ] || fail "build $here first: the manual pages are written by programs that run here"
    pack "$programs"
  done
fi
(cd "$out" && sha256sum -- *.deb *.tar.xz >SHA256SUMS)
echo "dist: $out"
