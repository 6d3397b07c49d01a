"""Decodes everything that a Mica chain has at one block, and encodes it again: a decoder that misreads a value does not
come back to the same bytes. What is returned is what came back."""

from scalecodec import types as scale
from scalecodec.base import ScaleBytes

# Bytes from which almost every type can be read: empty lists, first variants, nothing.
ZEROS = bytes(16_384)
# The package reads these as something of its own, which it cannot write.
READ_OTHERWISE = ["System.Events"]


def mend_encoder():
    """The package reads a tuple of one field as the field alone, and a map as a list, but writes neither again."""
    encode_tuple, encode_map = scale.Tuple.process_encode, scale.Map.process_encode

    def one_field(self, value):
        return encode_tuple(self, (value,) if len(self.type_mapping) == 1 else value)

    def map_of_pairs(self, value):
        if self.map_key is not None:
            return encode_map(self, value)
        return self.runtime_config.create_scale_object(self.type_mapping[0]).encode(value)

    scale.Tuple.process_encode, scale.Map.process_encode = one_field, map_of_pairs


def encoded(substrate, kind, value):
    return str(substrate.runtime_config.create_scale_object(kind, metadata=substrate.metadata).encode(value))


def items(pallet):
    """The storage of a pallet as its metadata has it; the package adds the version's."""
    return [item for item in pallet.storage or [] if not item.value["name"].startswith(":")]


def storage(substrate, block):
    """Every entry of every pallet's storage, by its key: whose it is, and the value."""
    entries = {}
    for pallet in substrate.metadata.pallets:
        for item in items(pallet):
            name, kind = item.value["name"], item.get_value_type_string()
            if f"{pallet.name}.{name}" in READ_OTHERWISE:
                continue

            def add(keys, value):
                key = substrate.create_storage_key(pallet.name, name, keys).to_hex()
                entries[key] = [f"{pallet.name}.{name}", encoded(substrate, kind, value.value)]

            if "Map" in item.value["type"]:
                for key, value in substrate.query_map(pallet.name, name, block_hash=block, ignore_decoding_errors=False):
                    add([one.value for one in (key if isinstance(key, tuple) else (key,))], value)
            elif (value := substrate.query(pallet.name, name, block_hash=block)).meta_info["result_found"]:
                add([], value)
    return entries


def composed(substrate, call):
    """A call that was read, as one that is to be written."""
    arguments = {one["name"]: one["value"] for one in call["call_args"]}
    return substrate.compose_call(call["call_module"], call["call_function"], arguments)


def event_fields(substrate, record):
    """The SCALE bytes of what an event says."""
    event = record.value["event"]
    kind = next(pallet for pallet in substrate.metadata.pallets if pallet.name == event["module_id"])
    attributes = event["attributes"]
    whole = event["event_id"] if attributes is None else {event["event_id"]: attributes}
    number = encoded(substrate, f"scale_info::{kind.value['event']['ty']}", whole)
    return f"0x{number[4:]}"


def history(substrate, last):
    """Every block up to this one: what each event says, and each call."""
    blocks = []
    for number in range(last + 1):
        block = substrate.get_block_hash(number)
        records = substrate.get_events(block)
        calls = [extrinsic.value["call"] for extrinsic in substrate.get_block(block)["extrinsics"]]
        names = [f"{record.value['event']['module_id']}.{record.value['event']['event_id']}" for record in records]
        fields = [event_fields(substrate, record) for record in records]
        calls = [str(composed(substrate, call).data) for call in calls]
        blocks.append({"events": [list(one) for one in zip(names, fields)], "calls": calls})
    return blocks


def kinds(substrate):
    """How many zeros each kind of event, call and storage takes: what has happened on a chain is never all that can."""

    def taken(types):
        zeros = ScaleBytes(ZEROS)
        for kind in types:
            substrate.runtime_config.create_scale_object(kind, zeros, metadata=substrate.metadata).decode(check_remaining=False)
        return zeros.offset

    found = {}
    for pallet in substrate.metadata.pallets:
        for what, members in [("event", pallet.events), ("call", pallet.calls)]:
            for one in members or []:
                found[f"{what} {pallet.name}.{one.name}"] = taken(field.get_type_string() for field in one.value_object["fields"])
        for item in items(pallet):
            found[f"storage {pallet.name}.{item.value['name']}"] = taken([item.get_value_type_string()])
    return found


def runtime_calls(substrate, apis, asked):
    """Every function of the runtime, with arguments that another program has encoded: they are read, and written anew."""
    calls = {}
    for api, methods in apis.items():
        for method, described in methods.items():
            name = f"{api}_{method}"
            if name not in asked:
                continue
            data, values = ScaleBytes(asked[name]["argument"]), []
            for parameter in described["params"]:
                value = substrate.runtime_config.create_scale_object(parameter["type"], data, metadata=substrate.metadata)
                value.decode(check_remaining=False)
                is_call = isinstance(value, scale.GenericCall)
                values.append(composed(substrate, value.value) if is_call else value.value)
            argument = "".join(
                encoded(substrate, parameter["type"], value)[2:] for parameter, value in zip(described["params"], values)
            )
            answer = substrate.runtime_call(api, method, values, asked[name]["at"])
            answered = encoded(substrate, described["type"], answer.value)
            calls[name] = {"at": asked[name]["at"], "argument": f"0x{argument}", "answer": answered}
    return calls


def read(substrate, block, facts):
    """What people would look at: some values by their names."""
    worker, online = substrate.runtime_call("RegistryApi", "worker", [facts["worker"]], block).value
    channel = substrate.query("Channels", "Channels", [facts["channel"]], block).value
    return {
        "worker": worker["account"],
        "model": worker["model"],
        "layers": [worker["range"]["first"], worker["range"]["end"]],
        "list_price": str(worker["list_price_per_layer_token"]),
        "addresses": worker["addresses"],
        "stake": str(worker["stake"]),
        "online": online,
        "payer": channel["payer"],
        "payee": channel["payee"],
        "deposit": str(channel["deposit"]),
        "claimed": str(channel["claimed"]),
        "lane_cumulative": str(dict(channel["lanes"])[facts["lane"]]["cumulative"]),
        "is_open": channel["state"] == "Open",
    }


def inspect(substrate, apis, block, asked):
    """Everything at `block`; `asked` has the facts to look for, and the arguments of runtime calls."""
    mend_encoder()
    substrate.init_runtime(block)
    return {
        "functions": [f"{api}_{method}" for api, methods in apis.items() for method in methods],
        "storage": storage(substrate, block),
        "history": history(substrate, substrate.get_block_number(block)),
        "kinds": kinds(substrate),
        "runtime_calls": runtime_calls(substrate, apis, asked["runtime_calls"]),
        "read": read(substrate, block, asked["facts"]),
    }
