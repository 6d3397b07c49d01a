"""Sets the market's clock of a development chain ahead: NODE_URL BLOCKS. The chain's root, Alice, writes it; nobody waits for
ninety minutes until a stake is free."""

import sys

from substrateinterface import Keypair, SubstrateInterface

url, blocks = sys.argv[1], int(sys.argv[2])
chain = SubstrateInterface(url=url)
key = chain.create_storage_key("Clock", "Now").to_hex()
now = chain.query("Clock", "Now").value
value = "0x" + (now + blocks).to_bytes(4, "little").hex()
write = chain.compose_call("System", "set_storage", {"items": [(key, value)]})
weight = {"ref_time": 1_000_000_000, "proof_size": 10_000}
root = chain.compose_call("Sudo", "sudo_unchecked_weight", {"call": write.value, "weight": weight})
extrinsic = chain.create_signed_extrinsic(root, Keypair.create_from_uri("//Alice"))
receipt = chain.submit_extrinsic(extrinsic, wait_for_finalization=True)
assert receipt.is_success, receipt.error_message
after = chain.query("Clock", "Now").value
assert after >= now + blocks, (now, after)
print(after)
