//! Names to addresses that may be asked.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AddressPolicy, Reach};

/// Addresses of one name that are tried at most.
const ADDRESSES: usize = 16;

/// Names kept with their addresses.
const CACHED_NAMES: u64 = 8192;

/// A name that gives no address to ask.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// It has addresses, and all are refused.
    #[error("{host} has only addresses that are not public, like {address}")]
    Refused { host: String, address: IpAddr },
    /// It has permitted addresses, and none is within reach.
    #[error("{host} is beyond loopback")]
    Beyond { host: String },
    /// It does not exist or has no address.
    #[error("{host} has no address")]
    Missing { host: String },
    /// No name server answered.
    #[error("no name server could resolve {host}")]
    Unanswered {
        host: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Resolves names and keeps only the addresses that the policy permits.
#[derive(Clone)]
pub(super) struct Resolver {
    policy: AddressPolicy,
    reach: Reach,
    names: Names,
}

/// Hickory asks the system's name servers without a thread for each name, keeps what it learnt, and
/// can be cancelled. Where there is no `resolv.conf` the C library is asked.
#[derive(Clone)]
enum Names {
    Hickory(Box<TokioResolver>),
    System,
}

impl Resolver {
    pub(super) fn new(policy: AddressPolicy, reach: Reach) -> Self {
        let names = match hickory() {
            Ok(resolver) => Names::Hickory(Box::new(resolver)),
            Err(error) => {
                tracing::warn!(%error, "no configuration of name servers is found: asking the C library");
                Names::System
            }
        };
        Self {
            policy,
            reach,
            names,
        }
    }

    /// Asks this name server only: for tests, in which it lies.
    #[cfg(test)]
    pub(super) fn asking(policy: AddressPolicy, server: SocketAddr) -> Self {
        use hickory_resolver::config::ConnectionConfig;

        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let built = build(vec![server], ResolverOpts::default());
        Self {
            policy,
            reach: Reach::Anywhere,
            names: Names::Hickory(Box::new(
                built.expect("a resolver of one server can be made"),
            )),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = match &self.names {
            Names::Hickory(resolver) => match resolver.lookup_ip(host).await {
                Ok(found) => found.iter().collect(),
                Err(error) if error.is_no_records_found() => Vec::new(),
                Err(error) => return Err(unanswered(host, error)),
            },
            Names::System => system(host).await?,
        };
        let permitted = found.iter().copied();
        let mut permitted: Vec<IpAddr> = permitted
            .filter(|address| self.policy.permits(*address))
            .take(ADDRESSES)
            .collect();
        let some = !permitted.is_empty();
        permitted.retain(|address| self.reach.permits(*address));
        match found.first() {
            None => Err(ResolveError::Missing {
                host: host.to_owned(),
            }),
            Some(_) if some && permitted.is_empty() => Err(ResolveError::Beyond {
                host: host.to_owned(),
            }),
            Some(address) if permitted.is_empty() => Err(ResolveError::Refused {
                host: host.to_owned(),
                address: *address,
            }),
            Some(_) => Ok(permitted),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            // Port 0 stands for the URL's own.
            let sockets = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

fn hickory() -> Result<TokioResolver, NetError> {
    let (system, options) = read_system_conf()?;
    build(system.name_servers().to_vec(), options)
}

fn build(
    servers: Vec<NameServerConfig>,
    mut options: ResolverOpts,
) -> Result<TokioResolver, NetError> {
    // A foreign name is whole: the search list would only lead it inside.
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = CACHED_NAMES;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build()
}

async fn system(host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => Ok(found.map(|socket| socket.ip()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unanswered(host, error)),
    }
}

fn unanswered(
    host: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ResolveError {
    ResolveError::Unanswered {
        host: host.to_owned(),
        cause: cause.into(),
    }
}
