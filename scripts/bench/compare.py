#!/usr/bin/env python3
"""Measures `mica-worker bench` and llama.cpp side by side on the same files and writes docs/benchmarks.md.

The two take turns, one process after the other, so that whatever else the machine does meets both alike; the median of each side
counts. Called by scripts/bench-peer.sh, which makes the files and finds the programs.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command):
    """The JSON object that a program prints."""
    found = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if found.returncode:
        sys.exit(f"compare: failed with code {found.returncode}: {' '.join(command)}")
    return json.loads(found.stdout)


def output(command):
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True)
    return found.stdout.strip() if found.returncode == 0 else ""


def commit():
    """The commit of the tree, and whether the tree is exactly that; this script's own output does not count."""
    name = output(["git", "rev-parse", "--short=10", "HEAD"])
    if not name:
        return "unknown"
    changed = output(["git", "status", "--porcelain", "--untracked-files=no", "--", ":!docs/benchmarks*.md"])
    return f"{name} with changes" if changed else name


def medians(runs):
    """Of each number that every run has."""
    keys = [key for key in runs[0] if all(isinstance(run.get(key), (int, float)) for run in runs)]
    return {key: statistics.median(run[key] for run in runs) for key in keys}


def measure(arguments, form, threads):
    model = os.path.join(arguments.models, f"{arguments.shape}-{form}.gguf")
    lengths = ["--prompt-tokens", str(arguments.prompt_tokens), "--gen-tokens", str(arguments.gen_tokens)]
    task = ["--model", model, "--threads", str(threads), *lengths]
    ours, theirs = [], []
    for turn in range(arguments.rounds):
        print(f"compare: {form}, {threads} threads, round {turn + 1} of {arguments.rounds}", file=sys.stderr)
        ours.append(run([arguments.worker, "bench", *task, "--rounds", "1", "--json"]))
        theirs.append(run([arguments.python, os.path.join(HERE, "peer.py"), *task]))
    return {
        "format": form,
        "threads": threads,
        "ours": medians(ours),
        "theirs": medians(theirs),
        "machine": ours[0]["machine"],
        "kernel_path": ours[0]["kernel_path"],
        "version": theirs[0]["version"],
        "system": theirs[0]["system"],
    }


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def speeds(results):
    rows = []
    for result in results:
        ours, theirs = result["ours"], result["theirs"]
        row = [result["format"].upper(), str(result["threads"])]
        for key in ("prefill_tok_s", "decode_tok_s"):
            row += [f"{ours[key]:.1f}", f"{theirs[key]:.1f}", f"**{ours[key] / theirs[key]:.2f}**"]
        rows.append(row)
    return table(["format", "threads", "prefill, Mica", "llama.cpp", "ratio", "decode, Mica", "llama.cpp", "ratio"], rows)


def bounds(results):
    rows = []
    for result in results:
        ours, theirs = result["ours"], result["theirs"]
        resident = [f"{side['rss_bytes'] / 1e6:.0f}" if "rss_bytes" in side else "unknown" for side in (ours, theirs)]
        reached = theirs["decode_tok_s"] * ours["decode_bytes"] / 1e9
        rows.append(
            [
                result["format"].upper(),
                str(result["threads"]),
                f"{ours['bandwidth_gb_s']:.1f}",
                f"{ours['decode_gb_s']:.1f} ({ours['bandwidth_share'] * 100:.0f} %)",
                f"{reached:.1f} ({reached / ours['bandwidth_gb_s'] * 100:.0f} %)",
                f"{ours['load_ms'] / 1e3:.2f}",
                f"{theirs['load_ms'] / 1e3:.2f}",
                *resident,
            ]
        )
    head = ["format", "threads", "memory, GB/s", "decode, Mica", "decode, llama.cpp"]
    return table([*head, "load, Mica", "llama.cpp", "resident MB, Mica", "llama.cpp"], rows)


def page(arguments, results):
    machine = results[0]["machine"]
    system = results[0]["system"].replace(" | ", ", ")
    rounds = "One round" if arguments.rounds == 1 else f"Medians of {arguments.rounds} rounds"
    note = f"| note | {arguments.note} |\n" if arguments.note else ""
    return f"""# Benchmarks

`make bench` measures the engine and llama.cpp side by side on this machine and writes this page.

| | |
|---|---|
| machine | {machine["cpu"]}, {machine["arch"]}, {machine["logical_cpus"]} processors, {platform.system()} {platform.release()} |
| date, commit | {time.strftime("%Y-%m-%d", time.gmtime())}, {commit()} |
| command | `make bench`, which calls `scripts/bench-peer.sh` |
| model | shape of {arguments.shape}, random weights, all matrices of one type (`scripts/bench/make_model.py`) |
| task | a prompt of {arguments.prompt_tokens} tokens at once, then {arguments.gen_tokens} tokens one by one |
| Mica | `{results[0]["kernel_path"]}` kernels, exact: the same bytes on every CPU |
| llama.cpp | {results[0]["version"]}; {system} |
{note}
## Tokens per second
{speeds(results)}

{rounds} in which the two take turns, a process each. Neither tokenizes nor samples while the clock runs; each
computes the logits of the prompt's last position and of every token. llama.cpp is called through its C functions, so that Python adds
no more than one foreign call per token; its cache is f16 like ours, everything else is as it comes.

## What bounds it
A decoded token reads every weight once, so that the memory's speed bounds decoding. It is measured by threads that only read, from
four times what the largest cache holds.
{bounds(results)}

GB/s are bytes of the file's weights that a token needs, times tokens per second. A share above 100 % says that the product's order of
reading suits the memory better than a plain stream. Loading takes seconds, from a file that the system holds in memory; llama.cpp maps it
and, except for the types that it arranges anew, reads it only when it computes.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", required=True, help="the program mica-worker")
    parser.add_argument("--python", default=sys.executable, help="a Python that has llama_cpp")
    parser.add_argument("--models", required=True, help="folder with SHAPE-FORMAT.gguf")
    parser.add_argument("--shape", default="tinyllama-1.1b")
    parser.add_argument("--formats", default="q4_0,q8_0,q4_k")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--gen-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", help="what a reader should know about the circumstances")
    parser.add_argument("--json", metavar="FILE", help="also write all numbers here")
    parser.add_argument("--out", metavar="FILE", help="the page; only printed if absent")
    arguments = parser.parse_args()
    combinations = [(form, int(threads)) for form in arguments.formats.split(",") for threads in arguments.threads.split(",")]
    results = [measure(arguments, form, threads) for form, threads in combinations]
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)
    text = page(arguments, results)
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(text)
    print(text)


if __name__ == "__main__":
    main()
