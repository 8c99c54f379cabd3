//! Encrypted connections.

use std::{io, sync::Arc};

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

/// The certificate that a server shows, and its key.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    leaf: CertificateDer<'static>,
}

/// Why they cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
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
    /// From the texts of both: PEM, the server's own certificate first, then those that it follows from.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn of_pem(certificates: &[u8], key: &[u8]) -> Result<Tls, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|_| TlsError::NoCertificate)?;
        let leaf = chain.first().cloned().ok_or(TlsError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), leaf })
    }

    /// The server's own certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.leaf
    }

    /// Agrees with a client on how to encrypt.
    pub(super) async fn shake_hands(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}
