//! An authority, a certificate for the nodes on loopback, and an authority that signed nothing.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// Writes `ca.pem`, `node.pem`, `node.key` and `other.pem`, all in PEM.
pub(crate) fn write(folder: &Path) {
    let (authority, issuer) = authority("of the cluster");
    let (other, _) = self::authority("of another");
    let key = KeyPair::generate().expect("a key");
    let hosts = ["127.0.0.1", "localhost"].map(str::to_owned);
    let mut node = CertificateParams::new(hosts).expect("two names");
    // A node is a client of the others too.
    node.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let certificate = node.signed_by(&key, &issuer).expect("a certificate");
    for (file, kind, der) in [
        ("ca.pem", "CERTIFICATE", authority.as_slice()),
        ("other.pem", "CERTIFICATE", &other),
        ("node.pem", "CERTIFICATE", certificate.der()),
        ("node.key", "PRIVATE KEY", &key.serialize_der()),
    ] {
        std::fs::write(folder.join(file), pem(kind, der)).expect("the test's folder is writable");
    }
}

fn authority(name: &str) -> (Vec<u8>, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.der().to_vec(), Issuer::new(params, key))
}

/// RFC 7468.
fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}
