//! The host names by which a private page is served. Another site can point a name of its own at this machine and have
//! a browser ask us (DNS rebinding): such a request carries that name and is refused.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::HOST;
use ::http::{StatusCode, Uri};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use web::cookies::is_loopback;
use web::request::host_name;

use crate::probes::PROBES;
use crate::server::{LocalAddress, refusal};

/// Marks a probe's request that names another host than this one.
#[derive(Debug, Clone, Copy)]
pub struct ForeignName;

/// Accepts only requests that name this machine, the address they came to, or one of `names`.
pub fn only(router: Router, names: &[String]) -> Router {
    router.layer(from_fn_with_state(Arc::<[String]>::from(names), gate))
}

async fn gate(State(names): State<Arc<[String]>>, mut request: Request, next: Next) -> Response {
    let local = request.extensions().get::<LocalAddress>().map(|local| local.0);
    let given = given(&request);
    let foreign = match given.iter().find(|host| !is_own(host, local, &names)) {
        Some(foreign) => Some(*foreign),
        None => given.is_empty().then_some(""),
    };
    let Some(foreign) = foreign else { return next.run(request).await };
    let text = format!(
        "This page answers only to its own names, and {foreign:?} is none of them. Open it as http://localhost with its port, or add the name to status_names in the configuration.\n"
    );
    if PROBES.contains(&request.uri().path()) {
        request.extensions_mut().insert(ForeignName);
        return next.run(request).await;
    }
    refusal(StatusCode::MISDIRECTED_REQUEST, text)
}

/// The hosts that a request names: in each header, and in its address if that is absolute.
fn given(request: &Request) -> Vec<&str> {
    let headers = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    headers.chain(Uri::host(request.uri())).collect()
}

fn is_own(host: &str, local: Option<IpAddr>, names: &[String]) -> bool {
    let name = host_name(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    is_loopback(host)
        || names.iter().any(|own| own.eq_ignore_ascii_case(name))
        || address.is_some_and(|address| Some(address.to_canonical()) == local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_this_machines_the_ones_that_are_configured_and_the_address_that_was_asked() {
        let (local, names) = (Some("192.0.2.7".parse().unwrap()), ["ops.internal".to_owned()]);
        for own in ["localhost:8081", "127.0.0.1", "[::1]:8081", "OPS.internal:8081", "192.0.2.7:8081"] {
            assert!(is_own(own, local, &names), "{own}");
        }
        for foreign in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.8", "ops.internal.", ""]
        {
            assert!(!is_own(foreign, local, &names), "{foreign}");
        }
    }
}
