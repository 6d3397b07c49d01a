#!/usr/bin/env bash
# Runs the tests of exactness as aarch64 programs under qemu-user: kernels and whole models must give
# the stored hashes on another CPU family too, with and without its dot product instruction.
# `scripts/setup.sh test` installs what this needs.
#   MICA_SKIP_AARCH64=1    skip them, where it cannot be had
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-unknown-linux-gnu
linker=aarch64-linux-gnu-gcc

if [ "${MICA_SKIP_AARCH64:-}" = 1 ]; then
  echo "aarch64 tests: SKIPPED, as MICA_SKIP_AARCH64=1 asks" >&2
  exit 0
fi
fail() {
  echo "aarch64 tests: $1" >&2
  echo "aarch64 tests: run 'scripts/setup.sh test', or skip them with MICA_SKIP_AARCH64=1" >&2
  exit 1
}
for program in "$linker" qemu-aarch64; do
  command -v "$program" >/dev/null || fail "$program is missing"
done

# The standard library for the target: from rustup, or built by cargo from the library's source.
sysroot=$(rustc --print sysroot)
installed() { compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null; }
build=()
if ! installed; then
  if command -v rustup >/dev/null; then timeout 300 rustup target add "$target" >/dev/null 2>&1 || true; fi
  if ! installed; then
    if [ ! -f "$sysroot/lib/rustlib/src/rust/library/std/src/lib.rs" ]; then
      version=$(rustc --version | awk '{print $2}')
      tarball=${RUST_LIBRARY_TARBALL:-scripts/toolchain/rust-library-$version.tar.xz}
      [ -f "$tarball" ] || fail "rustup cannot fetch $target and there is no source of rust $version's library"
      mkdir -p "$sysroot/lib/rustlib/src/rust"
      tar xJf "$tarball" -C "$sysroot/lib/rustlib/src/rust"
    fi
    export RUSTC_BOOTSTRAP=1
    build=("-Zbuild-std=std,panic_unwind,proc_macro,test")
  fi
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$linker
export CC_aarch64_unknown_linux_gnu=$linker
# Cases per property; the native tests have more of them, and emulation is slow.
export PROPTEST_CASES=${PROPTEST_CASES:-20}
run_tests() {
  echo "aarch64 tests: ${*:2} on an emulated $1"
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu $1" \
    cargo --locked test "${build[@]}" --quiet --release --target "$target" "${@:2}"
}
# The first CPU has dot products, the second (as in a Raspberry Pi 4) has not. Whole models try both
# ways on the first.
run_tests max -p mica-kernels --test exact --test golden
run_tests cortex-a72 -p mica-kernels --test exact --test golden
run_tests max -p mica-engine --test exact --test sessions
