//! What converting a record's values needs: names, people, the pages of related records.

use std::collections::HashMap;

use clients::Failure;
use notion::NotionPage;
use records::{Change, Record, RecordState};
use serde_json::Value;

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::page::Context;
use crate::fields::portal;
use crate::fields::{Cell, MappedField, PortalKind};
use crate::link::Owner;

impl NotionSync {
    /// Learns the names that many records mention in one go.
    pub async fn learn_names(&self, opened: &OpenedDatabase, records: &[(Record, RecordState)]) {
        let changes: Vec<_> = records.iter().map(|(record, state)| Change::whole(*record, state.clone())).collect();
        self.names.learn_all(opened.tenant(), &changes).await;
    }

    /// What converting the values of `state` and of `page` needs.
    pub async fn context(
        &self,
        opened: &OpenedDatabase,
        record: Record,
        state: Option<&RecordState>,
        page: Option<&NotionPage>,
    ) -> Result<Context, Failure> {
        self.extend(None, opened, record, state, page).await
    }

    /// The same from what is `known` already: only what is new in `state` and `page` is looked up.
    pub(crate) async fn extend(
        &self,
        known: Option<Context>,
        opened: &OpenedDatabase,
        record: Record,
        state: Option<&RecordState>,
        page: Option<&NotionPage>,
    ) -> Result<Context, Failure> {
        let mut context = known.unwrap_or_else(|| Context::new(opened.settings.zone()));
        if let Some(state) = state {
            let raw = portal::raw(state);
            if raw != context.raw {
                context.names = (*self.names.of(opened.tenant(), &Change::whole(record, state.clone())).await).clone();
                context.category = state.as_item().and_then(|item| item.category_id).unwrap_or_default();
                context.raw = raw;
            }
        }
        let (mut users, mut ids) = (Vec::new(), Vec::new());
        for field in &opened.fields {
            let cell = portal::read(&field.portal, record, &context.raw);
            let value = page.and_then(|page| page.property(&field.property.id));
            if let Cell::Users(some) = &cell {
                users.extend(some.iter().copied());
            }
            if let Some(value) = value {
                ids.extend(listed(value, "people"));
            }
            if field.property.kind == "relation" {
                self.relate(opened, field, &cell, &mut context.pages).await?;
                let related = value.map(|value| listed(value, "relation")).unwrap_or_default();
                self.find_owners(opened, related, &mut context.records).await?;
            }
        }
        let is_known = users.iter().all(|user| context.to_notion.contains_key(user))
            && ids.iter().all(|id| context.to_portal.contains_key(id));
        let has_people = opened.fields.iter().any(|field| field.property.kind == "people");
        if has_people && (context.to_notion.is_empty() || !is_known) {
            let (notion, portal) = (&opened.notion, &opened.bitrix24);
            let people = self.people(opened.tenant(), &opened.settings, notion, portal, &users, &ids).await?;
            context.to_notion = people.to_notion.clone().into_iter().collect();
            context.to_portal = people.to_portal();
        }
        Ok(context)
    }

    /// Finds the records whose pages a relation points to.
    async fn find_owners(
        &self,
        opened: &OpenedDatabase,
        pages: Vec<String>,
        records: &mut HashMap<String, u64>,
    ) -> Result<(), Failure> {
        for page in pages {
            if records.contains_key(&page) {
                continue;
            }
            if let Some(Owner { record, .. }) = self.links.owner(opened.tenant(), &page).await? {
                records.insert(page, record.id());
            }
        }
        Ok(())
    }

    /// Finds the pages that a relation has to point to.
    async fn relate(
        &self,
        opened: &OpenedDatabase,
        field: &MappedField,
        cell: &Cell,
        pages: &mut HashMap<(String, u64), String>,
    ) -> Result<(), Failure> {
        let (Cell::Records(ids), Some(source)) = (cell, &field.property.relates_to) else { return Ok(()) };
        let Some(database) = opened.database_of(source) else { return Ok(()) };
        for id in ids {
            if pages.contains_key(&(source.clone(), *id)) {
                continue;
            }
            let record = database.records.kind().record(*id);
            let link = self.links.get(opened.tenant(), &database.name, record).await?;
            if let Some(page) = link.and_then(|(link, _)| link.page) {
                pages.insert((source.clone(), *id), page);
            }
        }
        Ok(())
    }

    /// The records that need a page before this one can point to them: those in relations to synced databases that have
    /// no page yet.
    pub async fn awaited(
        &self,
        opened: &OpenedDatabase,
        record: Record,
        state: &RecordState,
    ) -> Result<Vec<(String, Record)>, Failure> {
        let raw = portal::raw(state);
        let mut awaited = Vec::new();
        for field in opened.fields.iter().filter(|field| field.property.kind == "relation") {
            let Cell::Records(ids) = portal::read(&field.portal, record, &raw) else { continue };
            let Some(source) = &field.property.relates_to else { continue };
            let Some(database) = opened.database_of(source) else { continue };
            let is_itself = field.portal.kind == PortalKind::Itself;
            if database.name == opened.database.name || (is_itself && database.records.kind() != record.kind()) {
                continue;
            }
            for id in ids {
                let other = database.records.kind().record(id);
                let link = self.links.get(opened.tenant(), &database.name, other).await?;
                if link.is_none_or(|(link, _)| link.page.is_none()) {
                    awaited.push((database.name.clone(), other));
                }
            }
        }
        Ok(awaited)
    }
}

/// The ids in a value of Notion that is a list.
fn listed(value: &Value, name: &str) -> Vec<String> {
    let list = value[name].as_array().into_iter().flatten();
    list.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}
