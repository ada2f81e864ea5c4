//! What must hold when everything has settled. Each returns what is wrong, with the words by which its trail is found.

use std::fmt;
use std::sync::Arc;

use jobs::queues;
use runtime::Queue;
use serde_json::Value;
use simulators::portal::DEAL;

use crate::company::Company;
use crate::deployment::Deployment;
use crate::sim::Sim;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which promise.
    pub promise: &'static str,
    /// What is wrong.
    pub what: String,
    /// The words by which the trail of the thing concerned is found in the trace.
    pub keys: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// What is looked at.
pub struct Checked<'a> {
    /// The world.
    pub sim: &'a Sim,
    /// The deployment, settled.
    pub deployment: &'a Deployment,
    /// The companies.
    pub companies: &'a [Arc<Company>],
}

impl Checked<'_> {
    /// Everything that is wrong.
    pub async fn all(&self) -> anyhow::Result<Vec<Broken>> {
        let mut broken = self.nothing_waits().await?;
        for company in self.companies.iter().filter(|company| company.is_connected()) {
            broken.extend(self.cards_tell_each_way(company));
        }
        Ok(broken)
    }

    /// No job waits, and none was given up.
    async fn nothing_waits(&self) -> anyhow::Result<Vec<Broken>> {
        let mut broken = Vec::new();
        let memory = self.deployment.memory();
        for queue in queues::ALL {
            let depth = memory.depth(queue).await?;
            if depth.waiting > 0 {
                broken.push(Broken {
                    promise: "every job ends",
                    what: format!("{} jobs still wait on {}", depth.waiting, queue.name()),
                    keys: vec![format!(" {} ", queue.name())],
                });
            }
            for buried in memory.dead_letters(queue, 10).await? {
                broken.push(Broken {
                    promise: "no job is given up for a trouble that passes",
                    what: format!("{}: {} ({})", queue.name(), buried.letter.reason, buried.letter.code),
                    keys: vec![buried.letter.trace.clone()],
                });
            }
        }
        Ok(broken)
    }

    /// The cards of a deal tell its way without a gap, in order and once: the first that it is new, each move where the
    /// one before ended, and the last where the deal is now.
    fn cards_tell_each_way(&self, company: &Company) -> Vec<Broken> {
        let cards = company.workspace.texts("sales-pipeline");
        let stages = company.portal.stages();
        let name_of = |id: &Value| {
            let stage = stages.iter().find(|stage| stage["STATUS_ID"] == *id);
            // A stage without a name is shown by its id.
            stage.map_or(id, |stage| &stage["NAME"]).as_str().unwrap_or_default().to_owned()
        };
        let deals = company.deeds().deals.clone();
        let mut broken = Vec::new();
        for id in deals {
            let Some(item) = company.portal.item(DEAL, id) else { continue };
            let title = item["title"].as_str().unwrap_or_default();
            let word = title.trim_start_matches("Deal ").to_owned();
            let about: Vec<&String> = cards.iter().filter(|card| card.contains(&word)).collect();
            let wrong = way_of(&about, &name_of(&item["stageId"]));
            if let Err(what) = wrong {
                broken.push(Broken {
                    promise: "the cards of a deal tell its way without a gap, in order and once",
                    what: format!("company {} deal {id} {word}: {what}: {about:#?}", company.number),
                    keys: vec![word, format!("deal#{id}"), format!("deal {id} "), format!("=CRM_DEAL&{id}")],
                });
            }
        }
        broken
    }
}

/// Whether cards tell a way from a new deal to its stage now.
fn way_of(cards: &[&String], stage: &str) -> Result<(), String> {
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
    use super::*;

    fn way(cards: &[&str], stage: &str) -> Result<(), String> {
        let cards: Vec<String> = cards.iter().map(|card| (*card).to_owned()).collect();
        way_of(&cards.iter().collect::<Vec<_>>(), stage)
    }

    #[test]
    fn a_way_has_no_gap_no_double_and_ends_where_the_deal_is() {
        let good = ["New deal: Deal x", "Deal Deal x: A → B", "Deal won: Deal x (B → C)"];
        assert_eq!(way(&good, "C"), Ok(()));
        assert!(way(&good[1..], "C").is_err(), "not new");
        assert!(way(&[good[0], good[2], good[1]], "B").is_err(), "in another order");
        assert!(way(&[good[0], good[1], good[1]], "B").is_err(), "twice");
        assert!(way(&good[..2], "C").is_err(), "the last is missing");
        assert!(way(&[], "C").is_err(), "none");
    }
}
