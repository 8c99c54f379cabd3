//! Encrypted connections. The files of certificate and key are looked at again while they are served, because certificates are
//! renewed more often than servers are started.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

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

/// Time between two looks at the files; they are looked at only when somebody connects.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Tells people what became of a new certificate.
pub type Tell = Arc<dyn Fn(&TlsNews) + Send + Sync>;

/// What became of a new certificate.
#[derive(Debug)]
pub enum TlsNews {
    /// It is shown from now on; DER.
    Taken(Vec<u8>),
    /// It cannot be used; the former one is shown on.
    Kept(TlsError),
}

/// The certificate that a server shows, and its key.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    tell: Tell,
    current: Mutex<Current>,
}

struct Current {
    pair: Pair,
    /// What the files were when they were read.
    read: Stamps,
    /// What they were when they could not be used.
    refused: Option<Stamps>,
    looked: Instant,
}

#[derive(Clone)]
struct Pair {
    acceptor: TlsAcceptor,
    leaf: CertificateDer<'static>,
}

/// Tells whether the files are what they were: device, inode, size, times of the last change in nanoseconds.
type Stamps = [Option<[i128; 5]>; 2];

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No certificate, or something else between the lines of one.
    #[error("there is no certificate in it: it must be PEM, with lines `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// No key, or one that is locked by a password.
    #[error("there is no private key in it: it must be PEM, without a password, with lines `-----BEGIN PRIVATE KEY-----`")]
    NoKey,
    /// They do not belong together, or are of a kind that nobody uses.
    #[error("certificate and key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// From the files of both: PEM, the server's own certificate first, then those that it follows from. When they change they
    /// are read anew, and `tell` hears of it; those that cannot be used then change nothing.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn of_files(certificate: &Path, key: &Path, tell: Tell) -> Result<Tls, TlsError> {
        let read = stamps(certificate, key);
        let pair = Pair::read(certificate, key)?;
        let current = Mutex::new(Current { pair, read, refused: None, looked: Instant::now() });
        Ok(Tls { shared: Arc::new(Shared { certificate: certificate.to_owned(), key: key.to_owned(), tell, current }) })
    }

    /// The server's own certificate, DER.
    pub fn certificate(&self) -> Vec<u8> {
        self.shared.current().pair.leaf.to_vec()
    }

    /// Agrees with a client on how to encrypt.
    pub(super) async fn shake_hands(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        if self.shared.is_due() {
            let shared = Arc::clone(&self.shared);
            // Only this client waits for the disk.
            tokio::task::spawn_blocking(move || shared.look()).await?;
        }
        let acceptor = self.shared.current().pair.acceptor.clone();
        acceptor.accept(stream).await
    }
}

impl Shared {
    fn current(&self) -> MutexGuard<'_, Current> {
        // Every part is whole after each statement.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time for a look; true for one of those who ask.
    fn is_due(&self) -> bool {
        let mut current = self.current();
        let is_due = current.looked.elapsed() >= LOOK_PAUSE;
        if is_due {
            current.looked = Instant::now();
        }
        is_due
    }

    /// Reads the files if they are others than before. Two files are not renewed at once, so a pair that cannot be used is told
    /// of only when it is still the same at the next look.
    fn look(&self) {
        let found = stamps(&self.certificate, &self.key);
        let (read, refused) = {
            let current = self.current();
            (current.read, current.refused)
        };
        if found == read {
            return;
        }
        match Pair::read(&self.certificate, &self.key) {
            Ok(pair) => {
                let leaf = pair.leaf.to_vec();
                let mut current = self.current();
                (current.pair, current.read, current.refused) = (pair, found, None);
                drop(current);
                (self.tell)(&TlsNews::Taken(leaf));
            }
            Err(error) if refused == Some(found) => {
                // Looked at again when they change once more.
                let mut current = self.current();
                (current.read, current.refused) = (found, None);
                drop(current);
                (self.tell)(&TlsNews::Kept(error));
            }
            Err(_) => self.current().refused = Some(found),
        }
    }
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source });
        Pair::of_pem(&read(certificate)?, &read(key)?)
    }

    fn of_pem(certificates: &[u8], key: &[u8]) -> Result<Pair, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|_| TlsError::NoCertificate)?;
        let leaf = chain.first().cloned().ok_or(TlsError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Pair { acceptor: TlsAcceptor::from(Arc::new(config)), leaf })
    }
}

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let written = nanoseconds(found.mtime(), found.mtime_nsec());
        let changed = nanoseconds(found.ctime(), found.ctime_nsec());
        Some([found.dev().into(), found.ino().into(), found.size().into(), written, changed])
    })
}
