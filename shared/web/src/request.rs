//! Who sent a request, and which host it names.

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request};
use runtime::ClientAddress;

/// The client address of a request, for counting: an IPv4 address, or a customer's IPv6 network. What a request says of
/// itself is ignored.
pub fn address_of(request: &Request<Bytes>) -> String {
    let address = request.extensions().get::<ClientAddress>();
    address.map_or_else(|| "unknown".to_owned(), |address| address.network().to_string())
}

/// The host that a request names.
pub fn host_of(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// A host without its port: `[::1]:8080` is `[::1]`.
pub fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
