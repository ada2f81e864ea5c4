//! What converting a record's values needs: names, people, the pages of related records.

use std::collections::HashMap;

use clients::Failure;
use notion::Page;
use records::{Change, Record, State};
use serde_json::Value;

use crate::NotionSync;
use crate::database::Opened;
use crate::fields::page::Context;
use crate::fields::portal;
use crate::fields::portal::PortalKind;
use crate::fields::{Cell, Field};
use crate::link::Owner;

impl NotionSync {
    /// Learns the names that many records mention at once.
    pub async fn learn_names(&self, opened: &Opened, records: &[(Record, State)]) {
        let changes: Vec<_> = records.iter().map(|(record, state)| Change::whole(*record, state.clone())).collect();
        self.names.learn_all(opened.tenant(), &changes).await;
    }

    /// What converting the values of `state` and of `page` needs. `related` are the ids of relations that the page does
    /// not show in full, by property.
    pub async fn context(
        &self,
        opened: &Opened,
        record: Record,
        state: Option<&State>,
        page: Option<&Page>,
    ) -> Result<Context, Failure> {
        let tenant = opened.tenant();
        let names = match state {
            Some(state) => (*self.names.of(tenant, &Change::whole(record, state.clone())).await).clone(),
            None => records::Names::default(),
        };
        let raw = state.map(portal::raw).unwrap_or_default();
        let (mut users, mut ids) = (Vec::new(), Vec::new());
        let (mut pages, mut records) = (HashMap::new(), HashMap::new());
        for field in &opened.fields {
            let cell = portal::read(&field.portal, record, &raw);
            let value = page.and_then(|page| page.property(&field.property.id));
            if let Cell::Users(some) = &cell {
                users.extend(some.iter().copied());
            }
            let listed = |value: &Value, name: &str| -> Vec<String> {
                let list = value[name].as_array().into_iter().flatten();
                list.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
            };
            if let Some(value) = value {
                ids.extend(listed(value, "people"));
            }
            if field.property.kind == "relation" {
                self.relate(opened, field, &cell, &mut pages).await?;
                for id in value.map(|value| listed(value, "relation")).unwrap_or_default() {
                    if let Some(Owner { record, .. }) = self.links.owner(tenant, &id).await? {
                        records.insert(id, record.id());
                    }
                }
            }
        }
        let has_people = opened.fields.iter().any(|field| field.property.kind == "people");
        let people = if has_people {
            let (notion, portal) = (&opened.notion, &opened.bitrix24);
            self.people(tenant, &opened.settings, notion, portal, &users, &ids).await?
        } else {
            std::sync::Arc::default()
        };
        let category = state.and_then(State::as_item).and_then(|item| item.category_id).unwrap_or_default();
        Ok(Context {
            to_notion: people.to_notion.clone().into_iter().collect(),
            to_portal: people.to_portal(),
            names,
            pages,
            records,
            zone: opened.settings.zone(),
            category,
            raw,
        })
    }

    /// Finds the pages that a relation has to point to.
    async fn relate(
        &self,
        opened: &Opened,
        field: &Field,
        cell: &Cell,
        pages: &mut HashMap<(String, u64), String>,
    ) -> Result<(), Failure> {
        let (Cell::Records(ids), Some(source)) = (cell, &field.property.relates_to) else { return Ok(()) };
        let Some(database) = self.database_of(opened, source).await? else { return Ok(()) };
        for id in ids {
            let record = database.records.kind().record(*id);
            let link = self.links.get(opened.tenant(), &database.name, record).await?;
            if let Some(page) = link.and_then(|(link, _)| link.page) {
                pages.insert((source.clone(), *id), page);
            }
        }
        Ok(())
    }

    /// The database of the settings whose data source this is.
    async fn database_of(
        &self,
        opened: &Opened,
        source: &str,
    ) -> Result<Option<settings::databases::Database>, Failure> {
        for database in &opened.settings.notion.databases {
            let known = self.stored(opened.tenant(), &database.name).await?;
            let own = known.and_then(|known| known.source).map(|source| source.id);
            if own.is_some_and(|own| notion::id::same(&own, source)) {
                return Ok(Some(database.clone()));
            }
        }
        Ok(None)
    }

    /// The records that need a page before this one can point to them: those in relations whose database is synced and
    /// that have no page yet.
    pub async fn awaited(
        &self,
        opened: &Opened,
        record: Record,
        state: &State,
    ) -> Result<Vec<(String, Record)>, Failure> {
        let raw = portal::raw(state);
        let mut awaited = Vec::new();
        for field in opened.fields.iter().filter(|field| field.property.kind == "relation") {
            let Cell::Records(ids) = portal::read(&field.portal, record, &raw) else { continue };
            let Some(source) = &field.property.relates_to else { continue };
            let Some(database) = self.database_of(opened, source).await? else { continue };
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
