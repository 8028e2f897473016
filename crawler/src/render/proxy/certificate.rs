//! The certificate by which the proxy answers its own browser, so that what goes by https is judged
//! like all else. It is made at start, is known to that browser only, and never leaves the process.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

/// A certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// No key, or no certificate of it.
    #[error("cannot make a certificate for the browser's proxy")]
    Make(#[from] rcgen::Error),
    /// It cannot serve.
    #[error("cannot serve the browser's proxy by TLS")]
    Serve(#[from] rustls::Error),
}

/// What answers TLS, and how the browser knows it.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(super) acceptor: TlsAcceptor,
    /// SHA-256 of the public key in Base64, for `--ignore-certificate-errors-spki-list`.
    pub(crate) fingerprint: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Certificate")
            .field(&self.fingerprint)
            .finish()
    }
}

impl Certificate {
    pub(crate) fn new() -> Result<Self, CertificateError> {
        tusou_platform::telemetry::install_tls();
        let made = rcgen::generate_simple_self_signed(["tusou.invalid".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let public = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
        let fingerprint = STANDARD.encode(Sha256::digest(public));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            fingerprint,
        })
    }
}
