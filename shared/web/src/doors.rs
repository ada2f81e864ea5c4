//! Doors: each public address with what it accepts, how much of it, and which proof it needs.
//!
//! A function answers only what its table names. So a new address also states its limit and its proof, and the table of
//! all doors (`tests/journeys/tests/attacks/doors.rs`) shows the new line.

use bytes::Bytes;
use http::{Method, Request, StatusCode};

use crate::answer::Refused;

/// The longest address with its query. Slack, Notion and Bitrix24 stay far below 2 KB.
pub const MAX_ADDRESS: usize = 8 * 1024;

/// The most fields of a form. Ours have about a hundred at most, and each lookup searches all.
pub const MAX_FIELDS: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorMethod {
    /// `GET`, and `HEAD` like it.
    Get,
    /// `POST`.
    Post,
}

/// What the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// There is none; a query at most.
    Query,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
    /// What the provider sends: a form or JSON.
    Provider,
}

/// What a request must prove before it does or shows anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestProof {
    /// Nothing: everyone gets the same answer, and nothing is changed.
    Open,
    /// The provider's signature over the body.
    Signature,
    /// The key in the address that we gave to the portal, or the application token.
    PortalToken,
    /// A token that the provider confirms, for an application that belongs here.
    ProviderToken,
    /// The state of an authorization, in the browser that began it, once.
    State,
    /// A session and the state of an authorization that this browser began.
    SessionAndState,
    /// One of our own pages sent it; it begins something and shows nothing of a tenant.
    OwnPage,
    /// One of our own pages sent it, with a ticket or code that works once.
    OneTimeSecret,
    /// A receipt in the address, which was given only to the person who began what it shows.
    Receipt,
    Session,
    /// A session, one of our own pages, and the session's own token in the form.
    SessionForm,
    /// An API key in the header `Authorization`.
    ApiKey,
}

impl RequestProof {
    /// Whether the browser must say that one of our own pages sent the request: for everything that is proven by a
    /// cookie or by the person in front of the browser.
    pub fn needs_own_page(self) -> bool {
        matches!(self, Self::OwnPage | Self::OneTimeSecret | Self::SessionForm)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    pub verb: DoorMethod,
    /// Its path. `{name}` is one part of it, `{name+}` one or more.
    pub path: &'static str,
    /// What its body is.
    pub accepts: Accepts,
    /// The largest body in bytes.
    pub limit: usize,
    /// The proof it needs.
    pub proof: RequestProof,
}

impl Door {
    /// A page or another answer to `GET`.
    pub const fn get(path: &'static str, proof: RequestProof) -> Self {
        Self { verb: DoorMethod::Get, path, accepts: Accepts::Query, limit: 0, proof }
    }

    /// A form that is posted.
    pub const fn form(path: &'static str, limit: usize, proof: RequestProof) -> Self {
        Self { verb: DoorMethod::Post, path, accepts: Accepts::Form, limit, proof }
    }

    /// A JSON document that is posted.
    pub const fn json(path: &'static str, limit: usize, proof: RequestProof) -> Self {
        Self { verb: DoorMethod::Post, path, accepts: Accepts::Json, limit, proof }
    }

    /// What a provider posts.
    pub const fn provider(path: &'static str, limit: usize, proof: RequestProof) -> Self {
        Self { verb: DoorMethod::Post, path, accepts: Accepts::Provider, limit, proof }
    }

    fn is_asked_by(&self, method: &Method) -> bool {
        match self.verb {
            DoorMethod::Get => method == Method::GET || method == Method::HEAD,
            DoorMethod::Post => method == Method::POST,
        }
    }
}

/// The door that a request comes to.
///
/// # Errors
/// 404 if there is none, 405 if its method is another, 413 and 414 if the request is larger than the door allows.
pub fn at<'a>(doors: &'a [Door], request: &Request<Bytes>) -> Result<&'a Door, Refused> {
    let path = request.uri().path();
    let here: Vec<&Door> = doors.iter().filter(|door| leads_to(door.path, path)).collect();
    let Some(first) = here.first() else { return Err(Refused::not_found()) };
    let Some(door) = here.iter().find(|door| door.is_asked_by(request.method())) else {
        let allowed = if first.verb == DoorMethod::Get { "GET" } else { "POST" };
        let text = format!("this address is asked by {allowed}, not by {}", request.method());
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", text).allowing(allowed));
    };
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if address > MAX_ADDRESS {
        let text = format!("the address has {address} bytes; at most {MAX_ADDRESS} are read");
        return Err(Refused::new(StatusCode::URI_TOO_LONG, "address_too_long", text));
    }
    fits(request.body().len(), door.limit)?;
    if door.accepts == Accepts::Form && fields(request.body()) > MAX_FIELDS {
        let text = format!("the form has more than {MAX_FIELDS} fields, the most that are read here");
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_fields", text));
    }
    Ok(door)
}

fn fields(form: &[u8]) -> usize {
    form.split(|byte| *byte == b'&').filter(|field| !field.is_empty()).count()
}

/// Refuses a body over a limit.
pub fn fits(body: usize, limit: usize) -> Result<(), Refused> {
    if body <= limit { Ok(()) } else { Err(Refused::over(limit)) }
}

/// How much of a body to read for a path: the limit of its door, for any method.
pub fn limit(doors: &[Door], path: &str) -> usize {
    doors.iter().filter(|door| leads_to(door.path, path)).map(|door| door.limit).max().unwrap_or_default()
}

/// Whether a path matches a pattern. A slash at the end is ignored.
pub fn leads_to(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.trim_matches('/').split('/');
    let mut parts = path.trim_start_matches('/').trim_end_matches('/').split('/');
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some(name), Some(part)) if name.ends_with("+}") => return !part.is_empty(),
            (Some(name), Some(part)) if name.starts_with('{') && !part.is_empty() => {}
            (Some(name), Some(part)) if name == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOORS: &[Door] = &[
        Door::get("/admin", RequestProof::Session),
        Door::get("/admin/events/{event+}", RequestProof::Session),
        Door::form("/admin/keys", 10, RequestProof::SessionForm),
        Door::get("/admin/keys", RequestProof::Session),
        Door::provider("/webhooks/{member_id}/slack", 20, RequestProof::Signature),
    ];

    fn asked(method: Method, path: &str, body: usize) -> Result<&'static str, (u16, &'static str)> {
        let request = Request::builder().method(method).uri(path).body(Bytes::from(vec![0; body])).unwrap();
        at(DOORS, &request).map(|door| door.path).map_err(|refused| (refused.status.as_u16(), refused.code))
    }

    #[test]
    fn a_path_leads_to_its_door_or_nowhere() {
        assert_eq!(asked(Method::GET, "/admin/", 0), Ok("/admin"));
        assert_eq!(asked(Method::HEAD, "/admin", 0), Ok("/admin"));
        assert_eq!(asked(Method::GET, "/admin/events/a/b?c", 0), Ok("/admin/events/{event+}"));
        assert_eq!(asked(Method::POST, "/webhooks/m1/slack", 20), Ok("/webhooks/{member_id}/slack"));
        for nowhere in
            ["/", "/admin/events", "/admin/events/", "/admin/keysx", "/webhooks//slack", "/webhooks/a/b/slack"]
        {
            assert_eq!(asked(Method::GET, nowhere, 0), Err((404, "not_found")), "{nowhere}");
        }
    }

    #[test]
    fn a_form_of_thousands_of_fields_is_refused() {
        let door = [Door::form("/form", 100_000, RequestProof::OwnPage)];
        let at_door = |fields: usize| {
            let body = vec!["a=1"; fields].join("&");
            let request = Request::post("/form").body(Bytes::from(body)).unwrap();
            at(&door, &request).map_err(|refused| refused.code).map(|door| door.limit)
        };
        assert_eq!(at_door(MAX_FIELDS), Ok(100_000));
        assert_eq!(at_door(MAX_FIELDS + 1), Err("too_many_fields"));
    }

    #[test]
    fn a_door_is_asked_in_its_way_and_takes_no_more_than_its_limit() {
        assert_eq!(asked(Method::PUT, "/admin/keys", 0), Err((405, "wrong_method")));
        assert_eq!(asked(Method::DELETE, "/admin", 0), Err((405, "wrong_method")));
        assert_eq!(asked(Method::POST, "/admin/keys", 10), Ok("/admin/keys"));
        assert_eq!(asked(Method::POST, "/admin/keys", 11), Err((413, "too_large")));
        assert_eq!(asked(Method::GET, "/admin/keys", 1), Err((413, "too_large")));
        let long = format!("/admin?{}", "a".repeat(MAX_ADDRESS));
        assert_eq!(asked(Method::GET, &long, 0), Err((414, "address_too_long")));
        assert_eq!(limit(DOORS, "/admin/keys"), 10);
        assert_eq!(limit(DOORS, "/nowhere"), 0);
    }
}
