//! Where the collector is.

use http::Uri;

/// Where collectors take spans if nobody says otherwise.
const PATH: &str = "/v1/traces";

/// The URL that spans are sent to: the configured one, with the usual path if it has none.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn collector(text: &str) -> Result<String, &'static str> {
    let url: Uri = text.parse().map_err(|_| "is no URL")?;
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err("must begin with `http://` or `https://`");
    };
    if authority.host().is_empty() {
        return Err("has no host");
    }
    if authority.as_str().contains('@') {
        return Err("must not have a user or a password in it");
    }
    // Behind `#` nothing is sent, and `Uri` has left it out.
    if url.query().is_some() || text.contains('#') {
        return Err("must not have a `?` or `#` in it");
    }
    Ok(match url.path() {
        "" | "/" => format!("{}{PATH}", text.trim_end_matches('/')),
        _ => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_path_is_added_where_there_is_none() {
        let to = |text| collector(text).unwrap();
        assert_eq!(to("http://collector:4318"), "http://collector:4318/v1/traces");
        assert_eq!(to("https://collector:4318/"), "https://collector:4318/v1/traces");
        assert_eq!(to("http://[::1]:4318/other/traces"), "http://[::1]:4318/other/traces");
    }

    #[test]
    fn what_is_no_place_of_a_collector_is_refused() {
        for bad in [
            "collector:4318",
            "127.0.0.1",
            "/v1/traces",
            "grpc://collector:4317",
            "http://",
            "http://ann:hush@collector:4318",
            "http://collector/v1/traces?key=hush",
            "http://collector/#x",
            "http://two words/",
        ] {
            assert!(collector(bad).is_err(), "{bad}");
        }
    }
}
