//! Making and removing a world's database, virtual host and indexes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::runtime::Handle;
use tusou_platform::elastic::Elastic;
use tusou_platform::{Config, database};
use url::Url;

/// What the names of all worlds begin with.
pub(super) const PREFIX: &str = "tusou-test-";

/// How often the broker is asked for a virtual host before it is given up.
const VIRTUAL_HOST_TRIES: u32 = 5;

/// A world older than this belongs to nobody.
const STALE: Duration = Duration::from_secs(3_600);

/// Makes the stores; a pool of the migrated database.
pub(super) async fn make(base: &Config, config: &Config, name: &str) -> anyhow::Result<PgPool> {
    let elastic = Elastic::new(&base.elasticsearch)?;
    let (pool, (), ()) = tokio::try_join!(
        make_database(base, config, name),
        make_virtual_host(base, name),
        async { elastic.ping().await.context("`elasticsearch.url`") },
    )?;
    Ok(pool)
}

/// Removes what [`make`] made and what the services made within; says nothing of what fails.
pub(super) async fn remove(base: &Config, name: &str) {
    let database = async {
        if let Ok(admin) = admin(base).await {
            let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
            let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&admin).await;
            admin.close().await;
        }
    };
    let virtual_host = async {
        let _ = rabbitmq(base, Method::DELETE, &format!("vhosts/{name}"), None).await;
    };
    let indexes = async {
        let Ok(elastic) = Elastic::new(&base.elasticsearch) else {
            return;
        };
        for index in indexes(&elastic, &format!("{name}*")).await {
            let _ = elastic.delete_index(&index).await;
        }
    };
    tokio::join!(database, virtual_host, indexes);
}

/// One connection to the servers' own database, where databases are made and removed.
async fn admin(base: &Config) -> sqlx::Result<PgPool> {
    let pool = PgPoolOptions::new().max_connections(1);
    pool.connect(&base.database.url).await
}

/// Removes stale worlds, once a process.
pub(super) async fn sweep_once(base: &Config) {
    static SWEPT: AtomicBool = AtomicBool::new(false);
    if !SWEPT.swap(true, Ordering::Relaxed) {
        sweep(base).await;
    }
}

async fn sweep(base: &Config) {
    let mut names = Vec::new();
    if let Ok(admin) = admin(base).await {
        let found = sqlx::query_scalar::<_, String>(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1)",
        )
        .bind(PREFIX)
        .fetch_all(&admin)
        .await;
        names.extend(found.unwrap_or_default());
        admin.close().await;
    }
    if let Ok(Value::Array(hosts)) = rabbitmq(base, Method::GET, "vhosts", None).await {
        let name = |host: &Value| host["name"].as_str().map(str::to_owned);
        names.extend(hosts.iter().filter_map(name));
    }
    if let Ok(elastic) = Elastic::new(&base.elasticsearch) {
        names.extend(indexes(&elastic, &format!("{PREFIX}*")).await);
    }
    names.retain(|name| is_stale(name));
    names.sort();
    names.dedup();
    for name in names {
        remove(base, &name).await;
    }
}

fn is_stale(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let seconds = rest.split('-').next().and_then(|text| text.parse().ok());
    let Some(made) = seconds.map(Duration::from_secs) else {
        return false;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.is_ok_and(|now| now.saturating_sub(made) > STALE)
}

async fn make_database(base: &Config, config: &Config, name: &str) -> anyhow::Result<PgPool> {
    let admin = admin(base).await.context("`database.url`")?;
    // template1 cannot be copied while anybody is connected to it.
    let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&admin)
        .await
        .context("the user of `database.url` needs the right to create databases")?;
    admin.close().await;
    let pool = database::connect_unchecked(&config.database).await?;
    // sqlx's migrations are a future that cannot move between threads, and tests are spawned.
    let (runtime, database) = (Handle::current(), pool.clone());
    let migrate = move || runtime.block_on(database::migrate(&database));
    tokio::task::spawn_blocking(migrate).await??;
    Ok(pool)
}

async fn make_virtual_host(base: &Config, name: &str) -> anyhow::Result<()> {
    let amqp = Url::parse(&base.amqp.url).context("`amqp.url`")?;
    let host = format!("vhosts/{name}");
    // A cluster on a busy machine may take longer for it than RabbitMQ waits: then it is there a moment later.
    let mut tries = 0;
    while let Err(error) = rabbitmq(base, Method::PUT, &host, Some(json!({}))).await {
        tries += 1;
        if tries == VIRTUAL_HOST_TRIES {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let permission = format!("permissions/{name}/{}", amqp.username());
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
    rabbitmq(base, Method::PUT, &permission, Some(all)).await?;
    Ok(())
}

/// A request to RabbitMQ's management API; `null` where the answer has no body.
async fn rabbitmq(
    base: &Config,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> anyhow::Result<Value> {
    let url = format!("{}/api/{path}", base.rabbitmq.api_url.trim_end_matches('/'));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()?;
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .context("`rabbitmq.api_url`")?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("RabbitMQ's management API answers {status} to {path}: {text}");
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_str(&text)?)
}

/// Indexes whose names fit; none where Elasticsearch does not answer.
async fn indexes(elastic: &Elastic, pattern: &str) -> Vec<String> {
    match elastic.mapping(pattern).await {
        Ok(Some(Value::Object(indexes))) => indexes.into_iter().map(|(index, _)| index).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_worlds_are_stale() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        assert!(is_stale(&format!("{PREFIX}{}-1-0-x", now - 4_000)));
        assert!(!is_stale(&format!("{PREFIX}{now}-1-0-x")));
        for name in [
            "tusou",
            "postgres",
            "/",
            "tusou-test-x",
            "my-image-embeddings",
        ] {
            assert!(!is_stale(name), "{name}");
        }
    }
}
