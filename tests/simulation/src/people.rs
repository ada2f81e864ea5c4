//! What people do at work.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use simulators::portal::DEAL;

use crate::company::Company;
use crate::sim::Sim;

/// Stages of the first funnel, in which people move deals in any order.
const STAGES: [&str; 6] = ["NEW", "PREPARATION", "PREPAYMENT_INVOICE", "EXECUTING", "FINAL_INVOICE", "WON"];
/// How long a company does nothing, on average.
const PAUSE: Duration = Duration::from_secs(20);

/// The people of a company, at work.
pub struct People {
    sim: Arc<Sim>,
    company: Arc<Company>,
}

impl People {
    /// The people of a company.
    pub fn new(sim: Arc<Sim>, company: Arc<Company>) -> Self {
        Self { sim, company }
    }

    /// They work until then.
    pub async fn work_until(&self, end: Duration) {
        loop {
            tokio::time::sleep(self.sim.people.wait(PAUSE)).await;
            if self.sim.clock.passed() >= end {
                return;
            }
            if self.company.is_connected() {
                self.do_something().await;
            }
        }
    }

    async fn do_something(&self) {
        self.sim.count("actions of people");
        match self.sim.people.below(10) {
            0 | 1 => self.add_deal(),
            _ => self.move_deal(),
        }
    }

    fn note(&self, what: &str) {
        self.sim.trace.note(format!("people  company {}: {what}", self.company.number));
    }

    fn word(&self) -> String {
        format!("w{:06x}x", self.sim.data.below(0x0100_0000))
    }

    fn add_deal(&self) {
        let title = format!("Deal {}", self.word());
        let id = self.company.portal.add_deal(&title, self.sim.data.between(1, 100_000), "EUR");
        self.note(&format!("add deal {id} {title}"));
        let mut deeds = self.company.deeds();
        deeds.deals.push(id);
        deeds.deal_changed_at.insert(id, self.sim.clock.passed());
    }

    fn move_deal(&self) {
        let deals = self.company.deeds().deals.clone();
        let Some(&id) = self.sim.people.pick(&deals) else { return self.add_deal() };
        let Some(&stage) = self.sim.people.pick(&STAGES) else { return };
        self.note(&format!("move deal {id} to {stage}"));
        self.company.portal.change_item(DEAL, id, json!({"stageId": stage}));
        self.company.deeds().deal_changed_at.insert(id, self.sim.clock.passed());
    }
}
