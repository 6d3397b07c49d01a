"""What the `litellm` package sends to OpenAI's and to Ollama's routes, with the values of the tables."""

import os

# Its list of prices is in the package; nothing is to be fetched.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

import field_table

litellm.suppress_debug_info = True
# What is about the connection, and what it answers itself.
TRANSPORT = {"max_retries", "extra_headers"}
# It rewrites messages and models before it sends them, and picks its own answer for several choices.
REWRITTEN = {"model", "messages", "prompt"}
# What Ollama's API calls it, and so the package.
OLLAMAS = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "response_format": "format",
    "functions": "tools",
    "tool_choice": "tools",
    "function_call": "tools",
}
OWN = (litellm.UnsupportedParamsError, TypeError, ValueError, AttributeError)
SAMPLING = {"temperature", "top_p", "max_tokens", "stop", "seed", "stream"}


def send(call, arguments):
    try:
        answer = call(api_key="unused", num_retries=0, **arguments)
    except litellm.APIConnectionError as error:
        # What it says of a format that it does not know, without having sent anything.
        if "Unsupported response_format type" in str(error):
            raise ValueError(str(error)) from None
        raise
    pieces = list(answer) if arguments.get("stream") else [answer]
    assert any(piece.choices and piece.choices[0].finish_reason for piece in pieces), pieces


def check(name, provider, call, address, needed, renamed=None, without=frozenset()):
    route = field_table.Route(name)
    known = set(litellm.get_supported_openai_params(model="m", custom_llm_provider=provider)) - TRANSPORT
    if provider == "openai":
        route.must_have(known)
    for field, value, beside, fate in route.cases(known - REWRITTEN - without):
        arguments = {**route.base, **beside, field: value, "model": f"{provider}/{route.base['model']}", "api_base": address}
        route.check(field, value, fate, lambda: send(call, arguments), litellm.BadRequestError, OWN, (renamed or {}).get(field))
    route.finish(needed)


v1 = f"{field_table.base}/v1"
check("openai-chat", "openai", litellm.completion, v1, SAMPLING | {"max_completion_tokens", "logprobs", "top_logprobs"})
check("openai-completions", "text-completion-openai", litellm.text_completion, v1, SAMPLING | {"logprobs"})
# An effort becomes `think` there, which this model cannot.
check("openai-chat", "ollama_chat", litellm.completion, field_table.base, SAMPLING, OLLAMAS, {"reasoning_effort"})
