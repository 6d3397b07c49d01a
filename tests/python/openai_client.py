"""The `openai` package against the gateway: lists, chats, completes, streams, and meets errors as its own exceptions."""

import json
import math
import sys

import openai

base, model, prompt = sys.argv[1], sys.argv[2], sys.argv[3]
client = openai.OpenAI(base_url=f"{base}/v1", api_key="unused", max_retries=0)

names = [one.id for one in client.models.list()]
assert model in names, names
assert client.models.retrieve(model).id == model

messages = [{"role": "user", "content": prompt}]
whole = client.chat.completions.create(model=model, messages=messages, max_completion_tokens=24, temperature=0, seed=7)
assert whole.object == "chat.completion" and whole.choices[0].message.role == "assistant"
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
assert int(whole.model_extra["cost"]["paid"]) > 0 and whole.model_extra["path"], whole

parts = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
chunks = list(
    client.chat.completions.create(
        model=model, messages=parts, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True}
    )
)
assert len({chunk.id for chunk in chunks}) == 1 and len({chunk.created for chunk in chunks}) == 1
assert chunks[0].choices[0].delta.role == "assistant"
assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert streamed == whole.choices[0].message.content, (streamed, whole.choices[0].message.content)

opening = "Once upon a time"
text = client.completions.create(model=model, prompt=opening, max_tokens=5, temperature=0)
pieces = client.completions.create(model=model, prompt=opening, max_tokens=5, temperature=0, stream=True)
assert "".join(piece.choices[0].text for piece in pieces) == text.choices[0].text
assert text.usage.completion_tokens == 5 and text.choices[0].finish_reason == "length"

word = text.choices[0].text.split()[1]
stopped = client.completions.create(model=model, prompt=opening, max_tokens=5, temperature=0, stop=[word])
assert stopped.choices[0].text == text.choices[0].text.split(word)[0] and stopped.choices[0].finish_reason == "stop"

wish = {"max_tokens": 24, "temperature": 0, "logprobs": True, "top_logprobs": 3}
scored = client.chat.completions.create(model=model, messages=messages, **wish)
tokens = scored.choices[0].logprobs.content
assert whole.choices[0].logprobs is None and scored.choices[0].message.content == whole.choices[0].message.content
assert b"".join(bytes(token.bytes) for token in tokens).decode() == scored.choices[0].message.content
for token in tokens:
    probabilities = [math.exp(one.logprob) for one in token.top_logprobs]
    assert len(probabilities) == 3 and sum(probabilities) <= 1 + 1e-5, token
    assert probabilities == sorted(probabilities, reverse=True), token
    assert all(0 < probability <= 1 for probability in [math.exp(token.logprob), *probabilities]), token
    first = token.top_logprobs[0]
    assert (first.token, first.logprob, first.bytes) == (token.token, token.logprob, token.bytes), "greedy"
chunks = client.chat.completions.create(model=model, messages=messages, stream=True, **wish)
choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
assert [token for choice in choices if choice.logprobs for token in choice.logprobs.content] == tokens

lists = ["tokens", "token_logprobs", "top_logprobs", "text_offset"]
old = client.completions.create(model=model, prompt=opening, max_tokens=5, temperature=0, logprobs=2).choices[0]
assert old.text == text.choices[0].text == "".join(old.logprobs.tokens) and text.choices[0].logprobs is None
for token, logprob, top, offset in zip(*(getattr(old.logprobs, name) for name in lists), strict=True):
    assert top[token] == logprob == max(top.values()) <= 0 and len(top) == 2, top
    assert old.text[offset:].startswith(token), (offset, token)
pieces = list(client.completions.create(model=model, prompt=opening, max_tokens=5, temperature=0, logprobs=2, stream=True))
pieces = [piece.choices[0].logprobs for piece in pieces if piece.choices and piece.choices[0].logprobs]
for name in lists:
    assert [one for piece in pieces for one in getattr(piece, name)] == getattr(old.logprobs, name), name
cut = client.completions.create(model=model, prompt=opening, max_tokens=5, temperature=0, stop=[word], logprobs=0).choices[0]
assert cut.text == stopped.choices[0].text and cut.text.startswith("".join(cut.logprobs.tokens)), cut

errors = {}
for name, call in {
    "model": lambda: client.chat.completions.create(model="nobody", messages=messages),
    "tools": lambda: client.chat.completions.create(
        model=model, messages=messages, tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]
    ),
    "image": lambda: client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    ),
    "logprobs": lambda: client.chat.completions.create(model=model, messages=messages, logprobs=True, top_logprobs=21),
    "embeddings": lambda: client.embeddings.create(model=model, input="x"),
}.items():
    try:
        call()
        raise SystemExit(f"{name} was not refused")
    except openai.APIStatusError as error:
        errors[name] = [type(error).__name__, error.status_code]
assert errors == {
    "model": ["NotFoundError", 404],
    "tools": ["BadRequestError", 400],
    "image": ["BadRequestError", 400],
    "logprobs": ["BadRequestError", 400],
    "embeddings": ["InternalServerError", 501],
}, errors
print(json.dumps({"text": whole.choices[0].message.content}))
