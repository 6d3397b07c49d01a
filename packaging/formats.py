"""Archives whose bytes depend on what is in them and on nothing else, and what a program needs.

Entries are sorted, belong to root, and bear one time. Debian packages are written here and not by
dpkg-deb, so that every system can make them, and makes the same.
"""

import gzip
import io
import lzma
import re
import struct
import tarfile


class Tree:
    """Files by their paths, for an archive."""

    def __init__(self):
        self.files = {}

    def add(self, path, data, mode=0o644):
        """Adds a file; a path is taken once."""
        if path in self.files:
            raise ValueError(f"{path} is there already")
        self.files[path] = (data, mode)

    def size(self):
        """Bytes of all files."""
        return sum(len(data) for data, _ in self.files.values())

    def tar(self, epoch, prefix=""):
        """An uncompressed archive, with every folder before what lies in it."""
        folders = set()
        for path in self.files:
            parts = (prefix + path).split("/")[:-1]
            folders.update("/".join(parts[: n + 1]) for n in range(len(parts)))
        entries = {folder: None for folder in folders if folder}
        entries.update({prefix + path: file for path, file in self.files.items()})
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted(entries):
                info = tarfile.TarInfo(path)
                info.mtime, info.uname, info.gname = epoch, "root", "root"
                if entries[path] is None:
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(info)
                else:
                    data, info.mode = entries[path]
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


def xz(data):
    """Compressed, always by the same way."""
    return lzma.compress(data, preset=6)


def gz(data):
    """Compressed without a time or a name, as Debian wants manual pages."""
    return gzip.compress(data, compresslevel=9, mtime=0)


def deb(control, data, epoch):
    """A Debian package of two trees."""
    members = [
        (b"debian-binary", b"2.0\n"),
        (b"control.tar.xz", xz(control.tar(epoch, "./"))),
        (b"data.tar.xz", xz(data.tar(epoch, "./"))),
    ]
    out = io.BytesIO()
    out.write(b"!<arch>\n")
    for name, content in members:
        out.write(b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, epoch, 0, 0, 0o100644, len(content)))
        out.write(content + b"\n" * (len(content) % 2))
    return out.getvalue()


MACHINES = {62: "amd64", 183: "arm64"}


def needs(program):
    """The architecture of an ELF program, the libraries that it needs, and the newest glibc that it
    asks for as (major, minor)."""
    if program[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit little-endian ELF program")
    machine = struct.unpack_from("<H", program, 18)[0]
    table = struct.unpack_from("<Q", program, 40)[0]
    entry, count = struct.unpack_from("<HH", program, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", program, table + n * entry) for n in range(count)]
    libraries, newest = [], (0, 0)
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != 6:  # the dynamic section, whose link is its strings
            continue
        start, length = sections[link][4:6]
        strings = program[start : start + length]
        for at in range(offset, offset + size, 16):
            tag, value = struct.unpack_from("<QQ", program, at)
            if tag == 1:
                libraries.append(strings[value : strings.index(b"\0", value)].decode())
        for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", strings):
            newest = max(newest, (int(major), int(minor)))
    return MACHINES.get(machine, f"machine {machine}"), sorted(libraries), newest
