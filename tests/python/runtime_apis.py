"""Teaches `substrate-interface` a chain's runtime APIs.

The package reads metadata of version 14, in which runtime APIs do not stand; version 15 has them. Call `teach(substrate)`
once, and `substrate.runtime_call` knows every function of the chain, with the chain's own types.
"""

from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

VERSION = 15
# Types of version 15 stand beside those of version 14, which have other numbers.
PREFIX = "metadata_15"
TYPES = {
    "Metadata15": [
        ["magic", "[u8; 4]"],
        ["version", "u8"],
        ["types", "PortableRegistry"],
        ["pallets", "Vec<Pallet15>"],
        ["extrinsic", "Extrinsic15"],
        ["runtime", "SiLookupTypeId"],
        ["apis", "Vec<Api15>"],
    ],
    "Pallet15": [
        ["name", "Text"],
        ["storage", "Option<StorageMetadataV14>"],
        ["calls", "Option<PalletCallMetadataV14>"],
        ["event", "Option<PalletEventMetadataV14>"],
        ["constants", "Vec<PalletConstantMetadataV14>"],
        ["error", "Option<PalletErrorMetadataV14>"],
        ["index", "u8"],
        ["docs", "Vec<Text>"],
    ],
    "Extrinsic15": [
        ["version", "u8"],
        ["address", "SiLookupTypeId"],
        ["call", "SiLookupTypeId"],
        ["signature", "SiLookupTypeId"],
        ["extra", "SiLookupTypeId"],
        ["signed_extensions", "Vec<SignedExtensionMetadataV14>"],
    ],
    "Api15": [["name", "Text"], ["methods", "Vec<Method15>"], ["docs", "Vec<Text>"]],
    "Method15": [["name", "Text"], ["inputs", "Vec<Parameter15>"], ["output", "SiLookupTypeId"], ["docs", "Vec<Text>"]],
    "Parameter15": [["name", "Text"], ["type", "SiLookupTypeId"]],
}


def teach(substrate):
    """Adds the runtime APIs of the chain that `substrate` is connected to. Returns their names and methods."""
    substrate.init_runtime()
    config = RuntimeConfigurationObject(implements_scale_info=True)
    config.update_type_registry(load_type_registry_preset("core"))
    config.update_type_registry({"types": {name: {"type": "struct", "type_mapping": fields} for name, fields in TYPES.items()}})
    asked = substrate.rpc_request("state_call", ["Metadata_metadata_at_version", f"0x{VERSION:02x}000000"])["result"]
    # Nothing, or bytes: metadata that this version need not understand stands within its length.
    some = config.create_scale_object("Option<HexBytes>", ScaleBytes(asked)).decode()
    if some is None:
        raise ValueError(f"the chain has no metadata of version {VERSION}")
    metadata = config.create_scale_object("Metadata15", ScaleBytes(some))
    metadata.decode(check_remaining=False)

    types = substrate.runtime_config
    types.update_from_scale_info_types(metadata.value_object["types"].value_object["types"].value_object, prefix=PREFIX)
    apis = {}
    for api in metadata.value["apis"]:
        apis[api["name"]] = {"methods": {}}
        for method in api["methods"]:
            params = [{"name": one["name"], "type": f"{PREFIX}::{one['type']}"} for one in method["inputs"]]
            described = {"description": " ".join(method["docs"]), "params": params, "type": f"{PREFIX}::{method['output']}"}
            apis[api["name"]]["methods"][method["name"]] = described
    types.update_type_registry({"runtime_api": apis})
    return {name: api["methods"] for name, api in apis.items()}
