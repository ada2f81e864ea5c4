//! What people do at work.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use simulators::NotionSimulator;
use simulators::portal::{DEAL, PhoneCall};

use crate::company::{Company, News, Said, TypedCommand};
use crate::sim::Sim;

/// Stages of the first funnel, in which people move deals in any order.
const STAGES: [&str; 6] = ["NEW", "PREPARATION", "PREPAYMENT_INVOICE", "EXECUTING", "FINAL_INVOICE", "WON"];
/// How long a company does nothing, on average.
const PAUSE: Duration = Duration::from_secs(12);
/// The channel of the bridged conversation.
pub const BRIDGED: &str = "general";
/// The people who are in both systems.
const PEOPLE: [u64; 2] = [1, 6];
/// How often one of them edits or deletes what was said last, rather than to say something else.
const RECENT: usize = 6;

/// The people of a company, at work.
pub struct People {
    /// The world.
    pub sim: Arc<Sim>,
    /// Their company.
    pub company: Arc<Company>,
    /// Notion.
    pub notion: Arc<NotionSimulator>,
}

impl People {
    /// They work until then.
    pub async fn work_until(&self, end: Duration) {
        loop {
            tokio::time::sleep(self.sim.people.wait(PAUSE)).await;
            if self.sim.clock.passed() >= end {
                return;
            }
            if self.company.is_connected() {
                self.do_something();
            }
        }
    }

    fn do_something(&self) {
        self.sim.count("actions of people");
        match self.sim.people.below(20) {
            0 | 1 => self.add_deal(),
            2..=5 => self.move_deal(),
            6 => (0..self.leads_at_once()).for_each(|_| self.add_lead()),
            7 => self.miss_a_call(),
            8 | 9 => self.comment_a_task(),
            10 | 11 => self.say_in_slack(),
            12 | 13 => self.write_in_the_chat(),
            14 | 15 => self.edit_what_was_said(),
            16 => self.delete_what_was_said(),
            17 => self.type_a_command(),
            _ => self.edit_a_page(),
        }
    }

    fn note(&self, what: &str) {
        self.sim.trace.note(format!("people  company {}: {what}", self.company.number));
    }

    fn word(&self) -> String {
        format!("w{:06x}x", self.sim.data.below(0x0100_0000))
    }

    fn now(&self) -> Duration {
        self.sim.clock.passed()
    }

    fn person(&self) -> u64 {
        self.sim.people.pick(&PEOPLE).copied().unwrap_or(1)
    }

    fn is_news(&self, kind: &'static str, word: String, to: String) {
        let at = self.now();
        self.company.deeds().news.push(News { kind, word, to, at });
    }

    fn add_deal(&self) {
        let title = format!("Deal {}", self.word());
        let id = self.company.portal.add_deal(&title, self.sim.data.between(1, 100_000), "EUR");
        self.note(&format!("add deal {id} {title}"));
        self.company.deeds().deals.push(id);
    }

    fn move_deal(&self) {
        let deals = self.company.deeds().deals.clone();
        let Some(&id) = self.sim.people.pick(&deals) else { return self.add_deal() };
        let Some(&stage) = self.sim.people.pick(&STAGES) else { return };
        self.note(&format!("move deal {id} to {stage}"));
        self.company.portal.change_item(DEAL, id, json!({"stageId": stage}));
    }

    /// Mostly one; sometimes a list is imported.
    fn leads_at_once(&self) -> u64 {
        if self.sim.people.happens(150) { self.sim.people.between(8, 20) } else { 1 }
    }

    fn add_lead(&self) {
        let word = self.word();
        let id = self.company.portal.add_lead(&format!("Lead {word}"));
        self.note(&format!("add lead {id} {word}"));
        self.is_news("lead", word, "sales-leads".into());
    }

    fn miss_a_call(&self) {
        let phone = format!("+49{:09}", self.sim.data.below(1_000_000_000));
        let call = PhoneCall { kind: 2, phone: phone.clone(), user: 6, code: "304".into(), ..PhoneCall::default() };
        let id = self.company.portal.end_call(&call);
        self.note(&format!("miss call {id} from {phone}"));
        self.is_news("call", phone, "calls".into());
    }

    fn comment_a_task(&self) {
        let tasks = self.company.deeds().tasks.clone();
        let task = self.sim.people.pick(&tasks).copied().filter(|_| self.sim.people.happens(700));
        let task = task.unwrap_or_else(|| {
            let title = format!("Task {}", self.word());
            let task = self.company.portal.add_task(json!({"TITLE": title, "RESPONSIBLE_ID": 6, "CREATED_BY": 1}));
            self.note(&format!("add task {task} {title}"));
            self.company.deeds().tasks.push(task);
            task
        });
        let word = self.word();
        self.company.portal.comment(task, 1, &format!("About it: {word}"));
        self.note(&format!("comment task {task} {word}"));
        self.is_news("comment", word, "user6@example.com".into());
    }

    fn say_in_slack(&self) {
        let (word, person) = (self.word(), self.company.person(self.person()));
        let text = format!("Hello {word}");
        let channel = self.company.workspace.channel_id(BRIDGED);
        let id = self.company.workspace.say(&person, &channel, &text, None, &[]);
        self.note(&format!("say in Slack {id} {text}"));
        self.keep(word, true, id, text);
    }

    fn write_in_the_chat(&self) {
        let Some(chat) = self.company.deeds().chat.clone() else { return };
        let word = self.word();
        let text = format!("Hello {word}");
        let id = self.company.portal.write(self.person(), &chat, &text, None, &[]);
        self.note(&format!("write in {chat} {id} {text}"));
        self.keep(word, false, id.to_string(), text);
    }

    fn keep(&self, word: String, in_slack: bool, id: String, text: String) {
        let at = self.now();
        self.company.deeds().said.push(Said { word, in_slack, id, text, is_deleted: false, at });
    }

    /// One of the last things that were said and are still there.
    fn something_said(&self) -> Option<usize> {
        let deeds = self.company.deeds();
        let there = deeds.said.iter().enumerate().filter(|(_, said)| !said.is_deleted).map(|(index, _)| index);
        let there: Vec<usize> = there.collect();
        let recent = &there[there.len().saturating_sub(RECENT)..];
        self.sim.people.pick(recent).copied()
    }

    fn edit_what_was_said(&self) {
        let Some(index) = self.something_said() else { return };
        let number = self.sim.data.below(10_000);
        let said = {
            let now = self.now();
            let mut deeds = self.company.deeds();
            let said = &mut deeds.said[index];
            said.text = format!("Hello {} edit{number}", said.word);
            said.at = now;
            said.clone()
        };
        self.note(&format!("edit {} {}", said.id, said.text));
        if said.in_slack {
            self.company.workspace.edit(&self.company.workspace.channel_id(BRIDGED), &said.id, &said.text);
        } else if let Some(chat) = self.company.deeds().chat.clone() {
            self.company.portal.edit(&chat, said.id.parse().unwrap_or_default(), &said.text);
        }
    }

    fn delete_what_was_said(&self) {
        let Some(index) = self.something_said() else { return };
        let said = {
            let now = self.now();
            let mut deeds = self.company.deeds();
            deeds.said[index].is_deleted = true;
            deeds.said[index].at = now;
            deeds.said[index].clone()
        };
        self.note(&format!("delete {} {}", said.id, said.word));
        if said.in_slack {
            self.company.workspace.delete(&self.company.workspace.channel_id(BRIDGED), &said.id);
        } else if let Some(chat) = self.company.deeds().chat.clone() {
            self.company.portal.delete(&chat, said.id.parse().unwrap_or_default());
        }
    }

    fn type_a_command(&self) {
        let (word, person) = (self.word(), self.company.person(self.person()));
        let (command, text) = match self.sim.people.below(3) {
            0 => ("/b24-lead", format!("Lead {word}")),
            1 => ("/b24-task", format!("Task {word}")),
            _ => ("/b24-deal", format!("{word} no deal")),
        };
        self.note(&format!("type {command} {text}"));
        let (company, sim) = (self.company.clone(), self.sim.clone());
        tokio::spawn(async move {
            let channel = company.workspace.channel_id("ops");
            let reply = company.workspace.command(&person, &channel, command, &text).await;
            let is_accepted = reply.status == 200 && !reply.is_late;
            sim.trace.note(format!("people  company {}: {command} {word} → {}", company.number, reply.status));
            company.deeds().commands.push(TypedCommand { command, word, user: person, is_accepted });
        });
    }

    fn edit_a_page(&self) {
        let Some(source) = self.company.deeds().source.clone() else { return self.move_deal() };
        let rows = self.notion.rows(&source);
        let Some(row) = self.sim.people.pick(&rows).and_then(|row| row["id"].as_str()) else { return };
        let amount = self.sim.data.between(1, 100_000);
        self.note(&format!("edit page {row}: Amount {amount}"));
        if let Err(error) = self.notion.edit(row, &json!({"Amount": {"number": amount}})) {
            self.note(&format!("cannot edit page {row}: {error}"));
        }
    }
}

/// The settings of a company.
pub fn settings(notion: Option<&Value>) -> Value {
    let mut settings = json!({
        "group_bursts": null, "operators": {"channel": "#ops", "watch": []}, "people": {"act_as": "connection"},
    });
    if let Some(notion) = notion {
        settings["notion"] = notion.clone();
    }
    settings
}

#[cfg(test)]
mod tests {
    use crate::sim::words_in;

    #[test]
    fn words_are_found_in_any_text() {
        assert_eq!(words_in("new w0a1b2cx: wow wfffff x w123456x").collect::<Vec<_>>(), ["w0a1b2cx", "w123456x"]);
        assert_eq!(words_in("ü w12345").count(), 0);
    }
}
