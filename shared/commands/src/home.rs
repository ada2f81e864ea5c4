//! The view of the app's home tab: a person's day, their deals, their user in Bitrix24. Publishing it is in
//! `slack-events`.

use clients::{ErrorClass, Failure};
use crm::views::{DaySummary, needs_permission};
use locale::Language;
use slack::block::Block;
use slack::{Mrkdwn, View};
use user_mapping::mapping::Acting;
use user_mapping::{Talk, Tenant};

use crate::answers;
use crate::deal::act::listed;
use crate::me::act::known_by;
use crate::status::act::blocks;

/// What the home of a person shows.
struct HomeView<'a> {
    /// The name of the user that they are linked to.
    name: Option<&'a str>,
    /// How that is known, in words.
    known_by: &'a str,
    /// Their day; nothing if they are not linked.
    day: Option<&'a DaySummary>,
    /// Some of their deals: number, title, address.
    deals: &'a [(u64, String, String)],
    /// The portal's address.
    portal: &'a str,
    /// Whether they must first let us work with their own rights.
    must_allow: bool,
}

/// The home of a person in Slack.
///
/// # Errors
/// If the store or the portal does not answer.
pub async fn view(talk: &Talk, tenant: &Tenant, user: &str) -> Result<View, Failure> {
    let language = tenant.settings.language;
    let origin = tenant.origin();
    let home = |name, known_by| HomeView { name, known_by, day: None, deals: &[], portal: &origin, must_allow: false };
    let person = match talk.acting(tenant, user).await? {
        Acting::As(person) => person,
        Acting::Dismissed => return Ok(home(None, answers::dismissed(language)).view(language)),
        Acting::Nobody { .. } => return Ok(home(None, language.pick("Not linked.", "Не связано.")).view(language)),
    };
    let known_by = known_by(&person, language);
    let home = home(Some(person.name.as_str()), &known_by);
    let rights = match talk.rights(tenant, person.user).await {
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if needs_permission(&code) => {
            return Ok(HomeView { must_allow: true, ..home }.view(language));
        }
        rights => rights?,
    };
    let day = crm::views::day(talk, tenant, &rights).await?;
    let deals = crm::views::latest_deals(tenant, &rights).await?;
    Ok(HomeView { day: Some(&day), deals: &deals, ..home }.view(language))
}

impl HomeView<'_> {
    fn view(&self, language: Language) -> View {
        let mut blocks = match (self.name, self.day) {
            (Some(name), Some(day)) => self.day_of(name, day, language),
            (Some(_), None) if self.must_allow => {
                [vec![welcome(language)], answers::allow_later(language).blocks].concat()
            }
            _ => vec![welcome(language), Block::section(Mrkdwn::text(not_linked(language)))],
        };
        blocks.push(Block::Divider);
        blocks.push(Block::section(Mrkdwn::bold(language.pick("My settings", "Мои настройки"))));
        blocks.push(Block::section(Mrkdwn::text(self.known_by)));
        let commands = crate::ALL.iter().fold(Mrkdwn::default(), |text, spec| {
            text.then(&Mrkdwn::text(&format!("{} – {}\n", spec.usage_line(), spec.description)))
        });
        let open = Mrkdwn::link(self.portal, language.pick("Open Bitrix24", "Открыть Битрикс24"));
        blocks.push(Block::context([commands, open]));
        View::home(blocks)
    }

    fn day_of(&self, name: &str, day: &DaySummary, language: Language) -> Vec<Block> {
        let head = Block::header(&match language {
            Language::En => format!("{name} in Bitrix24"),
            Language::Ru => format!("{name} в Битрикс24"),
        });
        let deals = self.deals.iter().flat_map(|(id, title, url)| listed(*id, title, url, language));
        [vec![head], blocks(day, language), deals.collect()].concat()
    }
}

fn welcome(language: Language) -> Block {
    Block::header(language.pick("Welcome to Switchboard", "Добро пожаловать в Switchboard"))
}

fn not_linked(language: Language) -> &'static str {
    language.pick(
        "Your Slack account isn't linked to a Bitrix24 user yet. Type /b24-me with your Bitrix24 e-mail in any channel, or ask an administrator to link you.",
        "Ваша учётная запись Slack ещё не связана с пользователем Битрикс24. Наберите /b24-me с вашей почтой в Битрикс24 в любом канале или попросите администратора связать вас.",
    )
}
