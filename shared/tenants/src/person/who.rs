//! Who is meant: what was asked for, and what else names the same person.

use std::collections::BTreeSet;
use std::str::FromStr;

use runtime::store::{ItemKey, Query, Store, StoredItem, Table};
use runtime::{Backend, TenantId};
use serde::Serialize;
use serde_json::Value;

use super::PersonError;
use super::words::{MIN_PHONE_DIGITS, SearchWords};
use crate::portals::Portals;

/// The shortest words that are searched separately.
const MIN_WORDS: usize = 3;
/// How often other names of a person are looked for: a profile names an e-mail, which names another profile.
const ROUNDS: usize = 3;
/// The kinds of records that are people or companies, with their number in Bitrix24.
const KINDS: [(&str, u64); 4] = [("lead", 1), ("deal", 2), ("contact", 3), ("company", 4)];

/// What names a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// A user of the portal, by their number.
    User(u64),
    /// A member of Slack, by their id.
    Slack(String),
    /// A record, as its key: `contact#42`.
    Record(String),
    /// An e-mail.
    Email(String),
    /// A phone number.
    Phone(String),
    /// Words of a name, as texts write them.
    Words(String),
}

/// The input names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names nobody; write a record (contact 42), a user of the portal (user 15), a Slack id (U024BE7LH), an e-mail, a phone number with at least {MIN_PHONE_DIGITS} digits, or at least {MIN_WORDS} letters of a name"
)]
pub struct BadAsk(String);

impl FromStr for Ask {
    type Err = BadAsk;

    fn from_str(text: &str) -> Result<Self, BadAsk> {
        let (text, bad) = (text.trim(), || BadAsk(text.trim().to_owned()));
        if let Some((kind, id)) = text.split_once([' ', '#', ':'])
            && let Ok(id) = id.trim().parse::<u64>()
        {
            let kind = kind.to_lowercase();
            if kind == "user" {
                return Ok(Self::User(id));
            }
            if KINDS.iter().any(|(known, _)| *known == kind) {
                return Ok(Self::Record(format!("{kind}#{id}")));
            }
        }
        if text.contains('@') {
            let is_email = text.split('@').all(|part| !part.is_empty()) && !text.contains(char::is_whitespace);
            return if is_email { Ok(Self::Email(text.to_lowercase())) } else { Err(bad()) };
        }
        let is_slack = text.len() >= 8 && text.starts_with(['U', 'W']);
        if is_slack && text.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit()) {
            return Ok(Self::Slack(text.to_owned()));
        }
        let letters = text.chars().filter(|letter| letter.is_alphabetic()).count();
        let digits = text.chars().filter(char::is_ascii_digit).count();
        match (letters, digits) {
            (0, MIN_PHONE_DIGITS..) => Ok(Self::Phone(text.to_owned())),
            (MIN_WORDS.., _) => Ok(Self::Words(text.to_owned())),
            _ => Err(bad()),
        }
    }
}

impl Ask {
    /// For the audit: a number says who it was, an e-mail or a name would repeat what was deleted.
    pub(super) fn for_audit(&self) -> String {
        match self {
            Self::User(id) => format!("user {id}"),
            Self::Slack(id) => id.clone(),
            Self::Record(key) => key.replace('#', " "),
            Self::Email(_) => "by e-mail".into(),
            Self::Phone(_) => "by phone number".into(),
            Self::Words(_) => "by name".into(),
        }
    }
}

/// A person, by everything that names them.
#[derive(Debug, Clone, Default)]
pub struct PersonIdentity {
    pub(super) users: BTreeSet<u64>,
    pub(super) slack: BTreeSet<String>,
    /// Records that are about them: `contact#42`.
    pub(super) records: BTreeSet<String>,
    pub(super) words: SearchWords,
    /// What is searched, in readable form.
    emails: BTreeSet<String>,
    names: BTreeSet<String>,
    phones: BTreeSet<String>,
    /// Single words that name the person, but would match others if they were searched.
    left_out: BTreeSet<String>,
}

/// What a person was looked for by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookedFor {
    users: Vec<u64>,
    slack: Vec<String>,
    records: Vec<String>,
    emails: Vec<String>,
    names: Vec<String>,
    phones: Vec<String>,
}

impl LookedFor {
    pub fn words(&self) -> Vec<String> {
        let users = self.users.iter().map(|user| format!("user {user}"));
        let rest = [&self.records, &self.slack, &self.emails, &self.names, &self.phones];
        users.chain(rest.into_iter().flatten().cloned()).collect()
    }
}

impl PersonIdentity {
    /// What they were looked for by.
    pub fn looked_for(&self) -> LookedFor {
        let all = |set: &BTreeSet<String>| set.iter().cloned().collect();
        LookedFor {
            users: self.users.iter().copied().collect(),
            slack: all(&self.slack),
            records: self.records.iter().map(|record| record.replace('#', " ")).collect(),
            emails: all(&self.emails),
            names: all(&self.names),
            phones: all(&self.phones),
        }
    }

    /// The person's single words that were not searched separately.
    pub fn left_out(&self) -> Vec<String> {
        self.left_out.iter().cloned().collect()
    }

    /// Whether a text, or a value written as text, contains their words.
    pub(super) fn is_in_text(&self, text: &str) -> bool {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => self.words.are_in_value(&value),
            Err(_) => self.words.are_in(text),
        }
    }

    /// Whether a value says that it is about one of the person's records.
    pub(super) fn is_about(&self, value: &Value) -> bool {
        let record = &value["record"];
        if let Some(named) = record.as_str() {
            return self.records.contains(&named.replace(' ', "#"));
        }
        let (entity, id) = (record["Item"]["entity"].as_u64(), record["Item"]["id"].as_u64());
        let kind = KINDS.iter().find(|(_, number)| Some(*number) == entity);
        kind.zip(id).is_some_and(|((kind, _), id)| self.records.contains(&format!("{kind}#{id}")))
    }

    fn take(&mut self, ask: &Ask) {
        match ask {
            Ask::User(id) => {
                self.users.insert(*id);
            }
            Ask::Slack(id) => {
                self.slack.insert(id.clone());
            }
            Ask::Record(key) => {
                self.records.insert(key.clone());
            }
            Ask::Email(email) => self.add_email(email),
            Ask::Phone(phone) => self.add_phone(phone),
            Ask::Words(words) => {
                self.names.insert(words.clone());
                self.words.add_phrase(words);
                let parts: Vec<&str> = words.split_whitespace().collect();
                self.words.add_name(&parts);
            }
        }
    }

    fn add_email(&mut self, email: &str) {
        let email = email.trim().to_lowercase();
        if email.contains('@') && self.emails.insert(email.clone()) {
            self.words.add_phrase(&email);
        }
    }

    fn add_phone(&mut self, phone: &str) {
        if phone.chars().filter(char::is_ascii_digit).count() >= MIN_PHONE_DIGITS {
            self.phones.insert(phone.trim().to_owned());
            self.words.add_phone(phone);
        }
    }

    fn add_name(&mut self, parts: &[&str]) {
        let parts: Vec<&str> = parts.iter().flat_map(|part| part.split_whitespace()).collect();
        match parts[..] {
            [] => {}
            [alone] => {
                self.left_out.insert(alone.to_owned());
            }
            _ => {
                self.names.insert(parts.join(" "));
                self.words.add_name(&parts);
            }
        }
    }

    /// Learns from an item about the person what else names them.
    fn learn(&mut self, key: &ItemKey, value: &Value) {
        let text =
            |names: &[&str]| names.iter().find_map(|name| value[*name].as_str().filter(|text| !text.trim().is_empty()));
        if let Some(email) = text(&["email"]) {
            self.add_email(email);
        }
        // The name of a lead or a deal is its title, not the name of a person.
        let is_title =
            key.partition.ends_with("#names") && (key.sort.starts_with("lead#") || key.sort.starts_with("deal#"));
        let is_company = key.sort.starts_with("company#");
        let names: Vec<&str> = [text(&["name"]), text(&["lastName", "last_name"])].into_iter().flatten().collect();
        if !is_title && !is_company {
            self.add_name(&names);
        }
        self.users.extend(value["user"].as_u64());
        if let Some(slack) =
            text(&["slack"]).or_else(|| key.sort.strip_prefix("slack#").filter(|_| key.partition.ends_with("#profile")))
        {
            self.slack.insert(slack.to_owned());
        }
        // A company is known by its title. Other records' titles are free text.
        if is_company
            && let Some(title) = text(&["title"]).or_else(|| text(&["name"]))
            && title.chars().count() >= MIN_WORDS
        {
            self.names.insert(title.to_owned());
            self.words.add_phrase(title);
        }
        self.learn_contacts(value);
    }

    /// E-mails and phone numbers of a record, in each form of the portal: `fm`, `email`, `phone`, custom fields.
    fn learn_contacts(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.contains('@') && !text.contains(char::is_whitespace) => self.add_email(text),
            Value::String(text) if is_phone(text) => self.add_phone(text),
            Value::Array(list) => list.iter().for_each(|value| self.learn_contacts(value)),
            Value::Object(map) => map.values().for_each(|value| self.learn_contacts(value)),
            _ => {}
        }
    }
}

/// Only what is certainly a phone number: with a plus, or a leading zero, and only what people write between digits.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_written = text.chars().all(|letter| letter.is_ascii_digit() || " +-()/.".contains(letter));
    is_written
        && (7..=15).contains(&digits)
        && (text.starts_with('+') || text.starts_with('0') || text.starts_with('('))
}

/// The person, with everything that names them.
pub(super) async fn known(backend: &Backend, tenant: &TenantId, asked: &[Ask]) -> Result<PersonIdentity, PersonError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    if portals.fresh(tenant).await?.is_none() {
        return Err(PersonError::NoTenant(tenant.clone()));
    }
    let mut person = PersonIdentity::default();
    for ask in asked {
        person.take(ask);
    }
    for _ in 0..ROUNDS {
        let before = person.looked_for();
        for place in ["person", "profile", "names"] {
            each(backend.store.as_ref(), &format!("{tenant}#{place}"), "", |item, value| {
                learn_from(&mut person, item, value);
            })
            .await?;
        }
        for place in ["record", "reading"] {
            for record in person.records.clone() {
                let key = ItemKey::new(Table::Links, format!("{tenant}#{place}"), record);
                if let Some(item) = backend.store.get(&key).await? {
                    let value: Value = item.decode()?;
                    person.learn(&key, state(&value));
                }
            }
        }
        // A contact or lead with the e-mail is the person.
        let kinds: &[&str] = if person.emails.is_empty() { &[] } else { &["contact#", "lead#"] };
        for kind in kinds {
            each(backend.store.as_ref(), &format!("{tenant}#record"), kind, |item, value| {
                if person.emails.iter().any(|email| item.value.to_lowercase().contains(email.as_str())) {
                    person.records.insert(item.key.sort.clone());
                    person.learn(&item.key, state(value));
                }
            })
            .await?;
        }
        if person.looked_for() == before {
            break;
        }
    }
    Ok(person)
}

/// The state within a snapshot or a reading.
fn state(value: &Value) -> &Value {
    match &value["state"]["Ok"] {
        Value::Null => &value["state"],
        read => read,
    }
}

fn learn_from(person: &mut PersonIdentity, item: &StoredItem, value: &Value) {
    let has_email = value["email"].as_str().is_some_and(|email| person.emails.contains(&email.trim().to_lowercase()));
    if has_email || person.owns(&item.key) {
        person.learn(&item.key, value);
        // The sort key names the owner if the value does not.
        let (user, slack) = (item.key.sort.strip_prefix("portal#"), item.key.sort.strip_prefix("user#"));
        let id = |sort: &str| sort.split('#').next().and_then(|id| id.parse::<u64>().ok());
        person.users.extend(user.and_then(id).into_iter().chain(slack.and_then(id)));
        if let Some(nobody) = item.key.sort.strip_prefix("nobody#") {
            person.slack.insert(nobody.to_owned());
        }
        if KINDS.iter().any(|(kind, _)| item.key.sort.starts_with(&format!("{kind}#"))) {
            person.records.insert(item.key.sort.clone());
        }
    }
}

async fn each(
    store: &dyn Store,
    partition: &str,
    prefix: &str,
    mut with: impl FnMut(&StoredItem, &Value),
) -> Result<(), PersonError> {
    let mut query = Query::prefix(Table::Links, partition, prefix);
    loop {
        let page = store.list(&query).await?;
        for item in &page.items {
            with(item, &item.decode::<Value>()?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_names_a_person_is_told_apart() {
        let ask = |text: &str| text.parse::<Ask>();
        assert_eq!(ask("Contact 42"), Ok(Ask::Record("contact#42".into())));
        assert_eq!(ask("lead#7"), Ok(Ask::Record("lead#7".into())));
        assert_eq!(ask("user 15"), Ok(Ask::User(15)));
        assert_eq!(ask("U024BE7LH"), Ok(Ask::Slack("U024BE7LH".into())));
        assert_eq!(ask("Ann@Corp.example"), Ok(Ask::Email("ann@corp.example".into())));
        assert_eq!(ask("+49 170 1234567"), Ok(Ask::Phone("+49 170 1234567".into())));
        assert_eq!(ask("Ann Lee"), Ok(Ask::Words("Ann Lee".into())));
        for bad in ["", "42", "ab", "@", "ann @x", "12345"] {
            assert!(ask(bad).is_err(), "{bad}");
        }
    }
}
