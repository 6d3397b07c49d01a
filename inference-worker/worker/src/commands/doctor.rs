//! `mica-worker doctor`: on one screen, whether payers can and do use this worker, why not, and
//! what would change that. Looks, and changes nothing.

mod chain;
mod finding;
mod place;
mod reach;
mod rivals;
mod work;

use std::io::{self, Write};

use mica_chain::{Chain, ConnectError, ReadError};
use mica_primitives::LayerRange;
use serde_json::{Value, json};

use self::finding::{Finding, State};
use super::status::{StatusError, diagnosis::Diagnosis, local, registry_of};
use crate::{
    causes::with_causes,
    config::{Config, ConfigError},
    daemon::tally::LastHour,
    data_dir::DataDir,
    keys::{KeyError, Keys},
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// WebSocket address of a node [default: the one in config.toml].
    #[arg(long, env = "MICA_NODE_URL", value_name = "URL")]
    node_url: Option<String>,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Why there is no finding, or one that is bad.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoctorError {
    /// The folder has no worker.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Nor its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What the worker says of itself cannot be read.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// Something is wrong.
    #[error("{0} of these are wrong: see what stands below each")]
    Unwell(usize),
}

/// Why the chain says nothing.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Looks at everything.
///
/// # Errors
/// [`DoctorError::Unwell`] if something is wrong, after everything that was found is printed.
pub(crate) async fn run(args: Args, folder: &DataDir) -> Result<(), DoctorError> {
    let keys = Keys::read(folder.path())?;
    let config = Config::read(&folder.config())?;
    let url = args.node_url.clone().unwrap_or_else(|| config.node_url.clone());
    let (running, _) = local(folder)?;
    let mut findings = vec![process(running.as_ref())];
    let mut facts = work::Facts::default();
    let looked = look(&url, &keys, running.as_ref(), &mut facts, &mut findings).await;
    if let Err(error) = looked {
        let mend = match error {
            NodeError::Connect(_) => {
                format!("start a node at {url}, or: mica-worker config set node_url ws://HOST:9944")
            }
            NodeError::Read(_) => "mica-worker doctor".to_owned(),
        };
        findings.push(Finding::wrong("node", with_causes(&error), mend));
    }
    if let Some(running) = &running {
        findings.push(reach::finding(running, &url));
    }
    let hour = running.as_ref().and_then(last_hour);
    let causes = hour.as_ref().map(|hour| work::causes(hour, &facts)).unwrap_or_default();
    findings.push(work::finding(hour.as_ref(), &causes));
    let mut out = io::stdout().lock();
    let wrong = findings.iter().filter(|finding| finding.state == State::Wrong).count();
    if args.json {
        let shown = json!({
            "healthy": wrong == 0,
            "account": keys.account.account().to_string(),
            "findings": findings,
            "last_hour": hour,
            "no_work_because": causes,
        });
        writeln!(out, "{shown}")?;
    } else {
        write!(out, "{}", finding::to_text(&findings))?;
        for cause in &causes {
            write!(out, "{}", cause.to_text())?;
        }
    }
    match wrong {
        0 => Ok(()),
        wrong => Err(DoctorError::Unwell(wrong)),
    }
}

/// Everything that the node is asked for.
async fn look(
    url: &str,
    keys: &Keys,
    running: Option<&Value>,
    facts: &mut work::Facts,
    findings: &mut Vec<Finding>,
) -> Result<(), NodeError> {
    let chain = Chain::connect(url).await?;
    chain::node(&chain, findings).await?;
    let view = chain.at_best().await?;
    findings.extend(chain::clock(&view).await?);
    let account = keys.account.account();
    let registry = registry_of(&view, account).await?;
    findings.extend(chain::money(&view, &keys.account, &registry).await?);
    if let Some(running) = running {
        let diagnosis = Diagnosis::of(running, Some(&registry));
        findings.extend(diagnosis.problems.iter().map(chain::problem));
    }
    let Some((record, online)) = &registry.worker else {
        if running.is_none() {
            findings.push(Finding::wrong(
                "registry",
                "the account is not registered",
                "mica-worker run",
            ));
        }
        return Ok(());
    };
    findings.extend(chain::online(record, *online, running.is_some()));
    let workers = view.workers(record.model, None).await?;
    let Some(model) = view.model(record.model).await? else { return Ok(()) };
    let place = place::Place::of(record, &workers, model.manifest.layers);
    findings.extend(place.findings());
    facts.gaps = place.gaps.clone();
    let rivalry = rivals::Rivalry::of(record, &workers, &model);
    findings.push(rivals::finding(record, &rivalry));
    facts.rivalry = Some(rivalry);
    Ok(())
}

fn process(running: Option<&Value>) -> Finding {
    match running {
        None => {
            Finding::wrong("process", "no mica-worker runs with this folder", "mica-worker run")
        }
        Some(running) => {
            let layers = &running["layers"];
            let found = match (running["pid"].as_u64(), layers[0].as_u64(), layers[1].as_u64()) {
                (Some(pid), Some(first), Some(end)) => {
                    format!("{pid} runs with layers {first}..{end}")
                }
                _ => "it is starting".to_owned(),
            };
            Finding::good("process", found)
        }
    }
}

/// Layers as they are typed: `0..4`.
fn typed(range: LayerRange) -> String {
    format!("{}..{}", range.first, range.end)
}

/// What the worker counted; nothing from one of an earlier version.
fn last_hour(running: &Value) -> Option<LastHour> {
    serde_json::from_value(running.get("last_hour")?.clone()).ok()
}
