//! Pages of records of a kind: 50 a page, up to 50 pages a request.
//!
//! CRM items and tasks are listed by different methods with different names; this hides the difference.

use bitrix24::client::shaped;
use bitrix24::crm;
use bitrix24::{Batch, CallAnswer, CrmItem, Task, task};
use clients::{Failure, PortalClient};
use jiff::Timestamp;
use records::{Record, RecordKind, RecordState};
use serde_json::{Value, json};

/// Records on a page of any list.
pub const PAGE: usize = 50;

/// Some pages of a list.
#[derive(Debug)]
pub struct ListedPages {
    /// Their records, by rising id.
    pub records: Vec<(Record, RecordState)>,
    /// When the read began, by the portal's clock.
    pub started_at: Option<Timestamp>,
    /// Whether nothing follows.
    pub is_last: bool,
}

/// How a kind of record is listed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// What is listed.
    pub kind: RecordKind,
    /// The custom fields to read with them.
    pub custom_fields: Vec<String>,
}

impl Listing {
    pub fn method(&self) -> &'static str {
        match self.kind {
            RecordKind::Items(_) => "crm.item.list",
            RecordKind::Tasks => "tasks.task.list",
        }
    }

    /// Where the list is in the result.
    fn place(&self) -> &'static str {
        match self.kind {
            RecordKind::Items(_) => "items",
            RecordKind::Tasks => "tasks",
        }
    }

    /// The parameters of one page in the order of ids; `start` -1 means no counting, which is much faster for the
    /// portal.
    pub fn page(&self, filter: &Value, start: i64) -> Value {
        match self.kind {
            RecordKind::Items(entity) => {
                let mut page =
                    json!({"entityTypeId": entity, "filter": filter, "order": {"id": "ASC"}, "start": start});
                if let Some(select) = crm::select(entity, &self.custom_fields) {
                    page["select"] = json!(select);
                }
                page
            }
            RecordKind::Tasks => {
                let select = task::select(&self.custom_fields);
                json!({"filter": filter, "order": {"ID": "ASC"}, "select": select, "start": start})
            }
        }
    }

    /// The filter for these ids.
    pub fn by_ids(&self, ids: &[u64]) -> Value {
        match self.kind {
            RecordKind::Items(_) => json!({"@id": ids}),
            RecordKind::Tasks => json!({"ID": ids}),
        }
    }

    /// The filter for what changed since a moment.
    pub fn changed_since(&self, since: Timestamp) -> Value {
        let since = since.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        match self.kind {
            RecordKind::Items(_) => json!({">=updatedTime": since}),
            RecordKind::Tasks => json!({">=CHANGED_DATE": since}),
        }
    }

    /// The parameters of the page that follows the id `after`.
    pub fn page_after(&self, filter: &Value, after: u64) -> Value {
        let mut filter = filter.clone();
        filter[self.after_id()] = json!(after);
        self.page(&filter, -1)
    }

    /// The field of a filter that has to be greater than this id.
    fn after_id(&self) -> &'static str {
        match self.kind {
            RecordKind::Items(_) => ">id",
            RecordKind::Tasks => ">ID",
        }
    }

    /// One record's state from a part of the result.
    pub fn state(&self, value: Value) -> Result<(Record, RecordState), serde_json::Error> {
        Ok(match self.kind {
            RecordKind::Items(entity) => {
                let item: CrmItem = serde_json::from_value(value)?;
                (Record::item(entity, item.id), RecordState::from(item))
            }
            RecordKind::Tasks => {
                let task = Task::read(value)?;
                (Record::Task(task.id), RecordState::from(task))
            }
        })
    }

    /// The records of a page; a row without an id is left out.
    pub fn states(&self, client: &PortalClient, result: &mut Value) -> Result<Vec<(Record, RecordState)>, Failure> {
        let rows: Vec<Value> = match result[self.place()].take() {
            // An empty list may be written as null.
            Value::Null => Vec::new(),
            rows => shaped(self.method(), rows).map_err(|error| client.failure(&error))?,
        };
        let state = |row| self.state(row).map_err(|error| self.misshapen(client, &error));
        rows.into_iter().map(state).collect()
    }

    /// The method that reads one record, and its parameters.
    pub fn one(&self, id: u64) -> (&'static str, Value) {
        match self.kind {
            RecordKind::Items(entity) => ("crm.item.get", json!({"entityTypeId": entity, "id": id})),
            RecordKind::Tasks => ("tasks.task.get", json!({"taskId": id, "select": task::select(&self.custom_fields)})),
        }
    }

    /// The record from the answer to [`Listing::one`]; `None` if the portal returns an empty one: a task that is
    /// missing or hidden.
    pub fn state_of_one(&self, client: &PortalClient, mut result: Value) -> Result<Option<RecordState>, Failure> {
        let part = match self.kind {
            RecordKind::Items(_) => "item",
            RecordKind::Tasks => "task",
        };
        match result.get_mut(part).map(Value::take) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match self.state(value) {
                Ok((_, state)) => Ok(Some(state)),
                Err(error) => Err(self.misshapen(client, &error)),
            },
        }
    }

    fn misshapen(&self, client: &PortalClient, error: &serde_json::Error) -> Failure {
        client.failure(&bitrix24::Error::Shape { method: self.method().into(), cause: error.to_string() })
    }

    /// The first page of the filter, with the total count.
    pub async fn first(
        &self,
        client: &PortalClient,
        filter: &Value,
    ) -> Result<(Vec<(Record, RecordState)>, CallAnswer), Failure> {
        let mut answer = client.call(self.method(), &self.page(filter, 0)).await?;
        let states = self.states(client, &mut answer.result)?;
        Ok((states, answer))
    }

    /// The records after the id `after` that pass `filter`: up to `count` pages in one request, by rising id, and fewer after
    /// a request that the portal did not answer in time. Each page starts where the one before it ended, so that nothing is
    /// missed while rows appear and disappear.
    pub async fn after(
        &self,
        client: &PortalClient,
        filter: &Value,
        after: u64,
        count: usize,
    ) -> Result<ListedPages, Failure> {
        let count = client.at_once(count);
        let mut batch = Batch::new().halting();
        for place in 0..count {
            let mut filter = filter.clone();
            filter[self.after_id()] = match place {
                0 => json!(after),
                place => json!(format!("$result[p{}][{}][{}][id]", place - 1, self.place(), PAGE - 1)),
            };
            // At most 50 pages are read, and 50 fit.
            let _ = batch.add(format!("p{place}"), self.method(), &self.page(&filter, -1));
        }
        let (mut answers, answer) = client.batch(&batch).await?;
        let (mut listed, mut is_last) = (Vec::<(Record, RecordState)>::new(), false);
        for place in 0..count {
            let Some(page) = answers.take(&format!("p{place}")) else { break };
            let mut page = page.map_err(|error| client.failure(&error))?;
            let page = self.states(client, &mut page)?;
            let id = |state: Option<&(Record, RecordState)>| state.map(|(record, _)| record.id());
            let (full, newer) = (page.len() == PAGE, id(page.first()) > id(listed.last()));
            // After a short page the reference is empty, and the portal starts from the beginning.
            if newer {
                listed.extend(page);
            }
            is_last = !full || !newer;
            if is_last {
                break;
            }
        }
        if listed.is_empty() && !is_last {
            return Err(Failure::transient("the portal left a list unanswered"));
        }
        Ok(ListedPages { records: listed, started_at: answer.started_at, is_last })
    }
}
