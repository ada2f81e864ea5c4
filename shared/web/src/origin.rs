//! Whether one of our own pages sent a request. Other sites can make a browser post a form here, with its cookies; the
//! browser says which site that was.

use http::header::ORIGIN;
use http::{HeaderMap, StatusCode};

use crate::answer::Refused;
use crate::request::host_of;

/// The browser's `Sec-Fetch-Site`; scripts cannot set it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Whether the request comes from one of our own pages or directly from the person. `public_url` is our address, if it
/// is known.
///
/// `Sec-Fetch-Site` decides. Browsers omit it on plain http to another machine; there `Origin` decides. A request with
/// neither is not one that our forms make.
pub fn is_own(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("not text").trim());
    match (text(FETCH_SITE), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => is_ours(origin, headers, public_url),
        (None, None) => false,
    }
}

/// A proxy may have changed the `Host`, and `public_url` may be missing: either one names us. A page of another site
/// cannot choose the `Host` that a browser sends.
fn is_ours(origin: &str, headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let Some(asking) = authority(origin) else { return false };
    let is_public = public_url.is_some_and(|url| {
        let same_scheme = url.split("://").next() == origin.split("://").next();
        same_scheme && authority(url).is_some_and(|own| own.eq_ignore_ascii_case(asking))
    });
    is_public || (!host_of(headers).is_empty() && host_of(headers).eq_ignore_ascii_case(asking))
}

fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())
}

/// Our code for a request that another site, or an unknown one, has sent.
pub const ANOTHER_SITE: &str = "another_site";

/// The refusal of such a request.
pub fn refused() -> Refused {
    Refused::new(StatusCode::FORBIDDEN, ANOTHER_SITE, "the request was not sent by one of our own pages")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn own(given: &[(&'static str, &str)]) -> bool {
        is_own(&headers(given), Some("https://sb.example"))
    }

    #[test]
    fn the_browser_says_which_site_sent_it() {
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "none")]));
        for site in ["cross-site", "same-site", "", "same-origin, cross-site"] {
            assert!(!own(&[("sec-fetch-site", site), ("origin", "https://sb.example")]), "{site}");
        }
    }

    #[test]
    fn else_the_origin_says_it() {
        assert!(own(&[("origin", "https://sb.example")]));
        assert!(own(&[("origin", "https://SB.example"), ("host", "127.0.0.1:8080")]));
        assert!(own(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        let foreign = ["null", "", "https://evil.example", "http://sb.example", "https://sb.example.evil.example"];
        for origin in foreign.into_iter().chain(["https://sb.example:8443", "https://evil.example/https://sb.example"])
        {
            assert!(!own(&[("origin", origin), ("host", "127.0.0.1:8080")]), "{origin}");
        }
        assert!(!own(&[("host", "sb.example")]));
        assert!(!is_own(&headers(&[("origin", "https://"), ("host", "")]), None));
    }
}
