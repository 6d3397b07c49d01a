//! Whether a running worker serves: what it says of itself, held against the registry.

use mica_chain::AccountId;
use mica_host::json;
use mica_primitives::{Balance, ModelId, WorkerAddresses, WorkerRecord};
use serde::Serialize;
use serde_json::Value;

use crate::daemon::compare::{Own, differences};

/// What the registry says.
pub(crate) struct Registry {
    /// The account's record and whether it is online.
    pub worker: Option<(WorkerRecord<AccountId>, bool)>,
    /// Base units.
    pub min_stake_per_layer: Balance,
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Problem {
    /// A name that programs can rely on.
    pub code: String,
    /// What is wrong and what to do.
    pub text: String,
}

/// Whether payers are served.
pub(crate) struct Diagnosis {
    /// They are, as far as anybody can tell.
    pub serving: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Diagnosis {
    /// What `running`, the worker's own status, and the registry say together; without a node, what
    /// the worker saw last.
    pub(crate) fn of(running: &Value, registry: Option<&Registry>) -> Self {
        let standing = &running["standing"];
        let mut diagnosis =
            Self { serving: standing["serving"].as_bool().unwrap_or(false), problems: Vec::new() };
        if let (Some(code), Some(problem)) =
            (standing["code"].as_str(), standing["problem"].as_str())
        {
            let text = match standing["compared_at"].as_u64() {
                Some(block) => format!("{problem} (as the worker saw it at block {block})"),
                None => problem.to_owned(),
            };
            diagnosis.problems.push(Problem { code: code.to_owned(), text });
        }
        if let (Some(code), Some(text)) =
            (running["paused"]["code"].as_str(), running["paused"]["text"].as_str())
        {
            diagnosis.serving = false;
            diagnosis.add("paused", format!("it takes no new sessions ({code}): {text}"));
        }
        if let (Some(registry), Some(own)) = (registry, own(running)) {
            diagnosis.compare(registry, &own);
        }
        diagnosis
    }

    fn compare(&mut self, registry: &Registry, own: &Own) {
        let record = registry.worker.as_ref();
        for difference in
            differences(record.map(|(record, _)| record), own, registry.min_stake_per_layer)
        {
            self.serving &= !difference.keeps_from_serving();
            self.add(difference.code(), difference.to_string());
        }
        // What else keeps it from being online has been said.
        if self.serving && record.is_some_and(|(_, online)| !online) {
            self.serving = false;
            self.add(
                "offline",
                "its heartbeats do not reach the chain: check the node and the account's log"
                    .to_owned(),
            );
        }
    }

    fn add(&mut self, code: &str, text: String) {
        // What the worker has noticed itself is not said twice.
        if self.problems.iter().all(|problem| problem.code != code) {
            self.problems.push(Problem { code: code.to_owned(), text });
        }
    }

    /// All problems in one line.
    pub(crate) fn to_text(&self) -> String {
        let texts: Vec<&str> = self.problems.iter().map(|problem| problem.text.as_str()).collect();
        if texts.is_empty() { "it has not said why".to_owned() } else { texts.join("; ") }
    }
}

/// What the worker says that it is; nothing if another version wrote that.
fn own(running: &Value) -> Option<Own> {
    let bytes = |name: &str| {
        let text = running[name].as_str()?;
        <[u8; 32]>::try_from(hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()?).ok()
    };
    let addresses = running["addresses"]
        .as_array()?
        .iter()
        .map(|text| text.as_str()?.as_bytes().to_vec().try_into().ok());
    let addresses: Option<Vec<_>> = addresses.collect();
    Some(Own {
        model: ModelId(bytes("model")?),
        range: json::layers::deserialize(&running["layers"]).ok()?,
        cost_us_per_layer_token: running["cost_us_per_layer_token"].as_u64()?.try_into().ok()?,
        price_per_layer_token: json::money::deserialize(&running["price_per_layer_token"]).ok()?,
        peer: bytes("peer")?,
        addresses: WorkerAddresses::try_from(addresses?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pricing::tests::worker;

    fn running(serving: bool, code: Option<&str>) -> Value {
        json!({
            "peer": hex::encode([1; 32]),
            "model": ModelId([1; 32]).to_string(),
            "layers": [0, 4],
            "price_per_layer_token": "10",
            "cost_us_per_layer_token": 50,
            "addresses": [],
            "standing": { "serving": serving, "code": code, "problem": code.map(|_| "wrong"), "compared_at": 7 },
        })
    }

    fn registry(worker: Option<(WorkerRecord<AccountId>, bool)>) -> Registry {
        Registry { worker, min_stake_per_layer: 0 }
    }

    fn codes(diagnosis: &Diagnosis) -> Vec<&str> {
        diagnosis.problems.iter().map(|problem| problem.code.as_str()).collect()
    }

    #[test]
    fn a_worker_serves_only_if_it_and_the_registry_say_so() {
        let record = worker(1, 0, 4, 10, 50);
        let well =
            Diagnosis::of(&running(true, None), Some(&registry(Some((record.clone(), true)))));
        assert!(well.serving && well.problems.is_empty(), "{}", well.to_text());
        let gone = Diagnosis::of(&running(true, None), Some(&registry(None)));
        assert!(!gone.serving);
        assert_eq!(codes(&gone), ["not_registered"]);
        let silent =
            Diagnosis::of(&running(true, None), Some(&registry(Some((record.clone(), false)))));
        assert!(!silent.serving);
        assert_eq!(codes(&silent), ["offline"]);
        let rival = Diagnosis::of(
            &running(false, Some("another_instance")),
            Some(&registry(Some((record, true)))),
        );
        assert!(!rival.serving);
        assert_eq!(codes(&rival), ["another_instance"]);
        assert!(rival.to_text().contains("block 7"), "{}", rival.to_text());
    }

    #[test]
    fn a_worker_that_its_owner_pauses_does_not_serve_and_says_why() {
        let mut status = running(true, None);
        status["paused"] = json!({ "code": "on_battery", "text": "it runs on battery" });
        let diagnosis = Diagnosis::of(&status, None);
        assert!(!diagnosis.serving);
        assert_eq!(codes(&diagnosis), ["paused"]);
        assert!(diagnosis.to_text().contains("on_battery"), "{}", diagnosis.to_text());
        status["paused"] = Value::Null;
        assert!(Diagnosis::of(&status, None).serving);
    }

    #[test]
    fn without_a_node_the_worker_has_the_word_and_without_a_word_it_does_not_serve() {
        assert!(Diagnosis::of(&running(true, None), None).serving);
        assert!(!Diagnosis::of(&json!({}), None).serving);
    }
}
