//! From the configuration to a client: address, credentials, authorities, bounds.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};
use url::Url;

use super::super::error::BlobError;
use crate::config::{Blobs, mask_url};

/// How often a request that failed on the way, or inside the store, is repeated.
const REPEATS: usize = 3;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A client of the bucket.
///
/// # Errors
/// [`BlobError::Config`] names the key and the remedy.
pub(super) fn client(config: &Blobs, bucket: &str) -> Result<AmazonS3, BlobError> {
    let timeout = Duration::from_millis(config.s3_timeout_ms);
    let mut options = ClientOptions::new()
        .with_timeout(timeout)
        .with_connect_timeout(CONNECT.min(timeout))
        .with_allow_http(config.s3_endpoint.starts_with("http://"));
    for authority in authorities(config)? {
        options = options.with_root_certificate(authority);
    }
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 3.0,
        },
        max_retries: REPEATS,
        retry_timeout: timeout,
    };
    // Amazon's variables count only where nothing is configured: theirs may be another's key.
    let mut builder = if config.access_key_id.is_empty() {
        AmazonS3Builder::from_env()
    } else {
        AmazonS3Builder::new()
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(&config.secret_access_key)
    };
    builder = builder
        .with_bucket_name(bucket)
        .with_region(&config.s3_region)
        .with_virtual_hosted_style_request(!config.s3_path_style)
        // Not every store knows how to delete several at once, and none is asked to.
        .with_disable_bulk_delete(true)
        .with_client_options(options)
        .with_retry(retry);
    if !config.s3_endpoint.is_empty() {
        builder = builder.with_endpoint(endpoint(config, bucket)?);
    }
    builder.build().map_err(|error| {
        BlobError::Config(format!(
            "the bucket of `blobs.url` = `{}` cannot be asked: {error}; see `blobs.s3_endpoint`, `blobs.s3_region` \
             and `blobs.access_key_id`",
            config.url
        ))
    })
}

/// The store's address, for messages.
pub(super) fn shown(config: &Blobs) -> String {
    match config.s3_endpoint.as_str() {
        "" => format!("Amazon's S3 in {}", config.s3_region),
        endpoint => mask_url(endpoint).trim_end_matches('/').to_owned(),
    }
}

/// The address that requests go to; the bucket is before the host where it is not in the path.
fn endpoint(config: &Blobs, bucket: &str) -> Result<String, BlobError> {
    let wrong = |reason: String| {
        BlobError::Config(format!(
            "`blobs.s3_endpoint` {reason}; give one like https://s3.example.org"
        ))
    };
    let mut url =
        Url::parse(&config.s3_endpoint).map_err(|error| wrong(format!("is no URL ({error})")))?;
    if !config.s3_path_style {
        let host = url.host_str().unwrap_or_default();
        let host = format!("{bucket}.{host}");
        url.set_host(Some(&host)).map_err(|error| {
            wrong(format!(
                "takes no bucket before its host ({error}): set `blobs.s3_path_style`"
            ))
        })?;
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What `blobs.s3_ca_file` holds; none where it is empty.
fn authorities(config: &Blobs) -> Result<Vec<Certificate>, BlobError> {
    let file = &config.s3_ca_file;
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |reason: String| {
        BlobError::Config(format!(
            "`blobs.s3_ca_file` = \"{}\" {reason}; give the PEM file of the authority that signed the store's \
             certificate",
            file.display()
        ))
    };
    let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|error| wrong(format!("is no PEM file ({error})")))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate".into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(endpoint: &str, path_style: bool) -> Result<String, BlobError> {
        let config = Blobs {
            s3_endpoint: endpoint.into(),
            s3_path_style: path_style,
            ..Blobs::default()
        };
        super::endpoint(&config, "pictures")
    }

    #[test]
    fn a_bucket_stands_in_the_path_or_before_the_host() {
        let path = address("https://s3.example.org:9000/", true).expect("an address");
        assert_eq!(path, "https://s3.example.org:9000");
        let host = address("https://s3.example.org:9000", false).expect("an address");
        assert_eq!(host, "https://pictures.s3.example.org:9000");
    }

    #[test]
    fn a_file_of_authorities_that_holds_none_is_named() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let file = folder.path().join("ca.pem");
        let config = Blobs {
            url: "s3://pictures".into(),
            s3_ca_file: file.clone(),
            ..Blobs::default()
        };
        for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\n?\n")] {
            if let Some(text) = text {
                std::fs::write(&file, text).expect("a file");
            }
            let error = client(&config, "pictures").expect_err("no authority");
            let told = error.to_string();
            assert!(told.contains("blobs.s3_ca_file"), "{text:?}: {told}");
        }
    }
}
