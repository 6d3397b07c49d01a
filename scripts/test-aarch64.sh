#!/usr/bin/env bash
# Runs the kernels' tests as aarch64 programs under qemu-user: the stored hashes must be the same on another CPU family, with and
# without its dot product instruction. What is missing is installed if that is possible; what cannot be had is an error, unless
# MICA_AARCH64=skip says that this machine shall do without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-unknown-linux-gnu

give_up() {
  echo "aarch64 tests: $1" >&2
  if [ "${MICA_AARCH64:-}" = skip ]; then
    echo "aarch64 tests: skipped, as MICA_AARCH64=skip asks" >&2
    exit 0
  fi
  echo "aarch64 tests: set MICA_AARCH64=skip to do without them" >&2
  exit 1
}

linker=aarch64-linux-gnu-gcc
missing=()
command -v "$linker" >/dev/null || missing+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
if [ ${#missing[@]} -gt 0 ]; then
  install="apt-get install -y ${missing[*]}"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    give_up "missing programs, install them with '$install'"
  fi
  $install >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 && $install >/dev/null 2>&1; } || give_up "'$install' failed"
fi

# The standard library for the target: from rustup, or built by cargo from the library's source if that is there.
sysroot=$(rustc --print sysroot)
installed() { compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null; }
build=()
if ! installed; then
  if command -v rustup >/dev/null; then timeout 300 rustup target add "$target" >/dev/null 2>&1 || true; fi
  if ! installed; then
    if [ ! -f "$sysroot/lib/rustlib/src/rust/library/std/src/lib.rs" ]; then
      version=$(rustc --version | awk '{print $2}')
      tarball=${RUST_LIBRARY_TARBALL:-scripts/toolchain/rust-library-$version.tar.xz}
      [ -f "$tarball" ] || give_up "rustup cannot fetch $target and there is no source of rust $version's library"
      mkdir -p "$sysroot/lib/rustlib/src/rust"
      tar xJf "$tarball" -C "$sysroot/lib/rustlib/src/rust"
    fi
    export RUSTC_BOOTSTRAP=1
    build=(-Zbuild-std=std,panic_unwind,proc_macro,test)
  fi
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$linker
export CC_aarch64_unknown_linux_gnu=$linker
# Cases per property; the native tests have more of them, and emulation is slow.
export PROPTEST_CASES=${PROPTEST_CASES:-20}
run_tests() {
  echo "aarch64 tests: on an emulated $1"
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu $1" \
    cargo --locked test "${build[@]}" --quiet --release --target "$target" -p mica-kernels --test exact --test golden
}
# The first has dot products, the second (as in a Raspberry Pi 4) has not.
run_tests max
run_tests cortex-a72
