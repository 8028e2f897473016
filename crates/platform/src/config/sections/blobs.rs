//! `[blobs]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::super::keep::KeepOriginals;

/// A good address of each kind.
const EXAMPLES: &str = "give one like file:///var/lib/tusou/blobs or s3://bucket/prefix";

/// `[blobs]`: a folder of this machine, or a bucket of an S3-compatible store.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blobs {
    /// `file:///folder`, made when it is not there, or `s3://bucket/prefix`, whose bucket is made by its owner.
    pub url: String,
    /// Bytes of the disk that stay free: with less, no blob is stored, and the services wait. A disk
    /// that Postgres shares must not be driven to nothing. A bucket has no such bound.
    pub min_free_bytes: u64,
    /// How long an original is kept once its picture is encoded: `always`, `none`, or days: `30d`.
    pub keep_originals: KeepOriginals,
    /// Of a bucket: `https://host:port` of the store; empty for Amazon's in the region.
    pub s3_endpoint: String,
    /// Of a bucket: its region.
    pub s3_region: String,
    /// Of a bucket: whether it stands in the path of the store's address, else before its host.
    pub s3_path_style: bool,
    /// Of a bucket: a PEM file of authorities to trust beside the system's; empty for none.
    pub s3_ca_file: PathBuf,
    /// Of a bucket: the longest wait for one request; with its repetitions it ends within twice that.
    pub s3_timeout_ms: u64,
    /// Of a bucket: the name of its key; empty for what Amazon's variables or the machine's role give.
    pub access_key_id: String,
    /// Of a bucket: the key. A secret.
    pub secret_access_key: String,
}

impl Default for Blobs {
    fn default() -> Self {
        Self {
            url: "file:///var/lib/tusou/blobs".into(),
            min_free_bytes: 1 << 30,
            keep_originals: KeepOriginals::Always,
            s3_endpoint: String::new(),
            s3_region: "us-east-1".into(),
            s3_path_style: true,
            s3_ca_file: PathBuf::new(),
            s3_timeout_ms: 30_000,
            access_key_id: String::new(),
            secret_access_key: String::new(),
        }
    }
}

impl Blobs {
    /// Whether `url` names a bucket.
    pub fn is_bucket(&self) -> bool {
        Url::parse(&self.url).is_ok_and(|url| url.scheme() == "s3")
    }

    /// The bucket, and the prefix of its keys without slashes around it: empty for none.
    ///
    /// # Errors
    /// Says what is wrong with `url`.
    pub fn bucket(&self) -> Result<(String, String), String> {
        let url = Url::parse(&self.url).map_err(|error| format!("is no URL ({error})"))?;
        if url.scheme() != "s3" {
            return Err("is no s3 URL".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "holds credentials; set blobs.access_key_id and blobs.secret_access_key".into(),
            );
        }
        if url.port().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(format!(
                "holds more than a bucket and a prefix; set blobs.s3_endpoint for the store's own address, and {EXAMPLES}"
            ));
        }
        let bucket = url.host_str().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let part = |part: &str| !part.is_empty() && part.chars().all(plain);
        if !part(bucket) {
            return Err(format!("names no bucket; {EXAMPLES}"));
        }
        let prefix = url.path().trim_matches('/');
        if !prefix.is_empty() && !prefix.split('/').all(part) {
            return Err(
                "has a prefix of more than letters, digits, `.`, `-`, `_` and single slashes"
                    .into(),
            );
        }
        Ok((bucket.to_owned(), prefix.to_owned()))
    }

    /// Every value that cannot work: its key, and what is wrong.
    pub(in crate::config) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        match Url::parse(&self.url) {
            Ok(url) if url.scheme() == "file" && url.to_file_path().is_ok() => return faults,
            Ok(url) if url.scheme() == "s3" => {
                faults.extend(self.bucket().err().map(|reason| ("blobs.url", reason)));
            }
            _ => {
                faults.push((
                    "blobs.url",
                    format!("is no URL of a folder or a bucket; {EXAMPLES}"),
                ));
                return faults;
            }
        }
        let endpoint = Url::parse(&self.s3_endpoint);
        let is_address = endpoint.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
        });
        if !self.s3_endpoint.is_empty() && !is_address {
            let reason = "is no address of a store; give one like https://s3.example.org, or none for Amazon's";
            faults.push(("blobs.s3_endpoint", reason.to_owned()));
        }
        if self.s3_region.is_empty() || !self.s3_region.chars().all(|c| c.is_ascii_graphic()) {
            let reason = "is no region; give us-east-1 where the store has none";
            faults.push(("blobs.s3_region", reason.to_owned()));
        }
        if !self.s3_ca_file.as_os_str().is_empty() && !self.s3_ca_file.is_file() {
            let reason = "is no file; give the PEM file of the authority that signed the store's certificate, or none";
            faults.push(("blobs.s3_ca_file", reason.to_owned()));
        }
        if self.access_key_id.is_empty() && !self.secret_access_key.is_empty() {
            let reason = "is empty; give the name of the key in blobs.secret_access_key";
            faults.push(("blobs.access_key_id", reason.to_owned()));
        }
        if !self.access_key_id.is_empty() && self.secret_access_key.is_empty() {
            let reason = "is empty; give the key that blobs.access_key_id names";
            faults.push(("blobs.secret_access_key", reason.to_owned()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_prefix() {
        for (url, bucket, prefix) in [
            ("s3://pictures", "pictures", ""),
            ("s3://pictures/", "pictures", ""),
            ("s3://my.pictures/of/tusou/", "my.pictures", "of/tusou"),
        ] {
            let config = Blobs {
                url: url.into(),
                ..Blobs::default()
            };
            let expected = (bucket.to_owned(), prefix.to_owned());
            assert_eq!(config.bucket(), Ok(expected), "{url}");
        }
        for (url, said) in [
            ("s3://", "names no bucket"),
            ("s3:///prefix", "names no bucket"),
            ("s3://key:secret@pictures", "blobs.access_key_id"),
            ("s3://host:9000/pictures", "blobs.s3_endpoint"),
            ("s3://pictures/a//b", "prefix"),
            ("s3://pictures/a b", "prefix"),
        ] {
            let config = Blobs {
                url: url.into(),
                ..Blobs::default()
            };
            let reason = config.bucket().expect_err(url);
            assert!(reason.contains(said), "{url}: {reason}");
            assert!(config.is_bucket(), "{url}");
            assert_eq!(config.faults().len(), 1, "{url}");
        }
    }

    #[test]
    fn what_a_bucket_needs_is_looked_at_only_where_there_is_one() {
        let wrong = Blobs {
            url: "s3://pictures".into(),
            s3_endpoint: "minio:9000".into(),
            s3_region: String::new(),
            s3_ca_file: "/nonexistent/ca.pem".into(),
            access_key_id: "key".into(),
            ..Blobs::default()
        };
        let keys: Vec<_> = wrong.faults().into_iter().map(|(key, _)| key).collect();
        let expected = [
            "blobs.s3_endpoint",
            "blobs.s3_region",
            "blobs.s3_ca_file",
            "blobs.secret_access_key",
        ];
        assert_eq!(keys, expected);
        let folder = Blobs {
            url: "file:///srv/blobs".into(),
            ..wrong
        };
        assert_eq!(folder.faults(), []);
    }
}
