//! Whom our clients trust when they speak to others encrypted: the certificates of this system, to which its administrators may have
//! added their own authorities, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Where a machine has none, as small containers,
//! the authorities that Mozilla trusts take their place.

use std::sync::OnceLock;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Settings of a client that trusts these.
pub fn tls() -> TlsConfig {
    TlsConfig::builder().root_certs(roots()).build()
}

/// The authorities, read once: they are over a hundred.
pub fn roots() -> RootCerts {
    static ROOTS: OnceLock<RootCerts> = OnceLock::new();
    let read = || {
        // A file among them that cannot be read makes those worth no less that can.
        let found = rustls_native_certs::load_native_certs().certs;
        let certificates: Vec<Certificate<'static>> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::from(certificates) }
    };
    ROOTS.get_or_init(read).clone()
}
