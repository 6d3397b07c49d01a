"""Every parameter of the `openai` package's two methods, with the values of the tables."""

import inspect

import openai

import field_table

client = openai.OpenAI(base_url=f"{field_table.base}/v1", api_key="unused", max_retries=0)
# What does not go into the body.
TRANSPORT = {"extra_headers", "extra_query", "extra_body", "timeout"}


def send(create, own, extra):
    answer = create(**own, extra_body=extra)
    pieces = list(answer) if isinstance(answer, openai.Stream) else [answer]
    assert any(piece.choices and piece.choices[0].finish_reason for piece in pieces), pieces


for name, create in {"openai-chat": client.chat.completions.create, "openai-completions": client.completions.create}.items():
    route = field_table.Route(name)
    parameters = set(inspect.signature(create).parameters) - TRANSPORT
    route.must_have(parameters)
    for field, value, beside, fate in route.cases():
        body = {**route.base, **beside, field: value}
        own = {key: body[key] for key in body if key in parameters}
        extra = {key: body[key] for key in body if key not in parameters}
        route.check(field, value, fate, lambda: send(create, own, extra), openai.BadRequestError)
    route.finish(needed=parameters)
