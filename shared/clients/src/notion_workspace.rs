//! A Notion workspace's API under its limiter.
//!
//! If the answer to a write was lost, the write is looked up here, so that it is not repeated: the caller gets its
//! result.

use std::sync::PoisonError;
use std::time::Duration;

use notion::client::{NotionList, NotionPerson};
use notion::{DataSource, Error, NotionPage};
use runtime::TenantId;
use runtime::clock::until;
use runtime::limiter::{Priority, RateBucket};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tenants::hooks::{ADDRESS_KEY, Address, Hooks};
use wire::ErrorClass;
use wire::time_limits::{MAX_CALL, SLOW_CALL};

use crate::account::ProviderAccount;
use crate::{Connections, Failure, HungReads, TokenSlot, grown};

/// The most rows of a query, and what it gives if none is named.
const MAX_PAGE_SIZE: usize = 100;
/// The time for a read of one page, which is usually answered within a second.
const USUAL_READ: Duration = Duration::from_secs(6);

/// Calls one workspace.
pub struct NotionClient {
    connections: Connections,
    tenant: TenantId,
    account: ProviderAccount,
    bucket: RateBucket,
    client: notion::Client,
    /// Whether its token is renewed.
    renews: bool,
}

impl NotionClient {
    pub(crate) fn new(
        connections: Connections,
        tenant: TenantId,
        account: ProviderAccount,
        bucket: RateBucket,
        client: notion::Client,
        renews: bool,
    ) -> Self {
        Self { connections, tenant, account, bucket, client, renews }
    }

    /// The same client with another priority in the limiter.
    #[must_use]
    pub fn in_lane(mut self, lane: Priority) -> Self {
        self.bucket.lane = lane;
        self
    }

    /// A page of the workspace's people.
    pub async fn people(&self, cursor: Option<&str>) -> Result<NotionList<NotionPerson>, Failure> {
        self.admit().await?;
        self.note(self.client.people(cursor).await).await
    }

    /// The data sources of a database: id and name.
    pub async fn database(&self, id: &str) -> Result<Vec<(String, String)>, Failure> {
        self.admit().await?;
        self.note(self.client.database(id).await).await
    }

    /// A data source with its schema.
    pub async fn data_source(&self, id: &str) -> Result<DataSource, Failure> {
        self.admit().await?;
        self.note(self.client.data_source(id).await).await
    }

    /// Adds or changes properties of a data source.
    pub async fn change_schema(&self, id: &str, properties: &Map<String, Value>) -> Result<DataSource, Failure> {
        self.admit().await?;
        match self.client.change_schema(id, properties).await {
            Err(Error::Saved { .. }) => self.data_source(id).await,
            answer => self.note(answer).await,
        }
    }

    /// A page of rows: fewer than `query` wants after one that Notion did not answer in time.
    pub async fn query(
        &self,
        data_source: &str,
        query: &Value,
        cursor: Option<&str>,
    ) -> Result<NotionList<NotionPage>, Failure> {
        self.admit().await?;
        let (sizes, account) = (&self.connections.request_sizes, &self.bucket.name);
        let (mut query, began) = (query.clone(), self.connections.clock.now());
        let wanted = query["page_size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(MAX_PAGE_SIZE);
        let size = sizes.next(account, wanted);
        query["page_size"] = size.into();
        let answer = self.client.query(data_source, &query, cursor).await;
        let took = until(began, self.connections.clock.now());
        match &answer {
            Ok(_) => sizes.answered(account, size, MAX_PAGE_SIZE, took),
            Err(Error::NoAnswer { .. }) => sizes.unanswered(account, size, took),
            Err(_) => {}
        }
        self.note(answer).await
    }

    /// A page; `None` if it was deleted for good, or is no longer shared: Notion does not say which.
    pub async fn page(&self, id: &str) -> Result<Option<NotionPage>, Failure> {
        match self.read_of(id, |client| async move { client.page(id).await }).await {
            Err(failure) if failure.code() == "object_not_found" => Ok(None),
            page => page.map(Some),
        }
    }

    /// Reads something of a page, in little time: a page whose reads hang holds up no others. The limit grows while it
    /// hangs, and counts as no outage of Notion while Notion answers others.
    async fn read_of<T, R>(&self, page: &str, read: impl FnOnce(notion::Client) -> R) -> Result<T, Failure>
    where
        R: Future<Output = Result<T, Error>>,
    {
        self.admit().await?;
        let now = self.connections.clock.now();
        let hung = self.with_hung(|known| known.next_try(&self.tenant, page.to_owned(), now));
        let limit = grown(USUAL_READ, hung.map_or(0, |hung| hung.times), MAX_CALL);
        let answer = read(self.client.clone().within(limit)).await;
        let (began, now) = (now, self.connections.clock.now());
        match &answer {
            Err(Error::NoAnswer { .. }) if until(began, now) >= SLOW_CALL => {
                self.with_hung(|known| known.hung(&self.tenant, page.to_owned(), now));
                if hung.is_some_and(|hung| hung.is_apart) {
                    return answer.map_err(|error| Failure::of_notion(&error, now));
                }
            }
            _ if hung.is_some() => self.with_hung(|known| known.recovered(&self.tenant, page.to_owned())),
            _ => {}
        }
        self.note(answer).await
    }

    fn with_hung<R>(&self, work: impl FnOnce(&mut HungReads<String>) -> R) -> R {
        work(&mut self.connections.hung_pages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All values of a relation.
    pub async fn related(&self, page: &str, property: &str) -> Result<Vec<String>, Failure> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let from = cursor.as_deref();
            let read = |client: notion::Client| async move { client.related(page, property, from).await };
            let list = self.read_of(page, read).await?;
            all.extend(list.items);
            cursor = list.cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// Creates a row.
    pub async fn create(
        &self,
        data_source: &str,
        properties: &Map<String, Value>,
        children: &[Value],
    ) -> Result<NotionPage, Failure> {
        self.admit().await?;
        match self.client.create(data_source, properties, children).await {
            Err(Error::Saved { resource: Some(id), call, children }) => {
                let saved = Error::Saved { call, resource: None, children };
                match self.page(&id).await? {
                    Some(page) => Ok(page),
                    None => self.note(Err(saved)).await,
                }
            }
            answer => self.note(answer).await,
        }
    }

    /// Changes properties of a page.
    pub async fn update(&self, page: &str, properties: &Map<String, Value>) -> Result<NotionPage, Failure> {
        self.admit().await?;
        let answer = self.client.update(page, properties).await;
        self.changed(page, answer).await
    }

    /// Moves a page to the trash or back.
    pub async fn trash(&self, page: &str, in_trash: bool) -> Result<NotionPage, Failure> {
        self.admit().await?;
        let answer = self.client.trash(page, in_trash).await;
        self.changed(page, answer).await
    }

    async fn changed(&self, page: &str, answer: Result<NotionPage, Error>) -> Result<NotionPage, Failure> {
        match answer {
            Err(error @ Error::Saved { .. }) => match self.page(page).await? {
                Some(page) => Ok(page),
                None => self.note(Err(error)).await,
            },
            answer => self.note(answer).await,
        }
    }

    /// Appends blocks; returns the ids of those of the first level.
    pub async fn append(&self, block: &str, children: &[Value]) -> Result<Vec<String>, Failure> {
        self.admit().await?;
        match self.client.append(block, children).await {
            Err(Error::Saved { children: made, .. }) if made.len() == children.len() => Ok(made),
            answer => self.note(answer).await,
        }
    }

    /// All blocks of a page or block: id and type.
    pub async fn children(&self, block: &str) -> Result<Vec<(String, String)>, Failure> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let from = cursor.as_deref();
            let list = self.read_of(block, |client| async move { client.children(block, from).await }).await?;
            all.extend(list.items);
            cursor = list.cursor;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    async fn admit(&self) -> Result<(), Failure> {
        let (paused, used_up) = ("Notion asked for a pause", "Notion's requests of this minute are used up");
        self.account.admit(&self.connections, &[&self.bucket], paused, used_up).await
    }

    async fn note<T>(&self, answer: Result<T, Error>) -> Result<T, Failure> {
        let error = match answer {
            Ok(answer) => {
                let now = self.connections.clock.now();
                self.with_hung(|known| known.answered(&self.tenant, now));
                self.account.answered(&self.connections).await;
                return Ok(answer);
            }
            Err(error) => error,
        };
        let failure = Failure::of_notion(&error, self.connections.clock.now());
        // Notion has done nothing; the next try finds the new token.
        if self.renews && failure.class == ErrorClass::Reauthorise {
            match self.connections.token_after(&self.tenant, TokenSlot::Notion, self.client.token()).await {
                Ok(_) => return Err(Failure::transient("Notion: the token was renewed; the call is made again")),
                Err(cannot) if cannot.class == ErrorClass::Reauthorise => {}
                Err(other) => return Err(other),
            }
        }
        // Two writes at once to one page do not mean that Notion is down.
        if error.code() == Some("conflict_error") {
            self.account.answered(&self.connections).await;
            return Err(failure);
        }
        Err(self.account.failed(&self.connections, &self.bucket, failure).await)
    }
}

/// The address at which a workspace's webhooks arrive.
impl Connections {
    /// The address's key and its hook's place; `None` if there is no address. One that an earlier version stored in
    /// plain text is sealed and moved here.
    pub async fn notion_address(
        &self,
        tenant: &TenantId,
    ) -> Result<Option<(SecretString, runtime::store::ItemKey)>, Failure> {
        let hooks = Hooks::new(self.store.clone());
        match hooks.address(tenant).await? {
            None => Ok(None),
            Some(Address::Plain(key)) => self.set_notion_address(tenant, key.into(), true).await.map(Some),
            Some(address @ Address::Sealed { .. }) => {
                let place = address.place();
                let Address::Sealed { key, .. } = &address else { return Ok(None) };
                Ok(Some((self.open_for(tenant, ADDRESS_KEY, key).await?, place)))
            }
        }
    }

    /// Opens the window in which a subscription's token is accepted; makes an address if there is none, and another one if
    /// `replace`: the old one ends. Returns the address's key.
    pub async fn open_notion_window(&self, tenant: &TenantId, replace: bool) -> Result<SecretString, Failure> {
        let portal = self.portals.fresh(tenant).await?;
        let notion = portal.and_then(|portal| portal.notion.clone()).ok_or_else(crate::no_notion)?;
        let known = self.notion_address(tenant).await?.filter(|_| !replace);
        let (key, place) = match known {
            Some(known) => known,
            None => {
                let fresh = SecretString::from(runtime::random::hex());
                self.set_notion_address(tenant, fresh, false).await?
            }
        };
        Hooks::new(self.store.clone()).open(&place, &notion.workspace_id, self.clock.now()).await?;
        Ok(key)
    }

    async fn set_notion_address(
        &self,
        tenant: &TenantId,
        key: SecretString,
        carry: bool,
    ) -> Result<(SecretString, runtime::store::ItemKey), Failure> {
        let sealed = self.seal(tenant, ADDRESS_KEY, &key).await?;
        let address = Address::new(key.expose_secret(), sealed);
        Hooks::new(self.store.clone()).set_address(tenant, &address, carry).await?;
        Ok((key, address.place()))
    }
}
