"""llama.cpp, as far as the tests of real models need it: tokens, logits, perplexity and requantisation, through its C interface.

    python llama_cpp.py perplexity MODEL TEXT [WINDOW]    perplexity as its tool `llama-perplexity` counts it by default
    python llama_cpp.py requantise MODEL TYPE OUT         as its tool `llama-quantize --allow-requantize` does
    python llama_cpp.py greedy MODEL PROMPTS COUNT OUT    the best tokens after each prompt, and how likely each was
    python llama_cpp.py tokenise MODEL TEXTS OUT          ids of each text of a JSON array
    python llama_cpp.py logits FOLDER OUT                 logits of each model in a folder for the tokens of the test `llama_cpp`
"""

import json
import math
import os
import pathlib
import sys

import numpy
import xllamacpp
from llama_cpp_py_sync._cffi_bindings import ffi

# The definitions of one package and the library of another, of the same week: the first one's own library wants a newer glibc than
# Debian 12 has, the second is compiled for old ones and offers the same functions, but not to Python.
lib = ffi.dlopen(str(next(pathlib.Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))))
THREADS = max(1, int(os.environ.get("LLAMA_CPP_THREADS", os.cpu_count() or 1)))


@ffi.callback("void(enum ggml_log_level, const char *, void *)")
def log(level, text, _):
    if level == 4:
        sys.stderr.write(ffi.string(text).decode(errors="replace"))


lib.llama_log_set(log, ffi.NULL)
lib.llama_backend_init()


class Model:
    """A model file; `exact` keeps keys and values in f32 and goes the plain way through attention."""

    def __init__(self, path, context=512, exact=False):
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        # Weights as they are in the file, not rearranged for this CPU.
        params.use_extra_bufts = not exact
        self.model = lib.llama_model_load_from_file(str(path).encode(), params)
        if self.model == ffi.NULL:
            sys.exit(f"llama.cpp does not load {path}")
        self.vocabulary = lib.llama_model_get_vocab(self.model)
        self.size = lib.llama_vocab_n_tokens(self.vocabulary)
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = context
        params.n_threads = params.n_threads_batch = THREADS
        if exact:
            params.type_k = params.type_v = 0
            params.flash_attn_type = 0
            params.swa_full = True
        self.context = lib.llama_init_from_model(self.model, params)
        if self.context == ffi.NULL:
            sys.exit(f"llama.cpp makes no context for {path}")

    def close(self):
        lib.llama_free(self.context)
        lib.llama_model_free(self.model)

    def tokenise(self, text, special=False, ends=True):
        """Ids of a text; with the tokens that the file wants at its ends if `ends`, names of control tokens as tokens if `special`."""
        raw = text.encode()
        room = len(raw) + 16
        ids = ffi.new("llama_token[]", room)
        count = lib.llama_tokenize(self.vocabulary, raw, len(raw), ids, room, ends, special)
        assert count >= 0, "more tokens than bytes"
        return list(ids[0:count])

    def forget(self):
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        self.held = 0

    held = 0

    def logits(self, tokens, first=None):
        """Logits of the tokens from `first` on (of the last one if absent), which follow those before: `[rows, size]`."""
        count = len(tokens)
        first = count - 1 if first is None else first
        batch = lib.llama_batch_init(count, 0, 1)
        batch.n_tokens = count
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = token, self.held + i, 1, 0
            batch.logits[i] = i >= first
        assert lib.llama_decode(self.context, batch) == 0
        lib.llama_batch_free(batch)
        self.held += count
        rows = [ffi.buffer(lib.llama_get_logits_ith(self.context, i), 4 * self.size) for i in range(first, count)]
        return numpy.stack([numpy.frombuffer(row, numpy.float32) for row in rows]) if rows else None


def log_probabilities(logits):
    wide = logits.astype(numpy.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - numpy.log(numpy.exp(wide).sum(-1, keepdims=True))


def perplexity(path, text, window=512):
    """`tools/perplexity/perplexity.cpp` of llama.cpp without options: windows of equal length, what is left over is not used; the
    beginning-of-sequence token, if the file wants one, in place of each window's first; judged are the tokens after position
    window/2, by the logits before them."""
    model = Model(path, window)
    text = pathlib.Path(text).read_text(encoding="utf-8")
    tokens = model.tokenise(text.removesuffix("\n"))
    begins = lib.llama_vocab_get_add_bos(model.vocabulary)
    surprise, squares, count = 0.0, 0.0, 0
    windows = len(tokens) // window
    for start in range(0, windows * window, window):
        own = tokens[start : start + window]
        inputs = list(own)
        if begins:
            inputs[0] = lib.llama_vocab_bos(model.vocabulary)
        model.forget()
        found = log_probabilities(model.logits(inputs, window // 2)[:-1])
        own = -found[numpy.arange(len(found)), own[window // 2 + 1 :]]
        surprise, squares, count = surprise + own.sum(), squares + (own * own).sum(), count + len(own)
    model.close()
    mean = surprise / count
    error = math.sqrt(max(squares / count - mean * mean, 0) / (count - 1)) * math.exp(mean)
    return {"perplexity": math.exp(mean), "error": error, "judged_tokens": count, "text_tokens": len(tokens), "windows": windows}


# Numbers of `llama_ftype` and `ggml_type`. None of the mixtures' choices: every matrix has the type (or llama.cpp's nearest for rows
# that it cannot cut into super-blocks).
TYPES = {
    "F32": (0, 0), "F16": (1, 1), "BF16": (32, 30), "Q4_0": (2, 2), "Q4_1": (3, 3), "Q5_0": (8, 6), "Q5_1": (9, 7), "Q8_0": (7, 8),
    "Q2_K": (10, 10), "Q3_K": (12, 11), "Q4_K": (15, 12), "Q5_K": (17, 13), "Q6_K": (18, 14), "IQ4_NL": (25, 20), "IQ4_XS": (30, 23),
}  # fmt: skip


def requantise(path, kind, out):
    params = lib.llama_model_quantize_default_params()
    params.ftype = TYPES[kind][0]
    params.nthread, params.allow_requantize, params.pure = THREADS, True, True
    assert lib.llama_model_quantize(str(path).encode(), str(out).encode(), ffi.addressof(params)) == 0


def greedy(path, prompts, count):
    """For each prompt its tokens, the best token each time, and natural logarithms of the probabilities of the best two."""
    model = Model(path, 1024)
    answers = []
    for prompt in prompts:
        model.forget()
        tokens = model.tokenise(prompt, special=True)
        answer, best, second, inputs = [], [], [], tokens
        for _ in range(count):
            found = log_probabilities(model.logits(inputs))[0]
            two = numpy.argpartition(found, -2)[-2:]
            two = two[numpy.argsort(-found[two], kind="stable")]
            answer.append(int(two[0])), best.append(float(found[two[0]])), second.append(float(found[two[1]]))
            inputs = [answer[-1]]
        answers.append({"prompt": tokens, "tokens": answer, "best": best, "second": second})
    model.close()
    return answers


def tokenise(path, texts):
    model = Model(path, 64)
    found = [[model.tokenise(text, special=special, ends=False) for special in (False, True)] for text in texts]
    model.close()
    return [{"text": text, "special": special} for text, special in found]


TOKENS = [13, 72, 250, 250, 3, 301, 44, 190, 65, 7, 128, 319]


def logits(folder):
    """Numbers of six digits, so that the file stays small."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.gguf")):
        model = Model(path, 64, exact=True)
        found[path.stem] = [float(f"{value:.6g}") for value in model.logits(TOKENS)[0]]
        model.close()
    entries = ",\n".join(f"{json.dumps(name)}:{json.dumps(values, separators=(',', ':'))}" for name, values in found.items())
    return f'{{"tokens":{json.dumps(TOKENS, separators=(",", ":"))},\n"logits":{{\n{entries}\n}}}}\n'


def main(command, *rest):
    read = lambda path: json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    write = lambda path, value: pathlib.Path(path).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    match command, rest:
        case "perplexity", (model, text, *window):
            print(json.dumps(perplexity(model, text, *map(int, window))))
        case "requantise", (model, kind, out):
            requantise(model, kind, out)
        case "greedy", (model, prompts, count, out):
            write(out, greedy(model, read(prompts), int(count)))
        case "tokenise", (model, texts, out):
            write(out, tokenise(model, read(texts)))
        case "logits", (folder, out):
            write(out, logits(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
