//! Reading a configuration: what wins, and what a person reads when it is wrong.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tusou_platform::Config;
use tusou_platform::config::{ConfigError, Source, Variables, load_with};

/// A folder with a configuration in it.
struct Fixture {
    folder: TempDir,
    file: PathBuf,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("tusou.toml");
        std::fs::write(&file, text).expect("the folder is writable");
        Self { folder, file }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<(Config, Source), ConfigError> {
        load_with(Some(&self.file), &vars(variables))
    }

    /// The error's words, with the temporary folder's name taken out.
    fn refusal(&self, variables: &[(&str, &str)]) -> String {
        let error = self
            .load(variables)
            .expect_err("the configuration is wrong");
        let folder = format!("{}/", self.folder.path().display());
        error.to_string().replace(&folder, "")
    }
}

fn vars(variables: &[(&str, &str)]) -> Variables {
    let pairs = variables.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).into()))
        .collect()
}

#[test]
fn the_defaults_are_a_configuration_of_their_own() {
    let text = toml::to_string(&Config::default()).expect("the defaults as TOML");
    let (config, source) = Fixture::new(&text).load(&[]).expect("the defaults hold");
    assert_eq!(config.differences(), []);
    assert_eq!(source.variables, Vec::<String>::new());
    let (config, source) = load_with(None, &Variables::new()).expect("nothing is needed");
    assert_eq!(config.differences(), []);
    assert_eq!(source.to_string(), "defaults");
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
    let fixture =
        Fixture::new("[crawler]\nhosts = 7\nlease_urls = 9\n[network]\nallow = [\"10.0.0.0/8\"]\n");
    let (config, source) = fixture
        .load(&[
            ("TUSOU_CRAWLER_HOSTS", " 1_000 "),
            ("TUSOU_NETWORK_ALLOW", "127.0.0.0/8, ::1/128"),
            ("TUSOU_MODELS_PACKS", "/packs/one, two, ./three"),
            ("TUSOU_MODELS_FOLDER", "/packs"),
            ("TUSOU_LOG_FORMAT", "json"),
            ("TUSOU_CORPORA", "/somewhere"),
            ("TUSOU_CONFIG", "/ignored/here"),
            ("HOME", "/root"),
        ])
        .expect("a good configuration");
    assert_eq!(config.crawler.hosts, 1000);
    assert_eq!(config.crawler.lease_urls, 9);
    let allow = config.network.allow.iter().map(ToString::to_string);
    assert_eq!(allow.collect::<Vec<_>>(), ["127.0.0.0/8", "::1/128"]);
    let packs = ["/packs/one", "/packs/two", "./three"];
    assert_eq!(config.models.packs, packs.map(Path::new));
    assert_eq!(source.ignored, ["TUSOU_CORPORA"]);
    assert_eq!(
        source.variables,
        [
            "TUSOU_CRAWLER_HOSTS",
            "TUSOU_LOG_FORMAT",
            "TUSOU_MODELS_FOLDER",
            "TUSOU_MODELS_PACKS",
            "TUSOU_NETWORK_ALLOW"
        ]
    );
}

#[test]
fn a_secret_is_read_from_a_file_without_its_line_end() {
    let fixture = Fixture::new("");
    let secret = fixture.folder.path().join("secret");
    std::fs::write(&secret, "postgres://tusou:sesame@db:5432/tusou\r\n").expect("writable");
    let path = secret.to_str().expect("a plain path");
    let (config, source) = fixture
        .load(&[("TUSOU_DATABASE_URL_FILE", path)])
        .expect("a good configuration");
    assert_eq!(config.database.url, "postgres://tusou:sesame@db:5432/tusou");
    assert_eq!(source.variables, ["TUSOU_DATABASE_URL_FILE"]);
}

#[test]
fn what_is_shown_holds_no_secret() {
    let fixture = Fixture::new(
        r#"
[database]
url = "postgres://tusou:sesame1@db:5432/tusou?sslpassword=sesame2"
[amqp]
url = "amqp://tusou:sesame3@mq:5672/%2f"
further_urls = ["amqp://tusou:sesame3@mq2/%2f"]
[rabbitmq]
api_url = "http://tusou:sesame4@mq:15672"
further_api_urls = ["http://tusou:sesame4@mq2:15672"]
[elasticsearch]
username = "elastic"
password = "sesame5"
api_key = "sesame6"
[models]
hub_token = "sesame7"
[blobs]
url = "s3://pictures/tusou"
access_key_id = "tusou"
secret_access_key = "sesame8"
"#,
    );
    let (config, _) = fixture.load(&[]).expect("a good configuration");
    let shown = config.differences();
    let text = format!("{shown:?} {config:?} {:?}", config.redacted());
    assert!(!text.contains("sesame"), "{text}");
    let shown: Vec<String> = shown
        .into_iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    amqp.further_urls = ["amqp://tusou:***@mq2/%2f"]
    amqp.url = "amqp://tusou:***@mq:5672/%2f"
    blobs.access_key_id = "tusou"
    blobs.secret_access_key = "***"
    blobs.url = "s3://pictures/tusou"
    database.url = "postgres://tusou:***@db:5432/tusou?***"
    elasticsearch.api_key = "***"
    elasticsearch.password = "***"
    elasticsearch.username = "elastic"
    models.hub_token = "***"
    rabbitmq.api_url = "http://tusou:***@mq:15672/"
    rabbitmq.further_api_urls = ["http://tusou:***@mq2:15672/"]
    "#);
}

#[test]
fn every_fault_is_told_at_once_with_key_value_place_and_remedy() {
    let fixture = Fixture::new(
        r#"
[crawler]
host = 3
hosts = 0
agent = "tusou bot/1.0"
listen = "9181"
max_atempts = 2
contact = "nobody"
fetch_timeout_ms = 5000

[encoder]
batch = 128
decode_threads = -1

[indexer]
prefetch = "many"

[elasticsearch]
alias = "My-Images"
url = "localhost:9200"
username = "elastic"

[network]
allow = ["127.0.0.0/8", "localhost"]

[blobs]
url = "gs://bucket/path"

[log]
level = "info,=loud="
format = "xml"

[serach]
listen = "127.0.0.1:1"

[models]
packs = []
"#,
    );
    let told = fixture.refusal(&[
        ("TUSOU_AMQP_MAX_ATTEMPTS", "0"),
        ("TUSOU_DATABASE_MAX_CONNECTIONS", "lots"),
        ("TUSOU_SEARCH_TIMEOUT_MS", "100000000"),
    ]);
    insta::assert_snapshot!(told, @r#"
    the configuration cannot be used
      amqp.max_attempts = 0: is out of range; give 1 to 1000000 (variable TUSOU_AMQP_MAX_ATTEMPTS)
      blobs.url = "gs://bucket/path": is no URL of a folder or a bucket; give one like file:///var/lib/tusou/blobs or s3://bucket/prefix (tusou.toml line 27)
      crawler.agent = "tusou bot/1.0": is no product token (RFC 9309: letters, `-` and `_`); give one like tusoubot (tusou.toml line 5)
      crawler.contact = "nobody": is neither a URL nor a mail address; give one like https://example.org/bot (tusou.toml line 8)
      crawler.fetch_timeout_ms = 5000: the whole is shorter than its part; give at least the value of crawler.connect_timeout_ms (tusou.toml line 9)
      crawler.host: there is no such key; did you mean `crawler.hosts`? (tusou.toml line 3)
      crawler.hosts = 0: is out of range; give 1 to 1000000 (tusou.toml line 4)
      crawler.listen = "9181": invalid socket address syntax; give one like "127.0.0.1:9181" (tusou.toml line 6)
      crawler.max_atempts: there is no such key; did you mean `crawler.max_attempts`? (tusou.toml line 7)
      database.max_connections = "lots": is no whole number; give one like 16 (variable TUSOU_DATABASE_MAX_CONNECTIONS)
      elasticsearch.alias = "My-Images": holds 'M', which Elasticsearch refuses in names; give one like my-image-embeddings (tusou.toml line 19)
      elasticsearch.password: is empty; give the password of the user in elasticsearch.username (the default)
      elasticsearch.url = "localhost:9200": is no http or https URL; give one like http://host:port (tusou.toml line 20)
      encoder.decode_threads = -1: is out of range; give one like 0 (tusou.toml line 13)
      encoder.prefetch = 64: no batch would ever fill; give at least the value of encoder.batch (the default)
      indexer.prefetch = "many": is no whole number; give one like 1000 (tusou.toml line 16)
      log.format = "xml": unknown variant `xml`, expected `text` or `json`; give one like "text" (tusou.toml line 31)
      log.level = "info,=loud=": invalid filter directive; give `info` or `info,tusou_crawler=debug` (tusou.toml line 30)
      models.packs = []: names no model pack; give one like ["lite"] (tusou.toml line 37)
      network.allow = ["127.0.0.0/8", "localhost"]: at [1]: invalid IP address syntax; give one like ["127.0.0.0/8"] (tusou.toml line 24)
      search.timeout_ms = 100000000: is out of range; give 1 to 86400000 (variable TUSOU_SEARCH_TIMEOUT_MS)
      serach: there is no such section; did you mean `search`? (tusou.toml line 33)
    "#);
}

#[test]
fn no_message_shows_a_secret() {
    let fixture = Fixture::new(
        r#"
[database]
url = "mysql://root:sesame@db/x"
[amqp]
url = "sesame"
[rabbitmq]
api_url = ["sesame"]
[elasticsearch]
password = 12345678
api_key = { id = "a", key = "sesame" }
url = "ftp://elastic:sesame@es:9200"
[blobs]
url = "s3://key:sesame@bucket"
s3_endpoint = "https://key:sesame@s3"
secret_access_key = "sesame"
"#,
    );
    let told = fixture.refusal(&[]);
    assert!(
        !told.contains("sesame") && !told.contains("12345678"),
        "{told}"
    );
    insta::assert_snapshot!(told, @r#"
    the configuration cannot be used
      amqp.url: is no URL; give one like amqp://host:port (tusou.toml line 5)
      blobs.access_key_id = "": is empty; give the name of the key in blobs.secret_access_key (the default)
      blobs.s3_endpoint: is no address of a store; give one like https://s3.example.org, or none for Amazon's (tusou.toml line 14)
      blobs.url: holds credentials; set blobs.access_key_id and blobs.secret_access_key (tusou.toml line 13)
      database.url: is no postgres or postgresql URL; give one like postgres://host:port (tusou.toml line 3)
      elasticsearch.api_key: is no text in quotes (tusou.toml line 10)
      elasticsearch.password: is no text in quotes (tusou.toml line 9)
      elasticsearch.url: is no http or https URL; give one like http://host:port (tusou.toml line 11)
      elasticsearch.url: holds a password; set elasticsearch.username and elasticsearch.password (tusou.toml line 11)
      rabbitmq.api_url: is no text in quotes (tusou.toml line 7)
    "#);
}

#[test]
fn what_a_cluster_cannot_be_is_told() {
    let told = Fixture::new(
        r#"
[elasticsearch]
url = "https://es1:9200"
further_urls = ["https://es2:9200", "http://es3:9200", "es4:9200", "es5", "https://u:sesame@es6"]
ca_file = "/nonexistent/ca.pem"
hnsw_m = 1
hnsw_ef_construction = 3201
rescore_oversample = 0.5
"#,
    )
    .refusal(&[]);
    assert!(!told.contains("sesame"), "{told}");
    insta::assert_snapshot!(told, @r#"
    the configuration cannot be used
      elasticsearch.ca_file = "/nonexistent/ca.pem": is no file; give the PEM file of the authority that signed the nodes' certificates, or none (tusou.toml line 5)
      elasticsearch.further_urls: holds "http://es3:9200/", which has another scheme than elasticsearch.url; give all nodes the same (tusou.toml line 4)
      elasticsearch.further_urls: holds "es4:9200", which is no URL of a node; give one like http://host:port (tusou.toml line 4)
      elasticsearch.further_urls: holds "***", which is no URL; give one like http://host:port (tusou.toml line 4)
      elasticsearch.further_urls: holds "https://u:***@es6/", which holds credentials; set elasticsearch.username and elasticsearch.password (tusou.toml line 4)
      elasticsearch.hnsw_ef_construction = 3201: is out of range; give 2 to 3200 (tusou.toml line 7)
      elasticsearch.hnsw_m = 1: is out of range; give 2 to 512 (tusou.toml line 6)
      elasticsearch.rescore_oversample = 0.5: is out of range; give 1 to 10, or 0 for none (tusou.toml line 8)
    "#);
}

#[test]
fn two_sources_for_one_key_and_a_missing_secret_are_told() {
    let fixture = Fixture::new("");
    let told = fixture.refusal(&[
        ("TUSOU_AMQP_URL", "amqp://one"),
        ("TUSOU_AMQP_URL_FILE", "/run/secrets/amqp"),
        ("TUSOU_DATABASE_URL_FILE", "/nonexistent/secret"),
    ]);
    insta::assert_snapshot!(told, @r#"
    the configuration cannot be used
      amqp.url: both TUSOU_AMQP_URL and TUSOU_AMQP_URL_FILE set it; keep one (variable TUSOU_AMQP_URL_FILE)
      database.url: cannot be read: No such file or directory (os error 2) (file /nonexistent/secret, named by variable TUSOU_DATABASE_URL_FILE)
    "#);
}

#[test]
fn broken_toml_is_told_by_line_without_showing_it() {
    let told = Fixture::new("[elasticsearch]\npassword = \"sesame\nurl = 3\n").refusal(&[]);
    assert!(!told.contains("sesame"), "{told}");
    insta::assert_snapshot!(told, @r#"tusou.toml line 2 is no TOML: invalid basic string, expected `"`"#);
    let told = Fixture::new("crawler = 3\n[crawler]\nhosts = 1\n").refusal(&[]);
    insta::assert_snapshot!(told, @"tusou.toml line 2 is no TOML: duplicate key");
    let told = Fixture::new("crawler = 3\n").refusal(&[]);
    insta::assert_snapshot!(told, @r#"
    the configuration cannot be used
      crawler: this is a section; write [crawler] and its keys below it (tusou.toml line 1)
    "#);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load_with(
        Some(Path::new("/nonexistent/tusou.toml")),
        &Variables::new(),
    );
    let error = error.expect_err("there is no such file");
    insta::assert_snapshot!(error.to_string(), @"cannot read the configuration /nonexistent/tusou.toml; name another with --config or TUSOU_CONFIG");
}

#[test]
fn the_keys_of_the_search_service_are_read_from_a_list_or_a_file_and_never_shown() {
    let fixture = Fixture::new("[search]\nclient_key = \"sesame-of-the-client\"\n");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys");
    let lines = "reader:sesame-of-the-reader\nwriter-2:sesame:with:colons!\n";
    std::fs::write(&file, lines).expect("a file");
    let path = file.to_str().expect("a plain path");
    let listed = lines.trim().replace('\n', " , ");
    for variable in [
        ("TUSOU_SEARCH_API_KEYS_FILE", path),
        ("TUSOU_SEARCH_API_KEYS", listed.as_str()),
    ] {
        let (config, _) = fixture.load(&[variable]).expect("a good configuration");
        let keys = &config.search.api_keys;
        assert_eq!(keys[0], "reader:sesame-of-the-reader");
        assert_eq!(keys[1], "writer-2:sesame:with:colons!");
        let shown = config.differences();
        let text = format!("{shown:?} {config:?} {:?}", config.redacted());
        assert!(!text.contains("sesame"), "{text}");
        assert!(text.contains("reader:***"), "{text}");
        assert!(format!("{:?}", config.search).contains("rate_per_second"));
    }
}

#[test]
fn what_cannot_work_of_the_search_service_is_told_without_its_keys() {
    let long = "n".repeat(33);
    let text = format!(
        r#"
[search]
api_keys = ["reader:sesame-of-the-reader", "reader:sesame-of-another", "sesame-without-a-name",
            "Name:sesame-of-capitals", "{long}:sesame-of-a-long-name", "short:sesame", "blank:sesame of the blank"]
client_key = "sesame of the client"
cors_origins = ["https://a.example", "https://b.example/"]
unsafe_from = 1.5
words_cut_off = -2.0
rate_burst = 0
"#
    );
    let told = Fixture::new(&text).refusal(&[]);
    assert!(!told.contains("sesame"), "{told}");
    for part in [
        "entry 2 has the name of one before it",
        "entry 3 has no name",
        "entry 4 has no name",
        "entry 5 has no name",
        "entry 6 has a key of fewer than 16 characters",
        "entry 7 has a key with a space",
        "search.client_key: holds what no key holds",
        "holds \"https://b.example/\", which is no origin",
        "search.unsafe_from = 1.5: is out of range; give 0 to 1",
        "search.words_cut_off = -2.0: is out of range",
        "search.rate_burst = 0: is out of range",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let stars = Fixture::new("[search]\ncors_origins = [\"*\", \"https://a.example\"]\n");
    assert!(stars.refusal(&[]).contains("`*` beside others"));
    Fixture::new("[search]\ncors_origins = [\"*\"]\n")
        .load(&[])
        .expect("any origin");
}

#[test]
fn the_operator_s_page_is_not_open_to_everybody_and_its_password_is_never_shown() {
    let secret = "sesame-of-the-operator";
    let fixture = Fixture::new("[operator]\nlisten = \"0.0.0.0:9184\"\n");
    let told = fixture.refusal(&[]);
    insta::assert_snapshot!(told, @r#"
    the configuration cannot be used
      operator.listen = "0.0.0.0:9184": is not of this machine alone, and `operator.password` is empty: set one, or listen on 127.0.0.1 (tusou.toml line 2)
    "#);
    let (config, _) = fixture
        .load(&[
            ("TUSOU_OPERATOR_PASSWORD", secret),
            ("TUSOU_OPERATOR_HOSTS", "ops.example.org, OPS.example.net"),
        ])
        .expect("with a password it may be reached");
    let shown = format!("{config:?} {:?}", config.differences());
    assert!(
        !shown.contains(secret) && shown.contains("0.0.0.0:9184"),
        "{shown}"
    );
    for (key, wrong) in [
        ("TUSOU_OPERATOR_PASSWORD", "sesame"),
        ("TUSOU_OPERATOR_HOSTS", "ops.example.org:443"),
        ("TUSOU_OPERATOR_HOSTS", "http://ops.example.org"),
        ("TUSOU_OPERATOR_INTERVAL_MS", "0"),
    ] {
        let told = Fixture::new("").refusal(&[(key, wrong)]);
        assert!(
            told.contains("operator.") && !told.contains("sesame"),
            "{told}"
        );
    }
    // Every address of loopback is this machine's own.
    for own in ["127.0.0.2:1", "[::1]:9184"] {
        assert!(
            Fixture::new("")
                .load(&[("TUSOU_OPERATOR_LISTEN", own)])
                .is_ok(),
            "{own}"
        );
    }
}
