//! Cookies of the pages: the only place that decides their names and attributes.
//!
//! Pages set and read cookies by their plain names. At the border ([`Site`]) a site that is reached by https gives them
//! the prefix `__Host-`, which browsers accept only with `Secure`, with `Path=/` and from the host itself: no other
//! host of the domain and no plain connection can set one.

use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HeaderName, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Request, Response};

use crate::request::{host_name, host_of};

const PREFIX: &str = "__Host-";
/// Browsers that have seen the site by https use only https for a year.
const HSTS: &str = "max-age=31536000";

/// A cookie with this lifetime, as the pages set it.
///
/// `Lax`: a person who returns from a provider is still signed in. Forms carry their own token.
pub(crate) fn text(name: &str, value: &str, lives: Duration) -> String {
    format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={}", lives.as_secs())
}

/// Gives a browser a cookie.
pub fn set(response: Response<Bytes>, name: &str, value: &str, lives: Duration) -> Response<Bytes> {
    with_cookie(response, &text(name, value, lives))
}

/// Deletes a cookie.
pub fn clear(response: Response<Bytes>, name: &str) -> Response<Bytes> {
    set(response, name, "", Duration::ZERO)
}

/// Gives a browser a complete cookie: one of [`crate::sessions`].
pub fn with_cookie(mut response: Response<Bytes>, cookie: &str) -> Response<Bytes> {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    pairs(headers).find_map(|(given, value)| (given == name).then_some(value))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// How browsers reach us, which decides what their cookies look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Whether cookies travel by TLS only.
    is_secure: bool,
    /// Whether browsers are bound to https.
    is_bound: bool,
}

impl Site {
    /// The site at `public_url`; if none is known, a site behind a gateway (`by_host`) is reached by https, and any
    /// other by what the request's host suggests: plain http on this machine only.
    pub fn of(public_url: Option<&str>, by_host: bool, headers: &HeaderMap) -> Self {
        let by_https = match public_url {
            Some(url) => url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")),
            None => by_host,
        };
        let is_plain = public_url.is_some() || is_loopback(host_of(headers));
        Self { is_secure: by_https || !is_plain, is_bound: by_https }
    }

    /// A request with the plain names of its cookies. If the site is reached by https, a cookie without the prefix is
    /// ignored: anyone on the way, or another host of the domain, may have set it.
    pub fn receive(self, mut request: Request<Bytes>) -> Request<Bytes> {
        let kept: Vec<String> = pairs(request.headers())
            .filter_map(|(name, value)| Some(format!("{}={value}", self.plain(name)?)))
            .collect();
        request.headers_mut().remove(COOKIE);
        if let Ok(value) = HeaderValue::from_str(&kept.join("; ")) {
            request.headers_mut().insert(COOKIE, value);
        }
        request
    }

    fn plain(self, name: &str) -> Option<&str> {
        if self.is_secure { name.strip_prefix(PREFIX) } else { Some(name) }
    }

    /// An answer with the cookies as they are sent, and the promise of https if there is one.
    pub fn send(self, mut response: Response<Bytes>) -> Response<Bytes> {
        let headers = response.headers_mut();
        if self.is_secure {
            let set: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().filter_map(secured).collect();
            replace(headers, &SET_COOKIE, set);
        }
        if self.is_bound {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        }
        response
    }
}

fn replace(headers: &mut HeaderMap, name: &HeaderName, values: Vec<HeaderValue>) {
    headers.remove(name);
    for value in values {
        headers.append(name, value);
    }
}

fn secured(cookie: &HeaderValue) -> Option<HeaderValue> {
    let cookie = cookie.to_str().ok()?;
    HeaderValue::from_str(&format!("{PREFIX}{cookie}; Secure")).ok()
}

/// Whether a host, with or without a port, is this machine. The whole name counts: `localhost.example` is another.
pub fn is_loopback(host: &str) -> bool {
    let name = host_name(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_str(host).unwrap())])
    }

    fn sent(site: Site) -> String {
        let response = site.send(set(Response::new(Bytes::new()), "x", "1", Duration::from_secs(60)));
        response.headers()[SET_COOKIE].to_str().unwrap().to_owned()
    }

    #[test]
    fn the_address_decides_what_cookies_look_like_and_not_what_a_request_calls_its_host() {
        let secure = "__Host-x=1; HttpOnly; SameSite=Lax; Path=/; Max-Age=60; Secure";
        let plain = "x=1; HttpOnly; SameSite=Lax; Path=/; Max-Age=60";
        for (public_url, by_host, host, cookie) in [
            (Some("https://switchboard.example"), false, "localhost", secure),
            (Some("HTTPS://switchboard.example"), false, "localhost", secure),
            (Some("http://127.0.0.1:8080"), false, "switchboard.example", plain),
            (None, true, "localhost", secure),
            (None, false, "localhost:8080", plain),
            (None, false, "127.0.0.2", plain),
            (None, false, "[::1]:8080", plain),
            (None, false, "localhost.evil.example", secure),
            (None, false, "127.0.0.1.evil.example", secure),
            (None, false, "127.0.0.1@evil.example", secure),
            (None, false, "[::1].evil.example", secure),
            (None, false, "", secure),
        ] {
            let site = Site::of(public_url, by_host, &headers(host));
            assert_eq!(sent(site), cookie, "{public_url:?} {by_host} {host}");
        }
    }

    #[test]
    fn by_https_only_cookies_with_the_prefix_are_read() {
        let of = |cookies: &'static str, public_url| {
            let request = Request::builder().header(COOKIE, cookies).body(Bytes::new()).unwrap();
            let request = Site::of(Some(public_url), false, &HeaderMap::new()).receive(request);
            cookie(request.headers(), "x").map(str::to_owned)
        };
        assert_eq!(of("x=planted; __Host-x=1", "https://a.example").as_deref(), Some("1"));
        assert_eq!(of("x=planted", "https://a.example"), None);
        assert_eq!(of("__host-x=planted", "https://a.example"), None);
        assert_eq!(of("__Host-__Host-x=planted", "https://a.example"), None);
        assert_eq!(of("y=2; x=1", "http://localhost").as_deref(), Some("1"));
        assert_eq!(of("xx=2; x", "http://localhost"), None);
    }

    #[test]
    fn browsers_are_bound_to_https_where_we_know_that_it_is_there() {
        let bound = |public_url, by_host| {
            let site = Site::of(public_url, by_host, &headers("switchboard.example"));
            site.send(Response::new(Bytes::new())).headers().contains_key(STRICT_TRANSPORT_SECURITY)
        };
        assert!(bound(Some("https://switchboard.example"), false) && bound(None, true));
        assert!(!bound(Some("http://localhost:8080"), false) && !bound(None, false));
    }
}
