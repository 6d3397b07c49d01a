"""`substrate-interface` against a Mica chain: sends transactions, or decodes everything that the chain has.

    substrate_interface_client.py URL transact WORKER PAYER    two secrets, for example //Eve //Ferdie
    substrate_interface_client.py URL inspect BLOCK FILE       a hash, and a file of JSON: what to ask the runtime for

Prints one line of JSON.
"""

import hashlib
import json
import signal
import sys

import runtime_apis
from scalecodec import ScaleBytes
from substrate_interface_inspect import inspect
from substrateinterface import Keypair, KeypairType, SubstrateInterface

UNIT = 10**12
LAYERS = 4
LONGEST_S = 300


def blake2(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def hexed(data):
    return f"0x{data.hex()}"


def send(substrate, pallet, function, arguments, signer):
    call = substrate.compose_call(pallet, function, arguments)
    extrinsic = substrate.create_signed_extrinsic(call, signer, era={"period": 64})
    return substrate.submit_extrinsic(extrinsic, wait_for_inclusion=True)


def submit(substrate, *what):
    """Signs and sends; the events that it left, by name."""
    receipt = send(substrate, *what)
    assert receipt.is_success, (what, receipt.error_message)
    events = {}
    for event in receipt.triggered_events:
        value = event.value["event"]
        events.setdefault(f"{value['module_id']}.{value['event_id']}", []).append(value["attributes"])
    return events


def signed(substrate, tag, value):
    """The bytes that are signed, by docs/protocol/messages.md: the domain of `tag`, and SCALE."""
    genesis = bytes.fromhex(substrate.get_block_hash(0)[2:])
    return blake2(f"mica/{tag}".encode() + genesis) + bytes(value.data)


def register(substrate, worker):
    manifest = {
        "name": "spoken by substrate-interface",
        "architecture": "llama",
        "quantisation": "q8_0",
        "layers": LAYERS,
        "hidden": 64,
        "vocabulary": 256,
        "context": 512,
        "weights_root": hexed(blake2(b"weights")),
        "tokenizer_hash": hexed(blake2(b"tokenizer")),
        "profile": hexed(blake2(b"profile")),
    }
    units = {"price_unit": 1_000, "cost_unit_us": 10}
    made = submit(substrate, "Registry", "register_model", {"manifest": manifest, "units": units}, worker)
    model = made["Registry.ModelRegistered"][0]["model"]
    least = substrate.runtime_call("RegistryApi", "registry_parameters").value["min_stake_per_layer"]
    peer = Keypair.create_from_seed(hexed(blake2(f"peer of {worker.ss58_address}".encode())), crypto_type=KeypairType.ED25519)
    # The peer key says whose it is.
    account = substrate.encode_scale("AccountId", worker.ss58_address)
    serving = {
        "model": model,
        "range": {"first": 0, "end": LAYERS},
        "cost_us": 120,
        "list_price": 5_000,
        "peer": hexed(peer.public_key),
        "proof": hexed(peer.sign(signed(substrate, "peer/v1", account))),
        # One bounded list: the package takes a bare list for several fields.
        "addresses": [["/ip4/127.0.0.1/tcp/4001", "/dns4/worker.example/udp/4001/quic-v1"]],
        "stake": LAYERS * least,
    }
    served = submit(substrate, "Registry", "register", serving, worker)["Registry.WorkerRegistered"]
    assert served == [{"worker": worker.ss58_address, "model": model, "range": serving["range"]}], served
    twice = send(substrate, "Registry", "register", serving, worker)
    assert not twice.is_success and twice.error_message["name"] == "AlreadyRegistered", twice.error_message
    return model


def open_many(substrate, payer, worker, signer):
    least = substrate.runtime_call("ChannelsApi", "channel_parameters").value
    opening = {"payee": worker.ss58_address, "signer": hexed(signer.public_key), "window": least["min_window"]}
    deposits = [10 * UNIT, least["min_deposit"]]
    openings = [[{**opening, "deposit": deposit} for deposit in deposits]]
    opened = submit(substrate, "Channels", "open_many", {"openings": openings}, payer)["Channels.Opened"]
    assert [event["deposit"] for event in opened] == deposits, opened
    return opened[0]["channel"]


def completed(substrate, name, values):
    """A value of the type with `values` in it and nothing in whatever else it can hold."""
    nothing = substrate.create_scale_object(name, ScaleBytes(bytes(4_096))).decode(check_remaining=False)
    return {**nothing, **values}


def redeem(substrate, channel, worker, signer):
    """One voucher with a chain of ticks, of which three are shown."""
    chain = [blake2(b"secret of the payer")]
    for _ in range(10):
        chain.append(blake2(chain[-1]))
    shown = 3
    promise = {
        "channel": channel,
        "lane": 2,
        "seq": 1,
        "cumulative": UNIT,
        "receipts_root": hexed(blake2(b"receipts")),
        "receipts": 7,
        "expires": substrate.get_block_number(substrate.get_chain_head()) + 1_000,
        "tick": {"anchor": hexed(chain[-1]), "unit": 1_000, "max": len(chain) - 1},
    }
    promise = completed(substrate, "mica_primitives::channel::Voucher", promise)
    voucher = substrate.encode_scale("mica_primitives::channel::Voucher", promise)
    redeemed = {
        "voucher": promise,
        "signature": hexed(signer.sign(signed(substrate, "voucher/v2", voucher))),
        "tick": {"n": shown, "preimage": hexed(chain[-1 - shown])},
    }
    redeemed = completed(substrate, "mica_primitives::channel::Redeem", redeemed)
    [event] = submit(substrate, "Channels", "redeem", {"redeem": redeemed}, worker)["Channels.Redeemed"]
    assert event["paid"] == UNIT + 3_000, event
    return event


def propose(substrate, payer, worker, model, signer):
    """Proposes an agreement: the price is agreed before the work."""
    terms = {
        "model": model,
        "range": {"first": 0, "end": LAYERS},
        "tokens": 64,
        "price_per_layer_token": UNIT // 10_000,
        "window": 16,
        "start_blocks": 20,
        "first_blocks": 4,
        "work_blocks": 20,
        "signer": hexed(signer.public_key),
    }
    terms = completed(substrate, "mica_primitives::agreement::Terms", terms)
    proposing = {"worker": worker.ss58_address, "terms": terms}
    [event] = submit(substrate, "Sla", "propose", proposing, payer)["Sla.Proposed"]
    assert event["escrow"] >= 64 * LAYERS * UNIT // 10_000, event
    return event["agreement"]


def refer(substrate, proposer):
    """Proposes a remark of the chain itself, and votes for it."""
    remark = substrate.compose_call("System", "remark", {"remark": "proposed with substrate-interface"})
    submit(substrate, "Preimage", "note_preimage", {"bytes": str(remark.data)}, proposer)
    proposal = {"Lookup": {"hash": hexed(blake2(bytes(remark.data.data))), "len": remark.data.length}}
    proposing = {"proposal_origin": {"system": "Root"}, "proposal": proposal, "enactment_moment": {"After": 10}}
    index = submit(substrate, "Referenda", "submit", proposing, proposer)["Referenda.Submitted"][0]["index"]
    submit(substrate, "Referenda", "place_decision_deposit", {"index": index}, proposer)
    vote = {"Standard": {"vote": {"aye": True, "conviction": "Locked1x"}, "balance": 1_000 * UNIT}}
    submit(substrate, "ConvictionVoting", "vote", {"poll_index": index, "vote": vote}, proposer)
    info = substrate.query("Referenda", "ReferendumInfoFor", [index]).value
    assert info["Ongoing"]["tally"]["ayes"] == 1_000 * UNIT, info
    return index


def transact(substrate, worker, payer):
    """Everything of the above with two accounts; what was made."""
    worker, payer = Keypair.create_from_uri(worker), Keypair.create_from_uri(payer)
    seed = blake2(f"vouchers of {payer.ss58_address}".encode())
    signer = Keypair.create_from_seed(hexed(seed), crypto_type=KeypairType.ED25519)
    model = register(substrate, worker)
    channel = open_many(substrate, payer, worker, signer)
    event = redeem(substrate, channel, worker, signer)
    referendum = refer(substrate, payer)
    # Last: it waits for an answer for a minute only.
    agreement = propose(substrate, payer, worker, model, signer)
    return {
        "worker": worker.ss58_address,
        "payer": payer.ss58_address,
        "model": model,
        "channel": channel,
        "signer": hexed(signer.public_key),
        "lane": event["lane"],
        "agreement": agreement,
        "paid": str(event["paid"]),
        "referendum": referendum,
    }


def main(url, command, *rest):
    signal.alarm(LONGEST_S)
    with SubstrateInterface(url=url) as substrate:
        apis = runtime_apis.teach(substrate)
        if command == "transact":
            said = transact(substrate, *rest)
        else:
            block, file = rest
            with open(file) as asked:
                said = inspect(substrate, apis, block, json.load(asked))
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
