#!/usr/bin/env bash
# Installs the tools that `make lint`, `make doc` and `make dist` need and users do not: cargo-deny,
# typos, mdbook and zigbuild (cargo-zigbuild and zig), each at the version below. They are installed
# into `tools/bin` of the target folder, unless PATH already has the right version.
#   scripts/setup-tools.sh NAME...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=${CARGO_TARGET_DIR:-$PWD/target}/tools
mkdir -p "$tools/bin"
export PATH=$tools/bin:$PATH

version_of() {
  case "$1" in
    cargo-deny) echo 0.20.2 ;;
    mdbook) echo 0.5.4 ;;
    typos) echo 1.52.0 ;;
    zigbuild) sed -n 's/^cargo-zigbuild==\([0-9.]*\).*/\1/p' scripts/toolchain/zig.txt ;;
    *) echo "setup-tools: no tool of the name $1" >&2; exit 1 ;;
  esac
}

# Compiles a tool from its sources and its own lock file, apart from the workspace's target folder.
from_cargo() {
  local work
  work=$(mktemp -d)
  if ! cargo install --quiet --locked --root "$tools" --target-dir "$work" "$@"; then
    rm -rf "$work"
    echo "setup-tools: 'cargo install --locked $*' failed: is the package registry reachable?" >&2
    exit 1
  fi
  rm -rf "$work"
}

for tool in "$@"; do
  version=$(version_of "$tool")
  # `cargo-deny 0.20.2`, `mdbook v0.5.4`, `typos-cli 1.52.0`
  program=$([ "$tool" = zigbuild ] && echo cargo-zigbuild || echo "$tool")
  case "$("$program" --version 2>/dev/null || true)" in *" $version" | *" v$version") continue ;; esac
  echo "setup-tools: installing $tool $version"
  case "$tool" in
    cargo-deny) from_cargo cargo-deny --version "$version" ;;
    mdbook) from_cargo mdbook --version "$version" --no-default-features --features search ;;
    typos)
      # The Python package holds the program for x86-64 and aarch64: seconds instead of minutes.
      python3 -m venv "$tools/python"
      if "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: "typos==$version"; then
        ln -sf ../python/bin/typos "$tools/bin/typos"
      else
        from_cargo typos-cli --version "$version"
      fi
      ;;
    zigbuild)
      # Compilers of what others run: only what is meant, to the byte.
      python3 -m venv "$tools/zig"
      "$tools/zig/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        --require-hashes -r scripts/toolchain/zig.txt
      ln -sf ../zig/bin/cargo-zigbuild "$tools/bin/cargo-zigbuild"
      ln -sf "$("$tools/zig/bin/python" -c 'import ziglang; print(ziglang.__path__[0])')/zig" "$tools/bin/zig"
      ;;
  esac
done
