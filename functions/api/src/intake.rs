//! Deals and contacts from a shop, a form or a mailer: checked, mapped to CRM items, created once.
//!
//! The caller gives each its own key. The same key again is answered with what was created; if it is unknown whether it
//! was created, the portal is searched by the id that the item would carry.

use std::time::Duration;

use bitrix24::{CrmItem, EntityType};
use bytes::Bytes;
use clients::time_limits::{PORTAL_WORKS_FOR, SLOW_CALL};
use clients::{ErrorClass, Failure, PortalClient};
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use runtime::clock::{earlier, is_recent, later, until};
use runtime::ledger::{EventLine, EventStatus, event_write};
use runtime::limiter::Priority;
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{DeliveryId, TraceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use web::answer::{Refused, answer};

use crate::{ApiAnswer, Caller, Deps, bad_field, body, unavailable};

/// The name under which CRM items carry our ids.
const ORIGINATOR: &str = "switchboard";
/// How long a key is remembered.
const KEY_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// After this time, a request that did not end is checked.
const WORKED_FOR: Duration = PORTAL_WORKS_FOR;
/// The longest text of a field.
const MAX_TEXT: usize = 10_000;

/// A deal from a shop, a form or a mailer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DealIn {
    title: String,
    #[serde(default)]
    amount: Option<f64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    funnel: Option<u64>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    responsible_id: Option<u64>,
    #[serde(default)]
    contact_id: Option<u64>,
    #[serde(default)]
    contact: Option<ContactIn>,
    #[serde(default)]
    company_id: Option<u64>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    fields: Map<String, Value>,
}

/// A contact from a shop, a form or a mailer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactIn {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    company_id: Option<u64>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    responsible_id: Option<u64>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    fields: Map<String, Value>,
}

/// What is stored under a caller's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Intake {
    /// The digest of the body: the same key with another body is a mistake.
    body: String,
    began_at: Timestamp,
    trace: TraceId,
    #[serde(default)]
    id: Option<u64>,
}

pub(crate) async fn deal(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> ApiAnswer {
    let given: DealIn = body(request)?;
    let mut fields = own_fields(&given.fields)?;
    text(&mut fields, "title", "title", Some(&given.title), true)?;
    if let Some(amount) = given.amount {
        if !amount.is_finite() || amount < 0.0 {
            return Err(bad_field("amount", "must be a number of at least 0"));
        }
        let currency = given.currency.as_deref().unwrap_or_default().to_uppercase();
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(bad_field("currency", "an amount needs a currency of three letters, like EUR"));
        }
        fields.insert("opportunity".into(), amount.into());
        fields.insert("currencyId".into(), currency.into());
    }
    text(&mut fields, "stageId", "stage", given.stage.as_deref(), false)?;
    text(&mut fields, "sourceId", "source", given.source.as_deref(), false)?;
    text(&mut fields, "comments", "comment", given.comment.as_deref(), false)?;
    for (name, value) in
        [("categoryId", given.funnel), ("assignedById", given.responsible_id), ("companyId", given.company_id)]
    {
        fields.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    if given.contact.is_some() && given.contact_id.is_some() {
        return Err(bad_field("contact", "give contact or contact_id, not both"));
    }
    fields.extend(given.contact_id.map(|id| ("contactIds".to_owned(), json!([id]))));
    let contact = given.contact.as_ref().map(contact_fields).transpose()?;
    take(deps, caller, request, &IntakeRequest { entity: EntityType::DEAL, fields, contact }).await
}

pub(crate) async fn contact(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> ApiAnswer {
    let given: ContactIn = body(request)?;
    let fields = contact_fields(&given)?;
    take(deps, caller, request, &IntakeRequest { entity: EntityType::CONTACT, fields, contact: None }).await
}

fn contact_fields(given: &ContactIn) -> Result<Map<String, Value>, Refused> {
    let mut fields = own_fields(&given.fields)?;
    if given.first_name.trim().is_empty() && given.last_name.trim().is_empty() {
        return Err(bad_field("first_name", "a contact needs a first_name or a last_name"));
    }
    text(&mut fields, "name", "first_name", Some(&given.first_name), false)?;
    text(&mut fields, "lastName", "last_name", Some(&given.last_name), false)?;
    text(&mut fields, "comments", "comment", given.comment.as_deref(), false)?;
    text(&mut fields, "sourceId", "source", given.source.as_deref(), false)?;
    for (name, value) in [("assignedById", given.responsible_id), ("companyId", given.company_id)] {
        fields.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    let mut ways = Vec::new();
    if let Some(email) = given.email.as_deref().map(str::trim).filter(|email| !email.is_empty()) {
        let is_one = email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if !is_one || email.len() > 200 || email.contains(char::is_whitespace) {
            return Err(bad_field("email", format!("{email:?} is no e-mail address")));
        }
        ways.push(json!({"typeId": "EMAIL", "valueType": "WORK", "value": email}));
    }
    if let Some(phone) = given.phone.as_deref().map(str::trim).filter(|phone| !phone.is_empty()) {
        if phone.chars().filter(char::is_ascii_digit).count() < 3 || phone.len() > 50 {
            return Err(bad_field("phone", format!("{phone:?} is no phone number")));
        }
        ways.push(json!({"typeId": "PHONE", "valueType": "WORK", "value": phone}));
    }
    if !ways.is_empty() {
        fields.insert("fm".into(), Value::Array(ways));
    }
    Ok(fields)
}

/// The customer's own fields only: the others have their own names here.
fn own_fields(given: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    for (name, value) in given {
        let is_own = name.starts_with("ufCrm") || name.starts_with("utm");
        if !is_own || name.len() > 60 {
            return Err(bad_field(&format!("fields.{name}"), "only the portal's own fields (ufCrm…) and utm… go here"));
        }
        if value.is_object() || value.to_string().len() > MAX_TEXT {
            return Err(bad_field(
                &format!("fields.{name}"),
                "is too large or an object; give a text, a number or a list",
            ));
        }
    }
    Ok(given.clone())
}

fn text(
    fields: &mut Map<String, Value>,
    name: &str,
    given_as: &str,
    value: Option<&str>,
    needed: bool,
) -> Result<(), Refused> {
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    match value {
        None if needed => Err(bad_field(given_as, "must not be empty")),
        None => Ok(()),
        Some(value) if value.chars().count() > MAX_TEXT => {
            Err(bad_field(given_as, format!("is longer than {MAX_TEXT} characters")))
        }
        Some(value) => {
            // A form sends plain text: it must not become a button or a mention in the CRM.
            let plain =
                if name == "comments" { text::Document::plain(value).to_bbcode(false) } else { value.to_owned() };
            fields.insert(name.to_owned(), plain.into());
            Ok(())
        }
    }
}

struct IntakeRequest {
    entity: EntityType,
    fields: Map<String, Value>,
    /// Finds a contact, or creates it.
    contact: Option<Map<String, Value>>,
}

async fn take(deps: &Deps, caller: &Caller, request: &Request<Bytes>, wanted: &IntakeRequest) -> ApiAnswer {
    let given = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().trim();
    if given.is_empty() || given.len() > 255 {
        let text = "send the header Idempotency-Key, 1 to 255 characters, another one for each thing: your order's number, say";
        return Err(Refused::new(StatusCode::BAD_REQUEST, "no_idempotency_key", text));
    }
    let name = DeliveryId::of(&[caller.tenant.as_str(), "intake", &wanted.entity.to_string(), given]);
    let key = ItemKey::new(Table::Links, format!("{}#intake", caller.tenant), name.as_str());
    let digest = hex::encode(Sha256::digest(request.body()));
    let now = deps.backend.clock.now();
    let (intake, is_again) = match begin(deps, &key, &digest, now).await? {
        Begun::Done(id) => return made(deps, caller, wanted.entity, id, true).await,
        // A restore from a backup may have made us forget what was created under this key.
        Begun::Fresh(intake) => (intake, was_restored(deps, now).await?),
        Begun::Again(intake) => (intake, true),
    };
    match make(deps, caller, wanted, name.as_str(), is_again).await {
        Ok(id) => {
            note(deps, caller, wanted.entity, &intake, id).await?;
            let done = Intake { id: Some(id), ..intake };
            let write =
                StoreWrite::new(key, &done, WriteCondition::Always).map_err(|error| unavailable(&error.into()))?;
            deps.backend
                .store
                .put(write.expiring(later(now, KEY_TTL)))
                .await
                .map_err(|error| unavailable(&error.into()))?;
            made(deps, caller, wanted.entity, id, is_again).await
        }
        Err(failure) => {
            // If there was certainly no effect, it can be tried again at once, also with another body.
            let is_unsure = failure.class == ErrorClass::UnknownOutcome;
            let is_late = is_unsure && until(now, deps.backend.clock.now()) >= SLOW_CALL;
            if is_late {
                // The portal may still do it: until it cannot, the same is not tried again.
            } else if !is_unsure && !is_again {
                let _ = deps.backend.store.delete(&key).await;
            } else {
                let again = Intake { began_at: Timestamp::UNIX_EPOCH, ..intake };
                if let Ok(write) = StoreWrite::new(key, &again, WriteCondition::Always) {
                    let _ = deps.backend.store.put(write.expiring(later(now, KEY_TTL))).await;
                }
            }
            Err(unavailable(&failure))
        }
    }
}

/// Whether keys that are still remembered elsewhere may have been forgotten here.
async fn was_restored(deps: &Deps, now: Timestamp) -> Result<bool, Refused> {
    let oldest_key = earlier(now, KEY_TTL);
    let restored = deps.connections.generation().is_doubtful(oldest_key).await;
    restored.map_err(|error| unavailable(&error.into()))
}

enum Begun {
    /// The key is new.
    Fresh(Intake),
    /// An earlier try did not end.
    Again(Intake),
    /// It was created.
    Done(u64),
}

async fn begin(deps: &Deps, key: &ItemKey, digest: &str, now: Timestamp) -> Result<Begun, Refused> {
    let store = &deps.backend.store;
    let busy = || {
        let text = "the same is being worked on just now; send it again in a minute";
        Refused::new(StatusCode::CONFLICT, "in_progress", text)
    };
    let fresh = Intake { body: digest.to_owned(), began_at: now, trace: TraceId::new(now), id: None };
    let write = |intake: &Intake, condition| {
        let write = StoreWrite::new(key.clone(), intake, condition).map_err(|error| unavailable(&error.into()))?;
        Ok::<_, Refused>(write.expiring(later(now, KEY_TTL)))
    };
    let Some(item) = store.get(key).await.map_err(|error| unavailable(&error.into()))? else {
        return match store.put(write(&fresh, WriteCondition::Absent)?).await {
            Ok(_) => Ok(Begun::Fresh(fresh)),
            Err(StoreError::Conflict(_)) => Err(busy()),
            Err(error) => Err(unavailable(&error.into())),
        };
    };
    let known: Intake = item.decode().map_err(|error| unavailable(&error.into()))?;
    if known.body != digest {
        let text = "this Idempotency-Key was used for something else; give each thing a key of its own";
        return Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", text));
    }
    if let Some(id) = known.id {
        return Ok(Begun::Done(id));
    }
    if is_recent(now, known.began_at, WORKED_FOR) {
        return Err(busy());
    }
    let again = Intake { began_at: now, ..known };
    match store.put(write(&again, WriteCondition::Version(item.version))?).await {
        Ok(_) => Ok(Begun::Again(again)),
        Err(StoreError::Conflict(_)) => Err(busy()),
        Err(error) => Err(unavailable(&error.into())),
    }
}

async fn make(
    deps: &Deps,
    caller: &Caller,
    wanted: &IntakeRequest,
    origin: &str,
    is_again: bool,
) -> Result<u64, Failure> {
    let portal = deps.connections.portal(&caller.tenant).await?;
    let client = deps.connections.bitrix24(&portal).await?.in_lane(Priority::Event);
    let mut fields = wanted.fields.clone();
    if let Some(contact) = &wanted.contact {
        // It is found by the id that it carries, for the deal's first try may have created it.
        let origin = format!("{origin}-contact");
        let found = if is_again { find(&client, EntityType::CONTACT, &origin).await? } else { None };
        let id = match found {
            Some(id) => id,
            None => add(&client, EntityType::CONTACT, contact.clone(), &origin).await?,
        };
        fields.insert("contactIds".into(), json!([id]));
    }
    if is_again && let Some(id) = find(&client, wanted.entity, origin).await? {
        return Ok(id);
    }
    add(&client, wanted.entity, fields, origin).await
}

async fn find(client: &PortalClient, entity: EntityType, origin: &str) -> Result<Option<u64>, Failure> {
    let params = json!({
        "entityTypeId": entity.0, "select": ["id"], "filter": {"originatorId": ORIGINATOR, "originId": origin},
    });
    let answer = client.call("crm.item.list", &params).await?;
    Ok(bitrix24::tolerant::whole(&answer.result["items"][0]["id"]))
}

async fn add(
    client: &PortalClient,
    entity: EntityType,
    mut fields: Map<String, Value>,
    origin: &str,
) -> Result<u64, Failure> {
    fields.insert("originatorId".into(), ORIGINATOR.into());
    fields.insert("originId".into(), origin.into());
    let answer = client.call("crm.item.add", &json!({"entityTypeId": entity.0, "fields": fields})).await?;
    let item: Result<CrmItem, _> = serde_json::from_value(answer.result["item"].clone());
    item.map(|item| item.id).map_err(|error| {
        Failure::permanent("unexpected_answer", format!("the portal answered something unexpected: {error}"))
    })
}

/// Writes the ledger line of what was received.
async fn note(deps: &Deps, caller: &Caller, entity: EntityType, intake: &Intake, id: u64) -> Result<(), Refused> {
    let now = deps.backend.clock.now();
    let (name, record) = (format!("api.{entity}"), Some(format!("{entity} {id}")));
    let mut line = EventLine::of_trace(intake.trace, name, record, now, EventStatus::Routed);
    line.changes = vec![format!("{entity}.taken_in by {}", crate::told_by(&caller.key))];
    let write = event_write(&caller.tenant, line).map_err(|error| unavailable(&error.into()))?;
    deps.backend.store.put(write).await.map(|_| ()).map_err(|error| unavailable(&error.into()))
}

async fn made(
    deps: &Deps,
    caller: &Caller,
    entity: EntityType,
    id: u64,
    replayed: bool,
) -> Result<Response<Bytes>, Refused> {
    let portal = deps.connections.portal(&caller.tenant).await.map_err(|failure| unavailable(&failure))?;
    let told = json!({"id": id, "type": entity.to_string(), "link": entity.link(&portal.domain, id)});
    let mut response = answer(if replayed { StatusCode::OK } else { StatusCode::CREATED }, &told);
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}
