//! Sources over real files and a real HTTP server on this machine.

use super::*;
use std::{
    collections::HashMap,
    io::Write,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

/// How a server treats those who ask.
#[derive(Default)]
pub(crate) struct Manners {
    /// It gives no parts.
    pub(crate) is_whole: AtomicBool,
    /// Answers that break off after so many bytes of the body; none if zero.
    pub(crate) breaks_after: AtomicUsize,
    /// How many answers break off, or say 503.
    pub(crate) breaks: AtomicUsize,
    /// The next answers say 503, as many as `breaks`.
    pub(crate) is_busy: AtomicBool,
    /// Requests by path, with their headers.
    pub(crate) requests: Mutex<Vec<(String, String)>>,
    /// Bytes of bodies that were sent.
    pub(crate) sent: AtomicUsize,
}

/// A server of some files; `to:URL` redirects.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) manners: Arc<Manners>,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Server {
    pub(crate) async fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let files: HashMap<String, Vec<u8>> =
            files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
        let (files, manners) = (Arc::new(files), Arc::new(Manners::default()));
        let shared = manners.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (files, manners) = (files.clone(), shared.clone());
                // A reader that goes away is no failure of the server.
                tokio::spawn(async move { drop(answer(stream, &files, &manners).await) });
            }
        });
        Self { url, manners, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }

    pub(crate) fn spec(&self, path: &str) -> Spec {
        format!("{}{path}", self.url).parse().expect("a place")
    }
}

async fn answer(
    stream: tokio::net::TcpStream,
    files: &HashMap<String, Vec<u8>>,
    manners: &Manners,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut headers) = (String::new(), String::new());
    stream.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        headers.push_str(&line.to_lowercase());
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    manners.requests.lock().expect("unpoisoned").push((path.clone(), headers.clone()));
    let fails = |counter: &AtomicUsize| {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    };
    let file = files.get(path.split('?').next().unwrap_or_default());
    let (status, extra, body) = match file {
        None => ("404 Not Found", String::new(), &[][..]),
        Some(_) if manners.is_busy.load(Ordering::SeqCst) && fails(&manners.breaks) => {
            ("503 Service Unavailable", String::new(), &[][..])
        }
        Some(file) if file.starts_with(b"to:") => {
            let to = String::from_utf8_lossy(&file[3..]).into_owned();
            ("302 Found", format!("location: {to}\r\n"), &[][..])
        }
        Some(file) => {
            let range = headers.lines().find_map(|line| line.strip_prefix("range: bytes="));
            let from = range.and_then(|range| range.split('-').next()?.parse::<usize>().ok());
            match from.filter(|_| !manners.is_whole.load(Ordering::SeqCst)) {
                Some(from) if from < file.len() => {
                    let (last, all) = (file.len() - 1, file.len());
                    let range = format!("content-range: bytes {from}-{last}/{all}\r\n");
                    ("206 Partial Content", range, &file[from..])
                }
                Some(_) => ("416 Range Not Satisfiable", String::new(), &[][..]),
                None => ("200 OK", String::new(), &file[..]),
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let limit = manners.breaks_after.load(Ordering::SeqCst);
    let is_short = limit > 0 && limit < body.len() && fails(&manners.breaks);
    let body = if is_short { &body[..limit] } else { body };
    for piece in body.chunks(64 << 10) {
        stream.write_all(piece).await?;
        manners.sent.fetch_add(piece.len(), Ordering::SeqCst);
    }
    stream.flush().await?;
    stream.shutdown().await
}

/// A zip archive with one member, deflated or stored, and others around it.
pub(crate) fn archive(name: &str, bytes: &[u8], is_deflated: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let members: [(&str, &[u8], bool); 3] =
        [("a/readme.txt", b"read me", false), (name, bytes, is_deflated), ("z", b"", false)];
    for (name, bytes, is_deflated) in members {
        let packed = match is_deflated {
            true => miniz_oxide::deflate::compress_to_vec(bytes, 1),
            false => bytes.to_vec(),
        };
        let header = out.len() as u32;
        let numbers = |signature: &[u8], made: &[u8]| {
            let mut fields = [signature, made, &[20, 0, 0, 0]].concat();
            fields.extend(u16::from(is_deflated).wrapping_mul(8).to_le_bytes());
            fields.extend([0; 8]);
            fields.extend((packed.len() as u32).to_le_bytes());
            fields.extend((bytes.len() as u32).to_le_bytes());
            fields.extend((name.len() as u16).to_le_bytes());
            fields
        };
        out.extend(numbers(b"PK\x03\x04", &[]));
        out.extend([3, 0]);
        out.extend(name.as_bytes());
        out.extend(b"xyz");
        out.extend(&packed);
        directory.extend(numbers(b"PK\x01\x02", &[20, 0]));
        directory.extend([0; 12]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (from, length) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x03\0\x03\0");
    out.extend(length.to_le_bytes());
    out.extend(from.to_le_bytes());
    out.extend([5, 0]);
    out.extend(b"bye!!");
    out
}

fn data(bytes: usize) -> Vec<u8> {
    // Compresses, but not to nothing.
    (0..bytes).map(|at| ((at / 7) ^ ((at * at) >> 9)) as u8).collect()
}

async fn find(spec: &Spec) -> Result<Opened, SourceError> {
    let scratch = std::env::temp_dir();
    Opened::find(spec, &scratch).await
}

async fn all_from(opened: &Opened, from: u64) -> Vec<u8> {
    opened.read_exact(from, (opened.size() - from) as usize).await.expect("it reads")
}

#[tokio::test]
async fn files_and_members_of_archives_are_read_from_any_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = data(700_000);
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("plain"), &bytes).expect("written");
    std::fs::write(path("stored.zip"), archive("b/model", &bytes, false)).expect("written");
    std::fs::write(path("packed.whl"), archive("b/model", &bytes, true)).expect("written");
    for (name, has_parts) in
        [("plain", true), ("stored.zip!/b/model", true), ("packed.whl!/b/model", false)]
    {
        let spec: Spec = format!("file:{}", path(name).display()).parse().expect("a place");
        let opened = find(&spec).await.expect(name);
        assert_eq!((opened.size(), opened.has_parts()), (bytes.len() as u64, has_parts), "{name}");
        for from in [0, 1, 65_535, 300_000, bytes.len() - 1] {
            assert_eq!(all_from(&opened, from as u64).await, bytes[from..], "{name} from {from}");
        }
        let beyond = opened.read_exact(bytes.len() as u64 - 1, 2).await;
        assert!(beyond.is_err(), "{name} ends");
    }
}

#[tokio::test]
async fn what_is_no_archive_or_has_no_such_member_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = archive("b/model", &data(5000), true);
    let write = |bytes: &[u8]| {
        let mut file = std::fs::File::create(folder.path().join("a.zip")).expect("made");
        file.write_all(bytes).expect("written");
    };
    let spec: Spec =
        format!("file:{}!/b/model", folder.path().join("a.zip").display()).parse().expect("one");
    write(&good);
    assert!(find(&spec).await.is_ok());
    let other: Spec =
        format!("file:{}!/nothing", folder.path().join("a.zip").display()).parse().expect("one");
    let error = find(&other).await.err().expect("no member").to_string();
    assert!(error.contains("b/model"), "it names what there is: {error}");
    for end in (0..good.len()).step_by(211) {
        write(&good[..end]);
        assert!(find(&spec).await.is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        // Whatever byte is wrong: an error or other bytes, but no panic and no endless loop.
        let mut wrong = good.clone();
        wrong[at] ^= 0x55;
        write(&wrong);
        if let Ok(opened) = find(&spec).await {
            let length = opened.size().min(10_000) as usize;
            let _ = opened.read_exact(0, length).await;
        }
    }
}

#[tokio::test]
async fn a_server_is_read_in_parts_where_it_gives_parts() {
    let bytes = data(300_000);
    let server = Server::start(&[
        ("/model", bytes.clone()),
        ("/moved", b"to:/model".to_vec()),
        ("/round", b"to:/round".to_vec()),
    ])
    .await;
    for path in ["/model", "/moved"] {
        let opened = find(&server.spec(path)).await.expect("it answers");
        assert_eq!((opened.size(), opened.has_parts()), (300_000, true));
        assert_eq!(all_from(&opened, 123_456).await, bytes[123_456..]);
        assert_eq!(all_from(&opened, 0).await, bytes);
    }
    server.manners.is_whole.store(true, Ordering::SeqCst);
    let opened = find(&server.spec("/model")).await.expect("it answers");
    assert!(!opened.has_parts());
    assert_eq!(all_from(&opened, 123_456).await, bytes[123_456..]);
    let error = find(&server.spec("/none")).await.err().expect("not found");
    assert!(error.to_string().contains("404") && !error.is_passing(), "{error}");
    let error = find(&server.spec("/round")).await.err().expect("a circle");
    assert!(error.to_string().contains("circles"), "{error}");
    server.manners.breaks.store(1, Ordering::SeqCst);
    server.manners.is_busy.store(true, Ordering::SeqCst);
    let error = find(&server.spec("/model")).await.err().expect("it is busy");
    assert!(error.is_passing(), "{error}");
}

#[tokio::test]
async fn a_token_goes_to_the_first_host_alone_and_is_in_no_message() {
    let other = Server::start(&[("/model", data(1000))]).await;
    let to = format!("to:{}/model?signature=secret", other.url).into_bytes();
    let first = Server::start(&[("/moved", to)]).await;
    let url = format!("{}/moved", first.url);
    let opened = Opened::http("a model".into(), &url, Some("hf_token".into())).await;
    assert_eq!(opened.expect("it answers").size(), 1000);
    let headers = |server: &Server| {
        let requests = server.manners.requests.lock().expect("unpoisoned");
        requests.iter().map(|(_, headers)| headers.clone()).collect::<String>()
    };
    assert!(headers(&first).contains("authorization: bearer hf_token"));
    assert!(!headers(&other).contains("authorization"));
    let gone = format!("to:{}/gone?signature=secret", other.url).into_bytes();
    let first = Server::start(&[("/moved", gone)]).await;
    let error = find(&first.spec("/moved")).await.err().expect("not found").to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told() {
    let spec: Spec = "file:/nowhere/at/all.gguf".parse().expect("a place");
    let error = find(&spec).await.err().expect("no file").to_string();
    assert!(error.contains("/nowhere/at/all.gguf"), "{error}");
}
