//! A database of the settings, ready for use: found, its schema compared with the settings, its mappings resolved.
//!
//! A database that cannot be used is closed: its jobs end at once with the reason instead of being retried. It is
//! checked now and then; when it opens again, missed work is made up for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clients::{Failure, NotionClient, PortalClient};
use jiff::{SignedDuration, Timestamp};
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use notion::{DataSource, Property};
use records::RecordKind;
use runtime::TenantId;
use runtime::clock::{is_ahead, is_recent, later};
use runtime::limiter::Priority;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use settings::Settings;
use settings::databases::{DatabaseSettings, Plan};
use tenants::portals::Portal;

use crate::NotionSync;
use crate::fields::mapping;
use crate::fields::mapping::{MappingTrouble, resolve};
use crate::fields::{MappedField, PortalField};
use crate::link::Owner;
use crate::lookup::{closed, find, portal_fields};

/// How long a schema is cached.
const SCHEMA_TTL: Duration = Duration::from_secs(10 * 60);
/// How long a resolved mapping is kept in memory.
const REMEMBERED: Duration = Duration::from_secs(30);
/// How often a closed database is checked.
pub const LOOK_AGAIN: Duration = Duration::from_secs(2 * 60);
/// Missed edits may have begun a little before the trouble was noticed.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// Lasting trouble is reported again after this.
const TELL_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownDatabase {
    /// What the settings named when this was read.
    pub asked: String,
    /// Its data source with the schema.
    #[serde(default)]
    pub source: Option<DataSource>,
    #[serde(default)]
    pub portal: Vec<PortalField>,
    /// The properties, as they were when they were first used.
    #[serde(default)]
    pub properties: BTreeMap<String, mapping::KnownProperty>,
    /// The mappings that pause.
    #[serde(default)]
    pub troubles: Vec<MappingTrouble>,
    /// Differences from the settings that do no harm.
    #[serde(default)]
    pub notices: Vec<MappingTrouble>,
    /// Why it cannot be used.
    #[serde(default)]
    pub closed: Option<Closed>,
    pub checked_at: Timestamp,
    /// Since when edits may have been missed, because it, or one of its mappings, could not be used.
    #[serde(default)]
    pub missed_since: Option<Timestamp>,
}

/// Why a database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The code, for grouping: `database_not_shared`.
    pub code: String,
    /// What to do.
    pub text: Localized,
    pub since: Timestamp,
}

/// A database, ready to be used.
pub struct OpenedDatabase {
    /// The tenant's portal.
    pub portal: Arc<Portal>,
    pub settings: Arc<Settings>,
    /// What the settings say of it.
    pub database: DatabaseSettings,
    pub source: DataSource,
    /// The mappings that work.
    pub fields: Vec<MappedField>,
    /// The databases of the settings that were found, this one among them, with the ids of their data sources.
    pub found: Vec<(DatabaseSettings, String)>,
    /// The number's property.
    pub id: Property,
    pub note: Option<Property>,
    /// A client of the workspace.
    pub notion: NotionClient,
    pub bitrix24: PortalClient,
}

impl OpenedDatabase {
    /// The owner of a page, if its database is still in the settings: a renamed database no longer owns anything.
    pub fn known_owner(&self, owner: Option<Owner>) -> Option<Owner> {
        owner.filter(|owner| self.settings.notion.named(&owner.database).is_some())
    }

    pub fn kind(&self) -> RecordKind {
        self.database.records.kind()
    }

    pub fn tenant(&self) -> &TenantId {
        &self.portal.tenant
    }

    /// The database of the settings whose data source this is.
    pub fn database_of(&self, source: &str) -> Option<&DatabaseSettings> {
        self.found.iter().find(|(_, own)| notion::id::same(own, source)).map(|(database, _)| database)
    }

    /// The mapping of a field.
    pub fn field(&self, key: &str) -> Option<&MappedField> {
        self.fields.iter().find(|field| field.key() == key)
    }
}

/// The result of opening a database.
pub enum Open {
    /// It can be used.
    Ready(Box<OpenedDatabase>),
    /// It cannot, and why.
    Closed(Closed),
}

impl NotionSync {
    /// The tenant's settings.
    pub fn settings(portal: &Portal) -> Result<Arc<Settings>, Failure> {
        Ok(portal.settings_as()?)
    }

    /// A client of the tenant's Notion workspace, as its plan allows.
    pub async fn notion(&self, portal: &Portal, settings: &Settings) -> Result<NotionClient, Failure> {
        let a_minute = match settings.notion.plan {
            Plan::Plus => 180,
            Plan::Business => 600,
        };
        Ok(self.connections.notion(portal, a_minute).await?.in_lane(Priority::Sync))
    }

    /// Opens a database.
    pub async fn open(&self, tenant: &TenantId, name: &str) -> Result<Open, Failure> {
        let portal = self.connections.portal(tenant).await?;
        let settings = Self::settings(&portal)?;
        let Some(database) = settings.notion.named(name).cloned() else {
            return Ok(Open::Closed(Closed {
                code: "no_such_database".into(),
                text: Localized::of(|_| texts::sync::NoSuchDatabase { database: name }),
                since: self.backend.clock.now(),
            }));
        };
        let known = self.known(&portal, &settings, &database).await?;
        if let Some(closed) = &known.closed {
            return Ok(Open::Closed(closed.clone()));
        }
        let unusable = || Failure::transient("the database was not read to its end");
        let source = known.source.clone().ok_or_else(unusable)?;
        let found = self.found(&portal, &settings, None).await?;
        let resolved = resolve(&database, &known.portal, &source, &known.properties, &targets(&found));
        let id = resolved.id.ok_or_else(unusable)?;
        Ok(Open::Ready(Box::new(OpenedDatabase {
            notion: self.notion(&portal, &settings).await?,
            bitrix24: self.connections.bitrix24(&portal).await?.in_lane(Priority::Sync),
            portal,
            settings,
            database,
            source,
            fields: resolved.fields,
            found,
            id,
            note: resolved.note,
        })))
    }

    /// What is known of a database, as it is stored; nothing if it was never checked.
    pub async fn stored(&self, tenant: &TenantId, name: &str) -> Result<Option<KnownDatabase>, Failure> {
        Ok(self.backend.store.get(&key(tenant, name)).await?.map(|item| item.decode()).transpose()?)
    }

    /// What is known of a database; checked again if that is old.
    async fn known(
        &self,
        portal: &Arc<Portal>,
        settings: &Settings,
        database: &DatabaseSettings,
    ) -> Result<Arc<KnownDatabase>, Failure> {
        let (tenant, now) = (&portal.tenant, self.backend.clock.now());
        let place = (tenant.clone(), database.name.clone());
        if let Some((known, until)) = self.lock().get(&place)
            && is_ahead(now, *until, REMEMBERED)
            && known.asked == database.database
        {
            return Ok(known.clone());
        }
        let stored = self.stored(tenant, &database.name).await?.filter(|known| known.asked == database.database);
        let is_old = stored.as_ref().is_none_or(|known| {
            !is_recent(now, known.checked_at, if known.closed.is_some() { LOOK_AGAIN } else { SCHEMA_TTL })
        });
        let known = match stored {
            Some(known) if !is_old => known,
            // If Notion is down, work continues with what is known well enough.
            stored => match self.check_schema(portal, settings, database, stored.clone()).await {
                Err(failure) => stored.filter(|known| known.closed.is_none()).ok_or(failure)?,
                known => known?,
            },
        };
        let known = Arc::new(known);
        self.lock().insert(place, (known.clone(), later(now, REMEMBERED)));
        Ok(known)
    }

    /// Checks a database now.
    pub async fn validate_schema(&self, tenant: &TenantId, name: &str) -> Result<Option<KnownDatabase>, Failure> {
        let portal = self.connections.portal(tenant).await?;
        let settings = Self::settings(&portal)?;
        let Some(database) = settings.notion.named(name) else { return Ok(None) };
        let stored = self.stored(tenant, name).await?.filter(|known| known.asked == database.database);
        self.check_schema(&portal, &settings, database, stored).await.map(Some)
    }

    /// Clears the note of missed edits: they are being made up for.
    pub async fn made_up(&self, tenant: &TenantId, name: &str) -> Result<(), Failure> {
        let Some(item) = self.backend.store.get(&key(tenant, name)).await? else { return Ok(()) };
        let known = KnownDatabase { missed_since: None, ..item.decode()? };
        self.backend.store.put(StoreWrite::new(item.key, &known, WriteCondition::Version(item.version))?).await?;
        self.lock().remove(&(tenant.clone(), name.to_owned()));
        Ok(())
    }

    async fn check_schema(
        &self,
        portal: &Arc<Portal>,
        settings: &Settings,
        database: &DatabaseSettings,
        stored: Option<KnownDatabase>,
    ) -> Result<KnownDatabase, Failure> {
        let (tenant, now) = (&portal.tenant, self.backend.clock.now());
        let notion = self.notion(portal, settings).await;
        let found = match notion {
            Ok(notion) => {
                let source = stored.as_ref().and_then(|known| known.source.as_ref());
                let source = find(&notion, portal, database, source).await?;
                source.map(|source| (notion, source))
            }
            Err(failure) if failure.code() == "notion_not_connected" => {
                Err(closed("notion_not_connected", Localized::data(failure.text)))
            }
            Err(failure) => return Err(failure),
        };
        let before = stored.clone().unwrap_or_else(|| KnownDatabase::new(&database.database, now));
        let mut known = match found {
            Err((code, text)) => {
                let since =
                    before.closed.as_ref().filter(|closed| closed.code == code).map_or(now, |closed| closed.since);
                let closed = Some(Closed { code, text, since });
                KnownDatabase {
                    closed,
                    checked_at: now,
                    missed_since: before.missed_since.or(Some(now - MARGIN)),
                    ..before.clone()
                }
            }
            Ok((notion, source)) => self.hold(portal, settings, database, &notion, source, &before).await?,
        };
        // A mapping that works again has edits to make up for.
        let paused =
            |known: &KnownDatabase| known.troubles.iter().map(|trouble| trouble.field.clone()).collect::<Vec<_>>();
        if known.closed.is_none() {
            let again = paused(&before).iter().any(|field| !paused(&known).contains(field));
            known.missed_since = before.missed_since.or(again.then_some(now));
        }
        self.notify(portal, database, &before, &known).await?;
        self.backend.store.put(StoreWrite::new(key(tenant, &database.name), &known, WriteCondition::Always)?).await?;
        self.lock().remove(&(tenant.clone(), database.name.clone()));
        Ok(known)
    }

    /// Compares the settings with both schemas, and creates what is missing.
    async fn hold(
        &self,
        portal: &Arc<Portal>,
        settings: &Settings,
        database: &DatabaseSettings,
        notion: &NotionClient,
        mut source: DataSource,
        before: &KnownDatabase,
    ) -> Result<KnownDatabase, Failure> {
        let client = self.connections.bitrix24(portal).await?.in_lane(Priority::Sync);
        let fields = portal_fields(&client, database.records.kind()).await?;
        let targets = targets(&self.found(portal, settings, Some(notion)).await?);
        let mut resolved = resolve(database, &fields, &source, &before.properties, &targets);
        if !resolved.missing.is_empty() {
            tracing::info!(tenant = %portal.tenant, database = database.name, properties = ?resolved.missing.keys().collect::<Vec<_>>(), "properties are made");
            source = notion.change_schema(&source.id, &resolved.missing).await?;
            resolved = resolve(database, &fields, &source, &before.properties, &targets);
        }
        let mut properties = before.properties.clone();
        properties.extend(resolved.known);
        properties.retain(|field, _| database.mappings().iter().any(|mapping| mapping.field == *field));
        let closed = resolved.id.is_none().then(|| Closed {
            code: "no_id_property".into(),
            text: Localized::of(|_| texts::sync::NeedsNumberProperty {
                database: database.name.as_str(),
                property: mapping::ID_PROPERTY,
            }),
            since: self.backend.clock.now(),
        });
        Ok(KnownDatabase {
            asked: database.database.clone(),
            source: Some(source),
            portal: fields,
            properties,
            troubles: resolved.troubles,
            notices: resolved.notices,
            closed,
            checked_at: self.backend.clock.now(),
            missed_since: before.missed_since,
        })
    }

    /// The databases of the settings with the ids of their data sources. One that was never checked is looked up with
    /// `notion`, unless another of its kind was found.
    async fn found(
        &self,
        portal: &Arc<Portal>,
        settings: &Settings,
        notion: Option<&NotionClient>,
    ) -> Result<Vec<(DatabaseSettings, String)>, Failure> {
        let mut found: Vec<(DatabaseSettings, String)> = Vec::new();
        for database in &settings.notion.databases {
            let known = self.stored(&portal.tenant, &database.name).await?;
            let known = known.filter(|known| known.asked == database.database).and_then(|known| known.source);
            let is_first = found.iter().all(|(other, _)| other.records.kind() != database.records.kind());
            let source = match (known, notion.filter(|_| is_first)) {
                (None, Some(notion)) => find(notion, portal, database, None).await?.ok(),
                (known, _) => known,
            };
            found.extend(source.map(|source| (database.clone(), source.id)));
        }
        Ok(found)
    }

    /// Alerts the operators to new trouble: once for each.
    async fn notify(
        &self,
        portal: &Portal,
        database: &DatabaseSettings,
        before: &KnownDatabase,
        now: &KnownDatabase,
    ) -> Result<(), Failure> {
        let what = format!("database {}", database.name);
        let raise = |kind: &'static str, once: String, head: Localized, lines: Vec<Localized>| {
            let what = what.clone();
            async move {
                let alert = Alert { kind, what: &what, once: &once, again_after: TELL_AGAIN, head, lines };
                alert::raise(&self.backend, portal, &alert).await
            }
        };
        if let Some(closed) = &now.closed
            && before.closed.as_ref().map(|closed| &closed.code) != Some(&closed.code)
        {
            let head = Localized::of(|_| texts::alerts::DatabaseClosed { database: &database.name });
            raise(
                "database_closed",
                format!("{}#{}#{}", database.name, closed.code, closed.since),
                head,
                vec![closed.text.clone()],
            )
            .await?;
        }
        for (kind, list, known) in
            [("mapping_paused", &now.troubles, &before.troubles), ("property_renamed", &now.notices, &before.notices)]
        {
            for trouble in list.iter().filter(|trouble| !known.iter().any(|known| known.field == trouble.field)) {
                let (field, database_name) = (&trouble.field, &database.name);
                let head = if kind == "mapping_paused" {
                    Localized::of(|_| texts::alerts::MappingPaused { field, database: database_name })
                } else {
                    Localized::of(|_| texts::alerts::MappingRenamed { field, database: database_name })
                };
                let once = format!("{}#{}#{}", database.name, trouble.field, now.checked_at);
                raise(kind, once, head, vec![trouble.text.clone()]).await?;
            }
        }
        Ok(())
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<(TenantId, String), (Arc<KnownDatabase>, Timestamp)>> {
        self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl KnownDatabase {
    fn new(asked: &str, now: Timestamp) -> Self {
        Self {
            asked: asked.to_owned(),
            source: None,
            portal: Vec::new(),
            properties: BTreeMap::new(),
            troubles: Vec::new(),
            notices: Vec::new(),
            closed: None,
            checked_at: now,
            missed_since: None,
        }
    }
}

/// The data sources that relations can point to. Of several databases of a kind the first counts.
fn targets(found: &[(DatabaseSettings, String)]) -> BTreeMap<RecordKind, String> {
    let mut targets = BTreeMap::new();
    for (database, source) in found {
        targets.entry(database.records.kind()).or_insert_with(|| source.clone());
    }
    targets
}

fn key(tenant: &TenantId, name: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#database"), name)
}
