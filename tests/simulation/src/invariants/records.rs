//! The log, and the cards of records.

use runtime::ledger::{DeliveryStatus, EventStatus, LedgerLine};
use serde_json::Value;
use simulators::portal::DEAL;
use std::collections::{BTreeMap, BTreeSet};

use super::{Broken, Checked, Shown};
use crate::company::Company;

const LINES: &str = "every accepted event and every delivery has a line that ends";
const ONCE: &str = "each delivery happens exactly once";
const WAY: &str = "the cards of a deal tell its way without a gap, in order and once";

impl Checked<'_> {
    /// Every event has a line that ends, and every delivery that is said to be made is there, once.
    pub(super) async fn lines_end(&self, company: &Company, shown: &[Shown]) -> anyhow::Result<Vec<Broken>> {
        let lines = self.lines_of(company).await?;
        let mut broken = Vec::new();
        let mut events = BTreeSet::new();
        let mut posted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in shown {
            for id in delivery_ids(&message.whole["metadata"]["event_payload"]) {
                posted.entry(id).or_default().push(&message.ts);
            }
        }
        for line in &lines {
            match line {
                LedgerLine::Event(event) => {
                    events.insert(event.trace.to_string());
                    if let EventStatus::Waiting { cause } = &event.status {
                        let what = format!("{} {:?} still waits: {cause}", event.event, event.record);
                        broken.push(Broken::new(LINES, what, [event.trace.to_string()]));
                    }
                }
                LedgerLine::Delivery(delivery) => {
                    let id = delivery.id.to_string();
                    let named = format!("delivery {id} of {} to {}", delivery.record, delivery.destination);
                    match &delivery.status {
                        DeliveryStatus::Queued | DeliveryStatus::Started { .. } | DeliveryStatus::Retrying { .. } => {
                            let what = format!("{named} has not ended: {:?}", delivery.status);
                            broken.push(Broken::new(LINES, what, [id.clone()]));
                        }
                        DeliveryStatus::Delivered { provider_id, .. } => {
                            let is_there = provider_id.split_once('/').is_none_or(|(_, ts)| {
                                !ts.contains('.') || shown.iter().any(|message| message.ts == ts)
                            });
                            if !is_there && delivery.change.starts_with("deal.") {
                                let what = format!("{named} is said to be {provider_id}, which is not there");
                                broken.push(Broken::new(ONCE, what, [id.clone()]));
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        for (id, places) in posted.iter().filter(|(_, places)| places.len() > 1) {
            let what = format!("delivery {id} was posted {} times", places.len());
            broken.push(Broken::new(ONCE, what, [(*id).to_owned()]));
        }
        broken.extend(self.accepted_events_have_lines(company, &events));
        Ok(broken)
    }

    fn accepted_events_have_lines(&self, company: &Company, events: &BTreeSet<String>) -> Vec<Broken> {
        let jobs = self.sim.jobs();
        let own = jobs.traces.iter().filter(|((tenant, _), _)| tenant == company.tenant.as_str());
        let without = own.filter(|((_, trace), _)| !events.contains(trace));
        without
            .map(|((_, trace), queue)| {
                Broken::new(LINES, format!("event {trace}, first on {queue}, has no line"), [trace.clone()])
            })
            .collect()
    }

    /// The cards of a deal tell its way: the first that it is new, each move where the one before ended, and the last
    /// where the deal is now.
    pub(super) fn cards_tell_each_way(company: &Company, shown: &[Shown]) -> Vec<Broken> {
        let stages = company.portal.stages();
        let name_of = |id: &Value| {
            let stage = stages.iter().find(|stage| stage["STATUS_ID"] == *id);
            // A stage without a name is shown by its id.
            stage.map_or(id, |stage| &stage["NAME"]).as_str().unwrap_or_default().to_owned()
        };
        let cards: Vec<&str> = shown
            .iter()
            .filter(|message| message.to == "sales-pipeline")
            .map(|message| message.text.as_str())
            .collect();
        let deals = company.deeds().deals.clone();
        let mut broken = Vec::new();
        for id in deals {
            let Some(item) = company.portal.item(DEAL, id) else { continue };
            let title = item["title"].as_str().unwrap_or_default();
            let word = title.trim_start_matches("Deal ").to_owned();
            let about: Vec<&str> = cards.iter().copied().filter(|card| card.contains(&word)).collect();
            if let Err(what) = way_of(&about, &name_of(&item["stageId"])) {
                let what = format!("company {} deal {id} {word}: {what}: {about:#?}", company.number);
                broken.push(Broken::new(WAY, what, [word, format!("deal#{id}"), format!("deal {id} ")]));
            }
        }
        broken
    }
}

/// The ids of deliveries in the metadata of a message.
fn delivery_ids(payload: &Value) -> impl Iterator<Item = &str> {
    let fields = payload.as_object().into_iter().flatten();
    fields.filter(|(name, _)| name.starts_with("delivery")).filter_map(|(_, id)| id.as_str())
}

/// Whether cards tell a way from a new deal to its stage now.
fn way_of(cards: &[&str], stage: &str) -> Result<(), String> {
    let Some((first, moves)) = cards.split_first() else { return Err("it has no card".into()) };
    if !first.starts_with("New deal: ") {
        return Err("its first card does not say that it is new".into());
    }
    let mut at: Option<String> = None;
    for card in moves {
        let (from, to) = move_of(card).ok_or_else(|| format!("a card tells no move: {card}"))?;
        if at.as_ref().is_some_and(|at| *at != from) {
            return Err(format!("the card before {card:?} ends elsewhere"));
        }
        at = Some(to);
    }
    match at {
        Some(at) if at != stage => Err(format!("it is at {stage:?}")),
        _ => Ok(()),
    }
}

/// From where to where a card says that a deal moved.
fn move_of(card: &str) -> Option<(String, String)> {
    let (before, to) = card.split_once(" → ")?;
    let from = before.rsplit_once(" (").or_else(|| before.rsplit_once(": ")).map(|(_, from)| from)?;
    Some((from.to_owned(), to.trim_end_matches(')').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::way_of;

    #[test]
    fn a_way_has_no_gap_no_double_and_ends_where_the_deal_is() {
        let good = ["New deal: Deal x", "Deal Deal x: A → B", "Deal won: Deal x (B → C)"];
        assert_eq!(way_of(&good, "C"), Ok(()));
        assert!(way_of(&good[1..], "C").is_err(), "not new");
        assert!(way_of(&[good[0], good[2], good[1]], "B").is_err(), "in another order");
        assert!(way_of(&[good[0], good[1], good[1]], "B").is_err(), "twice");
        assert!(way_of(&good[..2], "C").is_err(), "the last is missing");
        assert!(way_of(&[], "C").is_err(), "none");
    }
}
