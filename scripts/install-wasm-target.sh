#!/usr/bin/env bash
# Gives the active rustc the target wasm32v1-none (core, alloc, compiler_builtins), which the
# runtime's Wasm build needs. Tries in order: already installed, rustup, compiled here from the
# library source beside this script.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=wasm32v1-none
sysroot=$(rustc --print sysroot)
libdir=$sysroot/lib/rustlib/$target/lib
# `rustup target add` can report success with nothing there, so the library itself is what counts.
installed() { compgen -G "$libdir/libcore-*.rlib" >/dev/null; }
if installed; then exit 0; fi

if command -v rustup >/dev/null && timeout 120 rustup target add "$target" >/dev/null 2>&1 && installed; then
  echo "$target: installed by rustup"
  exit 0
fi

version=$(rustc --version | awk '{print $2}')
tarball=${RUST_LIBRARY_TARBALL:-$here/toolchain/rust-library-$version.tar.xz}
src=$sysroot/lib/rustlib/src/rust
if [ ! -f "$src/library/core/src/lib.rs" ]; then
  [ -f "$tarball" ] || {
    echo "$target: rustup could not fetch it and there is no source of rust $version's library." >&2
    echo "Install the target with 'rustup target add $target', or set RUST_LIBRARY_TARBALL." >&2
    exit 1
  }
  mkdir -p "$src"
  tar xJf "$tarball" -C "$src"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
printf '[package]\nname = "std-probe"\nversion = "0.0.0"\nedition = "2024"\n[profile.release]\npanic = "abort"\n' > "$work/Cargo.toml"
echo '#![no_std] extern crate alloc;' > "$work/src/lib.rs"
# embed-bitcode: the Wasm builder links with LTO and fails with "Can't find section .llvmbc" without it.
(cd "$work" && RUSTC=$(rustc --print sysroot)/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Cembed-bitcode=yes' CARGO_TARGET_DIR=$work/target \
  "$(dirname "$(rustup which cargo 2>/dev/null || command -v cargo)")/cargo" build --quiet --release --target "$target" -Zbuild-std=core,alloc,compiler_builtins)
mkdir -p "$libdir"
cp "$work/target/$target"/release/deps/lib{core,alloc,compiler_builtins}-*.rlib "$libdir/"
echo "$target: compiled from the library source of rust $version"
