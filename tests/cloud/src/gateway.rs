//! API Gateway: HTTP on loopback, handed to functions as its payloads of version 2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use simulators::http::{HangUp, Server, answer};

use crate::Function;

type Routes = Arc<Mutex<HashMap<String, Arc<Function>>>>;

/// A running gateway; it stops when dropped.
pub struct Gateway {
    server: Server,
    routes: Routes,
}

impl Gateway {
    /// Starts one without routes.
    pub async fn start() -> anyhow::Result<Self> {
        let routes = Routes::default();
        let known = routes.clone();
        let server = Server::start(0, move |request| {
            let known = known.clone();
            async move { Ok::<_, HangUp>(hand_over(&known, request).await) }
        })
        .await?;
        Ok(Self { server, routes })
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Hands requests for `path`, and for what lies below it, to a function.
    pub fn route(&self, path: &str, function: &Arc<Function>) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), function.clone());
    }
}

async fn hand_over(routes: &Routes, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    let function = {
        let routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.iter().find(|(route, _)| path.starts_with(route.as_str())).map(|(_, function)| function.clone())
    };
    let Some(function) = function else { return answer(404, &json!({"message": "Not Found"})) };
    match function.invoke(event(&request)).await {
        Ok(answered) => response(&answered),
        Err(error) => answer(502, &json!({"message": error.to_string()})),
    }
}

/// A request as the gateway writes it down; a body that is no text comes in base64.
fn event(request: &Request<Bytes>) -> Value {
    let path = request.uri().path();
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    // Cookies have a place of their own, both ways.
    let (cookies, headers): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| *name == "cookie");
    let cookies: Vec<&str> = cookies.into_iter().flat_map(|(_, value)| value.split("; ")).collect();
    let headers: HashMap<&str, &str> = headers.into_iter().collect();
    let (body, is_base64) = match std::str::from_utf8(request.body()) {
        // Forms come in base64 from the gateway, too; signatures are over what was sent.
        Ok(text) if !headers.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www")) => {
            (text.to_owned(), false)
        }
        _ => (STANDARD.encode(request.body()), true),
    };
    json!({
        "version": "2.0", "routeKey": format!("ANY {path}"), "rawPath": path, "rawQueryString": request.uri().query().unwrap_or_default(),
        "headers": headers, "cookies": cookies, "body": body, "isBase64Encoded": is_base64,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api", "requestId": "sample",
            "http": {
                "method": request.method().as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "test",
            },
            "routeKey": format!("ANY {path}"), "stage": "$default", "time": "21/Nov/2026:00:00:00 +0000", "timeEpoch": 1_795_219_200_000_i64,
        },
    })
}

fn response(answered: &Value) -> Response<Bytes> {
    let body = answered["body"].as_str().unwrap_or_default().to_owned();
    let body =
        if answered["isBase64Encoded"] == true { STANDARD.decode(body).unwrap_or_default() } else { body.into_bytes() };
    let mut response = Response::new(Bytes::from(body));
    let status = answered["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for cookie in answered["cookies"].as_array().into_iter().flatten() {
        if let Some(Ok(value)) = cookie.as_str().map(str::parse) {
            response.headers_mut().append(http::header::SET_COOKIE, value);
        }
    }
    for (name, value) in answered["headers"].as_object().into_iter().flatten() {
        if let (Ok(name), Some(Ok(value))) = (http::HeaderName::try_from(name.as_str()), value.as_str().map(str::parse))
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
