#!/usr/bin/env python3
"""Packs built programs: a tarball of all three, a Debian package of each.

    packaging/package.py --programs FOLDER --texts FOLDER --out FOLDER --version V --epoch SECONDS

PROGRAMS has mica, mica-worker and mica-node, of one architecture, which is read from them. TEXTS has
their manual pages (man/), completions (completions/) and THIRD-PARTY.txt: scripts/dist.sh makes them.
The same input gives the same bytes, whatever the time, the user and the folder.

A program that needs more than the C library, or one newer than --glibc, is refused.
"""

import argparse
import concurrent.futures
import email.utils
import hashlib
import pathlib
import sys

from formats import Tree, deb, gz, needs, xz

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
# Parts of the GNU C library, and of the compiler's.
BASE = ("ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libgcc_s.so")
# Nobody is there to write to: issues go where the source is.
MAINTAINER = "The Mica developers <nobody@mica.invalid>"

# What each package has: its service, and what `apt show` says.
PACKAGES = {
    "mica": {
        "service": "mica-gateway",
        "suggests": "mica-node, mica-worker",
        "summary": "pay for the inference of large language models",
        "text": "Wallet, market, questions and conversations, a gateway for programs that\n"
        "speak to Ollama or OpenAI, workflows. `mica demo` shows a whole market on\n"
        "one machine; it needs mica-node and mica-worker.",
    },
    "mica-worker": {
        "service": "mica-worker",
        "suggests": "mica, mica-node",
        "summary": "sell the layers of large language models",
        "text": "Serves a range of a model's layers to paying peers, finds its price, and\n"
        "redeems what it earned on the Mica chain.",
    },
    "mica-node": {
        "service": "mica-node",
        "suggests": "mica",
        "summary": "validator and RPC node of the Mica chain",
        "text": "A proof-of-stake chain of stakes, payment channels and roots of receipts\n"
        "for the market of Mica.",
    },
}


def read(*path):
    """A file of the repository."""
    return ROOT.joinpath(*path).read_bytes()


def own(name, program):
    """Whether a page or completion belongs to the program: mica-wallet.1 to mica, mica-node-key.1 to
    mica-node."""
    stem = name.removesuffix(".1")
    longest = max((one for one in PACKAGES if stem == one or stem.startswith(one + "-")), key=len, default="")
    return longest == program


def pages(texts, program):
    """The program's manual pages."""
    found = sorted(path for path in (texts / "man").glob("*.1") if own(path.name, program))
    if not any(path.name == f"{program}.1" for path in found):
        sys.exit(f"package: {texts}/man has no page of {program}")
    return found


def completions(texts, program, debian):
    """Where each shell looks, and the script."""
    folder = texts / "completions"
    zsh = "zsh/vendor-completions" if debian else "zsh/site-functions"
    places = {
        "bash": f"bash-completion/completions/{program}",
        "zsh": f"{zsh}/_{program}",
        "fish": f"fish/vendor_completions.d/{program}.fish",
    }
    return {place: (folder / f"{program}.{shell}").read_bytes() for shell, place in places.items()}


def units(package):
    """The service's files below lib/."""
    service = PACKAGES[package]["service"]
    return {
        f"systemd/system/{service}.service": read("packaging/systemd", f"{service}.service"),
        f"sysusers.d/{service}.conf": read("packaging/sysusers.d", f"{service}.conf"),
        f"tmpfiles.d/{service}.conf": read("packaging/tmpfiles.d", f"{service}.conf"),
    }


def tarball(programs, texts):
    """Everything below one folder, laid out as below /usr/local."""
    tree = Tree()
    for program, data in programs.items():
        tree.add(f"bin/{program}", data, 0o755)
        for page in pages(texts, program):
            tree.add(f"share/man/man1/{page.name}", page.read_bytes())
        for place, script in completions(texts, program, debian=False).items():
            tree.add(f"share/{place}", script)
        for place, unit in units(program).items():
            tree.add(f"lib/{place}", unit)
        service = PACKAGES[program]["service"]
        tree.add(f"etc/default/{service}", read("packaging/default", service))
    for name in ("LICENSE", "CHANGELOG.md", "SECURITY.md"):
        tree.add(name, read(name))
    tree.add("README.md", read("packaging/README.md"))
    tree.add("THIRD-PARTY.txt", (texts / "THIRD-PARTY.txt").read_bytes())
    return tree


def debian(program, data, texts, arch, version, epoch):
    """The Debian package of one program."""
    what, tree = PACKAGES[program], Tree()
    service = what["service"]
    tree.add(f"usr/bin/{program}", data, 0o755)
    for page in pages(texts, program):
        tree.add(f"usr/share/man/man1/{page.name}.gz", gz(page.read_bytes()))
    for place, script in completions(texts, program, debian=True).items():
        tree.add(f"usr/share/{place}", script)
    for place, unit in units(program).items():
        tree.add(f"usr/lib/{place}", unit)
    tree.add(f"etc/default/{service}", read("packaging/default", service))
    docs = f"usr/share/doc/{program}"
    tree.add(f"{docs}/copyright", read("packaging/debian/copyright"))
    changes = (
        f"{program} ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n"
        f" -- {MAINTAINER}  {email.utils.formatdate(epoch)}\n"
    )
    tree.add(f"{docs}/changelog.gz", gz(changes.encode()))
    tree.add(f"{docs}/CHANGELOG.md.gz", gz(read("CHANGELOG.md")))
    tree.add(f"{docs}/THIRD-PARTY.txt.gz", gz((texts / "THIRD-PARTY.txt").read_bytes()))

    _, libraries, (major, minor) = needs(data)
    depends = [f"libc6 (>= {major}.{minor})", "passwd"]
    if any(library.startswith("libgcc_s") for library in libraries):
        depends.insert(1, "libgcc-s1")
    text = "\n".join(f" {line}" for line in what["text"].splitlines())
    control = Tree()
    control.add(
        "control",
        f"Package: {program}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: {MAINTAINER}\n"
        f"Installed-Size: {(tree.size() + 1023) // 1024}\nDepends: {', '.join(depends)}\n"
        f"Recommends: ca-certificates\nSuggests: {what['suggests']}\nSection: net\nPriority: optional\n"
        f"Description: {what['summary']}\n{text}\n".encode(),
    )
    control.add("conffiles", f"/etc/default/{service}\n".encode())
    sums = [
        f"{hashlib.md5(content).hexdigest()}  {path}\n"
        for path, (content, _) in sorted(tree.files.items())
        if not path.startswith("etc/")
    ]
    control.add("md5sums", "".join(sums).encode())
    for script in ("postinst", "prerm", "postrm"):
        text = read("packaging/debian", script).replace(b"@USER@", service.encode())
        control.add(script, text, 0o755)
    return deb(control, tree, epoch)


def check(program, data, glibc):
    """Refuses a program that would not start elsewhere; returns its architecture."""
    arch, libraries, newest = needs(data)
    foreign = [library for library in libraries if not library.startswith(BASE)]
    if foreign:
        sys.exit(f"package: {program} needs {', '.join(foreign)}, which not every system has")
    if newest > glibc:
        have, most = (".".join(map(str, version)) for version in (newest, glibc))
        sys.exit(f"package: {program} needs glibc {have}, and {most} is the newest allowed")
    return arch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("programs", "texts", "out"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--epoch", required=True, type=int)
    parser.add_argument("--glibc", default="2.28")
    args = parser.parse_args()
    glibc = tuple(map(int, args.glibc.split(".")))

    programs = {name: (args.programs / name).read_bytes() for name in PACKAGES}
    archs = {check(name, data, glibc) for name, data in programs.items()}
    if len(archs) != 1:
        sys.exit(f"package: programs of several architectures: {', '.join(sorted(archs))}")
    (arch,) = archs
    args.out.mkdir(parents=True, exist_ok=True)
    top = f"mica-{args.version}-linux-{arch}"
    # Compression takes all of the time, and several cores if it may.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tar = tarball(programs, args.texts).tar(args.epoch, f"{top}/")
        making = {f"{top}.tar.xz": pool.submit(xz, tar)}
        for name, data in programs.items():
            package = pool.submit(debian, name, data, args.texts, arch, args.version, args.epoch)
            making[f"{name}_{args.version}_{arch}.deb"] = package
        made = {name: future.result() for name, future in making.items()}
    for name, data in programs.items():
        print(f"{len(data) / 1e6:8.1f} MB  {arch} program {name}")
    for name, data in sorted(made.items()):
        (args.out / name).write_bytes(data)
        print(f"{len(data) / 1e6:8.1f} MB  {name}")


if __name__ == "__main__":
    main()
