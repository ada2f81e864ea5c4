//! What a backfill would do or did, record by record: stored in pages, so that a plan over many thousand records can be
//! read, filtered and exported.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jobs::sync::SyncSide;
use records::Record;
use runtime::TenantId;
use runtime::clock::later;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};

/// How long the lines of a run are kept.
const PLAN_TTL: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The most lines that are kept of one run; the rest is only counted.
pub const MAX_ENTRIES: u64 = 100_000;
/// The longest value that is kept, in characters.
const MAX_VALUE: usize = 1_000;

/// What a line is about, in the order in which people want to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Several rows carry the number of one record.
    Double,
    /// It cannot be decided which row is which record's, or the record failed.
    Refused,
    /// A row carries a number that belongs to no record, or to another row.
    Stray,
    /// A linked record and its page differ.
    Change,
    /// A record is linked to a row.
    Link,
    /// A page is made.
    Make,
}

impl EntryKind {
    /// All, in order.
    pub const ALL: [Self; 6] = [Self::Double, Self::Refused, Self::Stray, Self::Change, Self::Link, Self::Make];

    /// Its name in addresses and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Refused => "refused",
            Self::Stray => "stray",
            Self::Change => "change",
            Self::Link => "link",
            Self::Make => "make",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its rank in that order.
    fn rank(self) -> char {
        match self {
            Self::Double => '1',
            Self::Refused => '2',
            Self::Stray => '3',
            Self::Change => '4',
            Self::Link => '5',
            Self::Make => '6',
        }
    }
}

/// A row of the database, as a line names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRef {
    /// The page's id.
    pub page: String,
    pub title: String,
    /// Its address.
    pub url: String,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field, as the portal names it.
    pub field: String,
    pub property: String,
    /// What Bitrix24 shows.
    pub bitrix24: String,
    /// What Notion shows.
    pub notion: String,
    /// The side that is written; none if both are left as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SyncSide>,
    /// Why both are left as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// What it is about.
    pub kind: EntryKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// Its name for people.
    #[serde(default)]
    pub title: String,
    /// The rows in question. Of doubles, the linked one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowRef>,
    /// The key by which a row was recognised, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The fields that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// What is wrong and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl PlanLine {
    /// A line about a record.
    pub fn new(kind: EntryKind, record: Record, title: impl Into<String>) -> Self {
        Self { record: Some(record), title: title.into(), ..Self::about(kind) }
    }

    /// A line without a record of the portal.
    pub fn about(kind: EntryKind) -> Self {
        Self { kind, record: None, title: String::new(), rows: Vec::new(), key: None, changes: Vec::new(), why: None }
    }

    /// The same line has the same key, however often a run writes it.
    fn sort(&self) -> String {
        let number = self.record.map_or(0, Record::id);
        let page = self.rows.first().map_or("", |row| row.page.as_str());
        format!("{}#{number:020}#{}", self.kind.rank(), if self.record.is_some() { "" } else { page })
    }
}

/// A value as a line stores it.
pub fn clipped(value: &str) -> String {
    let mut letters = value.chars();
    let mut kept: String = letters.by_ref().take(MAX_VALUE).collect();
    if letters.next().is_some() {
        kept.push('…');
    }
    kept
}

/// Reads and writes the lines of runs.
#[derive(Clone)]
pub struct Plans {
    store: Arc<dyn Store>,
}

impl Plans {
    /// The lines in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Some lines of a run, of one kind or of all, after a place; and where to continue.
    pub async fn page(
        &self,
        tenant: &TenantId,
        run: &str,
        kind: Option<EntryKind>,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<PlanLine>, Option<String>), StoreError> {
        let prefix = kind.map(|kind| format!("{}#", kind.rank())).unwrap_or_default();
        let query = Query { after, limit, ..Query::prefix(Table::Links, partition(tenant, run), prefix) };
        let page = self.store.list(&query).await?;
        let entries: Result<Vec<PlanLine>, _> = page.items.iter().map(runtime::store::StoredItem::decode).collect();
        Ok((entries?, page.next))
    }

    /// All lines of a run of one kind, or of all.
    pub async fn all(
        &self,
        tenant: &TenantId,
        run: &str,
        kind: Option<EntryKind>,
    ) -> Result<Vec<PlanLine>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (entries, next) = self.page(tenant, run, kind, after, 1_000).await?;
            all.extend(entries);
            after = next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

pub fn entry_write(tenant: &TenantId, run: &str, entry: &PlanLine, now: Timestamp) -> Result<StoreWrite, StoreError> {
    let key = ItemKey::new(Table::Links, partition(tenant, run), entry.sort());
    Ok(StoreWrite::new(key, entry, WriteCondition::Always)?.expiring(later(now, PLAN_TTL)))
}

fn partition(tenant: &TenantId, run: &str) -> String {
    format!("{tenant}#plan#{run}")
}

/// The columns of the file.
const COLUMNS: [&str; 11] = [
    "What",
    "Record",
    "Title",
    "Row",
    "Matched by",
    "Field",
    "Property",
    "Value in Bitrix24",
    "Value in Notion",
    "Written to",
    "Remark",
];

/// A part of the file: each differing field in a row, a line without any in one row. With a head for the first part.
pub fn csv(entries: &[PlanLine], with_head: bool) -> String {
    let mut file = String::new();
    if with_head {
        // Without the mark, spreadsheets read a file in an older encoding.
        file.push('\u{feff}');
        line(&mut file, &COLUMNS.map(str::to_owned));
    }
    for entry in entries {
        let record = entry.record.map(|record| record.to_string()).unwrap_or_default();
        let rows = entry.rows.iter().map(|row| row.url.as_str()).collect::<Vec<_>>().join(" ");
        let head =
            [entry.kind.name().to_owned(), record, entry.title.clone(), rows, entry.key.clone().unwrap_or_default()];
        let why = entry.why.clone().unwrap_or_default();
        if entry.changes.is_empty() {
            line(&mut file, &[&head[..], &vec![String::new(); 5], std::slice::from_ref(&why)].concat());
        }
        for change in &entry.changes {
            let to = change.to.map_or_else(|| "neither side".to_owned(), |side| side.to_string());
            let change = [
                change.field.clone(),
                change.property.clone(),
                change.bitrix24.clone(),
                change.notion.clone(),
                to,
                change.why.clone().unwrap_or_else(|| why.clone()),
            ];
            line(&mut file, &[&head[..], &change[..]].concat());
        }
    }
    file
}

/// A row of the file (RFC 4180).
fn line(file: &mut String, cells: &[String]) {
    let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
    file.push_str(&cells.join(","));
    file.push_str("\r\n");
}

/// A cell of the file. One that a spreadsheet would read as a formula gets an apostrophe in front: text from a CRM must
/// not run on someone's desk.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guarded = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains([',', '"', '\r', '\n', ';', '\t']) || guarded != guarded.trim() {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrix24::EntityType;

    fn entry() -> PlanLine {
        PlanLine {
            rows: vec![RowRef { page: "p".into(), title: "Roof".into(), url: "https://notion.so/p".into() }],
            key: Some("title".into()),
            changes: vec![
                FieldChange {
                    field: "opportunity".into(),
                    property: "Amount".into(),
                    bitrix24: "-5".into(),
                    notion: "=HYPERLINK(\"http://x\")".into(),
                    to: Some(SyncSide::Notion),
                    why: None,
                },
                FieldChange {
                    field: "comments".into(),
                    property: "Notes".into(),
                    bitrix24: "a, b".into(),
                    notion: "one\ntwo \"three\"".into(),
                    to: None,
                    why: Some("undecided".into()),
                },
            ],
            ..PlanLine::new(EntryKind::Link, Record::item(EntityType::DEAL, 7), "@Roof")
        }
    }

    #[test]
    fn a_file_keeps_every_value_and_starts_no_formula() {
        assert_eq!(
            csv(&[entry()], true),
            "\u{feff}What,Record,Title,Row,Matched by,Field,Property,Value in Bitrix24,Value in Notion,Written to,Remark\r\n\
             link,deal 7,'@Roof,https://notion.so/p,title,opportunity,Amount,'-5,\"'=HYPERLINK(\"\"http://x\"\")\",Notion,\r\n\
             link,deal 7,'@Roof,https://notion.so/p,title,comments,Notes,\"a, b\",\"one\ntwo \"\"three\"\"\",neither side,undecided\r\n"
        );
        let made = PlanLine::new(EntryKind::Make, Record::Task(3), "Pack");
        assert_eq!(csv(&[made], false), "make,task 3,Pack,,,,,,,,\r\n");
    }

    #[test]
    fn a_line_has_one_place_and_doubles_come_first() {
        let sort = |kind| PlanLine::new(kind, Record::Task(3), "x").sort();
        let mut sorts = EntryKind::ALL.map(sort);
        sorts.sort();
        assert_eq!(sorts, EntryKind::ALL.map(sort));
        assert_eq!(entry().sort(), PlanLine { title: "other".into(), ..entry() }.sort());
        assert!(EntryKind::ALL.iter().all(|kind| EntryKind::named(kind.name()) == Some(*kind)));
    }
}
