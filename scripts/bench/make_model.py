#!/usr/bin/env python3
"""Writes a GGUF model of a given shape with random weights, for measuring speed. Needs nothing but Python.

    make_model.py --shape tinyllama-1.1b --format q4_k --out model.gguf

The weights mean nothing but are of ordinary size, so that activations stay finite. Blocks are drawn with the full range of their
integers, a few thousand per type and size; each row of a matrix is a run of them from a random place. The file has no tokenizer
(`no_vocab`), which programs that compute from token ids accept, unless it is to have the words of another model. The bytes depend on
the arguments alone.

Source of the block layouts: ggml's `ggml-common.h` (the format's definition).
"""

import argparse
import math
import random
import struct
import sys

SHAPES = {
    "tinyllama-1.1b": dict(layers=22, hidden=2048, heads=32, kv_heads=4, feed_forward=5632, vocabulary=32000, context=2048),
    "smollm2-135m": dict(layers=30, hidden=576, heads=9, kv_heads=3, feed_forward=1536, vocabulary=49152, context=2048),
    "micro": dict(layers=2, hidden=256, heads=8, kv_heads=2, feed_forward=512, vocabulary=512, context=512),
}

# Blocks per pool: more bytes than a cache holds do not matter, since every row is read from memory once anyway.
POOL = 4096
ALIGNMENT = 32
U32, F32, STRING, ARRAY = 4, 6, 8, 9
# Bytes of a value by the number of its type.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def half(value):
    return struct.pack("<e", value)


class Blocks:
    """Makes blocks of one type. `std` is the standard deviation of the weights."""

    def __init__(self, number, elements, size, make):
        self.number, self.elements, self.size, self.make = number, elements, size, make


def uniform(levels):
    """Standard deviation of whole numbers that are drawn evenly from so many."""
    return math.sqrt((levels * levels - 1) / 12)


# Bytes whose two halves are both 1..=15 and 8 on average, which is the type's offset.
CENTRED = bytes((b % 15 + 1) | (b // 15 + 1) << 4 if b < 225 else 0x88 for b in range(256))
# Bytes of which none is -128.
SIGNED = bytes(b if b != 128 else 0 for b in range(256))


def f32(rng, std):
    return struct.pack("<f", rng.gauss(0, std))


def f16(rng, std):
    return half(rng.gauss(0, std))


def bf16(rng, std):
    return f32(rng, std)[2:]


def q8_0(rng, std):
    return half(std / uniform(255)) + rng.randbytes(32).translate(SIGNED)


def q4_0(rng, std):
    return half(std / uniform(15)) + rng.randbytes(16).translate(CENTRED)


def q4_1(rng, std):
    scale = std / uniform(16)
    return half(scale) + half(-7.5 * scale) + rng.randbytes(16)


def q5_0(rng, std):
    return half(std / uniform(32)) + rng.randbytes(4) + rng.randbytes(16)


def q5_1(rng, std):
    scale = std / uniform(32)
    return half(scale) + half(-15.5 * scale) + rng.randbytes(4) + rng.randbytes(16)


def scales_of_k(rng):
    """Eight 6-bit scales and the same eight as minima, packed in 12 bytes as Q4_K and Q5_K have them."""
    scales = [rng.randrange(32, 64) for _ in range(8)]
    low = [scales[j] | (scales[j + 4] >> 4) << 6 for j in range(4)]
    high = [(scales[j + 4] & 15) | (scales[j + 4] & 15) << 4 for j in range(4)]
    return bytes(low + low + high)


def q4_k(rng, std):
    scale = std / uniform(16) / 48
    return half(scale) + half(7.5 * scale) + scales_of_k(rng) + rng.randbytes(128)


def q5_k(rng, std):
    scale = std / uniform(32) / 48
    return half(scale) + half(15.5 * scale) + scales_of_k(rng) + rng.randbytes(32) + rng.randbytes(128)


def q6_k(rng, std):
    scale = std / uniform(64) / 96
    scales = bytes(rng.randrange(64, 128) for _ in range(16))
    return rng.randbytes(128) + rng.randbytes(64) + scales + half(scale)


# Type's number in the file, elements and bytes of a block. A "block" of the plain types is one element.
FORMATS = {
    "f32": Blocks(0, 1, 4, f32),
    "f16": Blocks(1, 1, 2, f16),
    "q4_0": Blocks(2, 32, 18, q4_0),
    "q4_1": Blocks(3, 32, 20, q4_1),
    "q5_0": Blocks(6, 32, 22, q5_0),
    "q5_1": Blocks(7, 32, 24, q5_1),
    "q8_0": Blocks(8, 32, 34, q8_0),
    "q4_k": Blocks(12, 256, 144, q4_k),
    "q5_k": Blocks(13, 256, 176, q5_k),
    "q6_k": Blocks(14, 256, 210, q6_k),
    "bf16": Blocks(30, 1, 2, bf16),
}


def tensors(shape):
    """Name, rows, columns and standard deviation of each tensor; a vector has no columns."""
    hidden, inner = shape["hidden"], shape["feed_forward"]
    keys = hidden // shape["heads"] * shape["kv_heads"]
    deep = 1 / math.sqrt(2 * shape["layers"])
    yield "token_embd.weight", shape["vocabulary"], hidden, hidden**-0.5
    for layer in range(shape["layers"]):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", hidden, None, None
        yield block + "attn_q.weight", hidden, hidden, hidden**-0.5
        yield block + "attn_k.weight", keys, hidden, hidden**-0.5
        yield block + "attn_v.weight", keys, hidden, hidden**-0.5
        yield block + "attn_output.weight", hidden, hidden, hidden**-0.5 * deep
        yield block + "ffn_norm.weight", hidden, None, None
        yield block + "ffn_gate.weight", inner, hidden, hidden**-0.5
        yield block + "ffn_up.weight", inner, hidden, hidden**-0.5
        yield block + "ffn_down.weight", hidden, inner, inner**-0.5 * deep
    yield "output_norm.weight", hidden, None, None
    yield "output.weight", shape["vocabulary"], hidden, hidden**-0.5


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    packed = string(value) if kind == STRING else struct.pack("<I" if kind == U32 else "<f", value)
    return string(key) + struct.pack("<I", kind) + packed


def words(path):
    """The tokenizer's entries of a GGUF file as they are, and the number of its tokens."""
    with open(path, "rb") as file:
        data = file.read()
    at, found, tokens = 24, [], 0

    def number(kind):
        nonlocal at
        (value,) = struct.unpack_from(kind, data, at)
        at += struct.calcsize(kind)
        return value

    def text():
        nonlocal at
        length = number("<Q")
        at += length
        return data[at - length : at]

    def skip(kind):
        nonlocal at
        if kind == STRING:
            text()
        else:
            at += SIZES[kind]

    if data[:4] != b"GGUF":
        sys.exit(f"make_model: {path} is not a GGUF file")
    (entries,) = struct.unpack_from("<Q", data, 16)
    for _ in range(entries):
        begin, key, kind = at, text(), number("<I")
        if kind == ARRAY:
            inner, count = number("<I"), number("<Q")
            for _ in range(count):
                skip(inner)
            if key == b"tokenizer.ggml.tokens":
                tokens = count
        else:
            skip(kind)
        if key.startswith(b"tokenizer."):
            found.append(data[begin:at])
    return found, tokens


def metadata(name, shape, tokenizer):
    head_size = shape["hidden"] // shape["heads"]
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, name),
        entry("general.alignment", U32, ALIGNMENT),
        entry("general.quantization_version", U32, 2),
        entry("llama.block_count", U32, shape["layers"]),
        entry("llama.context_length", U32, shape["context"]),
        entry("llama.embedding_length", U32, shape["hidden"]),
        entry("llama.feed_forward_length", U32, shape["feed_forward"]),
        entry("llama.attention.head_count", U32, shape["heads"]),
        entry("llama.attention.head_count_kv", U32, shape["kv_heads"]),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        entry("llama.rope.dimension_count", U32, head_size),
        entry("llama.rope.freq_base", F32, 10000.0),
        entry("llama.vocab_size", U32, shape["vocabulary"]),
        *tokenizer,
    ]


def padding(size):
    return bytes(-size % ALIGNMENT)


def write(out, name, shape, tokenizer, blocks, seed):
    rng = random.Random(seed)
    pools = {}

    def pool(std):
        """Blocks of weights of one size."""
        if std not in pools:
            count = POOL * (32 if blocks.elements == 1 else 1)
            pools[std] = b"".join(blocks.make(rng, std) for _ in range(count))
        return pools[std]

    planned = list(tensors(shape))
    infos, offset = [], 0
    for tensor, rows, columns, _ in planned:
        dimensions = [rows] if columns is None else [columns, rows]
        number = 0 if columns is None else blocks.number
        infos.append(string(tensor) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, number, offset))
        size = rows * 4 if columns is None else rows * (columns // blocks.elements) * blocks.size
        offset += size + len(padding(size))
    entries = metadata(name, shape, tokenizer)
    header = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries) + b"".join(infos)
    out.write(header + padding(len(header)))
    for _, rows, columns, std in planned:
        if columns is None:
            data = b"".join(struct.pack("<f", rng.gauss(1, 0.1)) for _ in range(rows))
            out.write(data + padding(len(data)))
            continue
        source = pool(std)
        row_bytes = columns // blocks.elements * blocks.size
        starts = (len(source) - row_bytes) // blocks.size + 1
        for _ in range(rows):
            start = rng.randrange(starts) * blocks.size
            out.write(source[start : start + row_bytes])
        out.write(padding(rows * row_bytes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="tinyllama-1.1b")
    parser.add_argument("--format", choices=sorted(FORMATS), required=True)
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--words-of", metavar="GGUF", help="take the vocabulary and the tokenizer of this model")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shape, blocks = SHAPES[arguments.shape], FORMATS[arguments.format]
    for width in (shape["hidden"], shape["feed_forward"]):
        if width % blocks.elements:
            sys.exit(f"make_model: rows of {width} are not whole blocks of {blocks.elements} for {arguments.format}")
    tokenizer = [entry("tokenizer.ggml.model", STRING, "no_vocab")]
    if arguments.words_of:
        tokenizer, shape["vocabulary"] = words(arguments.words_of)
    with open(arguments.out, "wb", buffering=1 << 20) as out:
        write(out, f"random {arguments.shape} {arguments.format}", shape, tokenizer, blocks, arguments.seed)


if __name__ == "__main__":
    main()
