//! Cards: what people read in Slack.

use slack::block::Button;
use slack::{Block, Message, Mrkdwn};

use crate::change::{Change, ChangeKind};
use crate::money;
use crate::names::Names;

/// The card of a change, with links to the portal at `domain`.
pub fn render(change: &Change, names: &Names, domain: &str) -> Message {
    let card = Card { change, names, domain };
    match change.kind {
        ChangeKind::LeadCreated => card.lead_created(),
        ChangeKind::DealCreated => card.deal_created(),
        ChangeKind::DealStageChanged => card.deal_stage_changed(),
    }
}

struct Card<'a> {
    change: &'a Change,
    names: &'a Names,
    domain: &'a str,
}

impl Card<'_> {
    fn lead_created(&self) -> Message {
        let source = self.names.source(&self.change.item).unwrap_or("unknown");
        self.message(
            &format!("New lead: {}", self.title()),
            Mrkdwn::text("🆕 New lead ").then(&self.link()),
            vec![("Source", Mrkdwn::text(source)), ("Responsible", self.responsible())],
        )
    }

    fn deal_created(&self) -> Message {
        let stage = self.stage(self.change.item.stage_id.as_deref());
        self.message(
            &format!("New deal: {}", self.title()),
            Mrkdwn::text("🆕 New deal ").then(&self.link()),
            vec![("Sum", self.sum()), ("Stage", Mrkdwn::text(&stage)), ("Responsible", self.responsible())],
        )
    }

    fn deal_stage_changed(&self) -> Message {
        let from = self.stage(self.change.from_stage.as_deref());
        let to = self.stage(self.change.item.stage_id.as_deref());
        let (mark, verb) = match self.change.item.stage_semantic_id.as_deref() {
            Some("S") => ("🏆", "Deal won "),
            Some("F") => ("❌", "Deal lost "),
            _ => ("➡️", "Deal "),
        };
        let stages = Mrkdwn::text(&format!("{from} → ")).then(&Mrkdwn::bold(&to));
        self.message(
            &format!("{verb}{}: {from} → {to}", self.title()),
            Mrkdwn::text(&format!("{mark} {verb}")).then(&self.link()),
            vec![("Stage", stages), ("Sum", self.sum()), ("Responsible", self.responsible())],
        )
    }

    fn message(&self, fallback: &str, headline: Mrkdwn, fields: Vec<(&'static str, Mrkdwn)>) -> Message {
        let button = Button::open("Open in Bitrix24", &self.url(), "open_record");
        let record = Mrkdwn::text(&format!("{} · {}", self.change.record, self.domain));
        let mut blocks = vec![Block::section(headline), Block::fields(fields)];
        blocks.extend(button.map(|button| Block::actions([button])));
        blocks.push(Block::context([record]));
        Message::new(Mrkdwn::text(fallback), blocks)
    }

    fn title(&self) -> &str {
        self.change.item.title.as_deref().map(str::trim).filter(|title| !title.is_empty()).unwrap_or("(no title)")
    }

    fn link(&self) -> Mrkdwn {
        Mrkdwn::link(&self.url(), self.title())
    }

    fn url(&self) -> String {
        self.change.record.entity.link(self.domain, self.change.record.id)
    }

    fn stage(&self, code: Option<&str>) -> String {
        let stage = |code| self.names.stage(self.change.record.entity, self.change.item.category_id, code);
        code.map_or("unknown", stage).to_owned()
    }

    fn sum(&self) -> Mrkdwn {
        let item = &self.change.item;
        let sum = item.opportunity.as_deref().map(|sum| money::format(sum, item.currency_id.as_deref()));
        Mrkdwn::text(sum.as_deref().unwrap_or("unknown"))
    }

    fn responsible(&self) -> Mrkdwn {
        Mrkdwn::text(self.names.responsible(&self.change.item).unwrap_or("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Record;
    use bitrix24::EntityType;
    use bitrix24::crm::Status;
    use proptest::prelude::*;
    use serde_json::json;

    fn change(title: &str) -> Change {
        let item = json!({
            "id": 42, "title": title, "stageId": "WON", "stageSemanticId": "S", "categoryId": 0,
            "opportunity": 150_000, "currencyId": "EUR", "assignedById": 6
        });
        Change {
            kind: ChangeKind::DealStageChanged,
            record: Record { entity: EntityType::DEAL, id: 42 },
            item: serde_json::from_value(item).unwrap(),
            from_stage: Some("NEW".into()),
        }
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.add_statuses(
            serde_json::from_value::<Vec<Status>>(json!([
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "NEW", "NAME": "New"},
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "WON", "NAME": "Won & paid"},
            ]))
            .unwrap(),
        );
        names.add_users(
            serde_json::from_value::<Vec<_>>(json!([{"ID": "6", "NAME": "Ann", "LAST_NAME": "Lee"}])).unwrap(),
        );
        names
    }

    #[test]
    fn a_won_deal_tells_stages_sum_and_responsible() {
        insta::assert_json_snapshot!(render(&change("Roof for ACME"), &names(), "acme.bitrix24.com"));
    }

    #[test]
    fn a_card_without_names_still_tells_what_it_can() {
        let message = render(&change(""), &Names::default(), "acme.bitrix24.com");
        assert_eq!(message.text.as_str(), "Deal won (no title): NEW → WON");
        assert!(serde_json::to_string(&message).unwrap().contains("unknown"));
    }

    proptest! {
        /// Whatever people write into a title, the card mentions nobody and links nowhere but to the portal.
        #[test]
        fn no_title_makes_markup(title in "[<>!@#&|*_~`a-z \\n]{0,40}") {
            let message = render(&change(&title), &names(), "acme.bitrix24.com");
            for text in [message.text.as_str(), &serde_json::to_string(&message.blocks).unwrap()] {
                for (at, _) in text.match_indices('<') {
                    prop_assert!(text[at..].starts_with("<https://acme.bitrix24.com/crm/deal/details/42/|"));
                }
            }
        }
    }
}
