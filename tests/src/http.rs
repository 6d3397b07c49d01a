//! Raw HTTP: bytes on a socket, so that malformed requests can be sent too.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// Longest wait for any one answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; 0 if the connection was closed without an answer.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: String,
    /// From the request's last byte to the body's first.
    pub to_first_byte: Duration,
}

impl Answer {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }

    /// The body as lines of JSON.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.body
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("not JSON ({error}): {line}"))
            })
            .collect()
    }

    /// The bodies of server-sent events, without comments.
    pub fn events(&self) -> Vec<&str> {
        self.body
            .split("\n\n")
            .filter(|event| !event.is_empty() && !event.starts_with(':'))
            .map(|event| event.strip_prefix("data: ").expect("an event"))
            .collect()
    }
}

/// Sends bytes as they are and reads until the other side closes or `enough` is satisfied with what
/// came; then hangs up.
pub fn exchange(address: SocketAddr, request: &[u8], enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    // Who refuses a request early may not read all of it.
    let _ = stream.write_all(request);
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !enough(&received) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => {
                panic!("no answer: {error}; so far: {}", String::from_utf8_lossy(&received))
            }
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    received
}

/// A request with its head made from the parts, `target` as it is. The host is `localhost` unless a
/// header names it.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str("host: localhost\r\n");
    }
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends a request and reads the whole answer.
pub fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    send_raw(address, &request(method, target, headers, body))
}

/// Sends bytes as they are and reads the whole answer.
pub fn send_raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let began = Instant::now();
    let first = std::cell::Cell::new(None);
    let received = exchange(address, bytes, |received| {
        if first.get().is_none() && body_start(received).is_some_and(|at| received.len() > at) {
            first.set(Some(began.elapsed()));
        }
        false
    });
    parse(&received, first.get().unwrap_or_default())
}

fn body_start(received: &[u8]) -> Option<usize> {
    received.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn parse(received: &[u8], to_first_byte: Duration) -> Answer {
    let Some(start) = body_start(received) else {
        return Answer {
            status: 0,
            headers: Vec::new(),
            body: String::from_utf8_lossy(received).into_owned(),
            to_first_byte,
        };
    };
    let head = String::from_utf8_lossy(&received[..start]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(&received[start..]) } else { received[start..].to_vec() };
    Answer { status, headers, body: String::from_utf8(body).expect("text"), to_first_byte }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .expect("a size");
        let data = &bytes[end + 2..];
        if size == 0 || data.len() < size {
            break;
        }
        body.extend_from_slice(&data[..size]);
        bytes = data.get(size + 2..).unwrap_or_default();
    }
    body
}
