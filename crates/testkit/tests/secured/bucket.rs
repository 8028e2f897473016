//! Blobs in a bucket behind TLS.

use tempfile::TempDir;
use tusou_contract::{BlobKey, Disposition, ImageFormat, ImageId, Verdict};
use tusou_platform::blobs::BlobStore;
use tusou_platform::config::Blobs;
use tusou_testkit::S3;

use crate::certificates;

#[tokio::test]
async fn a_bucket_behind_tls_is_trusted_by_its_authority_alone() {
    tusou_platform::telemetry::install_tls();
    let folder = TempDir::new().expect("a folder");
    certificates::write(folder.path());
    let file = |name: &str| folder.path().join(name);
    let server = S3::start_tls(&file("node.pem"), &file("node.key")).await;
    let bytes = b"picture";
    let key = BlobKey::original(&ImageId::of(bytes), ImageFormat::Png);
    let right = Blobs {
        s3_ca_file: file("ca.pem"),
        ..server.blobs("")
    };
    let blobs = BlobStore::open(&right).expect("an authority");
    let put = blobs.put(&key, bytes.to_vec().into()).await;
    put.expect("stored");
    let got = blobs.get(&key, 9).await.expect("an answer");
    assert_eq!(got.as_deref(), Some(&bytes[..]));

    for ca_file in ["other.pem", ""] {
        let s3_ca_file = match ca_file {
            "" => Default::default(),
            name => file(name),
        };
        let wrong = Blobs {
            s3_ca_file,
            ..server.blobs("")
        };
        let blobs = BlobStore::open(&wrong).expect("an authority, or none");
        let error = blobs.get(&key, 9).await.expect_err("not trusted");
        assert!(error.to_string().contains("blobs.s3_ca_file"), "{error}");
        assert_eq!(error.disposition(), Disposition::Later);
    }
}
