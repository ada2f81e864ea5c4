//! The description of the API, in `OpenAPI` 3.1. `docs/openapi.json` is a copy of it.

use serde_json::{Value, json};

fn error(text: &str) -> Value {
    json!({"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}})
}

fn good(text: &str, schema: &str) -> Value {
    json!({"description": text, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}})
}

fn tenant() -> Value {
    json!({"name": "member_id", "in": "path", "required": true, "schema": {"type": "string"}, "description": "The portal's member_id. Another one than the key's is answered like one that does not exist."})
}

fn operation(id: &str, summary: &str, scope: &str, own: &Value) -> Value {
    let mut operation = json!({
        "operationId": id, "summary": summary, "description": format!("The key needs the scope `{scope}`."),
        "parameters": [tenant()],
        "responses": {
            "401": error("No key, or one that is wrong or was taken back."),
            "403": error("The key lacks the scope."),
            "404": error("There is nothing at this address."),
            "429": error("More than five requests a second; Retry-After says how long to wait."),
            "503": error("Not just now: the provider or our own engine does not answer. Nothing is lost by sending the same again."),
        },
    });
    if let (Some(parameters), Some(more)) = (operation["parameters"].as_array_mut(), own["parameters"].as_array()) {
        parameters.extend(more.iter().cloned());
    }
    if let (Some(responses), Some(more)) = (operation["responses"].as_object_mut(), own["responses"].as_object()) {
        responses.extend(more.clone());
    }
    if !own["requestBody"].is_null() {
        operation["requestBody"] = own["requestBody"].clone();
    }
    operation
}

fn takes(schema: &str) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}})
}

fn intake(id: &str, summary: &str, schema: &str) -> Value {
    let own = json!({
        "parameters": [{
            "name": "Idempotency-Key", "in": "header", "required": true, "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "Another one for each thing, the same for each try of it; remembered for seven days.",
        }],
        "requestBody": takes(schema),
        "responses": {
            "200": good("It was made by an earlier request with the same key.", "Made"),
            "201": good("It was made.", "Made"),
            "400": error("No Idempotency-Key, or the body is no JSON or has a field that is not known."),
            "409": error("The same is being worked on just now."),
            "413": error("The body is too large."),
            "422": error("A field is not right, named in the message; or the key was used for something else."),
            "502": error("The portal refused it, in its own words."),
        },
    });
    operation(id, summary, "intake", &own)
}

fn listing(id: &str, summary: &str, name: &str, schema: &str) -> Value {
    let query = |name: &str, text: &str| json!({"name": name, "in": "query", "required": false, "schema": {"type": "string"}, "description": text});
    let own = json!({
        "parameters": [
            query("day", "A day in UTC, like 2026-11-21; today if not said."), query("status", "Only those with this status."),
            query("record", "Only those of this record: deal 42."), query("after", "Where to go on: the answer's next."),
        ],
        "responses": {
            "200": {"description": "Newest first.", "content": {"application/json": {"schema": {
                "type": "object", "required": [name, "day", "next"],
                "properties": {
                    name: {"type": "array", "items": {"$ref": format!("#/components/schemas/{schema}")}}, "day": {"type": "string"}, "next": {"type": ["string", "null"]},
                },
            }}}},
            "400": error("Invalid cursor."),
            "422": error("Invalid day."),
        },
    });
    operation(id, summary, "read", &own)
}

pub fn document() -> Value {
    let sync = json!({
        "requestBody": takes("Sync"),
        "responses": {
            "202": good("Begun.", "Job"), "400": error("The body is no JSON or has a field that is not known."),
            "409": error("No database is synced with Notion."), "413": error("The body is too large."),
            "422": error("A record or a database is not known, or too many are named."),
        },
    });
    let progress = json!({
        "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}, "description": "The job."}],
        "responses": {"200": good("How it goes.", "Progress")},
    });
    let attention = json!({
        "parameters": [{"name": "after", "in": "query", "required": false, "schema": {"type": "string"}, "description": "Where to go on: the answer's next."}],
        "responses": {"200": {"description": "By database, record and field.", "content": {"application/json": {"schema": {
            "type": "object", "required": ["attention", "next"],
            "properties": {"attention": {"type": "array", "items": {"$ref": "#/components/schemas/Attention"}}, "next": {"type": ["string", "null"]}},
        }}}}},
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Switchboard", "version": "1",
            "description": "Syncs, the log, deals and contacts from elsewhere. An administrator makes keys on the page API keys.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": {
            "/api/v1/{member_id}/sync": {"post": operation("beginSync", "Sync records with their Notion pages", "sync", &sync)},
            "/api/v1/{member_id}/jobs/{id}": {"get": operation("getJob", "How a sync goes", "sync", &progress)},
            "/api/v1/{member_id}/events": {"get": listing("listEvents", "What came in", "events", "Event")},
            "/api/v1/{member_id}/deliveries": {"get": listing("listDeliveries", "What went out", "deliveries", "Delivery")},
            "/api/v1/{member_id}/attention": {"get": operation("listAttention", "What could not be synced", "read", &attention)},
            "/api/v1/{member_id}/deals": {"post": intake("createDeal", "Bring in a deal", "Deal")},
            "/api/v1/{member_id}/contacts": {"post": intake("createContact", "Bring in a contact", "Contact")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of the tenant's: swb_…"}},
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let text = json!({"type": "string", "maxLength": 10000});
    let id = json!({"type": "integer", "minimum": 1});
    let own = json!({"type": "object", "description": "The portal's own fields (ufCrm…) and utm….", "additionalProperties": true});
    json!({
        "Error": {
            "type": "object", "required": ["error", "message"],
            "properties": {"error": {"type": "string", "description": "For programs."}, "message": {"type": "string", "description": "For people."}},
        },
        "Sync": {
            "type": "object", "additionalProperties": false, "description": "Records, or all, or a database.",
            "properties": {
                "records": {"type": "array", "maxItems": 100, "items": {"type": "string"}, "examples": [["deal 42", "task 7"]]},
                "all": {"type": "boolean"}, "database": {"type": "string"},
                "dry": {"type": "boolean", "description": "Only say what would be done."},
            },
        },
        "Job": {
            "type": "object", "required": ["job", "progress"],
            "properties": {"job": {"type": "string"}, "progress": {"type": "string", "description": "Where to look."}},
        },
        "Progress": {
            "type": "object", "required": ["job", "began_at", "done", "parts"],
            "properties": {
                "job": {"type": "string"}, "began_at": {"type": "string", "format": "date-time"}, "done": {"type": "boolean"},
                "parts": {"type": "array", "items": {"type": "object"}},
            },
        },
        "Event": event(),
        "Attention": attention(), "Delivery": delivery(),
        "Made": {
            "type": "object", "required": ["id", "type", "link"],
            "properties": {"id": id, "type": {"type": "string", "enum": ["deal", "contact"]}, "link": {"type": "string", "format": "uri"}},
        },
        "Deal": {
            "type": "object", "additionalProperties": false, "required": ["title"],
            "properties": {
                "title": text, "amount": {"type": "number", "minimum": 0}, "currency": {"type": "string", "pattern": "^[A-Za-z]{3}$"},
                "stage": text, "funnel": {"type": "integer", "minimum": 0}, "source": text, "responsible_id": id, "contact_id": id,
                "contact": {"$ref": "#/components/schemas/Contact"}, "company_id": id, "comment": text, "fields": own,
            },
        },
        "Contact": {
            "type": "object", "additionalProperties": false, "description": "A first_name or a last_name is needed.",
            "properties": {
                "first_name": text, "last_name": text, "email": {"type": "string", "format": "email", "maxLength": 200},
                "phone": {"type": "string", "maxLength": 50}, "company_id": id, "source": text, "responsible_id": id, "comment": text,
                "fields": own,
            },
        },
    })
}

/// A line of the log for an event.
fn event() -> Value {
    let (text, moment) = (json!({"type": "string"}), json!({"type": "string", "format": "date-time"}));
    let texts = json!({"type": "array", "items": {"type": "string"}});
    json!({
        "type": "object", "required": ["trace", "event", "received_at", "decided_at", "attempts", "status"],
        "description": "An event and what was decided. Requests to providers, their answers and the states of records are never part of it.",
        "properties": {
            "trace": {"type": "string", "format": "uuid"}, "event": {"type": "string", "examples": ["ONCRMDEALUPDATE"]},
            "record": {"type": "string", "examples": ["deal 42"]}, "received_at": moment, "decided_at": moment,
            "attempts": {"type": "integer"}, "changes": texts, "left": texts,
            "status": {"type": "string", "enum": ["routed", "skipped", "waiting", "dead"]},
            "reason": text, "cause": text, "code": text,
        },
    })
}

/// A line of the log for a delivery.
fn delivery() -> Value {
    let (text, moment) = (json!({"type": "string"}), json!({"type": "string", "format": "date-time"}));
    json!({
        "type": "object", "required": ["id", "trace", "record", "queued_at", "attempts", "status"],
        "description": "A delivery and its status. Its text, requests to providers and their answers are never part of it.",
        "properties": {
            "id": text, "trace": {"type": "string", "format": "uuid"}, "record": {"type": "string", "examples": ["deal 42"]},
            "change": {"type": "string", "examples": ["deal.stage_changed"]}, "route": text, "destination": text,
            "queued_at": moment, "attempts": {"type": "integer"},
            "remark": {"type": "string", "description": "What its status does not say: that it had been made already, or that it may be repeated."},
            "status": {"type": "string", "enum": ["queued", "started", "retrying", "delivered", "held", "grouped", "skipped", "dead"]},
            "at": moment, "until": moment, "provider_id": text, "into": text, "reason": text, "cause": text, "code": text,
        },
    })
}

/// A value that could not be synced.
fn attention() -> Value {
    let (text, moment) = (json!({"type": "string"}), json!({"type": "string", "format": "date-time"}));
    json!({
        "type": "object", "required": ["database", "record", "field", "property", "of", "why", "since"],
        "description": "A value that one side did not accept. Both sides stay as they are. The two values are not listed here; the page Needs attention shows them. The reason may quote the part of a value that was refused.",
        "properties": {
            "database": text, "record": {"type": "string", "examples": ["deal 42"]},
            "page": {"type": "string", "description": "The page in Notion."}, "field": {"type": "string", "description": "By its name on the portal.", "examples": ["ufCrm_17"]},
            "property": {"type": "string", "description": "By its name in Notion."},
            "of": {"type": "string", "enum": ["bitrix24", "notion"], "description": "The side whose value could not be carried over."},
            "why": {"type": "string", "description": "The reason, with the fix."}, "since": moment,
            "rests_until": {"type": "string", "format": "date-time", "description": "Until when the record rests, where something writes against the sync."},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_in_the_documentation_is_this_document() {
        let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap_or_default());
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            let _ = std::fs::write(copy, &text);
        }
        let is_same = std::fs::read_to_string(copy).is_ok_and(|kept| kept == text);
        assert!(is_same, "docs/openapi.json is old: UPDATE_OPENAPI=1 cargo test -p api writes it again");
    }
}
