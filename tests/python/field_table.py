"""The tables of `tests/requests`, for the clients' packages: what is sent, and whether what came back is what they say."""

import collections
import json
import math
import re
import sys

import httpx

base, file = sys.argv[1], sys.argv[2]
with open(file) as opened:
    _tables = json.load(opened)


def _is_fault(error):
    """Whether the gateway failed: a connection that broke, or a status of 500 and more that really came."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None) or 0
    while error is not None:
        if isinstance(error, (httpx.TransportError, ConnectionError)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return status >= 500


def _names(error, names):
    """Whether a refusal names one of the fields: as `param` where the API has it, else as a word."""
    body = getattr(error, "body", None)
    param = body.get("param") if isinstance(body, dict) else None
    if param is not None:
        return re.split(r"[.\[]", param)[0] in names
    return any(re.search(rf"(?<![\w\\]){re.escape(name)}(?!\w)", str(error)) for name in names)


class Route:
    """One route's fields; what goes wrong is kept until all of them were sent."""

    def __init__(self, name, kept_back=()):
        """`kept_back` are the fields of which the package itself refuses values that are good."""
        self.kept_back = set(kept_back)
        self.name, self.base, self.fields = name, _tables[name]["base"], _tables[name]["fields"]
        self.wrong, self.counts, self.answered = [], collections.Counter(), set()

    def must_have(self, parameters):
        """A parameter of a package that no table has is a field that nobody tried."""
        unknown = sorted(set(parameters) - set(self.fields))
        assert not unknown, f"{self.name} lacks {unknown}: write down what becomes of them"

    def cases(self, names=None):
        """Every field's values: its name, the value, what is sent besides, what becomes of it."""
        for name, field in self.fields.items():
            if names is None or name in names:
                for text, fate in field["values"]:
                    value = json.loads(text)
                    # Python reads 1e400 as infinity, and cannot write that as JSON.
                    if not (isinstance(value, float) and math.isinf(value)):
                        yield name, value, field["with"], fate

    def check(self, name, value, fate, call, refused, own=(), sent_as=None):
        """Sends one value. `refused` are the package's exceptions for the gateway's 400, `own` those that it raises by itself.

        `sent_as` is the field's name over the wire, where the package gives it another one.

        A package with exceptions of its own also mends what it is given ("2" becomes 2) and leaves out what is empty. So of its wrong
        values only those count that arrive; every good one must pass, unless it is of a field that the package is known to keep back.
        """
        try:
            call()
        except Exception as error:
            if fault := self._fault(name, fate, error, refused, own, {name, sent_as or name}):
                self.wrong.append(f"{name} = {value!r} should be {fate}: {fault}: {type(error).__name__}: {error}")
        else:
            if fate != "refused":
                self.counts["answered"] += 1
                self.answered.add(name)
            elif own:
                self.counts["mended"] += 1
            else:
                self.wrong.append(f"{name} = {value!r} should be refused and was answered")

    def _fault(self, name, fate, error, refused, own, names):
        """What is wrong with an exception, if anything is."""
        if _is_fault(error):
            return "the gateway failed"
        if isinstance(error, own):
            self.counts["kept back"] += 1
            return None if fate == "refused" or name in self.kept_back else "the package has it otherwise, or the answer is broken"
        if not isinstance(error, refused) or error.status_code != 400:
            return "no refusal"
        self.counts["refused"] += 1
        if fate != "refused":
            return "refused"
        return None if _names(error, names) else "the field is not named"

    def finish(self, needed=()):
        """Fails with all that went wrong; `needed` are fields of which at least one value must have got through."""
        missing = sorted(set(needed) - self.answered)
        assert not missing, f"{self.name}: {missing} never got through: {dict(self.counts)}, {self.wrong}"
        assert not self.wrong, f"{self.name}: {len(self.wrong)} went wrong:\n" + "\n".join(self.wrong)
        print(f"{self.name}: {dict(self.counts)}")
