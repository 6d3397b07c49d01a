#!/usr/bin/env python3
"""What rustfmt does not check: the width of comments and where modules lie.

A comment line has at most 100 characters (not bytes), except rows of tables, what stands between
``` fences (diagrams and code), and lines with an address. A module is `name.rs` beside `name/`, not
`name/mod.rs`, except what integration tests share: cargo would take `tests/name.rs` for a test.
"""

import pathlib
import re
import subprocess
import sys

WIDTH = 100
ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"\s*//[/!]?")


def long_comments(text):
    """Numbers of the lines that are too long."""
    in_fence = False
    for number, line in enumerate(text.splitlines(), 1):
        comment = COMMENT.match(line)
        if not comment:
            in_fence = False
            continue
        words = line[comment.end() :].strip()
        if words.startswith("```"):
            in_fence = not in_fence
        elif len(line) > WIDTH and not (in_fence or words.startswith("|") or "://" in words):
            yield number


def main():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.rs"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found, count = [], 0
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.exists():
            continue
        count += 1
        parts = path.relative_to(ROOT).parts
        shared = len(parts) >= 3 and parts[-3] in ("tests", "benches", "examples")
        if path.name == "mod.rs" and not shared:
            found.append(f"{name}: a module is `{parts[-2]}.rs` beside `{parts[-2]}/`")
        for number in long_comments(path.read_text(encoding="utf-8")):
            found.append(f"{name}:{number}: this comment has more than {WIDTH} characters")
    for problem in found:
        print(f"style: {problem}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"style: {count} files, their comments at most {WIDTH} characters wide, no mod.rs")


if __name__ == "__main__":
    main()
