#!/usr/bin/env python3
"""One measurement of llama.cpp through its Python package: a prompt, then an answer token by token. Prints one JSON object.

Only llama.cpp is on the clock: its C functions are called directly, without the package's tokenizer, sampler or copies of logits.
Python adds one foreign call per token, microseconds beside the milliseconds of a token. As in llama.cpp's own llama-bench, one
prompt and a few tokens come first, not timed, and the logits are computed for the last position of the prompt and for every token.
"""

import argparse
import json
import time

import llama_cpp as llama


@llama.llama_log_callback
def silent(_level, _text, _data):
    pass


def memory():
    """Bytes of this process in main memory; nothing where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))
    except OSError:
        return None


class Session:
    def __init__(self, path, threads, positions):
        started = time.perf_counter()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        settings = llama.llama_context_default_params()
        settings.n_ctx = positions
        settings.n_threads = settings.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, settings)
        if not self.context:
            raise SystemExit(f"llama.cpp makes no context of {positions} positions")
        self.load_ms = (time.perf_counter() - started) * 1e3
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))

    def clear(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def step(self, first, end):
        """Computes the positions `first..end`, whose tokens are counted up, and waits for the result."""
        tokens = (llama.llama_token * (end - first))(*(position % self.vocabulary for position in range(first, end)))
        code = llama.llama_decode(self.context, llama.llama_batch_get_one(tokens, end - first))
        if code:
            raise SystemExit(f"llama_decode failed with code {code}")
        llama.llama_synchronize(self.context)

    def timed(self, prompt, generated):
        """Seconds of the prompt and of the answer."""
        self.clear()
        started = time.perf_counter()
        self.step(0, prompt)
        middle = time.perf_counter()
        for position in range(prompt, prompt + generated):
            self.step(position, position + 1)
        return middle - started, time.perf_counter() - middle


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="FILE")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--gen-tokens", type=int, default=64)
    arguments = parser.parse_args()
    llama.llama_log_set(silent, None)
    llama.llama_backend_init()
    prompt, generated = arguments.prompt_tokens, arguments.gen_tokens
    session = Session(arguments.model, arguments.threads, prompt + generated)
    session.timed(prompt, 2)
    prefill, decode = session.timed(prompt, generated)
    print(
        json.dumps(
            {
                "prefill_tok_s": prompt / prefill,
                "decode_tok_s": generated / decode,
                "load_ms": session.load_ms,
                "rss_bytes": memory(),
                "version": f"llama-cpp-python {llama.__version__}",
                "system": llama.llama_print_system_info().decode().strip(" |"),
            }
        )
    )


if __name__ == "__main__":
    main()
