//! A small HTTP client for servers on this machine or in this network: one connection per exchange,
//! no redirects, no proxy.
//!
//! Plain HTTP only: a gateway listens on loopback, and what is farther away is reached through a
//! tunnel. Every exchange has a deadline, every body a bound, and an exchange that is dropped
//! closes its connection, so that the server stops too.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Most bytes of a reply.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Most letters of a server's message that are repeated.
const MAX_MESSAGE: usize = 500;

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Not an address of a server.
    #[error(
        "'{0}' is no address of a server: write it as http://HOST:PORT (for https, go through a \
         tunnel)"
    )]
    Url(String),
    /// An API key that no header can carry.
    #[error("the API key has characters that no HTTP header can carry: copy it again")]
    Key,
    /// Nothing listens there.
    #[error("cannot reach {url}: {source}; is the server running, and is the address right?")]
    Connect {
        /// The server.
        url: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not in time.
    #[error("{url} did not answer within {seconds} s: raise --timeout or ask for fewer tokens")]
    Late {
        /// What was asked.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the connection to {url} broke: {source}")]
    Broken {
        /// What was asked.
        url: String,
        /// Why.
        source: hyper::Error,
    },
    /// More than a reply can have.
    #[error("{0} sent more than {MAX_BODY_BYTES} bytes, which is no answer")]
    TooLarge(String),
    /// The server said no.
    #[error("{url} answered {status}: {message}")]
    Refused {
        /// What was asked.
        url: String,
        /// Its status.
        status: u16,
        /// Its message.
        message: String,
    },
    /// The server's reply is not what its API promises.
    #[error("{url} sent a reply that does not follow its API: {reason}")]
    Reply {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    host: String,
    port: u16,
    authority: String,
    /// Path before each route, without a slash at its end.
    prefix: String,
    bearer: Option<String>,
    patience: Duration,
}

impl Client {
    /// A client of the server at `url`. `key` is sent as a bearer token, `patience` bounds each
    /// exchange.
    ///
    /// # Errors
    /// [`HttpError::Url`], [`HttpError::Key`].
    pub(crate) fn new(url: &str, key: Option<&str>, patience: Duration) -> Result<Self, HttpError> {
        let wrong = || HttpError::Url(url.into());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri
            .authority()
            .filter(|authority| !authority.as_str().contains('@'))
            .ok_or_else(wrong)?;
        // A port that is none is kept in the text and nowhere else.
        let host_has_no_port = authority.as_str().ends_with(authority.host());
        if uri.scheme_str() != Some("http")
            || uri.query().is_some()
            || (authority.port_u16().is_none() && !host_has_no_port)
        {
            return Err(wrong());
        }
        if key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(HttpError::Key);
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).into(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            prefix: uri.path().trim_end_matches('/').into(),
            bearer: key.map(|key| format!("Bearer {key}")),
            patience,
        })
    }

    /// The address of `route`, for people.
    pub(crate) fn url(&self, route: &str) -> String {
        format!("http://{}{}{route}", self.authority, self.prefix)
    }

    /// Asks for `route` and reads the reply as JSON.
    ///
    /// # Errors
    /// [`HttpError`].
    pub(crate) async fn get(&self, route: &str) -> Result<Value, HttpError> {
        let mut body = Vec::new();
        self.exchange(route, None, &[], &mut |piece| body.extend_from_slice(piece)).await?;
        self.json(route, &body)
    }

    /// Sends `document` to `route` and reads the reply as JSON.
    ///
    /// # Errors
    /// [`HttpError`].
    pub(crate) async fn post(
        &self,
        route: &str,
        headers: &[(&str, String)],
        document: &Value,
    ) -> Result<Value, HttpError> {
        let mut body = Vec::new();
        self.exchange(route, Some(document), headers, &mut |piece| body.extend_from_slice(piece))
            .await?;
        self.json(route, &body)
    }

    /// Sends `document` to `route` and hands on the pieces of a good reply as they come.
    ///
    /// # Errors
    /// [`HttpError`]; pieces may have come before it.
    pub(crate) async fn stream(
        &self,
        route: &str,
        headers: &[(&str, String)],
        document: &Value,
        on_piece: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(), HttpError> {
        self.exchange(route, Some(document), headers, on_piece).await
    }

    fn json(&self, route: &str, body: &[u8]) -> Result<Value, HttpError> {
        serde_json::from_slice(body).map_err(|error| HttpError::Reply {
            url: self.url(route),
            reason: format!("it is not JSON ({error})"),
        })
    }

    async fn exchange(
        &self,
        route: &str,
        document: Option<&Value>,
        headers: &[(&str, String)],
        on_piece: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(), HttpError> {
        let late = |_| HttpError::Late { url: self.url(route), seconds: self.patience.as_secs() };
        timeout(self.patience, self.exchange_unbounded(route, document, headers, on_piece))
            .await
            .map_err(late)?
    }

    async fn exchange_unbounded(
        &self,
        route: &str,
        document: Option<&Value>,
        headers: &[(&str, String)],
        on_piece: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(), HttpError> {
        let unreachable = |source| HttpError::Connect { url: self.url(""), source };
        let broken = |source| HttpError::Broken { url: self.url(route), source };
        let connecting =
            timeout(CONNECT, TcpStream::connect((self.host.as_str(), self.port))).await;
        let stream = connecting
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
            .map_err(unreachable)?;
        // A request is one write; waiting to fill a packet would only show up in the measurement.
        stream.set_nodelay(true).map_err(unreachable)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let response =
            sender.send_request(self.request(route, document, headers)?).await.map_err(broken)?;
        let status = response.status();
        let (mut body, mut received, mut message) = (response.into_body(), 0, Vec::new());
        while let Some(piece) = next_piece(&mut body).await.transpose().map_err(broken)? {
            received += piece.len();
            if received > MAX_BODY_BYTES {
                return Err(HttpError::TooLarge(self.url(route)));
            }
            if status.is_success() { on_piece(&piece) } else { message.extend_from_slice(&piece) }
        }
        if status.is_success() { Ok(()) } else { Err(self.refusal(route, status, &message)) }
    }

    fn request(
        &self,
        route: &str,
        document: Option<&Value>,
        headers: &[(&str, String)],
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let method = if document.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{route}", self.prefix))
            .header(HOST, &self.authority);
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if document.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = document.map(Value::to_string).unwrap_or_default();
        // Everything in it was checked when the client was made, so this fails only for a route
        // that is none.
        request.body(Full::new(body.into())).map_err(|_| HttpError::Url(self.url(route)))
    }

    fn refusal(&self, route: &str, status: StatusCode, body: &[u8]) -> HttpError {
        let message = serde_json::from_slice(body).ok().as_ref().and_then(error_of);
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
        let message =
            message.chars().filter(|letter| !letter.is_control()).take(MAX_MESSAGE).collect();
        HttpError::Refused { url: self.url(route), status: status.as_u16(), message }
    }
}

/// The message of an error document, Ollama's (`{"error": "…"}`) or OpenAI's (`{"error":
/// {"message": "…"}}`).
pub(crate) fn error_of(document: &Value) -> Option<String> {
    let error = document.get("error")?;
    error.as_str().or_else(|| error.get("message")?.as_str()).map(str::to_owned)
}

/// The next data of a body; trailers are passed over.
async fn next_piece(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        match body.frame().await? {
            Ok(frame) => match frame.into_data() {
                Ok(data) => return Some(Ok(data)),
                Err(_) => continue,
            },
            Err(error) => return Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let client = |url: &str| Client::new(url, None, CONNECT);
        assert_eq!(
            client("http://127.0.0.1:11434").expect("good").url("/api/tags"),
            "http://127.0.0.1:11434/api/tags"
        );
        assert_eq!(
            client("http://[::1]:80/prefix/").expect("good").url("/x"),
            "http://[::1]:80/prefix/x"
        );
        for wrong in [
            "",
            "127.0.0.1:11434",
            "https://h",
            "ftp://h",
            "http://",
            "http://u:p@h",
            "http://h/?a=b",
            "http://h:99999",
            "x y",
        ] {
            assert!(matches!(client(wrong), Err(HttpError::Url(_))), "{wrong}");
        }
        assert!(matches!(
            Client::new("http://h", Some("two\r\nlines"), CONNECT),
            Err(HttpError::Key)
        ));
    }
}
