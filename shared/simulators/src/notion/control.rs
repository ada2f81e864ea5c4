//! What a person can do in Notion, and what a test can switch, over the simulators' control address.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{CAPABILITIES, NotionEventDelivery, NotionSimulator, SOMEBODY};

/// What there is, with an example of each body.
pub(crate) fn help() -> Map<String, Value> {
    let all = json!({
        "POST /notion/databases": {"title": "Deals", "properties": {"Stage": {"select": {"options": []}}}},
        "POST /notion/pages": {"title": "Handbook", "shared": true},
        "POST /notion/people": {"name": "Ann", "email": "ann@example.com", "guest": false},
        "POST /notion/people/remove": {"id": "…"},
        "POST /notion/share": {"database": "… (or page)", "shared": false},
        "POST /notion/capability": {"name": CAPABILITIES, "allowed": false},
        "POST /notion/hook": {"url": "http://127.0.0.1/…", "events": ["page.created (all, if there is no list)"]},
        "POST /notion/rows": {"data_source": "…", "properties": {}, "person": "… (somebody, if left out)"},
        "GET /notion/rows?DATA_SOURCE": "the rows of a data source, those in the trash too",
        "GET /notion/schema?DATA_SOURCE": "the properties of a data source",
        "GET /notion/body?PAGE": "what people read in a page's body, a line a block",
        "GET /notion/events": "the events that were noted, the last thousand",
        "POST /notion/edit": {"row": "…", "properties": {}, "person": "…"},
        "POST /notion/trash": {"row": "… (or database or block)", "in_trash": true},
        "POST /notion/delete": {"row": "… (for good)"},
        "POST /notion/move": {"row": "…", "data_source": "…"},
        "POST /notion/lock": {"row": "…", "locked": true},
        "POST /notion/schema": {"data_source": "…", "properties": {"Amount": {"rich_text": {}}, "Old": null}},
        "POST /notion/option": {"data_source": "…", "property": "Stage", "option": "New", "name": "Fresh", "group": "Complete", "remove": false},
        "POST /notion/compute": {"row": "…", "property": "Total", "value": {"type": "number", "number": 3}},
        "POST /notion/template": {"data_source": "…", "name": "Task", "is_default": true, "properties": {}, "children": []},
        "POST /notion/blocks": {"page": "…", "children": []},
        "POST /notion/comment": {"on": "… (page or block)", "text": "…", "person": "…"},
        "POST /notion/comment/edit": {"comment": "…", "text": "…"},
        "POST /notion/comment/delete": {"comment": "…"},
        "POST /notion/comment/resolve": {"comment": "…"},
        "POST /notion/delivery": {"drop_every": 0, "double_every": 0, "reversed": false},
        "POST /notion/switches": {"limited": true, "cap": 10_000, "lag_ms": 0, "short_every": 5, "short_pages": true, "conflicts": "none | pages | all", "latency_ms": 0, "out_of_blocks": false},
        "POST /notion/expire": "ends all access tokens of the public connection",
    });
    all.as_object().cloned().unwrap_or_default()
}

impl NotionSimulator {
    /// Does what a request to the steering address asks for; `None` if there is no such thing. What a person cannot do in
    /// Notion comes back with `ok: false` and the reason.
    pub(crate) async fn steer(&self, method: &str, path: &str, query: &str, body: &Value) -> Option<Value> {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let person = || body["person"].as_str().unwrap_or(SOMEBODY).to_owned();
        let is = |name: &str| body[name] == true;
        let ok = || json!({"ok": true});
        let told = |result: Result<(), String>| match result {
            Ok(()) => json!({"ok": true}),
            Err(error) => json!({"ok": false, "error": error}),
        };
        Some(match (method, path) {
            ("GET", "/notion/rows") => json!(self.rows(query)),
            ("GET", "/notion/schema") => self.schema(query),
            ("GET", "/notion/body") => json!(self.body(query)),
            ("GET", "/notion/events") => json!(self.events()),
            ("POST", "/notion/databases") => {
                let (database, source) = self.add_database(&text("title"), &body["properties"]);
                json!({"database": database, "data_source": source})
            }
            ("POST", "/notion/pages") => json!({"id": self.add_page(&text("title"), is("shared"))}),
            ("POST", "/notion/people") if is("guest") => json!({"id": self.add_guest(&text("name"), &text("email"))}),
            ("POST", "/notion/people") => json!({"id": self.add_person(&text("name"), &text("email"))}),
            ("POST", "/notion/people/remove") => {
                self.remove_person(&text("id"));
                ok()
            }
            ("POST", "/notion/share") => {
                self.share(body["page"].as_str().unwrap_or(&text("database")), is("shared"));
                ok()
            }
            ("POST", "/notion/capability") => {
                let known = self.allow(&text("name"), is("allowed"));
                told(
                    known
                        .then_some(())
                        .ok_or_else(|| format!("There is no capability of that name. There are {CAPABILITIES:?}.")),
                )
            }
            ("POST", "/notion/hook") => {
                let events = body["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
                self.shared.lock().subscribed = events.map(str::to_owned).collect();
                let (token, status) = self.subscribe(&text("url")).await;
                json!({"token": token, "status": status})
            }
            ("POST", "/notion/rows") => match self.add_row_as(&text("data_source"), &body["properties"], &person()) {
                Ok(id) => json!({"ok": true, "id": id}),
                Err(error) => told(Err(error)),
            },
            ("POST", "/notion/edit") => told(self.edit_as(&text("row"), &body["properties"], &person())),
            ("POST", "/notion/trash") => {
                self.delete_block(&text("row"), is("in_trash"));
                ok()
            }
            ("POST", "/notion/delete") => {
                self.delete_forever(&text("row"));
                ok()
            }
            ("POST", "/notion/move") => {
                self.move_row(&text("row"), &text("data_source"));
                ok()
            }
            ("POST", "/notion/lock") => {
                self.lock(&text("row"), is("locked"));
                ok()
            }
            ("POST", "/notion/schema") => told(self.try_change_schema(&text("data_source"), &body["properties"])),
            ("POST", "/notion/option") => told(self.change_option(body)),
            ("POST", "/notion/compute") => told(self.compute(&text("row"), &text("property"), &body["value"])),
            ("POST", "/notion/template") => {
                let id = self.add_template(
                    &text("data_source"),
                    &text("name"),
                    is("is_default"),
                    &body["properties"],
                    &body["children"],
                );
                json!({"id": id})
            }
            ("POST", "/notion/blocks") => match self.add_blocks(&text("page"), &body["children"]) {
                Ok(ids) => json!({"ok": true, "ids": ids}),
                Err(error) => told(Err(error)),
            },
            ("POST", "/notion/comment") => json!({"id": self.comment(&text("on"), &text("text"), &person())}),
            ("POST", "/notion/comment/edit") => {
                self.edit_comment(&text("comment"), &text("text"));
                ok()
            }
            ("POST", "/notion/comment/delete") => {
                self.delete_comment(&text("comment"));
                ok()
            }
            ("POST", "/notion/comment/resolve") => {
                self.resolve(&text("comment"));
                ok()
            }
            ("POST", "/notion/delivery") => {
                let number = |name: &str| body[name].as_u64().unwrap_or_default();
                let (drop_every, double_every) = (number("drop_every"), number("double_every"));
                let disorder = self.delivery().disorder;
                self.deliver(NotionEventDelivery { drop_every, double_every, reversed: is("reversed"), disorder });
                ok()
            }
            ("POST", "/notion/switches") => {
                self.switch(body);
                ok()
            }
            ("POST", "/notion/expire") => {
                self.expire_all();
                ok()
            }
            _ => return None,
        })
    }

    fn change_option(&self, body: &Value) -> Result<(), String> {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let (source, property, option) = (text("data_source"), text("property"), text("option"));
        let known = |done: bool| {
            done.then_some(()).ok_or_else(|| format!("{property} has no option {option}, or no such group."))
        };
        if body["remove"] == true {
            return known(self.remove_option(source, property, option));
        }
        if body["group"].is_string() {
            known(self.group_option(source, property, option, text("group")))?;
        }
        match body["name"].as_str() {
            Some(name) => self.rename_option(source, property, option, name),
            None => Ok(()),
        }
    }

    /// Sets the switches that are named, and leaves the others.
    fn switch(&self, body: &Value) {
        let mut state = self.shared.lock();
        let switches = &mut state.switches;
        let flags = [("limited", &mut switches.limited), ("out_of_blocks", &mut switches.out_of_blocks)];
        for (name, flag) in flags {
            *flag = body[name].as_bool().unwrap_or(*flag);
        }
        let number = |name: &str| body[name].as_u64();
        let short = body["short_pages"].as_bool().map(u64::from);
        switches.short_every = number("short_every").or(short).unwrap_or(switches.short_every);
        if let Ok(which) = serde_json::from_value(body["conflicts"].clone()) {
            switches.conflicts = which;
        }
        switches.cap = number("cap").and_then(|cap| usize::try_from(cap).ok()).unwrap_or(switches.cap);
        switches.lag = number("lag_ms").map_or(switches.lag, Duration::from_millis);
        switches.latency = number("latency_ms").map_or(switches.latency, Duration::from_millis);
    }
}
