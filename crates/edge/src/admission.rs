//! Which connections come in: how many there are and how fast they come, in total and of each client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roomcast_codes::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::Refused;
use crate::per_client::{ClientKey, PerClient, PerClientPermit};
use crate::rates::{PerClientRate, Rate};
use crate::server::ServerSettings;

/// Refusals that are being answered at the same time; beyond that a connection is closed without a word.
const MAX_REFUSALS: usize = 256;

/// When clients that find no place may come back.
const LATER: Duration = Duration::from_secs(5);

/// The limits of a server, and what is left of them.
#[derive(Debug)]
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    per_client: Arc<PerClient>,
    rate: Rate,
    rate_per_client: PerClientRate,
    refusals: Arc<Semaphore>,
}

impl Admission {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(settings.max_connections.min(Semaphore::MAX_PERMITS))),
            per_client: Arc::new(PerClient::new(settings.max_connections_per_address)),
            rate: Rate::per_second(settings.max_connections_per_second),
            rate_per_client: PerClientRate::new(settings.max_connections_per_second_per_address),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
        }
    }

    /// A place among all connections.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        permit.map_err(|_| Refused::because(Code::ServerFull).until(LATER))
    }

    /// The rates, and a place among those of the client; `None` for a proxy, whose connections are those of many clients.
    ///
    /// The rate of all comes last: what one address asks for in vain must not count against all others.
    pub(crate) fn client(&self, client: Option<SocketAddr>) -> Result<Option<PerClientPermit>, Refused> {
        let mut own = None;
        if let Some(client) = client {
            let key = ClientKey::from(client.ip());
            let place = self.per_client.try_acquire(key);
            own = Some(place.ok_or_else(|| Refused::because(Code::AddressFull).until(LATER))?);
            let too_often = |wait| Refused::because(Code::AddressFull).until(wait);
            self.rate_per_client.check(key).map_err(too_often)?;
        }
        let too_often = |wait| Refused::because(Code::TooManyHandshakes).until(wait);
        self.rate.check().map_err(too_often)?;
        Ok(own)
    }

    /// Leave to answer a refusal, for as long as this is held.
    pub(crate) fn refusal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }
}
