#!/usr/bin/env python3
"""Prints what others wrote of the programs: each library with its version, licence and source, then
every licence text and notice that comes with them, once.

    packaging/third_party.py [RUST-TARGET]

Libraries that are only used while building (build scripts, procedural macros' own) or in tests are
left out. Of the crates of this repository nothing is said.
"""

import json
import pathlib
import re
import subprocess
import sys

PROGRAMS = ("mica-cli", "mica-worker", "mica-node")
NOTICE = re.compile(r"(?i)^(li[cs]en[cs]e|copying|notice|unlicense|copyright)")


def linked(metadata):
    """Packages that are linked into a program."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    left = [one for one, package in packages.items() if package["name"] in PROGRAMS]
    seen = set(left)
    while left:
        for dependency in nodes[left.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if None in kinds and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                left.append(dependency["pkg"])
    found = (packages[one] for one in seen)
    return sorted(
        (one for one in found if one["source"]), key=lambda one: (one["name"], one["version"])
    )


def notices(package):
    """Texts of the licences and notices that lie beside a package's manifest."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(path for path in folder.iterdir() if path.is_file() and NOTICE.match(path.name))
    return [path.read_text(errors="replace").strip() for path in files]


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else "x86_64-unknown-linux-gnu"
    command = ["cargo", "--locked", "metadata", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = linked(metadata)
    print("Libraries that Mica's programs are linked with. Their sources are in the Rust package")
    print("registry, each under its name and version.\n")
    texts = {}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {package['license'] or 'see its licence file'}; {package['repository'] or ''}")
        for text in notices(package):
            texts.setdefault(text, []).append(name)
    for text, names in sorted(texts.items(), key=lambda one: one[1]):
        print(f"\n{'-' * 80}\n{', '.join(names)}\n{'-' * 80}\n{text}")


if __name__ == "__main__":
    main()
