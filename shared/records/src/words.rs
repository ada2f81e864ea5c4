//! The words of a card: what can stand in braces in a template, and what it shows for a change.

use bitrix24::EntityType;
use jiff::Timestamp;
use serde_json::Value;
use slack::Mrkdwn;

use crate::change::{Change, ChangeKind, Noun, Related, likeness};
use crate::names::{Named, Names};
use crate::record::State;
use locale::language::Language;
use locale::money;
use text::{Block, Document, Span, Surroundings, units};

/// The most that a card shows of a text that somebody wrote.
const MOST_TEXT: usize = 1_500;

/// What a change is told with.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// The change.
    pub change: &'a Change,
    /// The names of what it speaks of.
    pub names: &'a Names,
    /// The portal's host, for links.
    pub domain: &'a str,
    /// The language.
    pub language: Language,
}

/// The words that every change has.
const ALWAYS: [&str; 8] = ["title", "link", "url", "id", "type", "responsible", "creator", "created"];

/// The words that changes of a noun have besides those of all.
fn own_words(noun: Noun) -> &'static [&'static str] {
    match noun {
        Noun::Staged => &[
            "sum",
            "stage",
            "from_stage",
            "move",
            "funnel",
            "from_funnel",
            "funnel_move",
            "source",
            "company",
            "contact",
            "client",
            "previous_responsible",
            "changed_fields",
        ],
        Noun::Client => &["source", "company", "client", "previous_responsible", "changed_fields"],
        Noun::Task => &[
            "assignee",
            "previous_responsible",
            "project",
            "deadline",
            "from_deadline",
            "status",
            "from_status",
            "author",
            "text",
            "changed_fields",
        ],
        Noun::Call => &["phone", "time", "duration", "deal", "client", "reason", "callback", "recording"],
        Noun::Custom => &[],
    }
}

/// The portal's fields that `record.` and `before.` reach; custom fields besides.
fn fields(noun: Noun) -> &'static [&'static str] {
    match noun {
        Noun::Staged => &[
            "id",
            "title",
            "stageId",
            "stageSemanticId",
            "categoryId",
            "opportunity",
            "currencyId",
            "assignedById",
            "sourceId",
            "companyId",
            "contactId",
            "createdTime",
            "updatedTime",
            "movedTime",
            "createdBy",
            "entityTypeId",
        ],
        Noun::Client => &[
            "id",
            "title",
            "name",
            "lastName",
            "assignedById",
            "sourceId",
            "companyId",
            "createdTime",
            "updatedTime",
            "createdBy",
        ],
        Noun::Task => &[
            "id",
            "title",
            "status",
            "priority",
            "deadline",
            "createdBy",
            "responsibleId",
            "accomplices",
            "auditors",
            "groupId",
            "createdDate",
            "changedDate",
            "activityDate",
            "chatId",
            "ufCrmTask",
        ],
        Noun::Call => &[
            "callId",
            "callType",
            "phoneNumber",
            "portalUserId",
            "callDuration",
            "callStartDate",
            "callFailedCode",
            "callFailedReason",
            "crmActivityId",
            "crmEntityType",
            "crmEntityId",
        ],
        Noun::Custom => &[],
    }
}

/// Whether a field of the record can be read for changes of this kind.
pub fn is_field(kind: &ChangeKind, field: &str) -> bool {
    let top = field.split('.').next().unwrap_or_default();
    kind.noun() == Noun::Custom
        || fields(kind.noun()).contains(&top)
        || is_custom_field(top)
        // A smart process decides by itself which fields it has.
        || kind.name().starts_with("item.")
}

/// Whether a field is one that the customer made.
pub fn is_custom_field(field: &str) -> bool {
    field.starts_with("uf") && field.len() > 2 || field.starts_with("parentId")
}

/// What is wrong with a word in a template for changes of this kind, in words that name the fix.
pub fn problem(kind: &ChangeKind, word: &str) -> Option<String> {
    if let Some(field) = word.strip_prefix("record.").or_else(|| word.strip_prefix("before.")) {
        let known = fields(kind.noun());
        return (!is_field(kind, field)).then(|| match nearest(field, known.iter().copied()) {
            Some(like) => format!("{kind} has no field {field:?}; did you mean {like:?}?"),
            None => format!("{kind} has no field {field:?}; it has {}", known.join(", ")),
        });
    }
    let known = || ALWAYS.iter().chain(own_words(kind.noun())).copied();
    (!known().any(|known| known == word)).then(|| match nearest(word, known()) {
        Some(like) => {
            format!("{kind} has no word {{{word}}}; did you mean {{{like}}}? Fields are written {{record.NAME}}")
        }
        None => format!("{kind} has no word {{{word}}}; it has {}", known().collect::<Vec<_>>().join(", ")),
    })
}

/// Every word that changes of this kind have, for documents.
pub fn known(kind: &ChangeKind) -> Vec<&'static str> {
    ALWAYS.iter().chain(own_words(kind.noun())).copied().collect()
}

/// What was probably meant: it has most of its letters in common.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.max_by_key(|known| likeness(known, word)).filter(|like| likeness(like, word) * 2 >= word.len())
}

impl Telling<'_> {
    /// What a word shows. What is unknown shows as that; it never stops a card.
    pub fn word(&self, word: &str) -> Mrkdwn {
        if let Some(path) = word.strip_prefix("record.") {
            return self.field(&self.change.state, path);
        }
        if let Some(path) = word.strip_prefix("before.") {
            return self.change.before.as_ref().map_or_else(|| self.unknown(), |before| self.field(before, path));
        }
        let change = self.change;
        let state = &change.state;
        match word {
            "title" => Mrkdwn::text(&self.title()),
            "link" => self.link(),
            "url" => Mrkdwn::text(&self.url().unwrap_or_default()),
            "id" => Mrkdwn::text(change.about.rsplit(' ').next().unwrap_or_default()),
            "type" => Mrkdwn::text(change.about.split(' ').next().unwrap_or_default()),
            "responsible" | "assignee" => self.person(state.responsible()),
            "previous_responsible" => self.person(change.before.as_ref().and_then(State::responsible)),
            "creator" => self.person(state.creator()),
            "created" => self.moment(state.created_at()),
            "author" => self.person(change.author()),
            "text" => self.text(),
            "changed_fields" => Mrkdwn::text(&change.fields.join(", ")),
            _ => self
                .item_word(word)
                .or_else(|| self.task_word(word))
                .or_else(|| self.call_word(word))
                .unwrap_or_else(|| self.unknown()),
        }
    }

    /// The same without markup.
    pub fn plain(&self, word: &str) -> String {
        Document::from_mrkdwn(self.word(word).as_str()).visible().replace('\u{200b}', "")
    }

    fn item_word(&self, word: &str) -> Option<Mrkdwn> {
        let (entity, item) = self.change.entity().zip(self.change.state.as_item())?;
        let before = self.change.before.as_ref().and_then(State::as_item);
        let stage = |code: Option<&str>| {
            code.map_or(self.language.unknown(), |code| self.names.stage(entity, item.category_id, code)).to_owned()
        };
        let funnel = |category| self.names.funnel(entity, category).map(str::to_owned);
        let to = stage(item.stage_id.as_deref());
        Some(match word {
            "stage" => Mrkdwn::text(&to),
            "from_stage" => Mrkdwn::text(&stage(self.change.from_stage.as_deref())),
            "move" => {
                let from = stage(self.change.from_stage.as_deref());
                Mrkdwn::text(&format!("{from} → ")).then(&Mrkdwn::bold(&to))
            }
            "funnel" => self.known(funnel(item.category_id).as_deref()),
            "from_funnel" => self.known(funnel(before.and_then(|before| before.category_id)).as_deref()),
            "funnel_move" => {
                let from = funnel(before.and_then(|before| before.category_id));
                let from = from.as_deref().unwrap_or(self.language.unknown());
                let to = funnel(item.category_id);
                Mrkdwn::text(&format!("{from} → "))
                    .then(&Mrkdwn::bold(to.as_deref().unwrap_or(self.language.unknown())))
            }
            "sum" => {
                let sum = item.opportunity.as_deref();
                self.known(sum.map(|sum| money::format(sum, item.currency_id.as_deref(), self.language)).as_deref())
            }
            "source" => self.known(self.names.source(item)),
            "company" => self.item_name(EntityType::COMPANY, item.company_id),
            "contact" => self.item_name(EntityType::CONTACT, item.contact_id),
            "client" => match item.company_id.filter(|id| *id != 0) {
                Some(_) => self.item_name(EntityType::COMPANY, item.company_id),
                None => self.item_name(EntityType::CONTACT, item.contact_id),
            },
            _ => return None,
        })
    }

    fn task_word(&self, word: &str) -> Option<Mrkdwn> {
        let task = self.change.state.as_task()?;
        let before = self.change.before.as_ref().and_then(State::as_task);
        let status = |status: Option<u64>| self.known(status.and_then(|status| self.language.task_status(status)));
        Some(match word {
            "project" => match task.project() {
                Some(_) => self.known(self.project().as_deref()),
                None => Mrkdwn::text(self.language.none()),
            },
            "deadline" => task.deadline.map_or_else(|| Mrkdwn::text(self.language.none()), |at| self.moment(Some(at))),
            "from_deadline" => match before.and_then(|before| before.deadline) {
                Some(at) => self.moment(Some(at)),
                None => Mrkdwn::text(self.language.none()),
            },
            "status" => status(task.status),
            "from_status" => status(before.and_then(|before| before.status)),
            _ => return None,
        })
    }

    fn call_word(&self, word: &str) -> Option<Mrkdwn> {
        let call = self.change.state.as_call()?;
        Some(match word {
            "phone" => self.known(call.phone_number.as_deref()),
            "time" => self.moment(call.call_start_date),
            "duration" => {
                self.known(call.call_duration.map(|seconds| format!("{}:{:02}", seconds / 60, seconds % 60)).as_deref())
            }
            "reason" => self.known(call.call_failed_reason.as_deref()),
            "callback" => match call.phone_number.as_deref().map(dialled).filter(|number| number.len() > 2) {
                Some(number) => Mrkdwn::link(&format!("tel:{number}"), &number),
                None => self.unknown(),
            },
            "recording" => match (call.shown_record_url(), self.url()) {
                (Some(url), _) => Mrkdwn::link(url, self.language.pick("Listen", "Прослушать")),
                (None, Some(url)) => {
                    Mrkdwn::link(&url, self.language.pick("Listen in Bitrix24", "Прослушать в Битрикс24"))
                }
                _ => self.unknown(),
            },
            "deal" => {
                self.change.deal.as_ref().map_or_else(|| Mrkdwn::text(self.language.none()), |deal| self.related(deal))
            }
            "client" => {
                let client = self.change.client.as_ref();
                client.map_or_else(|| Mrkdwn::text(self.language.none()), |client| self.related(client))
            }
            _ => return None,
        })
    }

    /// What people call what changed.
    pub fn title(&self) -> String {
        let title = self.change.state.title().map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
        title.unwrap_or_else(|| self.language.pick("(no title)", "(без названия)").to_owned())
    }

    /// The page of what changed.
    pub fn url(&self) -> Option<String> {
        match &self.change.state {
            State::Item(item) => Some(self.change.entity()?.link(self.domain, item.id)),
            State::Task { task } => Some(task.link(self.domain)),
            State::Call { .. } => {
                let related = self.change.deal.as_ref().or(self.change.client.as_ref());
                Some(match related {
                    Some(related) => related.entity.link(self.domain, related.id),
                    None => format!("{}/telephony/detail.php", bitrix24::crm::origin(self.domain)),
                })
            }
            State::Custom { custom } => {
                // Only pages of the portal itself: the handler's own words are not trusted with more.
                let url = custom.get("url").or_else(|| custom.get("URL"))?.as_str()?;
                let own = format!("{}/", bitrix24::crm::origin(self.domain));
                url.starts_with(&own).then(|| url.to_owned())
            }
        }
    }

    /// What changed, as a link to its page.
    pub fn link(&self) -> Mrkdwn {
        match self.url() {
            Some(url) => Mrkdwn::link(&url, &self.title()),
            None => Mrkdwn::text(&self.title()),
        }
    }

    /// The project of a task, by name.
    pub fn project(&self) -> Option<String> {
        let task = self.change.state.as_task()?;
        let own = task.group.as_ref().and_then(|group| group.name.clone());
        own.or_else(|| Some(self.names.entry(Named::Project(task.project()?))?.name.clone()))
    }

    fn related(&self, related: &Related) -> Mrkdwn {
        let read = self.names.entry(Named::Item(related.entity, related.id)).map(|entry| entry.name.clone());
        let title = related.title.clone().or(read).unwrap_or_else(|| format!("{} {}", related.entity, related.id));
        Mrkdwn::link(&related.entity.link(self.domain, related.id), &title)
    }

    fn item_name(&self, entity: EntityType, id: Option<u64>) -> Mrkdwn {
        match id.filter(|id| *id != 0) {
            None => Mrkdwn::text(self.language.none()),
            Some(id) => match self.names.entry(Named::Item(entity, id)) {
                Some(entry) => Mrkdwn::link(&entity.link(self.domain, id), &entry.name),
                None => self.unknown(),
            },
        }
    }

    fn person(&self, id: Option<u64>) -> Mrkdwn {
        self.known(self.names.user(id))
    }

    /// In the reader's own time zone, which Slack knows.
    fn moment(&self, moment: Option<Timestamp>) -> Mrkdwn {
        moment.map_or_else(|| self.unknown(), Mrkdwn::moment)
    }

    fn text(&self) -> Mrkdwn {
        let Some(comment) = &self.change.comment else { return self.unknown() };
        let named = |id: &str| comment.file(id).map(str::to_owned);
        let mut document = self.read(&comment.text, Some(&named));
        let shown = document.visible();
        for name in comment.files.iter().map(|file| &file.name).filter(|name| !shown.contains(name.as_str())) {
            document.blocks.push(Block::Paragraph(vec![Span::text(format!("📎 {name}"))]));
        }
        if document.is_empty() { Mrkdwn::text(self.language.pick("(a file)", "(файл)")) } else { markup(document) }
    }

    /// What somebody wrote in the portal.
    fn read(&self, text: &str, file: Option<&dyn Fn(&str) -> Option<String>>) -> Document {
        let origin = bitrix24::crm::origin(self.domain);
        Document::from_bbcode_in(
            text,
            Surroundings { origin: Some(&origin), file, chat: self.change.comment.is_some() },
        )
    }

    fn field(&self, state: &State, path: &str) -> Mrkdwn {
        let facts = Value::Object(state.facts());
        let value = path.split('.').try_fold(&facts, |value, step| value.get(step));
        match value {
            None | Some(Value::Null) => Mrkdwn::text(self.language.none()),
            Some(Value::String(text)) if text.is_empty() => Mrkdwn::text(self.language.none()),
            Some(Value::String(text)) => markup(self.read(text, None)),
            Some(Value::Array(list)) => {
                let texts: Vec<_> =
                    list.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
                Mrkdwn::text(&texts.join(", ")).cut(MOST_TEXT)
            }
            Some(other) => Mrkdwn::text(&other.to_string()).cut(MOST_TEXT),
        }
    }

    fn known(&self, text: Option<&str>) -> Mrkdwn {
        text.map_or_else(|| self.unknown(), Mrkdwn::text)
    }

    fn unknown(&self) -> Mrkdwn {
        Mrkdwn::text(self.language.unknown())
    }
}

/// A text with its links and formatting, its beginning if it is long.
fn markup(document: Document) -> Mrkdwn {
    let mut parts = document.split(MOST_TEXT - 1, |part| units(&part.to_mrkdwn(false))).into_iter();
    let first = parts.next().unwrap_or_default().to_mrkdwn(false);
    let end = match parts.next() {
        Some(_) if first.ends_with("```") => "\n…",
        Some(_) => "…",
        None => "",
    };
    Mrkdwn::from_markup(&format!("{first}{end}"))
}

/// A number as a telephone takes it.
fn dialled(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if number.trim_start().starts_with('+') || digits.len() > 10 { format!("+{digits}") } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_word_or_field_is_named_with_what_was_meant() {
        let kind = ChangeKind::DealStageChanged;
        assert_eq!(problem(&kind, "sum"), None);
        assert_eq!(problem(&kind, "record.ufCrm_17"), None);
        assert_eq!(
            problem(&kind, "responsable").unwrap(),
            "deal.stage_changed has no word {responsable}; did you mean {responsible}? Fields are written {record.NAME}"
        );
        assert_eq!(
            problem(&kind, "record.oportunity").unwrap(),
            "deal.stage_changed has no field \"oportunity\"; did you mean \"opportunity\"?"
        );
        assert!(problem(&ChangeKind::LeadCreated, "phone").is_some());
        assert_eq!(problem(&ChangeKind::Custom("x".into()), "record.anything.at.all"), None);
    }

    #[test]
    fn a_number_is_dialled_with_its_plus() {
        assert_eq!(dialled("+49 (30) 1234-567"), "+49301234567");
        assert_eq!(dialled("79161006733"), "+79161006733");
        assert_eq!(dialled("112"), "112");
    }
}
