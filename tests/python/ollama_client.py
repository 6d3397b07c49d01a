"""The `ollama` package against the gateway: lists, shows, generates, chats, streams, and meets errors as its own exceptions."""

import json
import math
import sys

import ollama

base, model, prompt = sys.argv[1], sys.argv[2], sys.argv[3]
client = ollama.Client(host=base)

names = [one.model for one in client.list().models]
assert model in names, names
shown = client.show(model)
assert shown.details.format == "gguf" and shown.modelinfo["general.architecture"] == "llama", shown

options = {"num_predict": 24, "temperature": 0, "seed": 7}
whole = client.generate(model=model, prompt=prompt, options=options)
for field in ["total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"]:
    assert whole[field] > 0, field
assert whole.total_duration >= whole.load_duration + whole.prompt_eval_duration + whole.eval_duration
assert whole.done and whole.done_reason in ("stop", "length") and len(whole.context) == whole.prompt_eval_count + whole.eval_count

pieces = list(client.generate(model=model, prompt=prompt, options=options, stream=True))
assert "".join(piece.response for piece in pieces) == whole.response
assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
assert pieces[-1].eval_count == whole.eval_count

messages = [{"role": "user", "content": prompt}]
chat = client.chat(model=model, messages=messages, options=options)
assert chat.message.role == "assistant" and chat.message.content == whole.response
pieces = list(client.chat(model=model, messages=messages, options=options, stream=True))
assert "".join(piece.message.content for piece in pieces) == whole.response and pieces[-1].done_reason == whole.done_reason

wish = {"model": model, "options": options, "logprobs": True, "top_logprobs": 3}
scored = client.generate(prompt=prompt, **wish)
assert whole.logprobs is None and scored.response == whole.response == "".join(token.token for token in scored.logprobs)
for token in scored.logprobs:
    probabilities = [math.exp(one.logprob) for one in token.top_logprobs]
    assert len(probabilities) == 3 and sum(probabilities) <= 1 + 1e-5, token
    assert probabilities == sorted(probabilities, reverse=True), token
    assert all(0 < probability <= 1 for probability in [math.exp(token.logprob), *probabilities]), token
    assert (token.top_logprobs[0].token, token.top_logprobs[0].logprob) == (token.token, token.logprob), "greedy"
pieces = list(client.generate(prompt=prompt, stream=True, **wish))
assert [token for piece in pieces for token in piece.logprobs or []] == list(scored.logprobs)
assert client.chat(messages=messages, **wish).logprobs == scored.logprobs
pieces = list(client.chat(messages=messages, stream=True, **wish))
assert [token for piece in pieces for token in piece.logprobs or []] == list(scored.logprobs)

assert client.generate(model=model, prompt="").done_reason == "load"
assert model in [one.model for one in client.ps().models]
assert client.generate(model=model, prompt="", keep_alive=0).done_reason == "unload"
assert model not in [one.model for one in client.ps().models]

errors = {}
for name, call in {
    "model": lambda: client.generate(model="nobody", prompt=prompt),
    "format": lambda: client.generate(model=model, prompt=prompt, format="json"),
    "logprobs": lambda: client.generate(model=model, prompt=prompt, logprobs=True, top_logprobs=21),
    "embed": lambda: client.embed(model=model, input="x"),
}.items():
    try:
        call()
        raise SystemExit(f"{name} was not refused")
    except ollama.ResponseError as error:
        errors[name] = error.status_code
assert errors == {"model": 404, "format": 400, "logprobs": 400, "embed": 501}, errors
print(json.dumps({"text": whole.response, "prompt_tokens": whole.prompt_eval_count, "tokens": whole.eval_count}))
