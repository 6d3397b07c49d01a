"""Perplexity of Mica and of llama.cpp on one text, for one model in every format, as a table in Markdown.

    python perplexity_table.py MICA_WORKER MODEL WINDOWS TEXT…

Texts are read one after the other. Every format is requantised from the model's own weights: see `llama_reference.py requantise`.
Fails if a pair is more than 0.5 % apart. `FORMATS=Q4_0,Q8_0` takes these only.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import llama_reference

FORMATS = "F32 F16 BF16 Q8_0 Q6_K Q5_K Q5_1 Q5_0 Q4_K Q4_1 Q4_0 IQ4_NL IQ4_XS MXFP4 Q3_K Q2_K".split()
MOST = 0.005


def ours(program, model, text, windows):
    arguments = ["perplexity", model, "--text", text, "--windows", windows, "--threads", str(llama_reference.THREADS), "--json"]
    return json.loads(subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout)


def main(program, model, windows, *texts):
    wanted = os.environ["FORMATS"].split(",") if "FORMATS" in os.environ else FORMATS
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = folder / "text"
        text.write_text("\n".join(pathlib.Path(text).read_text(encoding="utf-8") for text in texts), encoding="utf-8")
        whole = folder / "F32.gguf"
        llama_reference.requantise(model, "F32", whole)
        print("| format | Mica | llama.cpp | difference |\n|---|---|---|---|")
        for kind in wanted:
            path = folder / f"{kind}.gguf"
            if kind != "F32":
                llama_reference.requantise(whole, kind, path)
            mine, other = ours(program, path, text, windows), llama_reference.perplexity(path, text, int(windows))
            assert mine["judged_tokens"] == other["judged_tokens"] and mine["text_tokens"] == other["text_tokens"], (mine, other)
            difference = mine["perplexity"] / other["perplexity"] - 1
            worst = max(worst, abs(difference))
            row = f"| {kind} | {mine['perplexity']:.3f} | {other['perplexity']:.3f} | {100 * difference:+.2f} % |"
            print(row, flush=True)
            if kind != "F32":
                path.unlink()
        print(f"\n{mine['judged_tokens']} tokens of {mine['text_tokens']} are judged; {mine['kernel_path']}.")
    sys.exit(f"more than {100 * MOST} % apart" if worst > MOST else 0)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
