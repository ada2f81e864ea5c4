//! Conversations that are bridged: what is said on one side is on the other, once, in order, as it is now.

use super::{Broken, Checked, Shown};
use crate::company::{Company, Said};
use crate::people::BRIDGED;
use crate::sim::words_in;
use crate::storms::Climate;

const WHOLE: &str = "what is said in a bridged conversation is on the other side, once and as it is now";
const ORDER: &str = "a conversation is in the same order on both sides";

/// A message on the other side.
struct Copy {
    word: String,
    text: String,
}

impl Checked<'_> {
    /// Everything that was said on one side is on the other, in its order.
    pub(super) fn conversations_are_whole(&self, company: &Company, shown: &[Shown]) -> Vec<Broken> {
        let Some(chat) = company.deeds().chat.clone() else { return Vec::new() };
        let said = company.deeds().said.clone();
        let rows = company.portal.messages(&chat);
        let is_own = |said: &Said, id: &str, in_slack: bool| said.in_slack == in_slack && said.id == id;
        let in_slack: Vec<Copy> = shown
            .iter()
            .filter(|message| message.to == BRIDGED)
            .filter(|message| !said.iter().any(|said| is_own(said, &message.ts, true)))
            .flat_map(|message| copies(&message.text))
            .collect();
        let in_bitrix24: Vec<Copy> = rows
            .iter()
            .filter(|row| !said.iter().any(|said| is_own(said, &row["id"].to_string(), false)))
            .flat_map(|row| copies(row["text"].as_str().unwrap_or_default()))
            .collect();
        let mut broken = self.is_whole(company, &said, &in_slack, &in_bitrix24);
        broken.extend(self.is_in_order(company, "slack-events", &in_bitrix24));
        broken.extend(self.is_in_order(company, "bitrix24-events", &in_slack));
        broken
    }

    fn is_whole(&self, company: &Company, said: &[Said], in_slack: &[Copy], in_bitrix24: &[Copy]) -> Vec<Broken> {
        let accepted = self.deployment.accepted();
        let was_accepted = |text: &str| accepted.iter().any(|(_, body)| body.contains(text));
        let mut broken = Vec::new();
        for said in said {
            let there = if said.in_slack { in_bitrix24 } else { in_slack };
            let found: Vec<&Copy> = there.iter().filter(|copy| copy.word == said.word).collect();
            let texts: Vec<&str> = found.iter().map(|copy| copy.text.as_str()).collect();
            // What the provider could not bring to us at all is another matter.
            let is_known = was_accepted(&said.word);
            let wrong = match found.as_slice() {
                [] if said.is_deleted || !is_known => None,
                [] => Some("it is missing"),
                [_] if said.is_deleted && self.climate == Climate::Calm => Some("it is still there"),
                [copy] if !said.is_deleted && was_accepted(&said.text) && !copy.text.contains(&said.text) => {
                    Some("it has another text")
                }
                [_] => None,
                _ => Some("it is there more than once"),
            };
            if let Some(wrong) = wrong {
                let side = if said.in_slack { "Slack" } else { "Bitrix24" };
                let what = format!("company {}: {:?}, said in {side}: {wrong}: {texts:?}", company.number, said.text);
                broken.push(Broken::new(WHOLE, what, [said.word.clone(), said.id.clone()]));
            }
        }
        broken
    }

    fn is_in_order(&self, company: &Company, queue: &'static str, copies: &[Copy]) -> Vec<Broken> {
        let jobs = self.sim.jobs();
        let mut last: Option<(usize, &str)> = None;
        let mut broken = Vec::new();
        for copy in copies {
            let Some(&number) = jobs.words.get(&(queue, copy.word.clone())) else { continue };
            if let Some((before, word)) = last.filter(|(before, _)| *before > number) {
                let what = format!(
                    "company {}: {} arrived on {queue} as job {number}, {word} as job {before}; the copies are in the other order",
                    company.number, copy.word
                );
                broken.push(Broken::new(ORDER, what, [copy.word.clone(), word.to_owned()]));
            }
            last = Some((number, &copy.word));
        }
        broken
    }
}

fn copies(text: &str) -> impl Iterator<Item = Copy> {
    words_in(text).map(|word| Copy { word: word.to_owned(), text: text.replace('\u{200b}', "") })
}
