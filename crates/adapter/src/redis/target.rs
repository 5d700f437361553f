//! Where Redis is: one server, a cluster, or whatever master a sentinel names.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::bus::BusError;

/// A server's host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What the URL says.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// Servers to begin with, at least one.
    pub(crate) seeds: Vec<Address>,
    /// Credentials, database and TLS, as they are for each server; its address is that of the first one.
    pub(crate) info: ConnectionInfo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Cluster,
    /// With the name that the sentinels know the master by.
    Sentinel(String),
}

impl Target {
    /// Reads `redis://`, `redis-cluster://` and `redis-sentinel://` URLs, each also with `rediss` for TLS.
    pub(crate) fn parse(url: &str) -> Result<Self, BusError> {
        // The library also reads URLs of sockets, with the password in the query, where nobody would look for one.
        let (scheme, rest) = url.split_once("://").ok_or(BusError::Scheme)?;
        let (tls, kind) = scheme.strip_prefix("rediss").map_or_else(
            || scheme.strip_prefix("redis").map(|kind| (false, kind)).ok_or(BusError::Scheme),
            |kind| Ok((true, kind)),
        )?;
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, name)| (rest, Some(name)));
        let kind = match (kind, fragment) {
            ("", None) => Kind::Single,
            ("-cluster", None) => Kind::Cluster,
            ("-sentinel", Some(master)) if !master.is_empty() => Kind::Sentinel(master.to_owned()),
            ("-sentinel", _) => return Err(BusError::MasterName),
            ("" | "-cluster", Some(_)) => return Err(BusError::Fragment),
            _ => return Err(BusError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // A password may hold an `@`.
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let user = if user.is_empty() { String::new() } else { format!("{user}@") };
        let scheme = if tls { "rediss" } else { "redis" };
        let one = |host: &str| format!("{scheme}://{user}{host}{path}").into_connection_info();
        let infos = hosts.split(',').map(one).collect::<Result<Vec<_>, _>>()?;
        if kind == Kind::Single && infos.len() > 1 {
            return Err(BusError::ManyHosts);
        }
        let seeds = infos
            .iter()
            .map(|info| match info.addr() {
                ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                    Ok(Address { host: host.clone(), port: sentinel_port(&kind, hosts, *port) })
                }
                _ => Err(BusError::Scheme),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let info = infos.into_iter().next().ok_or(BusError::Scheme)?;
        if kind == Kind::Cluster && info.redis_settings().db() != 0 {
            return Err(BusError::ClusterDatabase);
        }
        Ok(Self { kind, seeds, info })
    }

    /// How to connect to one of the servers.
    pub(crate) fn at(&self, address: &Address) -> ConnectionInfo {
        let (host, port) = (address.host.clone(), address.port);
        let addr = match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.info.clone().set_addr(addr)
    }
}

/// Sentinels have a port of their own, for who leaves it out.
fn sentinel_port(kind: &Kind, hosts: &str, port: u16) -> u16 {
    let left_out = port == 6379 && !hosts.contains(":6379");
    if matches!(kind, Kind::Sentinel(_)) && left_out { 26379 } else { port }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &str) -> Vec<String> {
        Target::parse(url).unwrap().seeds.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn urls_of_all_kinds() {
        assert_eq!(addresses("redis://localhost"), ["localhost:6379"]);
        let single = Target::parse("rediss://ann:p@ss@example.org:7000/3").unwrap();
        assert_eq!(single.kind, Kind::Single);
        assert_eq!(single.info.redis_settings().db(), 3);
        assert_eq!(single.info.redis_settings().username(), Some("ann"));
        assert_eq!(single.info.redis_settings().password(), Some("p@ss"));
        assert!(matches!(single.info.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        assert_eq!(
            addresses("redis-cluster://:pw@a:7000,b:7001,[::1]:7002"),
            ["a:7000", "b:7001", "::1:7002"]
        );
        let sentinel = Target::parse("redis-sentinel://s1,s2:26380/2#mymaster").unwrap();
        assert_eq!(sentinel.kind, Kind::Sentinel("mymaster".into()));
        assert_eq!(sentinel.info.redis_settings().db(), 2);
        assert_eq!(addresses("redis-sentinel://s1,s2:26380#m"), ["s1:26379", "s2:26380"]);
    }

    #[test]
    fn urls_that_make_no_sense() {
        for url in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis+unix:///tmp/redis.sock",
            "redis://a:1,b:2",
            "redis://a#x",
            "redis-cluster://a:1/2",
            "redis-sentinel://a:1",
            "redis-sentinel://a:1#",
            "redis-other://a",
            "redis://",
            "redis://a:notaport",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
