//! `GET /metrics`, and nothing else.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Connections that are served at once; others wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 8;
/// Longest time for a connection.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Pause after the system refused a connection, for example because no file handle is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers with what `text` gives at that moment, until `stop`.
pub async fn serve<F>(listener: TcpListener, text: F, stop: CancellationToken)
where
    F: Fn() -> String + Send + Sync + 'static,
{
    let (text, places) = (Arc::new(text), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let Some(accepted) = stop.run_until_cancelled(accepted).await else { return };
        let (Ok(place), Ok((stream, _))) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let text = text.clone();
        connections.spawn(async move {
            if tokio::time::timeout(PATIENCE, answer(stream, &*text)).await.is_err() {
                tracing::debug!("a reader of the metrics was too slow");
            }
            drop(place);
        });
    }
}

async fn answer(stream: TcpStream, text: &(impl Fn() -> String + Sync)) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, text);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.keep_alive(false).max_buf_size(MAX_HEAD_BYTES);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for the metrics broke");
    }
}

fn respond<B>(request: &Request<B>, text: impl Fn() -> String) -> Response<String> {
    let (code, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, text()),
        (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "GET alone\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "there is /metrics and nothing else\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn metrics_are_read_over_http_and_nothing_else_is() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, || "mica_x 3\n".to_owned(), stop.clone()));
        for (asked, code) in [("GET /metrics", "200"), ("GET /", "404"), ("DELETE /metrics", "405")]
        {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            let request = format!("{asked} HTTP/1.1\r\nhost: here\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut text = String::new();
            stream.read_to_string(&mut text).await.expect("it answers and closes");
            assert!(text.starts_with(&format!("HTTP/1.1 {code}")), "{text}");
            assert_eq!(text.contains("mica_x 3"), code == "200");
        }
        stop.cancel();
        serving.await.expect("it ends");
    }
}
