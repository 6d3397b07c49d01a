//! Steps computed behind a server that speaks Ollama's or OpenAI's API: a Mica gateway, or anything else that speaks it.
//!
//! α and the limits travel as headers that a Mica gateway understands and others ignore. What a server says of its metrics is
//! taken as it is; OpenAI's API has no durations, so there they are measured here, from the stream (see [`openai`]).

mod ollama;
mod openai;

use std::time::Duration;

use mica_chain::amount;
use mica_primitives::Balance;
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
    pub fn new(api: Api, url: &str, key: Option<&str>, patience: Duration) -> Result<Self, HttpError> {
        // OpenAI's clients write the version into the address, the others do not.
        let url = url.trim_end_matches('/');
        Ok(Self { client: Client::new(url.strip_suffix("/v1").unwrap_or(url), key, patience)?, api })
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
            message: "a server must be told which model: name one with --model or in the step".into(),
        };
        request.model.clone().ok_or_else(nameless)
    }
}

impl Generate for Server {
    async fn generate(&self, request: &StepRequest) -> Result<StepReply, GenerateError> {
        Ok(match self.api {
            Api::Ollama => self.ollama(request).await?,
            Api::OpenAi => self.openai(request).await?,
        })
    }
}

/// What a Mica gateway is told besides the API's own fields.
fn headers(request: &StepRequest) -> Vec<(&'static str, String)> {
    let limits = &request.limits;
    let base_units = |amount: Balance| format!("{amount}u");
    let mut headers = vec![("x-mica-alpha", request.alpha.to_string())];
    headers.extend(limits.max_price.map(|price| ("x-mica-max-price", base_units(price))));
    headers.extend(limits.deadline_ms.map(|ms| ("x-mica-deadline-ms", ms.to_string())));
    headers.extend(limits.max_total.map(|total| ("x-mica-max-total", base_units(total))));
    headers
}

/// Base units in a field of a reply: a whole number, or an amount in a text. `None` if the field is not there.
fn money(reply: &Value, field: &str) -> Result<Option<Balance>, String> {
    match reply.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            number.as_u64().map(|units| Some(units.into())).ok_or_else(|| format!("`{field}` is no whole number of base units"))
        }
        Some(Value::String(text)) => match text.parse().or_else(|_| amount::parse(text)) {
            Ok(units) => Ok(Some(units)),
            Err(error) => Err(format!("`{field}`: {error}")),
        },
        Some(_) => Err(format!("`{field}` is no amount of money")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::money;

    #[test]
    fn money_is_a_whole_number_or_an_amount() {
        let reply = json!({"a": 7, "b": "18446744073709551616", "c": "1 MICA", "d": 1.5, "e": -1, "f": {}, "g": "x", "h": null});
        assert_eq!(money(&reply, "a"), Ok(Some(7)));
        assert_eq!(money(&reply, "b"), Ok(Some(1 << 64)));
        assert_eq!(money(&reply, "c"), Ok(Some(1_000_000_000_000)));
        assert_eq!((money(&reply, "h"), money(&reply, "z")), (Ok(None), Ok(None)));
        for wrong in ["d", "e", "f", "g"] {
            assert!(money(&reply, wrong).is_err(), "{wrong}");
        }
    }
}
