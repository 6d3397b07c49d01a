//! A file on an HTTP server, read in parts where the server gives parts.
//!
//! HTTP/1.1, with TLS by the system's list of authorities; a connection for each part that is read.
//! Redirections are followed, never from https to http, and a token goes to the first host alone.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use http_body_util::{BodyExt, BodyStream, Empty};
use hyper::{
    Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{
        ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, HOST, HeaderMap, LOCATION,
        RANGE, USER_AGENT,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use tokio_util::{io::StreamReader, task::AbortOnDropHandle};

use super::Reader;

/// Longest wait for a connection, and for an answer on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a server must send in so much time of waiting for it: one that gives a byte now and then
/// would never end.
const LEAST: (Duration, u64) = (Duration::from_secs(60), 256 << 10);
/// Redirections in a row.
const MAX_HOPS: usize = 8;
/// Most letters of an address in a message.
const MAX_SHOWN: usize = 200;

/// Why a server does not give a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Not an address.
    #[error("`{0}` is no address that can be asked: write it as https://HOST/PATH")]
    Url(String),
    /// Nobody answers.
    #[error("cannot reach {url}: {source}")]
    Connect {
        /// What was asked.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("the connection to {url} broke: {source}")]
    Broken {
        /// What was asked.
        url: String,
        /// Why.
        source: hyper::Error,
    },
    /// Not in time.
    #[error("{url} did not answer within {} s", PATIENCE.as_secs())]
    Late {
        /// What was asked.
        url: String,
    },
    /// The server says no.
    #[error("{url} answered {status}{}", hint(*status))]
    Refused {
        /// What was asked.
        url: String,
        /// Its status.
        status: u16,
    },
    /// It leads nowhere.
    #[error("{url} {reason}")]
    Redirected {
        /// What was asked.
        url: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// How long the file is is not said, or it is another one than before.
    #[error("{url} does not say how long the file is, or the file has changed: try again")]
    Length {
        /// What was asked.
        url: String,
    },
    /// No list of authorities.
    #[error(
        "this system has no list of certificate authorities ({0}): install the package ca-certificates, or name a list in SSL_CERT_FILE"
    )]
    Authorities(String),
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ": it wants to know who asks; for the Hugging Face hub set HF_TOKEN",
        404 => ": there is no such file",
        _ => "",
    }
}

impl HttpError {
    /// Whether it may go better a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::Late { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// A file on a server.
#[derive(Clone)]
pub(super) struct HttpFile {
    url: Uri,
    token: Option<String>,
    size: u64,
    has_parts: bool,
}

/// An answer with its file.
struct Answer {
    /// Where the body begins, and the file's length.
    from: u64,
    size: u64,
    body: Reader,
}

impl HttpFile {
    /// Asks how long it is, and whether the server gives parts.
    pub(super) async fn find(url: &str, token: Option<String>) -> Result<Self, HttpError> {
        let wrong = || HttpError::Url(shown(url));
        let url: Uri = url.parse().map_err(|_| wrong())?;
        // The first byte would do to see whether there are parts; but an empty part is none.
        let answer = get(&url, 1, token.as_deref()).await?;
        Ok(Self { url, token, size: answer.size, has_parts: answer.from == 1 })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn has_parts(&self) -> bool {
        self.has_parts
    }

    /// Its bytes from `from` on, or from an earlier byte, which is named.
    pub(super) async fn read(&self, from: u64) -> Result<(Reader, u64), HttpError> {
        let asked = if self.has_parts { from } else { 0 };
        let answer = get(&self.url, asked, self.token.as_deref()).await?;
        if answer.size != self.size || answer.from > from {
            return Err(HttpError::Length { url: shown(&self.url.to_string()) });
        }
        Ok((answer.body, answer.from))
    }
}

/// Asks for a file from a byte on, wherever it is.
async fn get(url: &Uri, from: u64, token: Option<&str>) -> Result<Answer, HttpError> {
    let (mut at, mut token) = (url.clone(), token);
    for _ in 0..MAX_HOPS {
        let text = shown(&at.to_string());
        let late = |_| HttpError::Late { url: text.clone() };
        let (response, connection) =
            timeout(PATIENCE, ask(&at, from, token)).await.map_err(late)??;
        let status = response.status();
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                let place = place(status, response.headers(), from);
                let (from, size) = place.ok_or(HttpError::Length { url: text })?;
                let body = Box::pin(Body::new(response.into_body(), connection));
                return Ok(Answer { from, size, body });
            }
            status if status.is_redirection() => {
                let redirected = |reason| HttpError::Redirected { url: text.clone(), reason };
                let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let next = location
                    .and_then(|to| resolve(&at, to))
                    .ok_or_else(|| redirected("leads to no address"))?;
                if at.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                    return Err(redirected("leads from https to something else"));
                }
                if next.authority() != at.authority() {
                    token = None;
                }
                at = next;
            }
            // An empty file, or one of a single byte, has no second one.
            status => return Err(HttpError::Refused { url: text, status: status.as_u16() }),
        }
    }
    Err(HttpError::Redirected { url: shown(&url.to_string()), reason: "leads round in circles" })
}

/// Where the body of an answer begins in the file, and how long the file is.
fn place(status: StatusCode, headers: &HeaderMap, from: u64) -> Option<(u64, u64)> {
    let text = |name| headers.get(name)?.to_str().ok();
    if status == StatusCode::OK {
        return Some((0, text(CONTENT_LENGTH)?.parse().ok()?));
    }
    let (range, size) = text(CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let first: u64 = range.split_once('-')?.0.parse().ok()?;
    (first == from).then_some((first, size.parse().ok()?))
}

/// Where a redirection leads.
fn resolve(from: &Uri, to: &str) -> Option<Uri> {
    let scheme = from.scheme_str()?;
    let text = if to.contains("://") {
        to.to_owned()
    } else if let Some(rest) = to.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if to.starts_with('/') {
        format!("{scheme}://{}{to}", from.authority()?)
    } else {
        let folder = from.path().rsplit_once('/')?.0;
        format!("{scheme}://{}{folder}/{to}", from.authority()?)
    };
    // What follows a hash is for readers.
    text.split('#').next()?.parse().ok()
}

type Connection = AbortOnDropHandle<()>;

/// One request on a connection of its own.
async fn ask(
    url: &Uri,
    from: u64,
    token: Option<&str>,
) -> Result<(hyper::Response<Incoming>, Connection), HttpError> {
    let text = || shown(&url.to_string());
    let wrong = || HttpError::Url(text());
    let broken = |source| HttpError::Broken { url: text(), source };
    let authority = url.authority().ok_or_else(wrong)?;
    let stream = connect(url).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        // What is wrong with it is seen by whoever reads.
        let _ = connection.await;
    }));
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(USER_AGENT, concat!("mica/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT_ENCODING, "identity");
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| wrong())?;
    let response = sender.send_request(request).await.map_err(broken)?;
    Ok((response, connection))
}

/// What a request is written to.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

async fn connect(url: &Uri) -> Result<Box<dyn Wire>, HttpError> {
    let text = || shown(&url.to_string());
    let unreachable = |source| HttpError::Connect { url: text(), source };
    let authority = url.authority().ok_or_else(|| HttpError::Url(text()))?;
    let host = authority.host().trim_matches(['[', ']']);
    let is_secure = match url.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(HttpError::Url(text())),
    };
    let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    if !is_secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpError::Url(text()))?;
    let secured = TlsConnector::from(tls()?).connect(name, stream).await.map_err(unreachable)?;
    Ok(Box::new(secured))
}

/// The system's authorities, read once.
fn tls() -> Result<Arc<ClientConfig>, HttpError> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(tls) = TLS.get() {
        return Ok(tls.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(found.certs);
    let problem = |reason: String| HttpError::Authorities(reason);
    if good == 0 {
        let reason = found.errors.first().map_or("none was found".to_owned(), ToString::to_string);
        return Err(problem(reason));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TLS.get_or_init(|| Arc::new(config)).clone())
}

/// An address for people: bounded, and without what may be a signature.
fn shown(url: &str) -> String {
    url.split('?').next().unwrap_or_default().chars().take(MAX_SHOWN).collect()
}

/// A body, for as long as its connection is held.
struct Body {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    pace: Pace,
    _connection: Connection,
}

/// How fast bytes come. Time in which nobody wants any does not count.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    waited: Duration,
    came: u64,
}

impl Pace {
    /// Nothing is there at `now`.
    fn wait(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// So many bytes came. Whether they come fast enough.
    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let waited = self.since.take().map(|since| now.saturating_duration_since(since));
        self.waited += waited.unwrap_or_default();
        self.came = self.came.saturating_add(bytes);
        let (time, least) = LEAST;
        if self.came >= least {
            *self = Self::default();
        }
        self.waited < time
    }
}

impl Body {
    fn new(body: Incoming, connection: Connection) -> Self {
        let pieces = BodyStream::new(body.map_err(io::Error::other))
            .try_filter_map(async |frame| Ok::<_, io::Error>(frame.into_data().ok()));
        let reader = Box::pin(StreamReader::new(Box::pin(pieces)));
        Self { reader, pace: Pace::default(), _connection: connection }
    }
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(read) = self.reader.as_mut().poll_read(context, buffer) else {
            self.pace.wait(Instant::now());
            return Poll::Pending;
        };
        let bytes = buffer.filled().len().saturating_sub(before) as u64;
        match self.pace.take(bytes, Instant::now()) {
            true => Poll::Ready(read),
            false => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "it is too slow"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_lead_where_they_say() {
        let from: Uri = "https://a.org/x/y?z=1".parse().expect("an address");
        for (to, expected) in [
            ("https://b.org/q?r#s", "https://b.org/q?r"),
            ("//c.org/q", "https://c.org/q"),
            ("/q?r", "https://a.org/q?r"),
            ("q", "https://a.org/x/q"),
        ] {
            assert_eq!(resolve(&from, to).expect(to).to_string(), expected);
        }
    }

    #[test]
    fn a_server_that_gives_a_byte_now_and_then_is_too_slow() {
        let (mut now, second) = (Instant::now(), Duration::from_secs(1));
        let mut read = |pace: &mut Pace, bytes: u64, waits: bool| {
            if waits {
                pace.wait(now);
            }
            now += 20 * second;
            pace.take(bytes, now)
        };
        let mut slow = Pace::default();
        let enough = [(); 3].map(|()| read(&mut slow, 1, true));
        assert_eq!(enough, [true, true, false]);
        let mut steady = Pace::default();
        assert!((0..50).all(|_| read(&mut steady, LEAST.1 / 2, true)));
        let mut unhurried = Pace::default();
        assert!((0..50).all(|_| read(&mut unhurried, 1, false)), "nobody waited for it");
    }

    #[test]
    fn only_the_part_that_was_asked_for_is_taken_for_one() {
        let headers = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, range.parse().expect("a header"));
            headers
        };
        let found = |range: &str| place(StatusCode::PARTIAL_CONTENT, &headers(range), 5);
        assert_eq!(found("bytes 5-9/10"), Some((5, 10)));
        for wrong in ["bytes 4-9/10", "bytes 5-9/*", "bytes */10", "items 5-9/10", ""] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
        assert_eq!(place(StatusCode::OK, &HeaderMap::new(), 0), None, "no length");
    }
}
