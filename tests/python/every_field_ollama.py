"""Every parameter and every option of the `ollama` package, with the values of the tables."""

import inspect

import ollama
import pydantic

import field_table

client = ollama.Client(host=field_table.base)
# Without a value it reads one object, and the API streams.
KEPT_BACK = {"stream"}
OWN = (pydantic.ValidationError, TypeError, ValueError, AttributeError)


def send(call, arguments):
    answer = call(**arguments)
    pieces = list(answer) if arguments.get("stream") else [answer]
    assert pieces[-1].done and pieces[-1].done_reason, pieces


for name, call in {"ollama-generate": client.generate, "ollama-chat": client.chat}.items():
    route = field_table.Route(name, KEPT_BACK)
    parameters = set(inspect.signature(call).parameters)
    route.must_have(parameters)
    for field, value, beside, fate in route.cases(parameters):
        arguments = {**route.base, **beside, field: value}
        route.check(field, value, fate, lambda: send(call, arguments), ollama.ResponseError, OWN)
    route.finish(needed=parameters)

for call, more in ((client.generate, {}), (client.chat, {"messages": [{"role": "user", "content": "Hi"}]})):
    route = field_table.Route("ollama-options", KEPT_BACK)
    route.must_have(ollama.Options.model_fields)
    for field, value, beside, fate in route.cases():
        body = {**route.base, **beside, **more}
        arguments = {key: one for key, one in body.items() if key != "prompt" or not more}
        arguments["options"] = {**body["options"], field: value}
        route.check(field, value, fate, lambda: send(call, arguments), ollama.ResponseError, OWN)
    route.finish(needed=ollama.Options.model_fields)
