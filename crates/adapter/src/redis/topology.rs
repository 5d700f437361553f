//! Which server of a cluster has which hash slots, and so which channel is where.

use crc::{CRC_16_XMODEM, Crc};
use redis::{ErrorKind, FromRedisValue, RedisError, Value, from_redis_value};

use super::target::Address;

const SLOTS: usize = 16_384;
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The hash slot of a channel or key: CRC16 of the name, or of what its first `{...}` holds.
/// Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".
pub(crate) fn slot(name: &str) -> u16 {
    let bytes = name.as_bytes();
    let tag = bytes.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &bytes[open + 1..];
        let len = rest.iter().position(|byte| *byte == b'}').filter(|len| *len > 0)?;
        Some(&rest[..len])
    });
    CRC.checksum(tag.unwrap_or(bytes)) % SLOTS as u16
}

/// The servers, and what each is responsible for. One server without slots is responsible for everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) masters: Vec<Address>,
    pub(crate) replicas: Vec<Address>,
    ranges: Vec<(u16, u16, usize)>,
}

impl Topology {
    pub(crate) fn single(address: Address) -> Self {
        Self { masters: vec![address], replicas: Vec::new(), ranges: Vec::new() }
    }

    /// Reads the reply of `CLUSTER SLOTS`; `asked` is the host that gave it, which leaves its own out if it does not
    /// know it.
    pub(crate) fn from_slots(reply: Value, asked: &Address) -> Result<Self, RedisError> {
        let mut topology = Self { masters: Vec::new(), replicas: Vec::new(), ranges: Vec::new() };
        let ranges: Vec<Vec<Value>> = from_redis_value(reply)?;
        for range in ranges {
            let mut parts = range.into_iter();
            let (Some(first), Some(last), Some(master)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(RedisError::from((
                    ErrorKind::UnexpectedReturnType,
                    "short reply to CLUSTER SLOTS",
                )));
            };
            let master = address(master, asked)?;
            let known = topology.masters.iter().position(|known| *known == master);
            let index = known.unwrap_or(topology.masters.len());
            if known.is_none() {
                topology.masters.push(master);
            }
            for replica in parts {
                let replica = address(replica, asked)?;
                if !topology.replicas.contains(&replica) {
                    topology.replicas.push(replica);
                }
            }
            topology.ranges.push((u16::from_redis_value(first)?, u16::from_redis_value(last)?, index));
        }
        if topology.masters.is_empty() {
            return Err(RedisError::from((
                ErrorKind::UnexpectedReturnType,
                "the cluster has no slots assigned",
            )));
        }
        topology.ranges.sort_unstable();
        // The order in which servers are named may differ from reply to reply.
        Ok(topology)
    }

    /// The master that has this channel or key; `None` while nobody has its slot.
    pub(crate) fn owner(&self, name: &str) -> Option<&Address> {
        if self.ranges.is_empty() {
            return self.masters.first();
        }
        self.owner_of_slot(slot(name))
    }

    fn owner_of_slot(&self, slot: u16) -> Option<&Address> {
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, index) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= *last).then(|| &self.masters[*index])
    }

    /// One of the masters that are good, if there is one; always the same for the same seed.
    pub(crate) fn any(&self, seed: &str, is_good: impl Fn(&Address) -> bool) -> &Address {
        let first = usize::from(slot(seed)) % self.masters.len();
        let mut all = self.masters[first..].iter().chain(&self.masters[..first]);
        all.find(|address| is_good(address)).unwrap_or(&self.masters[first])
    }

    /// A channel name that lives on `master`: `stem` with the first number that fits. `None` if it has no slots.
    pub(crate) fn name_on(&self, master: &Address, stem: &str) -> Option<String> {
        let tries = if self.ranges.is_empty() { 1 } else { SLOTS };
        (0..tries).map(|number| format!("{stem}{number}")).find(|name| self.owner(name) == Some(master))
    }

    /// Everybody who can have subscribers.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Address> {
        self.masters.iter().chain(&self.replicas)
    }
}

fn address(value: Value, asked: &Address) -> Result<Address, RedisError> {
    let mut parts = Vec::<Value>::from_redis_value(value)?.into_iter();
    let (Some(host), Some(port)) = (parts.next(), parts.next()) else {
        return Err(RedisError::from((ErrorKind::UnexpectedReturnType, "short server in CLUSTER SLOTS")));
    };
    let host = Option::<String>::from_redis_value(host)?.filter(|host| !host.is_empty());
    Ok(Address { host: host.unwrap_or_else(|| asked.host.clone()), port: u16::from_redis_value(port)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: i64) -> Value {
        let id = Value::BulkString(b"0123".to_vec());
        Value::Array(vec![Value::BulkString(host.as_bytes().to_vec()), Value::Int(port), id])
    }

    fn range(first: i64, last: i64, servers: Vec<Value>) -> Value {
        Value::Array([vec![Value::Int(first), Value::Int(last)], servers].concat())
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
        assert_eq!(slot("foo{}{bar}"), CRC.checksum(b"foo{}{bar}") % 16_384);
        assert_eq!(slot("foo{{bar}}zap"), CRC.checksum(b"{bar") % 16_384);
        assert_eq!(slot("foo{bar"), CRC.checksum(b"foo{bar") % 16_384);
    }

    #[test]
    fn a_channel_is_where_its_slot_is() {
        let asked = Address { host: "h".into(), port: 1 };
        let reply = Value::Array(vec![
            range(8000, 16_383, vec![server("b", 2), server("r", 3)]),
            range(0, 5000, vec![server("", 1)]),
        ]);
        let topology = Topology::from_slots(reply, &asked).unwrap();
        assert_eq!(topology.owner_of_slot(0).unwrap().to_string(), "h:1");
        assert_eq!(topology.owner_of_slot(5000).unwrap().to_string(), "h:1");
        assert_eq!(topology.owner_of_slot(5001), None);
        assert_eq!(topology.owner_of_slot(16_383).unwrap().to_string(), "b:2");
        assert_eq!(topology.servers().count(), 3);
        for master in &topology.masters {
            let name = topology.name_on(master, "probe").unwrap();
            assert_eq!(topology.owner(&name), Some(master));
        }
    }

    #[test]
    fn replies_that_make_no_sense_are_errors() {
        let asked = Address { host: "h".into(), port: 1 };
        for reply in
            [Value::Nil, Value::Array(vec![]), Value::Array(vec![range(0, 1, vec![])]), Value::Int(3)]
        {
            assert!(Topology::from_slots(reply, &asked).is_err());
        }
    }
}
