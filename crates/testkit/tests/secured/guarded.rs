//! Postgres, RabbitMQ and its management API behind TLS: their authority is enough, and anything else is refused.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tusou_testkit::{Stack, binary, command};

use crate::certificates;

/// The servers, which `deploy/local/stack guarded` keeps, and what reaches them.
struct Guarded {
    told: Value,
    _stack: Stack,
    // Last: it goes when the servers are gone.
    folder: TempDir,
}

impl Guarded {
    fn start() -> Self {
        let folder = TempDir::with_prefix("tusou-guarded-").expect("a folder");
        certificates::write(folder.path());
        std::fs::write(folder.path().join("tusou.toml"), "").expect("it can be written");
        let (stack, told) = Stack::start("guarded", folder.path(), 5);
        Self {
            told,
            _stack: stack,
            folder,
        }
    }

    fn told(&self, what: &str) -> &str {
        self.told[what].as_str().expect("a text")
    }

    /// The address at a host that the certificate does not name.
    fn unnamed(&self, what: &str) -> String {
        self.told(what).replace("localhost", self.told("unnamed"))
    }

    fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.into_os_string().into_string().expect("it is UTF-8")
    }

    /// The database's address, with this authority.
    fn database(&self, url: &str, authority: &str) -> String {
        format!(
            "{url}?sslmode=verify-full&sslrootcert={}",
            self.file(authority)
        )
    }

    /// What the command says, with nothing set but these; the password is never in it.
    async fn tusou(&self, words: &[&str], settings: &[(&str, &str)]) -> Said {
        let mut command = Command::from(command(binary("tusou")));
        command.args(words).current_dir(self.folder.path());
        command.env("TUSOU_CONFIG", Path::new("tusou.toml"));
        command.envs(settings.iter().copied());
        let said = Said::of(command.output().await.expect("a built binary starts"));
        assert!(!said.all.contains(self.told("password")), "{}", said.all);
        said
    }
}

/// How a command ended, and all that it printed.
struct Said {
    well: bool,
    all: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self {
            well: output.status.success(),
            all: String::from_utf8_lossy(&text).into_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_rabbitmq_are_trusted_by_their_authority_alone() {
    let guarded = Guarded::start();
    postgres(&guarded).await;
    rabbitmq(&guarded).await;
}

async fn postgres(guarded: &Guarded) {
    let url = guarded.told("database");
    let migrate = async |url: &str| {
        let set = [("TUSOU_DATABASE_URL", url)];
        guarded.tusou(&["migrate"], &set).await
    };
    let said = migrate(&guarded.database(url, "ca.pem")).await;
    assert!(said.well, "{}", said.all);

    let other_authority = guarded.database(url, "other.pem");
    let no_authority = format!("{url}?sslmode=verify-full");
    let other_name = guarded.database(&guarded.unnamed("database"), "ca.pem");
    for wrong in [other_authority, no_authority, other_name] {
        let said = migrate(&wrong).await;
        assert!(!said.well, "{wrong}: {}", said.all);
        assert!(said.all.contains("`sslrootcert`"), "{wrong}: {}", said.all);
        // What cannot become right by itself is not waited for.
        assert!(!said.all.contains("waiting"), "{wrong}: {}", said.all);
    }
    let said = migrate(&format!("{url}?sslmode=disable")).await;
    assert!(!said.well && said.all.contains("pg_hba"), "{}", said.all);
}

async fn rabbitmq(guarded: &Guarded) {
    let database = guarded.database(guarded.told("database"), "ca.pem");
    let (ca, other) = (guarded.file("ca.pem"), guarded.file("other.pem"));
    let trusted = ("SSL_CERT_FILE", ca.as_str());
    let ways = [
        (
            guarded.told("amqp"),
            guarded.told("api"),
            Some(trusted),
            true,
        ),
        (
            guarded.told("amqp"),
            guarded.told("api"),
            Some(("SSL_CERT_FILE", other.as_str())),
            false,
        ),
        (guarded.told("amqp"), guarded.told("api"), None, false),
        (
            &guarded.unnamed("amqp"),
            &guarded.unnamed("api"),
            Some(trusted),
            false,
        ),
    ];
    for (amqp, api, authority, goes) in ways {
        let mut set = vec![("TUSOU_DATABASE_URL", database.as_str())];
        set.extend(authority);
        set.push(("TUSOU_AMQP_URL", amqp));
        let said = guarded.tusou(&["dead", "list"], &set).await;
        assert_eq!(said.well, goes, "{amqp} by {authority:?}: {}", said.all);
        assert!(
            goes || said.all.contains("certificate"),
            "{amqp} by {authority:?}: {}",
            said.all
        );

        set.push(("TUSOU_RABBITMQ_API_URL", api));
        // It goes on without the queues, and says so.
        let said = guarded.tusou(&["status", "--json"], &set).await;
        assert!(said.well, "{}", said.all);
        let status: Value = serde_json::from_str(&said.all).expect("JSON");
        let problems = status["problems"].as_array().expect("a list");
        let mut problems = problems.iter().filter_map(Value::as_str);
        let refused = problems.any(|problem| problem.contains("RabbitMQ is away"));
        assert_eq!(refused, !goes, "{api} by {authority:?}: {}", said.all);
    }
}
