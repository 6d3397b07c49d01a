#!/usr/bin/env python3
"""Tests of imports.py and style.py, which `make lint` runs before it trusts them."""

import pathlib
import tempfile
import unittest

import imports
import style


def crate(files):
    """A crate with these files, as imports.py reads it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        package = {
            "name": "a-crate",
            "manifest_path": str(imports.ROOT / "a" / "Cargo.toml"),
            "dependencies": [],
            "targets": [{"kind": ["lib"], "src_path": str(pathlib.Path(folder, "lib.rs"))}],
        }
        return imports.Crate(package, set())


def arrows(files):
    found = crate(files).arrows
    return {"::".join(a): {"::".join(b) for b in to} for a, to in found.items() if to}


def circles(files):
    found = imports.wide_circles(crate(files))
    return [sorted("::".join(module) for module in circle) for _, circle in found]


class Imports(unittest.TestCase):
    def test_use_trees_paths_and_aliases(self):
        found = arrows(
            {
                "lib.rs": "mod a; mod b; mod c; mod d;",
                "a.rs": "use crate::{b::{self as bee, B}, c}; fn f() { c::inner::g(); bee::h() }",
                "b.rs": "fn h() -> crate::d::D { super::c::f() }",
                "c.rs": "pub mod inner;",
                "c/inner.rs": "use std::fmt; use serde::b::B;",
                "d.rs": "",
            }
        )
        self.assertEqual(found, {"a": {"b", "c", "c::inner"}, "b": {"c", "d"}})

    def test_comments_strings_and_tests_import_nothing(self):
        found = arrows(
            {
                "lib.rs": "mod a; mod b; #[cfg(test)] mod tests;",
                "a.rs": """// use crate::b;
                /// [`crate::b`]
                const A: &str = "crate::b::B"; const C: char = '"'; const D: &str = r#"crate::b"#;
                #[cfg(test)] mod tests { use crate::b; }
                #[cfg(test)] use crate::b;""",
                "b.rs": "",
                "tests.rs": "use crate::a;",
            }
        )
        self.assertEqual(found, {})

    def test_a_parent_that_passes_a_name_on_is_looked_through(self):
        found = arrows(
            {
                "lib.rs": "mod a; mod b; pub use b::Thing;",
                "a.rs": "use crate::Thing;",
                "b.rs": "pub struct Thing;",
            }
        )
        self.assertEqual(found["a"], {"b"})

    def test_circles_over_folders_are_found_and_those_within_one_are_not(self):
        one = {"lib.rs": "mod a; mod b;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A;"}
        self.assertEqual(circles(one), [])
        parent = {"lib.rs": "mod a;", "a.rs": "mod c; use c::C;", "a/c.rs": "use super::A;"}
        self.assertEqual(circles(parent), [])
        wide = one | {"b.rs": "mod c;", "b/c.rs": "use crate::a::A;"}
        self.assertEqual(circles(wide), [["a", "b"]])

    def test_floors_count_the_longest_way_down(self):
        graph = {"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": {"c"}}
        self.assertEqual(imports.floors(graph, list(graph)), {"a": 3, "b": 2, "c": 1, "d": 1})

    def test_a_crate_may_import_only_what_stands_before_it(self):
        before = imports.allowed_before(["pallets/primitives", "pallets/sla", "runtime", "node"])
        self.assertEqual(before["runtime"], {"pallets/primitives", "pallets/sla"})
        self.assertEqual(before["pallets/primitives"], set())
        self.assertNotIn("node", before["runtime"])


class Style(unittest.TestCase):
    def fixed(self, text):
        lines = text.split("\n")
        for begin, end, prefix, _ in reversed(list(style.long_paragraphs(lines))):
            lines[begin:end] = style.wrapped(lines[begin:end], prefix)
        return "\n".join(lines)

    def test_long_comments_are_wrapped_with_the_rest_of_their_paragraph(self):
        words = " ".join(["word"] * 30)
        text = f"    /// {words}\n    /// and more.\n    ///\n    /// * item\n    fn f() {{}}"
        fixed = self.fixed(text)
        self.assertTrue(all(len(line) <= style.WIDTH for line in fixed.split("\n")))
        self.assertIn("word and more.\n    ///\n    /// * item\n    fn f() {}", fixed)
        self.assertEqual(self.fixed(fixed), fixed)

    def test_characters_count_and_not_bytes(self):
        self.assertEqual(list(style.long_paragraphs(["// " + "é" * 97])), [])
        self.assertEqual(len(list(style.long_paragraphs(["// " + "é" * 98]))), 1)

    def test_tables_fences_addresses_and_code_stay(self):
        long = "x" * 120
        for text in (f"// | {long} |", f"// ```\n// {long}\n// ```", f"// https://{long}", long):
            self.assertEqual(self.fixed(text), text)
        self.assertEqual(
            list(style.long_paragraphs(f"// ```\n// ```\n// {long}".split("\n")))[0][3], [2]
        )


if __name__ == "__main__":
    unittest.main()
