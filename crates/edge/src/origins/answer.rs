//! What the browser is told of a page's origin (CORS). Without it the page cannot read the answers to its polls.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::OriginCheck;

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Length of the list of headers that a page may ask for; what Socket.IO clients send is far below.
const MAX_ASKED: usize = 1024;

/// Seconds for which the browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

// Of the draft Private Network Access: pages of the internet that call a server in the user's own network.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Adds to an answer what the browser needs to give it to the page. `origin` is the request's, as [`OriginCheck`] saw it.
pub(crate) fn cors(check: OriginCheck, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    // Also on answers to requests without an origin: a cache must not give them to a page that has one.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    match (check, origin) {
        (OriginCheck::Same | OriginCheck::Listed, Some(origin)) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        // Never with credentials: any page could then act as the user who looks at it.
        (OriginCheck::Any, _) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        _ => {}
    }
}

/// The answer to a browser that asks (`OPTIONS`) before it sends a request for a page. It has no cookie and no session,
/// so any node can give it.
#[must_use]
pub(crate) fn preflight(check: OriginCheck, request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    cors(check, request.get(header::ORIGIN), headers);
    if check == OriginCheck::Refused {
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(asked) = asked_headers(request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    if request.get(REQUEST_PRIVATE_NETWORK) == Some(&TRUE) {
        headers.insert(ALLOW_PRIVATE_NETWORK, TRUE);
    }
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The headers that the page wants to send, if they are few and all of them names.
fn asked_headers(request: &HeaderMap) -> Option<HeaderValue> {
    let lists = request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let lists = lists.iter().map(|list| list.to_str().ok()).collect::<Option<Vec<_>>>()?;
    let asked = lists.join(", ");
    let is_name = |name: &str| HeaderName::from_bytes(name.trim_ascii().as_bytes()).is_ok();
    let fine = asked.len() < MAX_ASKED && asked.split(',').all(is_name);
    fine.then(|| HeaderValue::try_from(asked).ok()).flatten()
}
