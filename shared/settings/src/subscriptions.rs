//! The events that a tenant's routes need, and how the bound ones differ. Binding them is `crm::subscriptions`.

use std::collections::{BTreeMap, BTreeSet};

use bitrix24::EntityType;
use records::change::{ChangeKind, Noun};
use records::record::{Record, RecordKind};

use crate::schema::{Family, Settings};

/// The name under which we read the offline queue. It goes with every call about it.
pub const CONNECTOR: &str = "switchboard";

/// An event as the portal names it, with what people see where they tick it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedEvent {
    /// `ONCRMDEALUPDATE`.
    pub code: &'static str,
    /// What people see: "Deal updated".
    pub words: &'static str,
    /// What it is watched with.
    pub family: Family,
    /// Whether only an application can have it; an outgoing webhook's form does not offer it.
    pub app_only: bool,
}

const fn event(code: &'static str, words: &'static str, family: Family) -> WantedEvent {
    WantedEvent { code, words, family, app_only: false }
}

const EVENTS: [(Noun, &[WantedEvent]); 7] = [
    (
        Noun::Lead,
        &[
            event("ONCRMLEADADD", "Lead created", Family::Crm),
            event("ONCRMLEADUPDATE", "Lead updated", Family::Crm),
            event("ONCRMLEADDELETE", "Lead deleted", Family::Crm),
        ],
    ),
    (
        Noun::Deal,
        &[
            event("ONCRMDEALADD", "Deal created", Family::Crm),
            event("ONCRMDEALUPDATE", "Deal updated", Family::Crm),
            event("ONCRMDEALDELETE", "Deal deleted", Family::Crm),
            WantedEvent {
                app_only: true,
                ..event("ONCRMDEALMOVETOCATEGORY", "Deal moved to another funnel", Family::Crm)
            },
        ],
    ),
    (
        Noun::Contact,
        &[
            event("ONCRMCONTACTADD", "Contact created", Family::Crm),
            event("ONCRMCONTACTUPDATE", "Contact updated", Family::Crm),
            event("ONCRMCONTACTDELETE", "Contact deleted", Family::Crm),
        ],
    ),
    (
        Noun::Company,
        &[
            event("ONCRMCOMPANYADD", "Company created", Family::Crm),
            event("ONCRMCOMPANYUPDATE", "Company updated", Family::Crm),
            event("ONCRMCOMPANYDELETE", "Company deleted", Family::Crm),
        ],
    ),
    (
        Noun::Item,
        &[
            event("ONCRMDYNAMICITEMADD", "Smart process item created", Family::Crm),
            event("ONCRMDYNAMICITEMUPDATE", "Smart process item updated", Family::Crm),
            event("ONCRMDYNAMICITEMDELETE", "Smart process item deleted", Family::Crm),
        ],
    ),
    (
        Noun::Task,
        &[
            event("ONTASKADD", "Task added", Family::Tasks),
            event("ONTASKUPDATE", "Task updated", Family::Tasks),
            event("ONTASKDELETE", "Task deleted", Family::Tasks),
            event("ONTASKCOMMENTADD", "Task comment added", Family::Tasks),
        ],
    ),
    (Noun::Call, &[event("ONVOXIMPLANTCALLEND", "Call ended", Family::Calls)]),
];

/// What routes and databases are about.
fn nouns(settings: &Settings) -> BTreeSet<Noun> {
    let kinds = settings.routes.iter().flat_map(|route| route.change.iter());
    let mirrored = settings.notion.databases.iter().map(|database| database.records.kind().into());
    kinds.map(ChangeKind::noun).chain(mirrored).collect()
}

/// Exactly the events that the routes need. Of a record that is watched all three: an update may be the first that
/// is heard of it.
pub fn wanted(settings: &Settings) -> Vec<WantedEvent> {
    let nouns = nouns(settings);
    let commented =
        settings.routes.iter().flat_map(|route| route.change.iter()).any(|kind| *kind == ChangeKind::TaskCommented);
    let events = EVENTS.iter().filter(|(noun, _)| nouns.contains(noun)).flat_map(|(_, events)| *events);
    events.filter(|event| commented || event.code != "ONTASKCOMMENTADD").copied().collect()
}

/// Whether any route or database is about records of this kind: otherwise they need not be read.
pub fn watches(settings: &Settings, record: Record) -> bool {
    if settings.notion.of(record.kind()).next().is_some() {
        return true;
    }
    let noun = Noun::from(record.kind());
    settings.routes.iter().flat_map(|route| route.change.iter()).any(|kind| kind.noun() == noun)
}

/// Whether any route is about changes of this kind.
pub fn has_route_for(settings: &Settings, kind: &ChangeKind) -> bool {
    settings.routes.iter().any(|route| route.change.iter().any(|own| own == kind))
}

/// The kinds of records that the sweep looks after.
pub fn swept(settings: &Settings) -> Vec<RecordKind> {
    let nouns = nouns(settings);
    let crm = [EntityType::LEAD, EntityType::DEAL, EntityType::CONTACT, EntityType::COMPANY];
    let crm = crm.into_iter().filter(|entity| nouns.contains(&Noun::from(*entity)));
    let mut kinds: Vec<_> = crm.map(RecordKind::Items).collect();
    if nouns.contains(&Noun::Item) {
        kinds.extend(settings.smart_processes.iter().map(|number| RecordKind::Items(EntityType(*number))));
    }
    if nouns.contains(&Noun::Task) {
        kinds.push(RecordKind::Tasks);
    }
    kinds
}

/// The family of an event's code, if it is one that is watched.
pub fn family(code: &str) -> Option<Family> {
    let mut all = EVENTS.iter().flat_map(|(_, events)| *events);
    let exact = all.find(|event| code.starts_with(event.code)).map(|event| event.family);
    exact.or_else(|| code.starts_with("ONVOXIMPLANTCALL").then_some(Family::Calls))
}

/// An event that is bound to one of our addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoundEvent {
    /// Its code, in capitals.
    pub event: String,
    /// The address it is sent to; empty for the offline queue.
    pub handler: String,
    /// Whether it goes to the offline queue.
    pub offline: bool,
}

/// What has to be done so that exactly the wanted events are bound to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repair {
    /// To be bound.
    pub bind: Vec<String>,
    /// To be unbound: not wanted any more, or bound twice.
    pub unbind: Vec<String>,
}

impl Repair {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.bind.is_empty() && self.unbind.is_empty()
    }
}

/// Compares what is wanted with what is bound to `handler`. Bindings to other addresses are left alone.
pub fn compare(wanted: &BTreeSet<String>, bound: &[BoundEvent], handler: &str, offline: bool) -> Repair {
    let mut ours: BTreeMap<String, usize> = BTreeMap::new();
    for one in bound.iter().filter(|one| one.offline == offline && (offline || one.handler == handler)) {
        *ours.entry(one.event.to_uppercase()).or_default() += 1;
    }
    let mut repair = Repair::default();
    for (event, count) in &ours {
        if !wanted.contains(event) || *count > 1 {
            repair.unbind.push(event.clone());
        }
    }
    for event in wanted {
        // What is bound twice is unbound as a whole, and bound again.
        if ours.get(event) != Some(&1) {
            repair.bind.push(event.clone());
        }
    }
    repair
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bound(event: &str) -> BoundEvent {
        BoundEvent { event: event.into(), handler: "https://us/".into(), offline: false }
    }

    fn set(events: &[&str]) -> BTreeSet<String> {
        events.iter().map(|event| (*event).to_owned()).collect()
    }

    #[test]
    fn the_default_routes_want_these_events() {
        let codes: Vec<_> = wanted(&Settings::default()).iter().map(|event| event.code).collect();
        assert!(
            codes.contains(&"ONCRMDEALUPDATE")
                && codes.contains(&"ONTASKCOMMENTADD")
                && codes.contains(&"ONVOXIMPLANTCALLEND")
        );
        assert!(!codes.contains(&"ONCRMCONTACTADD"));
        let none: Settings = serde_json::from_str(r#"{"routes": []}"#).unwrap();
        assert!(wanted(&none).is_empty() && swept(&none).is_empty());
    }

    #[test]
    fn what_is_missing_is_bound_and_what_is_too_much_is_not_left() {
        let there = [
            bound("ONA"),
            bound("OnB"),
            bound("ONC"),
            bound("ONC"),
            BoundEvent { handler: "https://other/".into(), ..bound("ONX") },
        ];
        let repair = compare(&set(&["ONA", "ONC", "OND"]), &there, "https://us/", false);
        assert_eq!(repair, Repair { bind: vec!["ONC".into(), "OND".into()], unbind: vec!["ONB".into(), "ONC".into()] });
    }

    #[test]
    fn events_of_one_smart_process_belong_to_the_family() {
        assert_eq!(family("ONCRMDYNAMICITEMUPDATE_147"), Some(Family::Crm));
        assert_eq!(family("ONVOXIMPLANTCALLINIT"), Some(Family::Calls));
        assert_eq!(family("ONAPPTEST"), None);
    }

    proptest! {
        #[test]
        fn a_repair_leads_to_what_is_wanted_and_then_there_is_none(wanted in prop::collection::btree_set("ON[A-F]", 0..6), there in prop::collection::vec("ON[A-F]", 0..10)) {
            let mut there: Vec<_> = there.iter().map(|event| bound(event)).collect();
            let repair = compare(&wanted, &there, "https://us/", false);
            there.retain(|one| !repair.unbind.contains(&one.event));
            there.extend(repair.bind.iter().map(|event| bound(event)));
            prop_assert!(compare(&wanted, &there, "https://us/", false).is_empty());
            prop_assert_eq!(there.iter().map(|one| one.event.clone()).collect::<BTreeSet<_>>(), wanted);
        }
    }
}
