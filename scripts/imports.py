#!/usr/bin/env python3
"""Prints who imports whom: the workspace's crates, and the modules of each crate.

    scripts/imports.py                 everything, as text
    scripts/imports.py CRATE...        only the modules of these crates
    scripts/imports.py --dot           a graph for Graphviz: the crates, or the modules of CRATE...
    scripts/imports.py --check         prints what is wrong, and fails if something is

Crates come from `cargo metadata`, modules from the paths in the sources: what follows `use`, and
every path in code that starts at `crate`, `self`, `super`, a child or an imported module. Tests are
left out. A folder is a module's file together with its children (`ask.rs` and `ask/`). A module's
floor is one above the highest floor that it imports; a circle stands on one floor.

Wrong are: a crate that imports one which ORDER does not put before it, a crate that ORDER does not
name, and a circle between modules that do not lie in one folder. Files of one folder may import
each other, and a child its parent.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
from collections import defaultdict

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A crate may import what stands left of it in a line that names it; ARCHITECTURE.md says why.
# Crates are named by their folders. `tests` and what lies in it may import everything.
SHARED = (
    "pallets/primitives inference-worker/text inference-worker/host inference-worker/log inference-worker/manual "
    "inference-worker/engine "
    "inference-worker/metrics inference-worker/market inference-worker/protocol inference-worker/net inference-worker/chain "
    "inference-worker/weights"
)
ORDER = f"""
pallets/primitives < pallets/* < runtime < node
inference-worker/manual < node
pallets/primitives inference-worker/kernels < inference-worker/engine
pallets/primitives < inference-worker/market inference-worker/protocol inference-worker/host
inference-worker/text < inference-worker/protocol inference-worker/log
pallets/primitives inference-worker/host inference-worker/protocol < inference-worker/net
pallets/primitives inference-worker/host < inference-worker/chain
pallets/primitives inference-worker/host inference-worker/engine inference-worker/net < inference-worker/weights
{SHARED} < inference-worker/worker
{SHARED} < client/wallet < client/payer < client/workflow < client/gateway < client/cli
{SHARED} client/wallet client/payer < client/hub < client/cli
"""

# Circles that stay: crate, modules, reason. One that grows, shrinks or is opened is an error.
KNOWN = [
    (
        "mica-kernels",
        "activations dense isa matrix memory packed quant simd",
        "the scalar definition chooses its SIMD twin, which is written in the definition's types",
    ),
]


def is_test(crate):
    """Whether the crate is for tests alone."""
    return crate.place.split("/")[0] == "tests"


class Crate:
    """A member of the workspace: the members that it imports, its modules and their arrows."""

    def __init__(self, package, members):
        self.name = package["name"]
        self.folder = pathlib.Path(package["manifest_path"]).parent
        self.place = self.folder.relative_to(ROOT).as_posix()
        self.imports, self.in_tests = set(), set()
        for dependency in package["dependencies"]:
            if dependency.get("path") and dependency["name"] in members:
                side = self.in_tests if dependency["kind"] == "dev" else self.imports
                side.add(dependency["name"])
        kinds = {kind: target for target in package["targets"] for kind in target["kind"]}
        target = kinds.get("lib") or kinds.get("proc-macro") or kinds.get("bin")
        self.files = read_modules(pathlib.Path(target["src_path"])) if target else {}
        self.arrows = arrows(self.files)


# The sources

NOISE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\\n])'""", re.DOTALL
)
TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|::|[{}();,*\[\]#=<>!]|\S")


def tokens_of(path):
    """The tokens of a file without comments, strings, and what is compiled for tests only."""
    tokens = TOKEN.findall(NOISE.sub(" ", path.read_text(encoding="utf-8")))
    kept, at = [], 0
    while at < len(tokens):
        if tokens[at : at + 7] == ["#", "[", "cfg", "(", "test", ")", "]"]:
            at = end_of_item(tokens, at + 7)
        else:
            kept.append(tokens[at])
            at += 1
    return kept


def end_of_item(tokens, at):
    """Where the item that starts at `at` is over: after its first `;` or its closing brace."""
    depth = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token in ("{", "(", "["):
            depth += 1
        elif token in ("}", ")", "]"):
            depth -= 1
            if depth == 0 and token == "}":
                return at
        elif token == ";" and depth == 0:
            return at
    return at


def read_modules(root):
    """The tokens of each file that `root` declares, by the module's path: `()` for the root."""
    found, waiting = {}, [((), root)]
    while waiting:
        module, path = waiting.pop()
        found[module] = tokens = tokens_of(path)
        top = path.name in ("lib.rs", "main.rs", "mod.rs") or not module
        folder = path.parent if top else path.with_suffix("")
        for at, token in enumerate(tokens[:-2]):
            if token == "mod" and tokens[at + 2] == ";":
                name = tokens[at + 1]
                for child in (folder / f"{name}.rs", folder / name / "mod.rs"):
                    if child.exists():
                        waiting.append((module + (name,), child))
    return found


def paths_at(tokens, at, prefix=()):
    """The paths of the use tree (or the path in code) at `at`, each with its last name's alias."""
    prefix = list(prefix)
    while at < len(tokens):
        token = tokens[at]
        if token == "{":
            at += 1
            while at < len(tokens) and tokens[at] != "}":
                if tokens[at] == ",":
                    at += 1
                    continue
                before = at
                for item in paths_at(tokens, at, prefix):
                    if isinstance(item, int):
                        at = item
                    else:
                        yield item
                if at == before:
                    at += 1
            yield at + 1
            return
        if not (token.isidentifier() or token == "*"):
            break
        prefix.append(token)
        at += 1
        if at < len(tokens) and tokens[at] == "::":
            at += 1
            continue
        break
    alias = prefix[-1] if prefix else ""
    if at + 1 < len(tokens) and tokens[at] == "as":
        alias, at = tokens[at + 1], at + 2
    if prefix:
        yield tuple(prefix), alias
    yield at


def arrows(files):
    """The modules that each module imports. A name that a parent only passes on (`super::Thing`,
    where the parent says `use child::Thing`) is an arrow to where the parent takes it from."""
    known = {module: imported_names(module, files) for module in files}
    found = defaultdict(set)
    for module, tokens in files.items():
        for path in paths_in(tokens):
            target = resolve(module, path, files, known[module])
            if target is None:
                continue
            target, rest = target
            if rest and module[: len(target)] == target and rest[0] in known[target]:
                target = resolve(target, known[target][rest[0]], files, {})[0]
            if target != module:
                found[module].add(target)
    return found


def paths_in(tokens):
    """Every path of a file that has more than one name, those of use trees written out."""
    at = 0
    while at < len(tokens):
        starts = tokens[at].isidentifier() and (at == 0 or tokens[at - 1] not in ("::", "."))
        if tokens[at] == "use" or (starts and at + 1 < len(tokens) and tokens[at + 1] == "::"):
            begin = at + 1 if tokens[at] == "use" else at
            for item in paths_at(tokens, begin):
                if isinstance(item, int):
                    at = max(item, at + 1)
                else:
                    yield item[0]
        else:
            at += 1


def imported_names(module, files):
    """The names that a module's `use` brings in from this crate: alias -> path."""
    tokens, names = files[module], {}
    for at, token in enumerate(tokens):
        if token == "use":
            for item in paths_at(tokens, at + 1):
                if not isinstance(item, int):
                    path, alias = item
                    if alias == "self":
                        path, alias = path[:-1], path[-2] if len(path) > 1 else ""
                    if resolve(module, path, files, {}) is not None:
                        names[alias] = path
    return names


def resolve(module, path, files, names):
    """The module that a path leads to and the rest of the path; None if it leaves the crate."""
    first, rest = path[0], list(path)
    if first == "crate":
        here, rest = (), rest[1:]
    elif first in ("self", "super"):
        here = module
        while rest and rest[0] in ("self", "super"):
            here = here[:-1] if rest.pop(0) == "super" else here
    elif module + (first,) in files:
        here = module
    elif first in names and names[first][0] != first:
        through = resolve(module, names[first], files, {})
        if through is None or through[1]:
            return None
        here, rest = through[0], rest[1:]
    else:
        return None
    while rest and here + (rest[0],) in files:
        here, rest = here + (rest[0],), rest[1:]
    return here, rest


# The graphs


def circles(graph):
    """Sets of nodes that reach each other (Tarjan's algorithm, without recursion)."""
    index, low, stack, on, found = {}, {}, [], set(), []
    for start in sorted(graph):
        if start in index:
            continue
        work = [(start, iter(sorted(graph.get(start, ()))))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on.add(start)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on.add(target)
                    work.append((target, iter(sorted(graph.get(target, ())))))
                    break
                if target in on:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    circle = set()
                    while node not in circle:
                        circle.add(stack.pop())
                    on -= circle
                    found.append(circle)
    return found


def floors(graph, nodes):
    """The floor of each node, the ground floor being 1. A circle stands on one floor."""
    of = {node: number for number, group in enumerate(circles(graph)) for node in group}
    below = defaultdict(set)
    for node in nodes:
        below[of[node]] |= {of[target] for target in graph.get(node, ()) if of[target] != of[node]}
    height = {}
    # Tarjan's order: what a group imports comes before it.
    for group in sorted(set(of.values())):
        height[group] = 1 + max((height[target] for target in below[group]), default=0)
    return {node: height[of[node]] for node in nodes}


def siblings(crate, folder=()):
    """The modules of one folder and their arrows; what lies in a module's folder counts as it."""
    depth = len(folder) + 1
    inside = {
        module
        for module in crate.files
        if len(module) >= depth and module[:-1][: depth - 1] == folder
    }
    graph = {module[:depth]: set() for module in inside}
    for module in inside:
        for target in crate.arrows.get(module, ()):
            if target in inside and module[:depth] != target[:depth]:
                graph[module[:depth]].add(target[:depth])
    return graph


def wide_circles(crate):
    """Circles of siblings of which at least one is a folder: they lie in more folders than one."""
    folders = {module[:-1] for module in crate.files if module}
    for folder in sorted(folders):
        graph = siblings(crate, folder)
        for circle in circles(graph):
            if len(circle) > 1 and circle & folders:
                yield graph, circle


def text(module):
    return "::".join(module) or "(root)"


def arrows_round(crate, graph, circle):
    """The first two arrows of the shortest way round a circle, between the files that make them."""
    ways = [[start] for start in sorted(circle)]
    while ways:
        way = ways.pop(0)
        for target in sorted(graph[way[-1]] & circle):
            if target == way[0]:
                way = way + way[:2]
                return [file_arrow(crate, *way[at : at + 2]) for at in (0, 1)]
            if target not in way:
                ways.append(way + [target])
    raise AssertionError("a circle has a way round")


def file_arrow(crate, source, target):
    """An arrow between two files that makes the arrow between these two siblings."""
    for module in sorted(crate.arrows):
        if module[: len(source)] == source:
            for imported in sorted(crate.arrows[module]):
                if imported[: len(target)] == target:
                    return module, imported
    raise AssertionError("an arrow is made by files")


# The rules


def allowed_before(places):
    """For each crate's folder the folders that ORDER puts before it."""
    before = {}
    for line in ORDER.strip().splitlines():
        seen = set()
        for floor in line.split("<"):
            here = set()
            for pattern in floor.split():
                here |= {place for place in places if pathlib.PurePath(place).match(pattern)}
            for place in here:
                before.setdefault(place, set()).update(seen - {place})
            seen |= here
    return before


def problems(crates):
    by_name = {crate.name: crate for crate in crates}
    before = allowed_before([crate.place for crate in crates])
    for crate in crates:
        if not is_test(crate) and crate.place not in before and crate.imports:
            yield f"{crate.name}: {crate.place} is not in ORDER of scripts/imports.py"
            continue
        for name in sorted(crate.imports):
            place = by_name[name].place
            if not is_test(crate) and place not in before[crate.place]:
                yield (
                    f"{crate.name} may not import {name}: "
                    f"ORDER of scripts/imports.py does not put {place} before {crate.place}"
                )
    known = {(name, frozenset(circle.split())) for name, circle, _ in KNOWN}
    for crate in crates:
        for graph, circle in wide_circles(crate):
            names = frozenset(map(text, circle))
            if (crate.name, names) in known:
                known.discard((crate.name, names))
                continue
            arrow, back = (
                " -> ".join(map(text, way)) for way in arrows_round(crate, graph, circle)
            )
            yield (
                f"{crate.name}: a circle over folders: {', '.join(sorted(names))} "
                f"(for example {arrow}, and {back})"
            )
    for name, circle in sorted(known, key=str):
        circle = ", ".join(sorted(circle))
        yield f"{name}: KNOWN of scripts/imports.py names a circle that is not there: {circle}"


# What is printed


def print_crates(crates):
    graph = {crate.name: crate.imports for crate in crates}
    height = floors(graph, list(graph))
    print(f"crates: {len(crates)} on {max(height.values())} floors")
    for crate in sorted(crates, key=lambda crate: (-height[crate.name], crate.name)):
        line = f"  {height[crate.name]:2} {crate.name}: {', '.join(sorted(crate.imports)) or '-'}"
        in_tests = sorted(crate.in_tests - crate.imports)
        print(line + (f" (in tests: {', '.join(in_tests)})" if in_tests else ""))
    client = {
        crate.name: crate.imports for crate in crates if crate.place.split("/")[0] == "client"
    }
    graph = {name: imports & set(client) for name, imports in client.items()}
    if graph:
        print(f"client: {len(graph)} crates on {max(floors(graph, list(graph)).values())} floors")


def print_modules(crate):
    graph = siblings(crate)
    if not graph:
        return
    height = floors(graph, list(graph))
    count = sum(map(len, graph.values()))
    high, files = max(height.values()), len(crate.files)
    print(f"\n{crate.name}: {len(graph)} modules, {count} arrows, {high} floors, {files} files")
    for module in sorted(graph, key=lambda module: (-height[module], module)):
        imported = ", ".join(sorted(map(text, graph[module]))) or "-"
        print(f"  {height[module]:2} {text(module)}: {imported}")
    for circle in circles(graph):
        if len(circle) > 1:
            print(f"     circle: {', '.join(sorted(map(text, circle)))}")


def print_dot(crates, chosen):
    print("digraph imports {\n  rankdir=BT; node [shape=box, fontname=sans];")
    for crate in crates if not chosen else chosen:
        if not chosen:
            for name in sorted(crate.imports):
                print(f'  "{crate.name}" -> "{name}";')
            continue
        graph = siblings(crate)
        print(f'  subgraph "cluster_{crate.name}" {{\n    label="{crate.name}";')
        for module in sorted(graph):
            print(f'    "{crate.name}::{text(module)}" [label="{text(module)}"];')
        print("  }")
        for module, targets in sorted(graph.items()):
            for target in sorted(targets):
                print(f'  "{crate.name}::{text(module)}" -> "{crate.name}::{text(target)}";')
    print("}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "crates", nargs="*", metavar="CRATE", help="only the modules of these crates"
    )
    parser.add_argument("--dot", action="store_true", help="print a graph for Graphviz")
    parser.add_argument(
        "--check", action="store_true", help="print what is wrong, and fail if something is"
    )
    args = parser.parse_args()

    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    packages = json.loads(
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    )["packages"]
    members = {package["name"] for package in packages}
    crates = [Crate(package, members) for package in packages]
    chosen = [crate for crate in crates if crate.name in args.crates]
    unknown = set(args.crates) - {crate.name for crate in chosen}
    if unknown:
        sys.exit(f"imports: no such crate: {', '.join(sorted(unknown))}")

    if args.dot:
        print_dot(crates, chosen)
        return
    if not args.check:
        if not chosen:
            print_crates(crates)
        for crate in chosen or crates:
            print_modules(crate)
        print()
    found = [] if chosen else list(problems(crates))
    for problem in found:
        print(f"imports: {problem}", file=sys.stderr)
    if args.check and not found:
        modules = sum(len(crate.files) for crate in crates)
        print(f"imports: {len(crates)} crates and {modules} modules, all arrows point one way")
    sys.exit(bool(found and args.check))


if __name__ == "__main__":
    main()
