//! Refusals as HTTP answers. Always an answer, not a closed socket: Socket.IO clients come back by themselves after one.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use roomcast_codes::{Code, HttpAnswer};
use serde_json::json;

use crate::request::WEBSOCKET_VERSION;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason. Must be one with an HTTP answer; [`Code::Forbidden`] is what checks of one's own give.
    pub code: Code,
    /// Told to the client, which shows it at most to its developer.
    pub message: String,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// Refused for this reason, in this reason's usual words.
    #[must_use]
    pub fn because(code: Code) -> Self {
        Self { code, message: usual(code).to_owned(), retry_after: None }
    }

    /// With words of one's own.
    #[must_use]
    pub fn saying(code: Code, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::because(code) }
    }

    /// With the time after which to come back.
    #[must_use]
    pub fn until(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    pub(crate) fn response(&self) -> Response {
        let HttpAnswer { status, engine_code } =
            self.code.http().unwrap_or(HttpAnswer { status: 400, engine_code: None });
        let code = engine_code.map_or_else(|| json!(self.code.as_str()), |number| json!(number));
        let mut body = json!({"code": code, "message": self.message});
        if engine_code.is_some() {
            // Node has only the number; several reasons share one.
            body["reason"] = json!(self.code.as_str());
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            headers.insert(header::RETRY_AFTER, u64::try_from(seconds).unwrap_or(u64::MAX).into());
        }
        if self.code == Code::UnsupportedWebsocketVersion {
            // RFC 6455, 4.4, and RFC 9110, 15.5.22: what the client should speak instead.
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(WEBSOCKET_VERSION));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response
    }
}

/// Node's words, where it has some.
fn usual(code: Code) -> &'static str {
    match code {
        Code::UnknownTransport => "Transport unknown",
        Code::UnknownSession => "Session ID unknown",
        Code::BadHandshakeMethod => "Bad handshake method",
        Code::BadRequest | Code::ConcurrentPoll | Code::BadPacket => "Bad request",
        Code::Forbidden => "Forbidden",
        Code::UnsupportedProtocol => "Unsupported protocol version",
        Code::OriginNotAllowed => "Forbidden: this origin may not connect",
        Code::ServerFull => "the node is full, come back later",
        Code::AddressFull => "too many connections from this address",
        Code::TooManyHandshakes => "too many clients are coming at once, come back later",
        Code::Draining => "the node is about to stop, come back",
        Code::NoClientAddress => "the server does not know who the client is",
        Code::UnsupportedWebsocketVersion => "this version of websockets is not spoken, but 13",
        Code::QueryTooLong => "the query is too long",
        Code::BodyTimeout => "the body did not arrive in time",
        Code::BodyTooLarge => "the body is too large",
        Code::TooManyPackets => "too many packets in one body",
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(refused: &Refused) -> serde_json::Value {
        let body = refused.response().into_body();
        serde_json::from_slice(&axum::body::to_bytes(body, 1000).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn errors_of_engine_io_look_like_nodes() {
        let refused = Refused::because(Code::UnknownSession);
        assert_eq!(refused.response().status(), 400);
        let body = body(&refused).await;
        assert_eq!(body["code"], 1);
        assert_eq!(body["message"], "Session ID unknown");
        assert_eq!(body["reason"], "unknown_session");
    }

    #[tokio::test]
    async fn who_may_come_back_is_told_when() {
        let refused = Refused::because(Code::ServerFull).until(Duration::from_millis(1500));
        let response = refused.response();
        assert_eq!(
            (response.status(), &response.headers()[header::RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("2"))
        );
        assert_eq!(body(&refused).await["code"], "server_full");
    }

    #[tokio::test]
    async fn who_speaks_another_version_of_websockets_is_told_which_one_to_speak() {
        let refused = Refused::because(Code::UnsupportedWebsocketVersion);
        let response = refused.response();
        assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_VERSION], "13");
        assert_eq!(response.headers()[header::UPGRADE], "websocket");
        assert_eq!(body(&refused).await["code"], "unsupported_websocket_version");
    }
}
