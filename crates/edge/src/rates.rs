//! How often something may happen in a second: on the whole node ([`Rate`]), and for each client.

use std::num::NonZeroU32;
use std::time::Duration;

use roomcast_rates::{KeyedRate, Quota};

pub(crate) use roomcast_rates::Rate;

use crate::per_client::ClientKey;

/// Clients that are remembered at the same time, in 4 MiB at most. Further ones are not limited until there is room
/// again, which is within seconds, and the limits of the node hold all the same.
const MAX_CLIENTS: usize = 65_536;

/// So often in a second, each client for itself.
#[derive(Debug)]
pub(crate) struct PerClientRate(Option<KeyedRate<ClientKey>>);

impl PerClientRate {
    /// 0 means no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let quota = NonZeroU32::new(per_second).map(|count| Quota::new(count, Duration::from_secs(1)));
        Self(quota.map(|quota| KeyedRate::new(quota, MAX_CLIENTS)))
    }

    /// Once more for this client; the time to wait, if that is too often.
    pub(crate) fn check(&self, client: ClientKey) -> Result<(), Duration> {
        self.0.as_ref().map_or(Ok(()), |rate| rate.check(&client, NonZeroU32::MIN))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn key(ip: &str) -> ClientKey {
        ip.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn the_addresses_of_a_network_count_as_one() {
        let rate = PerClientRate::new(1);
        assert!(rate.check(key("2001:db8:1:2::1")).is_ok());
        assert!(rate.check(key("2001:db8:1:2::2")).is_err());
        assert!(rate.check(key("2001:db8:1:3::1")).is_ok());
        assert!(rate.check(key("192.0.2.1")).is_ok());
    }

    #[test]
    fn no_limit_lets_everybody_come() {
        let rate = PerClientRate::new(0);
        assert!((0..1000).all(|_| rate.check(key("192.0.2.1")).is_ok()));
    }
}
