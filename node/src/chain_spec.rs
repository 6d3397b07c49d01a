//! Chain specifications: a name, the runtime's code and one of its genesis presets.

use std::path::Path;

use mica_runtime::{
    RuntimeGenesisConfig,
    genesis::{STAGING_PRESET, staging},
};
use sc_chain_spec::{ChainSpecExtension, update_code_in_json_chain_spec};
use sc_network::config::MultiaddrWithPeerId;
use sc_service::{ChainSpec as _, ChainType, Properties};
use sc_sync_state_rpc::LightSyncStateExtension;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_runtime::BuildStorage;
use sp_storage::{Storage, well_known_keys::CODE};

/// A specification of ours.
pub(crate) type ChainSpec = sc_service::GenericChainSpec<Extensions>;

/// What a specification may hold beside the genesis.
#[derive(Clone, Default, Serialize, Deserialize, ChainSpecExtension)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Extensions {
    /// A recent final block with the validators after it, from which light clients begin. Built-in
    /// chains have none; `sync_state_genSyncSpec` of a node in step fills it in.
    pub light_sync_state: LightSyncStateExtension,
}

/// Where a plain specification has its runtime.
const CODE_FIELD: &str = "/genesis/runtimeGenesis/code";
/// What stands there if it is the node's own.
const NO_CODE: &str = "0x";

/// Decimals of the token, for wallets.
const TOKEN_DECIMALS: u32 = 12;
/// Prefix of addresses.
const SS58_FORMAT: u32 = 42;

/// How the genesis of a built-in chain is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Genesis {
    /// As the runtime's preset, which the Wasm runtime turns into state: readable, for export, but
    /// it takes seconds.
    Preset,
    /// As the state itself, made by the same code compiled for this machine: starts a node at once.
    /// An end-to-end test checks that the two agree.
    State,
}

/// The specification that `--chain` names: `dev`, `local`, `staging`, or the path of a file.
///
/// # Errors
/// Names the flag and what it may be if there is no such chain or file.
pub(crate) fn load(id: &str, genesis: Genesis) -> Result<Box<dyn sc_service::ChainSpec>, String> {
    match id {
        // One validator, Alice, who finalizes alone.
        "dev" => builtin(
            "Mica Development",
            "mica-dev",
            ChainType::Development,
            DEV_RUNTIME_PRESET,
            genesis,
        ),
        // Four validators, Alice, Bob, Charlie and Dave, one of whom may fail.
        "" | "local" => builtin(
            "Mica Local",
            "mica-local",
            ChainType::Local,
            LOCAL_TESTNET_RUNTIME_PRESET,
            genesis,
        ),
        // The same four by the times of a public network, and without a master.
        "staging" => builtin(
            "Mica Staging Rehearsal",
            "mica-staging-rehearsal",
            ChainType::Local,
            STAGING_PRESET,
            genesis,
        ),
        path => from_file(Path::new(path)).map_err(|error| {
            format!(
                "`--chain {path}` names neither a built-in chain nor a specification that can be \
                 read ({error}); use `dev`, `local`, `staging`, or a file made by `mica-node \
                 export-chain-spec`"
            )
        }),
    }
    .map(|spec| Box::new(spec) as Box<dyn sc_service::ChainSpec>)
}

/// The specification in a file. One whose code is empty (`"0x"`), as in `node/specs`, gets the
/// runtime that this node was built with.
fn from_file(path: &Path) -> Result<ChainSpec, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut spec: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if spec.pointer(CODE_FIELD).and_then(Value::as_str) != Some(NO_CODE) {
        return ChainSpec::from_json_file(path.to_owned());
    }
    update_code_in_json_chain_spec(&mut spec, code(&path.display().to_string())?);
    ChainSpec::from_json_bytes(spec.to_string().into_bytes())
}

fn builtin(
    name: &str,
    id: &str,
    chain_type: ChainType,
    preset: &str,
    genesis: Genesis,
) -> Result<ChainSpec, String> {
    let code = code(id)?;
    let mut spec = ChainSpec::builder(code, Extensions::default())
        .with_name(name)
        .with_id(id)
        .with_chain_type(chain_type)
        .with_protocol_id(id)
        .with_properties(properties())
        .with_genesis_config_preset_name(preset)
        .build();
    if genesis == Genesis::State {
        spec.set_storage(state(preset, code)?);
    }
    Ok(spec)
}

/// The runtime that this node was built with.
fn code(chain: &str) -> Result<&'static [u8], String> {
    mica_runtime::WASM_BINARY.ok_or_else(|| {
        format!(
            "this mica-node was built with SKIP_WASM_BUILD and has no runtime for the chain \
             `{chain}`; build it again without, or give `--chain` a file"
        )
    })
}

/// The specification of a network whose public keys the file `keys` names, as JSON.
///
/// # Errors
/// Says what is wrong with the file.
pub(crate) fn staging(keys: &Path, bootnodes: Vec<MultiaddrWithPeerId>) -> Result<String, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("`--keys {}`: {error}", keys.display());
    let text = std::fs::read(keys).map_err(|error| wrong(&error))?;
    let staging: staging::Staging = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    let patch = staging::patch(staging).map_err(|error| wrong(&error))?;
    ChainSpec::builder(code("staging")?, Extensions::default())
        .with_name("Mica Staging")
        .with_id("mica-staging")
        .with_chain_type(ChainType::Live)
        .with_protocol_id("mica-staging")
        .with_properties(properties())
        .with_boot_nodes(bootnodes)
        .with_genesis_config_patch(patch)
        .build()
        .as_json(false)
}

/// The state that `preset` stands for, with `code` as its runtime.
fn state(preset: &str, code: &[u8]) -> Result<Storage, String> {
    let patch = mica_runtime::genesis::get_preset(&preset.into())
        .ok_or_else(|| format!("the runtime has no preset `{preset}`"))?;
    let invalid = |error: serde_json::Error| {
        format!("the runtime's preset `{preset}` is no genesis: {error}")
    };
    let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).map_err(invalid)?;
    sc_chain_spec::json_patch::merge(&mut config, serde_json::from_slice(&patch).map_err(invalid)?);
    let mut storage =
        serde_json::from_value::<RuntimeGenesisConfig>(config).map_err(invalid)?.build_storage()?;
    storage.top.insert(CODE.to_vec(), code.to_vec());
    Ok(storage)
}

fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("tokenSymbol".into(), "MICA".into());
    properties.insert("tokenDecimals".into(), TOKEN_DECIMALS.into());
    properties.insert("ss58Format".into(), SS58_FORMAT.into());
    properties
}
