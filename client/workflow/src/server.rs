//! Steps computed behind a server that speaks Ollama's or OpenAI's API: a Mica gateway, or anything
//! else that speaks it.
//!
//! α and the limits travel as headers that a Mica gateway understands and others ignore. What a
//! server says of its metrics is taken as it is; OpenAI's API has no durations, so there they are
//! measured here, from the stream (see [`openai`]).

mod ollama;
mod openai;

use std::time::Duration;

use mica_primitives::Balance;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::{Generate, GenerateError, HttpError, StepReply, StepRequest, http::Client};

/// Most models that are taken from a server's list.
const MAX_MODELS: usize = 1000;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `POST /api/generate`, whole.
    Ollama,
    /// `POST /v1/chat/completions`, streamed.
    OpenAi,
}

/// A server and its language.
#[derive(Clone, Debug)]
pub struct Server {
    client: Client,
    api: Api,
}

impl Server {
    /// The server at `url`. `key` is sent as a bearer token; `patience` bounds each step.
    ///
    /// # Errors
    /// [`HttpError::Url`], [`HttpError::Key`].
    pub fn new(
        api: Api,
        url: &str,
        key: Option<&str>,
        patience: Duration,
    ) -> Result<Self, HttpError> {
        // OpenAI's clients write the version into the address, the others do not.
        let url = url.trim_end_matches('/');
        Ok(Self {
            client: Client::new(url.strip_suffix("/v1").unwrap_or(url), key, patience)?,
            api,
        })
    }

    /// Names of the models that it offers.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn models(&self) -> Result<Vec<String>, HttpError> {
        let (route, list, name) = match self.api {
            Api::Ollama => ("/api/tags", "models", "name"),
            Api::OpenAi => ("/v1/models", "data", "id"),
        };
        let reply = self.client.get(route).await?;
        let models = reply.get(list).and_then(Value::as_array);
        let models = models.ok_or_else(|| self.wrong(route, format!("it has no list `{list}`")))?;
        let names = models.iter().take(MAX_MODELS).filter_map(|model| model.get(name)?.as_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn wrong(&self, route: &str, reason: impl Into<String>) -> HttpError {
        HttpError::Reply { url: self.client.url(route), reason: reason.into() }
    }

    /// The model that a request names. A server has no model of its own accord.
    fn model(&self, route: &str, request: &StepRequest) -> Result<String, HttpError> {
        let nameless = || HttpError::Refused {
            url: self.client.url(route),
            status: 400,
            message: "a server must be told which model: name one with --model or in the step"
                .into(),
        };
        request.model.clone().ok_or_else(nameless)
    }
}

impl Generate for Server {
    type Error = GenerateError;

    async fn generate(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
        Ok(match self.api {
            Api::Ollama => self.ollama(request).await?,
            Api::OpenAi => self.openai(request).await?,
        })
    }
}

/// What a Mica gateway is told besides the API's own fields.
fn headers(request: &StepRequest) -> Vec<(&'static str, String)> {
    let terms = &request.terms;
    let base_units = |amount: Balance| format!("{amount}u");
    let mut headers = vec![("x-mica-alpha", terms.alpha.to_string())];
    headers.extend(terms.max_price_per_token.map(|price| ("x-mica-max-price", base_units(price))));
    headers
        .extend(terms.deadline_us.map(|us| ("x-mica-deadline-ms", us.div_ceil(1000).to_string())));
    headers.extend(terms.max_total.map(|total| ("x-mica-max-total", base_units(total))));
    headers
}

/// What an answer cost, as a Mica gateway tells it in `cost`; other servers have no such field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Cost {
    /// Base units paid to workers.
    #[serde(deserialize_with = "amount")]
    paid: Balance,
    /// Base units of the chain's fees.
    #[serde(deserialize_with = "amount")]
    fees: Balance,
}

/// Base units as a gateway writes them: a number, or a string where they are beyond 64 bits.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Balance, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let units = match &value {
        Value::Number(number) => number.as_u64().map(Balance::from),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    units.ok_or_else(|| D::Error::custom(format!("{value} is no amount of base units")))
}

impl Cost {
    fn read(reply: &Value) -> Result<Option<Self>, String> {
        let told = reply.get("cost").filter(|cost| !cost.is_null());
        told.map(|cost| {
            Self::deserialize(cost).map_err(|error| format!("`cost` is no cost: {error}"))
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Balance, Cost};

    #[test]
    fn a_cost_is_two_amounts_or_none() {
        let cost = Cost { paid: 7, fees: 2 };
        assert_eq!(Cost::read(&json!({"cost": {"paid": 7, "fees": 2}})), Ok(Some(cost)));
        let large = json!({"cost": {"paid": Balance::MAX.to_string(), "fees": u64::MAX}});
        assert_eq!(
            Cost::read(&large),
            Ok(Some(Cost { paid: Balance::MAX, fees: u64::MAX.into() })),
            "as our own gateway writes it"
        );
        assert_eq!(
            (Cost::read(&json!({"cost": null})), Cost::read(&json!({}))),
            (Ok(None), Ok(None))
        );
        for wrong in [
            json!(7),
            json!("7"),
            json!({"paid": -1, "fees": 0}),
            json!({"paid": 1.5, "fees": 0}),
            json!({"paid": 1}),
        ] {
            assert!(Cost::read(&json!({"cost": wrong})).is_err(), "{wrong}");
        }
    }
}
