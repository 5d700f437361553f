//! Who the client is. Behind a balancer the peer of the connection is the balancer, and the client stands in a header,
//! which anybody can write: only what a trusted proxy wrote there is believed.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::hops;

/// Hops that are looked at: a header full of addresses must not cost much.
const MAX_HOPS: usize = 32;

/// The proxies whose word on the client is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
}

/// A text that is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not an address or a network, like 127.0.0.1, 10.0.0.0/8 or fd00::/8")]
pub struct InvalidNetwork {
    /// The text.
    pub entry: String,
}

impl TrustedProxies {
    /// Trusts these addresses (`127.0.0.1`) and networks (`10.0.0.0/8`, `fd00::/8`); none by default.
    ///
    /// # Errors
    /// [`InvalidNetwork`] with the first entry that is neither.
    pub fn parse(entries: &[String]) -> Result<Self, InvalidNetwork> {
        let networks = entries
            .iter()
            .map(|entry| network(entry).ok_or_else(|| InvalidNetwork { entry: entry.clone() }))
            .collect::<Result<_, _>>()?;
        Ok(Self { networks })
    }

    /// The client of a request with these `headers` that came from `peer`; its port is 0 where the proxy does not tell.
    ///
    /// Each proxy adds the address that it was called from at the right of `X-Forwarded-For` (or `Forwarded`, RFC 7239),
    /// so the client is the right-most hop that is not itself a trusted proxy: what stands left of it was written by the
    /// client. If all hops are trusted it is the left-most. A hop that is no address (`unknown`, a made-up name, junk)
    /// ends the walk; then the last one before it counts.
    ///
    /// `Forwarded` is read only if there is no `X-Forwarded-For`. Nearly all proxies write the latter and pass a
    /// `Forwarded` of the client unchanged. One that writes `Forwarded` must drop the client's `X-Forwarded-For`.
    #[must_use]
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        let mut client = canonical(peer);
        if self.trusts(client.ip()) {
            for hop in hops::from_nearest(headers).take(MAX_HOPS) {
                let Some(hop) = hop else { break };
                client = canonical(hop);
                if !self.trusts(client.ip()) {
                    break;
                }
            }
        }
        client
    }

    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }
}

fn network(entry: &str) -> Option<IpNet> {
    let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)).ok()?;
    // A network of mapped addresses is one of IPv4 addresses, as its members are.
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, prefix)) => IpNet::new(address.into(), prefix).ok(),
        None => Some(network),
    }
}

/// An IPv4 client of a socket that listens on IPv6 has a mapped address (`::ffff:192.0.2.1`); it counts as IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const XFF: &str = "x-forwarded-for";
    const FORWARDED: &str = "forwarded";

    fn proxies(entries: &[&str]) -> Result<TrustedProxies, InvalidNetwork> {
        TrustedProxies::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// The client by these headers, behind 10.1.1.1, with 10.0.0.0/8 and fd00::/8 trusted.
    fn client(headers: &[(&str, &str)]) -> String {
        client_of("10.1.1.1:999", headers)
    }

    fn client_of(peer: &str, headers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted = proxies(&["10.0.0.0/8", "fd00::/8"]).unwrap();
        trusted.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn a_client_that_is_no_proxy_cannot_say_who_it_is() {
        assert_eq!(client_of("203.0.113.9:4000", &[(XFF, "1.1.1.1")]), "203.0.113.9:4000");
        assert_eq!(client_of("203.0.113.9:4000", &[(FORWARDED, "for=1.1.1.1")]), "203.0.113.9:4000");
        let nobody = TrustedProxies::default();
        let headers = HeaderMap::from_iter([(HeaderName::from_static(XFF), "1.1.1.1".parse().unwrap())]);
        assert_eq!(nobody.client("127.0.0.1:1".parse().unwrap(), &headers).to_string(), "127.0.0.1:1");
    }

    #[test]
    fn what_a_client_writes_through_a_trusted_proxy_is_not_believed() {
        // The proxy adds the address it was called from, in the same header or in one more.
        assert_eq!(client(&[(XFF, "1.1.1.1, 203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client(&[(XFF, "1.1.1.1"), (XFF, "203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client(&[(XFF, "10.2.2.2, 203.0.113.9, 10.3.3.3")]), "203.0.113.9:0");
        // Bytes that are no text, an open quote and an escaped one spoil only what the client wrote itself.
        assert_eq!(client(&[(XFF, "\u{fc}\u{fffd}, 203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client(&[(FORWARDED, "for=1.1.1.1, for=203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client(&[(FORWARDED, "for=\", for=203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client(&[(FORWARDED, "for=\"a\\\", for=203.0.113.9;by=\"b\"")]), "203.0.113.9:0");
        assert_eq!(client(&[(FORWARDED, "for=\""), (FORWARDED, "for=203.0.113.9")]), "203.0.113.9:0");
        // A proxy that writes X-Forwarded-For lets the client's Forwarded pass.
        assert_eq!(client(&[(FORWARDED, "for=1.1.1.1"), (XFF, "203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client(&[(FORWARDED, "for=1.1.1.1"), (XFF, "10.5.5.5")]), "10.5.5.5:0");
        assert_eq!(client(&[(FORWARDED, "for=1.1.1.1"), (XFF, "junk")]), "10.1.1.1:999");
    }

    #[test]
    fn the_client_is_the_nearest_hop_that_is_no_proxy() {
        assert_eq!(client(&[]), "10.1.1.1:999");
        assert_eq!(client(&[(XFF, "203.0.113.9,10.2.2.2 , fd00::1")]), "203.0.113.9:0");
        assert_eq!(client(&[(XFF, "10.5.5.5, 10.2.2.2")]), "10.5.5.5:0");
        assert_eq!(client(&[(FORWARDED, "for=203.0.113.9, for=\"[fd00::1]:80\"")]), "203.0.113.9:0");
    }

    #[test]
    fn junk_ends_the_walk_at_the_last_good_hop() {
        for junk in ["unknown", "_hidden", "1.2.3", "a b", ""] {
            assert_eq!(client(&[(XFF, &format!("1.1.1.1, {junk}, 10.2.2.2:70"))]), "10.2.2.2:70", "{junk}");
            let forwarded = format!("for=1.1.1.1, for={junk}, for=\"10.2.2.2:70\"");
            assert_eq!(client(&[(FORWARDED, &forwarded)]), "10.2.2.2:70", "{junk}");
        }
        assert_eq!(client(&[(XFF, "1.1.1.1, junk")]), "10.1.1.1:999");
        // A hop that hides where it was called from.
        assert_eq!(client(&[(FORWARDED, "for=1.1.1.1, proto=https")]), "10.1.1.1:999");
    }

    #[test]
    fn a_long_list_is_not_walked_to_its_end() {
        let list = |proxies: usize| format!("203.0.113.9{}", ", 10.2.2.2".repeat(proxies));
        assert_eq!(client(&[(XFF, &list(MAX_HOPS - 1))]), "203.0.113.9:0");
        assert_eq!(client(&[(XFF, &list(MAX_HOPS))]), "10.2.2.2:0");
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(client_of("[::ffff:10.1.1.1]:999", &[(XFF, "::ffff:203.0.113.9")]), "203.0.113.9:0");
        assert_eq!(client_of("[::ffff:203.0.113.9]:999", &[(XFF, "1.1.1.1")]), "203.0.113.9:999");
        let mapped = proxies(&["::ffff:10.0.0.0/104", "::ffff:127.0.0.1"]).unwrap();
        for (ip, trusted) in
            [("10.9.9.9", true), ("11.0.0.0", false), ("127.0.0.1", true), ("127.0.0.2", false)]
        {
            assert_eq!(mapped.trusts(ip.parse().unwrap()), trusted, "{ip}");
        }
    }

    #[test]
    fn an_entry_that_is_no_network_is_named() {
        for entry in ["10.0.0.0/33", "localhost", "", "10.0.0.1:80", "fd00::/129", " 10.0.0.1"] {
            let error = proxies(&["127.0.0.1", entry]).unwrap_err();
            assert_eq!(error.entry, entry);
            assert!(error.to_string().contains(&format!("`{entry}`")), "{error}");
        }
    }
}
