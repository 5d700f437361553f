//! Requests to the collector, by the HTTP client that the crates of the gateway have already.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Url;
use roomcast_auth::http_client;
use tokio::runtime::Handle;
use tracing::warn;

/// Largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Shortest time between two lines in the log.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Client {
    requests: reqwest::Client,
    runtime: Handle,
    /// When it was last told that something is wrong.
    told: Mutex<Option<Instant>>,
}

impl Client {
    pub(super) fn new(endpoint: &str, timeout: Duration, runtime: Handle) -> Result<Self, String> {
        let url = Url::parse(endpoint).map_err(|error| error.to_string())?;
        let requests = http_client::client(&url, &[], timeout)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        Ok(Self { requests, runtime, told: Mutex::new(None) })
    }

    fn tell(&self, reason: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            warn!(reason, "the collector takes no spans; told once a minute");
        }
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'life0, 'async_trait>(&'life0 self, request: Request<Bytes>) -> Answer<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        // The thread that waits for it is none of the runtime's.
        let answer = self.runtime.spawn(send(self.requests.clone(), request));
        Box::pin(async move {
            let answer = answer.await?;
            match &answer {
                Ok(answer) if answer.status().is_success() => {}
                Ok(answer) => self.tell(answer.status().as_str()),
                Err(error) => self.tell(&error.to_string()),
            }
            answer
        })
    }
}

async fn send(requests: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let request = request.map(reqwest::Body::from).try_into()?;
    let answer = requests.execute(request).await.map_err(roomcast_auth::HttpError::from)?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    Ok(response.body(http_client::body(answer, MAX_ANSWER).await?)?)
}
