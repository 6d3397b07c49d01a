#!/usr/bin/env python3
"""Tests of the packages: their bytes, their scripts and the services in them. Seconds, without any
build; what is packed are this machine's own small programs. Services are looked at where systemd
is, archives by dpkg-deb where that is."""

import contextlib
import hashlib
import io
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from unittest import mock

import formats
import package

EPOCH = 1_767_225_600
UNITS = sorted((package.HERE / "systemd").glob("*.service"))
# The most that `systemd-analyze security` may find, in tenths of its points: 100 is no protection.
MOST_EXPOSED = 16


def make(out, epoch=EPOCH):
    """All files for small programs that stand in for ours; the folder must exist."""
    programs, texts = out / "programs", out / "texts"
    for folder in (programs, texts / "man", texts / "completions"):
        folder.mkdir(parents=True)
    for name in package.PACKAGES:
        shutil.copy(shutil.which("env"), programs / name)
        (texts / "man" / f"{name}.1").write_text(f".TH {name}\n")
        for shell in ("bash", "zsh", "fish"):
            (texts / "completions" / f"{name}.{shell}").write_text(f"# {name}\n")
    (texts / "man" / "mica-worker-run.1").write_text(".TH run\n")
    (texts / "man" / "mica-wallet-new.1").write_text(".TH new\n")
    (texts / "THIRD-PARTY.txt").write_text("nobody\n")
    arguments = ["package.py", "--programs", programs, "--texts", texts, "--out", out / "made"]
    arguments += ["--version", "1.2.3", "--epoch", epoch, "--glibc", "9.9"]
    # The stand-ins may need a library that ours must not.
    with mock.patch.object(package, "BASE", ("lib", "ld-")):
        with mock.patch.object(sys, "argv", list(map(str, arguments))):
            with contextlib.redirect_stdout(io.StringIO()):
                package.main()
    return {path.name: path.read_bytes() for path in (out / "made").iterdir()}


def members(deb):
    """The members of a Debian package."""
    found, at = {}, 8
    while at < len(deb):
        name, size = deb[at : at + 16].decode().strip(), int(deb[at + 48 : at + 58])
        found[name] = deb[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return found


def opened(archive):
    """A compressed tar."""
    return tarfile.open(fileobj=io.BytesIO(archive))


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.made = make(cls.folder / "one")
        cls.deb = next(data for name, data in cls.made.items() if name.startswith("mica-worker_"))

    def test_the_same_input_gives_the_same_bytes_and_the_time_is_a_part_of_it(self):
        self.assertEqual(self.made, make(self.folder / "two"))
        later = make(self.folder / "three", EPOCH + 1)
        self.assertTrue(all(later[name] != data for name, data in self.made.items()))
        self.assertEqual(len(self.made), 4)

    def test_every_entry_belongs_to_root_and_bears_the_time_that_was_given(self):
        tarball = next(data for name, data in self.made.items() if name.endswith(".tar.xz"))
        data = members(self.deb)["data.tar.xz"]
        for archive in (tarball, data):
            entries = opened(archive).getmembers()
            self.assertEqual([one.name for one in entries], sorted(one.name for one in entries))
            for one in entries:
                self.assertEqual((one.uid, one.gid, one.uname, one.mtime), (0, 0, "root", EPOCH))
        modes = {one.name: one.mode for one in opened(data).getmembers()}
        self.assertEqual(modes["./usr/bin/mica-worker"], 0o755)
        self.assertEqual(modes["./usr/share/man/man1/mica-worker.1.gz"], 0o644)

    def test_each_package_has_its_own_pages_and_completions_and_no_others(self):
        for name, deb in self.made.items():
            if not name.endswith(".deb"):
                continue
            program = name.split("_")[0]
            files = opened(members(deb)["data.tar.xz"]).getnames()
            pages = {file.split("/")[-1] for file in files if "/man1/" in file}
            extra = {"mica-worker": {"mica-worker-run.1.gz"}, "mica": {"mica-wallet-new.1.gz"}}
            self.assertEqual(pages, {f"{program}.1.gz"} | extra.get(program, set()))
            self.assertIn(f"./usr/share/bash-completion/completions/{program}", files)

    def test_the_sums_in_a_package_are_those_of_its_files(self):
        parts = members(self.deb)
        control = opened(parts["control.tar.xz"])
        data = opened(parts["data.tar.xz"])
        lines = control.extractfile("./md5sums").read().decode().splitlines()
        self.assertGreater(len(lines), 8)
        for line in lines:
            digest, path = line.split("  ")
            found = hashlib.md5(data.extractfile(f"./{path}").read()).hexdigest()
            self.assertEqual(found, digest, path)

    @unittest.skipUnless(shutil.which("dpkg-deb"), "no dpkg-deb")
    def test_dpkg_reads_them(self):
        path = self.folder / "worker.deb"
        path.write_bytes(self.deb)
        told = subprocess.run(["dpkg-deb", "--info", path], check=True, capture_output=True).stdout
        self.assertIn(b"Package: mica-worker", told)
        self.assertRegex(told, rb"Depends: libc6 \(>= 2\.\d+\)")
        subprocess.run(["dpkg-deb", "--extract", path, self.folder / "root"], check=True)

    def test_a_program_that_needs_more_than_the_c_library_is_refused(self):
        with mock.patch.object(package, "needs", return_value=("amd64", ["libssl.so.3"], (2, 17))):
            with self.assertRaisesRegex(SystemExit, "libssl"):
                package.check("mica", b"", (2, 28))
        with mock.patch.object(package, "needs", return_value=("amd64", ["libc.so.6"], (2, 34))):
            with self.assertRaisesRegex(SystemExit, "glibc 2.34"):
                package.check("mica", b"", (2, 28))
            self.assertEqual(package.check("mica", b"", (2, 36)), "amd64")
        with self.assertRaises(ValueError):
            formats.needs(b"#!/bin/sh\n")


class Scripts(unittest.TestCase):
    def test_shells_take_them(self):
        for script in ("postinst", "prerm", "postrm"):
            subprocess.run(["sh", "-n", package.HERE / "debian" / script], check=True)

    def test_nothing_deletes_keys(self):
        for script in ("postinst", "prerm", "postrm"):
            self.assertNotRegex((package.HERE / "debian" / script).read_text(), r"\brm\b")


class Services(unittest.TestCase):
    def test_each_package_has_the_files_of_its_service(self):
        for name in package.PACKAGES:
            service = package.PACKAGES[name]["service"]
            unit = (package.HERE / "systemd" / f"{service}.service").read_text()
            self.assertIn(f"User={service}\n", unit)
            self.assertIn(f"StateDirectory={service}\n", unit)
            self.assertTrue((package.HERE / "default" / service).exists())
            users = (package.HERE / "sysusers.d" / f"{service}.conf").read_text()
            self.assertRegex(users, rf'u {service} - "[^"]+" /var/lib/{service}\n')
            program = re.search(r"^ExecStart=(\S+)", unit, re.M).group(1)
            self.assertEqual(program, name)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_systemd_understands_every_line(self):
        for unit in UNITS:
            told = subprocess.run(
                ["systemd-analyze", "verify", "--recursive-errors=no", unit], capture_output=True, text=True
            ).stderr
            # The programs are not installed here, nor their pages.
            unknown = [line for line in told.splitlines() if not re.search(r"not executable|Command 'man", line)]
            self.assertEqual(unknown, [], unit.name)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_services_are_locked_in(self):
        for unit in UNITS:
            told = subprocess.run(
                ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}", unit],
                capture_output=True,
                text=True,
            )
            if "unrecognized option" in told.stderr:
                self.skipTest("systemd is too old to look at files")
            self.assertEqual(told.returncode, 0, told.stdout[-300:] + told.stderr)


if __name__ == "__main__":
    unittest.main()
