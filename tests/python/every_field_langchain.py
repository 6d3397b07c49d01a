"""What the `langchain-openai` package sends, with the values of the tables."""

import langchain_openai
import openai
import pydantic
import requests

import field_table

SAMPLING = {"temperature", "top_p", "max_tokens", "stop", "seed", "logprobs", "top_logprobs", "n", "presence_penalty", "frequency_penalty"}
OWN = (pydantic.ValidationError, ValueError, TypeError, AttributeError)


def send(model, arguments, is_streamed):
    address = {"base_url": f"{field_table.base}/v1", "api_key": "unused", "max_retries": 0}
    chain = model(**address, **arguments)
    asked = "Hi" if model is langchain_openai.ChatOpenAI else "Once upon a time"
    try:
        pieces = list(chain.stream(asked)) if is_streamed else [chain.invoke(asked)]
    except requests.RequestException as error:
        # For max_tokens -1 it counts tokens with a list that it fetches elsewhere; the gateway it asks with another library.
        raise ValueError(str(error)) from None
    assert pieces


def check(name, model, needed, kept_back):
    route = field_table.Route(name, kept_back)
    # `stream` and its options are the method's, the prompt is its argument.
    own = {field.alias or key for key, field in model.model_fields.items()} | set(model.model_fields)
    for field, value, beside, fate in route.cases(set(route.fields) - {"model", "messages", "prompt", "stream", "stream_options"}):
        body = {**{key: one for key, one in route.base.items() if key not in ("messages", "prompt")}, **beside, field: value}
        arguments = {key: one for key, one in body.items() if key in own}
        arguments["extra_body"] = {key: one for key, one in body.items() if key not in own}
        for is_streamed in (False, True):
            route.check(field, value, fate, lambda: send(model, arguments, is_streamed), openai.BadRequestError, OWN)
    route.finish(needed)


check("openai-chat", langchain_openai.ChatOpenAI, SAMPLING, {"logit_bias"})
# These may not be null there.
NUMBERS = {"temperature", "top_p", "max_tokens", "n", "best_of", "presence_penalty", "frequency_penalty"}
check("openai-completions", langchain_openai.OpenAI, SAMPLING - {"stop", "top_logprobs"}, NUMBERS | {"logit_bias"})
