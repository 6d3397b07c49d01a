#!/usr/bin/env python3
"""What rustfmt does not check: the width of comments and where modules lie.

    scripts/style.py          says what is wrong, and fails if something is
    scripts/style.py --fix    wraps the comments that are too long

A comment line has at most 100 characters (not bytes), except rows of tables, what stands between
``` fences (diagrams and code), and lines with an address. A module is `name.rs` beside `name/`, not
`name/mod.rs`, except what integration tests share: cargo would take `tests/name.rs` for a test.
"""

import pathlib
import re
import subprocess
import sys
import textwrap

WIDTH = 100
ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"(\s*//[/!]?)(?: (.*)|$)")
# What begins a paragraph of its own: an item of a list, a heading, a row, a definition of a link.
ITEM = re.compile(r"(?:[*-] |\d+\. )")
APART = re.compile(r"#|\||```|\[[^]]+\]: \S+$")


def paragraphs(lines):
    """Pieces of comment that may be wrapped, each as (first line, line after the last, prefix)."""
    fenced, begin, prefix = False, None, None
    for at, line in enumerate([*lines, ""]):
        comment = COMMENT.fullmatch(line)
        words = (comment[2] or "") if comment else ""
        fence = words.startswith("```")
        ends = not words or fence or fenced or APART.match(words) or ITEM.match(words)
        if begin is not None and (ends or not comment or comment[1] != prefix):
            yield begin, at, prefix
            begin = None
        if begin is None and words and not (fence or fenced or APART.match(words)):
            begin, prefix = at, comment[1]
        fenced = bool(comment) and fenced != fence


def long_paragraphs(lines):
    for begin, end, prefix in paragraphs(lines):
        long = [at for at in range(begin, end) if len(lines[at]) > WIDTH and "://" not in lines[at]]
        if long:
            yield begin, end, prefix, long


def wrapped(lines, prefix):
    """The same words in lines of the right width; an item's further lines stay indented."""
    texts = [line[len(prefix) + 1 :] for line in lines]
    item = ITEM.match(texts[0])
    return textwrap.wrap(
        " ".join(text.strip() for text in texts),
        width=WIDTH,
        initial_indent=prefix + " ",
        subsequent_indent=prefix + " " * (1 + (item.end() if item else 0)),
        break_long_words=False,
        break_on_hyphens=False,
    )


def main():
    fix = sys.argv[1:] == ["--fix"]
    if sys.argv[1:] and not fix:
        sys.exit(__doc__)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.rs"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found, count = [], 0
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = ROOT / name
        if not path.exists():
            continue
        count += 1
        parts = path.relative_to(ROOT).parts
        shared = len(parts) >= 3 and parts[-3] in ("tests", "benches", "examples")
        if path.name == "mod.rs" and not shared:
            found.append(f"{name}: a module is `{parts[-2]}.rs` beside `{parts[-2]}/`")
        lines = path.read_text(encoding="utf-8").split("\n")
        for begin, end, prefix, long in reversed(list(long_paragraphs(lines))):
            if fix:
                lines[begin:end] = wrapped(lines[begin:end], prefix)
                path.write_text("\n".join(lines), encoding="utf-8")
            else:
                found += [
                    f"{name}:{at + 1}: a comment of more than {WIDTH} characters" for at in long
                ]
    for problem in found:
        print(f"style: {problem}", file=sys.stderr)
    if found:
        sys.exit("style: `scripts/style.py --fix` wraps comments")
    print(f"style: {count} files, their comments at most {WIDTH} characters wide, no mod.rs")


if __name__ == "__main__":
    main()
