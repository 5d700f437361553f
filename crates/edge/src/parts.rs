//! What is kept of the request that opens a session. The Engine.IO library keeps it for as long as the session lives, and
//! as it comes from hyper it is a slice of the buffer that the head was read into: 8 KiB, whatever of it is used.

use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri};

/// Copies a request: the method, the path with its query, the headers that are listed, and these extensions.
pub(crate) fn reduced(parts: &Parts, uri: Uri, keep: &[HeaderName], extensions: Extensions) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(&parts.headers, keep);
    *request.extensions_mut() = extensions;
    request
}

fn headers(all: &HeaderMap, keep: &[HeaderName]) -> HeaderMap {
    let wanted = || keep.iter().flat_map(|name| all.get_all(name).iter().map(move |value| (name, value)));
    let mut kept = HeaderMap::with_capacity(wanted().count());
    for (name, value) in wanted() {
        // `clone` would share the buffer.
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            kept.append(name.clone(), copy);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn only_what_is_listed_is_kept() {
        let request = Request::get("/x?EIO=4")
            .header("user-agent", "x")
            .header("cookie", "a=b")
            .header("x-forwarded-for", "1.2.3.4")
            .header("x-forwarded-for", "5.6.7.8")
            .extension(5u8);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let keep = [header::USER_AGENT, HeaderName::from_static("x-forwarded-for"), header::ORIGIN];
        let reduced = reduced(&parts, Uri::from_static("/y"), &keep, Extensions::new());
        assert_eq!(reduced.uri(), "/y");
        assert_eq!(reduced.headers().len(), 3);
        assert_eq!(reduced.headers()["user-agent"], "x");
        assert_eq!(reduced.headers().get_all("x-forwarded-for").iter().count(), 2);
        assert!(reduced.extensions().get::<u8>().is_none());
    }
}
