//! Chain specifications: a name, the runtime's code and one of its genesis presets.

use std::path::PathBuf;

use sc_service::{ChainType, Properties};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};

/// A specification without extensions.
pub type ChainSpec = sc_service::GenericChainSpec;

/// Decimals of the token, for wallets.
const TOKEN_DECIMALS: u32 = 12;
/// Prefix of addresses.
const SS58_FORMAT: u32 = 42;

/// The specification that `--chain` names: `dev`, `local`, or the path of a file.
///
/// # Errors
/// Names the flag and what it may be if there is no such chain or file.
pub fn load(id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
    match id {
        "dev" => Ok(Box::new(development()?)),
        "" | "local" => Ok(Box::new(local()?)),
        path => ChainSpec::from_json_file(PathBuf::from(path))
            .map(|spec| Box::new(spec) as Box<dyn sc_service::ChainSpec>)
            .map_err(|error| {
                format!(
                    "`--chain {path}` names neither a built-in chain nor a specification that can be read ({error}); \
                     use `dev`, `local`, or a file made by `mica-node export-chain-spec`"
                )
            }),
    }
}

/// One validator, Alice, who finalizes alone.
fn development() -> Result<ChainSpec, String> {
    builtin("Mica Development", "mica-dev", ChainType::Development, DEV_RUNTIME_PRESET)
}

/// Four validators, Alice, Bob, Charlie and Dave, of whom one may stop.
fn local() -> Result<ChainSpec, String> {
    builtin("Mica Local", "mica-local", ChainType::Local, LOCAL_TESTNET_RUNTIME_PRESET)
}

fn builtin(name: &str, id: &str, chain_type: ChainType, preset: &str) -> Result<ChainSpec, String> {
    let code = mica_runtime::WASM_BINARY.ok_or_else(|| {
        format!(
            "this mica-node was built with SKIP_WASM_BUILD and has no runtime for the built-in chain `{id}`; \
             build it again without, or give `--chain` a file"
        )
    })?;
    Ok(ChainSpec::builder(code, None)
        .with_name(name)
        .with_id(id)
        .with_chain_type(chain_type)
        .with_protocol_id(id)
        .with_properties(properties())
        .with_genesis_config_preset_name(preset)
        .build())
}

fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("tokenSymbol".into(), "MICA".into());
    properties.insert("tokenDecimals".into(), TOKEN_DECIMALS.into());
    properties.insert("ss58Format".into(), SS58_FORMAT.into());
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_chain_says_what_the_flag_may_be() {
        let error = load("mars").err().expect("there is no such chain");
        assert!(error.contains("--chain mars") && error.contains("`dev`") && error.contains("export-chain-spec"), "{error}");
    }

    #[test]
    fn built_in_chains_have_a_genesis_that_can_be_stored() {
        for id in ["dev", "local"] {
            let spec = load(id).expect("built in");
            let storage = spec.as_storage_builder().build_storage().expect("the preset builds");
            assert!(storage.top.contains_key(sp_core::storage::well_known_keys::CODE), "{id}");
            assert_eq!(spec.properties()["tokenSymbol"], "MICA");
        }
    }
}
