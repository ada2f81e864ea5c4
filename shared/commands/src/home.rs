//! The view of the app's home tab: a person's day, their deals, their user in Bitrix24. Publishing it is in
//! `slack-events`.

use clients::{ErrorClass, Failure};
use crm::views::{DaySummary, needs_permission};
use locale::{Language, texts};
use slack::block::Block;
use slack::{Mrkdwn, View};
use user_mapping::mapping::Acting;
use user_mapping::{OpenTenant, TenantContext};

use crate::answers;
use crate::deal::act::listed;
use crate::me::act::known_by;
use crate::status::act::blocks;

/// The contents of a person's home tab.
#[derive(Clone, Copy)]
struct HomeView<'a> {
    /// The name of the user that they are linked to.
    name: Option<&'a str>,
    /// How they were linked, in words.
    known_by: &'a str,
    /// Their day; `None` if they are not linked.
    day: Option<&'a DaySummary>,
    /// Some of their deals: number, title, address.
    deals: &'a [(u64, String, String)],
    /// The portal's address.
    portal: &'a str,
    /// Whether they must first let us work with their own rights.
    must_allow: bool,
}

/// The view of a person's home tab.
///
/// # Errors
/// If the store or the portal does not answer.
pub async fn view(context: &TenantContext, tenant: &OpenTenant, user: &str) -> Result<View, Failure> {
    let language = tenant.settings.language;
    let origin = tenant.origin();
    let home = |name, known_by| HomeView { name, known_by, day: None, deals: &[], portal: &origin, must_allow: false };
    let person = match context.acting(tenant, user).await? {
        Acting::As(person) => person,
        Acting::Dismissed => return Ok(home(None, language.text(texts::commands::DISMISSED)).view(language)),
        Acting::Nobody { .. } => return Ok(home(None, language.text(texts::home::NOT_LINKED)).view(language)),
    };
    let known_by = known_by(&person, language);
    let home = home(Some(person.name.as_str()), &known_by);
    let rights = match context.rights(tenant, person.user).await {
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if needs_permission(&code) => {
            return Ok(HomeView { must_allow: true, ..home }.view(language));
        }
        rights => rights?,
    };
    let day = crm::views::day(context, tenant, &rights).await?;
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
            _ => vec![welcome(language), Block::section(Mrkdwn::text(language.text(texts::home::HOW_TO_LINK)))],
        };
        blocks.push(Block::Divider);
        blocks.push(Block::section(Mrkdwn::bold(language.text(texts::home::MY_SETTINGS))));
        blocks.push(Block::section(Mrkdwn::text(self.known_by)));
        let commands = crate::ALL.iter().fold(Mrkdwn::default(), |text, spec| {
            let (usage, description) = (spec.usage_line(language), language.text(spec.description));
            let command = language.text(texts::home::Command { usage: usage.as_str(), description });
            text.then(&Mrkdwn::text(&format!("{command}\n")))
        });
        let open = Mrkdwn::link(self.portal, language.text(texts::home::OPEN_BITRIX24));
        blocks.push(Block::context([commands, open]));
        View::home(blocks)
    }

    fn day_of(&self, name: &str, day: &DaySummary, language: Language) -> Vec<Block> {
        let head = Block::header(&language.text(texts::home::Day { name }));
        let deals = self.deals.iter().flat_map(|(id, title, url)| listed(*id, title, url, language));
        [vec![head], blocks(day, language), deals.collect()].concat()
    }
}

fn welcome(language: Language) -> Block {
    Block::header(language.text(texts::home::WELCOME))
}

#[cfg(test)]
mod tests {
    use locale::{Language, in_pseudo};

    use super::HomeView;
    use crate::pseudo::{assert_shown, days};

    #[test]
    fn the_home_tab_comes_from_the_catalogues() {
        let deals = [(42, "Крыша".to_owned(), "https://портал.рф/42".to_owned())];
        let home = HomeView {
            name: None,
            known_by: "1",
            day: None,
            deals: &[],
            portal: "https://портал.рф",
            must_allow: false,
        };
        let [busy, quiet] = days();
        let views = [
            HomeView { name: Some("Анна"), day: Some(&busy), deals: &deals, ..home },
            HomeView { name: Some("Анна"), day: Some(&quiet), ..home },
            HomeView { name: Some("Анна"), must_allow: true, ..home },
            home,
        ];
        for view in views {
            assert_shown(&in_pseudo(|| view.view(Language::default())));
        }
    }
}
