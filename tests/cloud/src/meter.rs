//! A measuring address in front of an emulator: what AWS would charge for, by operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::Value;
use simulators::http::{HangUp, HttpAnswer, Server, answer};

/// Calls and, of DynamoDB, capacity units.
#[derive(Debug, Clone, Copy, Default)]
pub struct Charge {
    /// Requests.
    pub requests: u32,
    /// Units, as the emulator computes them from what is stored and read.
    pub units: f64,
}

type Charges = Arc<Mutex<BTreeMap<String, Charge>>>;

/// A running meter; it stops when dropped.
pub struct Meter {
    server: Server,
    emulator: Arc<OnceLock<String>>,
    charges: Charges,
}

impl Meter {
    /// Starts one. It measures when it knows its emulator.
    pub async fn start() -> anyhow::Result<Self> {
        let (emulator, charges, http) =
            (Arc::<OnceLock<String>>::default(), Charges::default(), reqwest::Client::new());
        let (known, noted) = (emulator.clone(), charges.clone());
        let server = Server::start(0, move |request| {
            let (known, noted, http) = (known.clone(), noted.clone(), http.clone());
            async move {
                match known.get() {
                    Some(url) => pass_on(url, &http, &noted, request).await,
                    None => Ok(answer(503, &serde_json::json!({"message": "no emulator yet"}))),
                }
            }
        })
        .await?;
        Ok(Self { server, emulator, charges })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// Leads to the emulator at this address.
    pub fn lead_to(&self, url: &str) {
        let _ = self.emulator.set(url.to_owned());
    }

    /// The charges so far, by operation.
    pub fn charges(&self) -> BTreeMap<String, Charge> {
        self.charges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass_on(url: &str, http: &reqwest::Client, charges: &Charges, request: Request<Bytes>) -> HttpAnswer {
    let (mut head, mut body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (service, operation) = target.split_once('.').unwrap_or(("", path));
    let operation = operation.to_owned();
    if service.starts_with("DynamoDB") {
        body = with_capacity(&body);
        head.headers.remove(header::CONTENT_LENGTH);
    }
    head.headers.remove(header::HOST);
    let url = format!("{url}{path}");
    let sent = http.request(head.method, url).headers(head.headers).body(body).send().await;
    let sent = sent.map_err(|_| HangUp::Breaks)?;
    let (status, mut headers) = (sent.status(), sent.headers().clone());
    let body = sent.bytes().await.map_err(|_| HangUp::Breaks)?;
    {
        let mut charges = charges.lock().unwrap_or_else(PoisonError::into_inner);
        let charge = charges.entry(operation).or_default();
        charge.requests += 1;
        charge.units += units(&body);
    }
    for framing in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(framing);
    }
    // The checksum is of the answer as the emulator sends it, and still is.
    let mut response = Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

/// The same request, which also asks for the units that it takes.
fn with_capacity(body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut request)) = serde_json::from_slice(body) else { return body.clone() };
    request.insert("ReturnConsumedCapacity".into(), "TOTAL".into());
    Value::Object(request).to_string().into()
}

/// One table's units, or those of all tables of a transaction.
fn units(body: &Bytes) -> f64 {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let of = |consumed: &Value| consumed["CapacityUnits"].as_f64().unwrap_or_default();
    match &body["ConsumedCapacity"] {
        Value::Array(several) => several.iter().map(of).sum(),
        single => of(single),
    }
}
