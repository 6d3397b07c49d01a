//! HTTPS from files: a certificate with those that lead to its authority, and its private key.
//!
//! They are read once, at the start: a certificate that was renewed counts from the next start on.
//! TLS 1.2 and 1.3, HTTP/1.1; certificates of clients are not asked for.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mica_host::files::{self, FileError};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

use crate::config::TlsConfig;

/// Most bytes of either file.
const MAX_BYTES: u64 = 1 << 20;

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others may read the key.
    #[error("others on this machine may read {}: run `chmod 600 {}`", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// A file without what it should hold.
    #[error("{} holds no {what} in PEM form: name one with `{setting}` of [tls] in gateway.toml", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The setting that names the file.
        setting: &'static str,
    },
    /// Certificate and key do not work.
    #[error("certificate and key of [tls] in gateway.toml do not work: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What connections are encrypted with.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`TlsError`] says which file and what is wrong with it.
    pub fn open(config: &TlsConfig) -> Result<Self, TlsError> {
        let missing =
            |path: &PathBuf, what, setting| TlsError::Missing { path: path.clone(), what, setting };
        let chain = files::read_bounded(&config.cert, MAX_BYTES)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.unwrap_or_default();
        if chain.is_empty() {
            return Err(missing(&config.cert, "certificate", "cert"));
        }
        let key = zeroize::Zeroizing::new(files::read_bounded(&config.key, MAX_BYTES)?);
        if !files::is_private(&config.key)? {
            return Err(TlsError::Exposed(config.key.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| missing(&config.key, "private key", "key"))?;
        // Named, because the process has two of them compiled in.
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(server))))
    }

    /// The encrypted stream over a connection.
    ///
    /// # Errors
    /// What went wrong with the handshake, or that it was not over after `patience`.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> io::Result<TlsStream<TcpStream>> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
        tokio::time::timeout(patience, self.0.accept(stream)).await.map_err(late)?
    }
}
