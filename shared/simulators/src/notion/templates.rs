//! Templates of data sources. The bot applies them a moment after the request, and nothing reports a failure.

use std::collections::btree_map::Entry;
use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::later;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::{ApiRequest, NotionResult, missing, page_size};
use super::text::{NotionRefusal, invalid, should};
use super::{BOT, NotionState, normal};

/// How long it takes until a template is applied.
const APPLIED_AFTER: Duration = Duration::from_secs(5);

/// A template, as a person makes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PageTemplate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_default: bool,
    /// As requests write them.
    pub(crate) properties: Map<String, Value>,
    pub(crate) children: Value,
}

/// A template that waits to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Applying {
    pub(crate) due: Timestamp,
    page: String,
    template: PageTemplate,
}

impl NotionState {
    pub(super) fn templates(&self, id: &str, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        let source = self.source(id).ok_or_else(|| missing("data source", id))?;
        if let Some(size) = call.asked("page_size") {
            page_size("query", size.parse().unwrap_or(-1))?;
        }
        let wanted = call.asked("name").unwrap_or_default().to_lowercase();
        let matching = source.templates.iter().filter(|template| template.name.to_lowercase().contains(&wanted));
        let shown = |template: &PageTemplate| json!({"id": template.id, "name": template.name, "is_default": template.is_default});
        let all: Vec<_> = matching.map(shown).collect();
        let list = self.listed(&all, "template", call)?;
        Ok(json!({"templates": list["results"], "has_more": list["has_more"], "next_cursor": list["next_cursor"]}))
    }

    /// The template that a request means; `None` if it means none.
    pub(super) fn wanted_template(&self, source: &str, body: &Value) -> Result<Option<PageTemplate>, NotionRefusal> {
        let Some(wanted) = body.get("template").filter(|wanted| !wanted.is_null()) else { return Ok(None) };
        let templates = self.sources.get(source).map(|source| source.templates.as_slice()).unwrap_or_default();
        let found = match wanted["type"].as_str() {
            Some("none") => return Ok(None),
            Some("default") => templates
                .iter()
                .find(|template| template.is_default)
                .ok_or_else(|| invalid("The data source has no default template.")),
            Some("template_id") => {
                let id = wanted["template_id"].as_str().map(normal).unwrap_or_default();
                templates.iter().find(|template| template.id == id).ok_or_else(|| {
                    should("template.template_id", "the id of a template of the data source", wanted.get("template_id"))
                })
            }
            _ => return Err(should("template.type", "`none`, `default` or `template_id`", wanted.get("type"))),
        };
        for name in ["children", "content", "markdown"] {
            if body.get(name).is_some() {
                return Err(should(name, "not present with a template", body.get(name)));
            }
        }
        found.map(|template| Some(template.clone()))
    }

    pub(super) fn apply_later(&mut self, page: &str, template: PageTemplate) {
        self.applying.push(Applying { due: later(self.now, APPLIED_AFTER), page: page.into(), template });
    }

    /// Applies the templates that are due.
    pub(super) fn apply_due(&mut self) {
        let now = self.now;
        let (due, rest): (Vec<_>, Vec<_>) = self.applying.drain(..).partition(|applying| applying.due <= now);
        self.applying = rest;
        for Applying { page, template, .. } in due {
            let Some(source) = self.pages.get(&page).map(|page| page.source.clone()) else { continue };
            // What the request wrote stays; the template fills in the rest.
            let values = self.checked(&source, &template.properties).unwrap_or_default();
            let added = self.add_blocks(&page, &template.children, BOT);
            let mut changed = Vec::new();
            if let Some(page) = self.pages.get_mut(&page) {
                page.children.extend(added.iter().cloned());
                for (id, value) in values {
                    if let Entry::Vacant(entry) = page.values.entry(id) {
                        changed.push(entry.key().clone());
                        entry.insert(value);
                    }
                }
            }
            self.touch(&page, BOT);
            self.revision += 1;
            if !changed.is_empty() {
                self.note_page("page.properties_updated", &page, BOT, &changed);
            }
            self.note_content(&page, BOT, &added);
        }
    }
}
