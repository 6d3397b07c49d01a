#!/usr/bin/env bash
# Makes this machine able to build Mica: a C/C++ compiler, cmake, protoc and the Wasm target.
# Installs only what is missing; Rust itself must be there.
#   scripts/setup.sh         what `make build` and `make demo` need
#   scripts/setup.sh test    and what `make test` needs
#   scripts/setup.sh dist    and what `make test-dist` needs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need cc gcc
need c++ g++
need make make
need cmake cmake
need protoc protobuf-compiler
need xz xz-utils
# The checks of `make lint` are written in it.
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "${1:-}" = test ]; then
  # Tests speak to the gateway as strangers do.
  need curl curl
  # And with certificates of their own.
  need openssl openssl
  # And to the chain.
  need node nodejs
  need npm npm
  # Homes behind routers, which only root can build.
  if [ "$(id -u)" = 0 ]; then
    need ip iproute2
    need nft nftables
  fi
  # Exactness on another family of CPUs: scripts/test-aarch64.sh.
  if [ "${MICA_SKIP_AARCH64:-}" != 1 ]; then
    need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    [ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] || missing+=(libc6-dev-arm64-cross)
    need qemu-aarch64 qemu-user
  fi
fi

if [ "${1:-}" = dist ]; then
  # A fresh Debian, and its systemd.
  need debootstrap debootstrap
  need systemd-nspawn systemd-container
fi

if [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null; then
    echo "setup: installing ${missing[*]}"
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "setup: these tools are missing: ${missing[*]} (names of Debian packages)." >&2
    echo "Install them with your system's package manager (macOS: 'brew install cmake protobuf xz node';" >&2
    echo "Fedora: 'dnf install gcc-c++ cmake protobuf-compiler xz nodejs npm')," >&2
    echo "then run 'make setup' again." >&2
    exit 1
  fi
fi

# The packages of tests/javascript need it; what an old distribution installs fails deep inside them.
if [ "${1:-}" = test ] && [ "$(node -p 'parseInt(process.versions.node)')" -lt 18 ]; then
  echo "setup: the tests need Node.js 18 or newer, and here is $(node --version). Install a newer one (https://nodejs.org), then run" \
    "'scripts/setup.sh test' again." >&2
  exit 1
fi

if ! command -v cargo >/dev/null; then
  echo "setup: Rust is missing. Install rustup (https://rustup.rs), then run 'make setup' again." >&2
  exit 1
fi
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if ! version=$(rustc --version 2>/dev/null); then
  echo "setup: Rust $channel is not installed. Run 'rustup toolchain install $channel', then 'make setup' again." >&2
  exit 1
fi
case "$version" in
  "rustc $channel"*) ;;
  *) echo "setup: this needs Rust $channel, and here is $version. Use rustup, which reads rust-toolchain.toml." >&2; exit 1 ;;
esac

bash scripts/install-wasm-target.sh
