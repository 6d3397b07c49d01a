"""The tables of `tests/requests`, for the clients' packages: what is sent, and whether what came back is what they say."""

import collections
import json
import sys

base, file = sys.argv[1], sys.argv[2]
with open(file) as opened:
    _tables = json.load(opened)


class Route:
    """One route's fields; what goes wrong is kept until all of them were sent."""

    def __init__(self, name):
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
                    yield name, json.loads(text), field["with"], fate

    def check(self, name, value, fate, call, refused, own=(), sent_as=None):
        """Sends one value. `refused` are the package's exceptions for the gateway's 400, `own` those that it raises by itself.

        `sent_as` is the field's name over the wire, where the package gives it another one.

        A package with exceptions of its own also mends what it is given ("2" becomes 2) and leaves out what is empty. So of its wrong
        values only those count that arrive; every good one must pass, unless the package itself keeps it back.
        """
        try:
            call()
        except own:
            self.counts["kept back"] += 1
        except refused as error:
            self.counts["refused"] += 1
            if fate != "refused" or not any(one in str(error) for one in (name, sent_as or name)):
                self.wrong.append(f"{name} = {value!r} should be {fate}: {error}")
        except Exception as error:
            if fate == "refused" and own:
                self.counts["kept back"] += 1
            else:
                self.wrong.append(f"{name} = {value!r} should be {fate}: {type(error).__name__}: {error}")
        else:
            if fate != "refused":
                self.counts["answered"] += 1
                self.answered.add(name)
            elif own:
                self.counts["mended"] += 1
            else:
                self.wrong.append(f"{name} = {value!r} should be refused and was answered")

    def finish(self, needed=()):
        """Fails with all that went wrong; `needed` are fields of which at least one value must have got through."""
        missing = sorted(set(needed) - self.answered)
        assert not missing, f"{self.name}: {missing} never got through: {dict(self.counts)}, {self.wrong}"
        assert not self.wrong, f"{self.name}: {len(self.wrong)} went wrong:\n" + "\n".join(self.wrong)
        print(f"{self.name}: {dict(self.counts)}")
