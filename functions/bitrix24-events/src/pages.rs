//! The answer to the bot's command `/notion`: `crm` finds the records, `notion_sync` knows their pages.

use bitrix24::EntityType;
use bitrix24::chat::ChatEvent;
use chat_bridge::bot_answers;
use clients::Failure;
use locale::texts;
use records::Record;
use text::Document;
use user_mapping::OpenTenant;

use crate::Deps;

/// The answer to `/notion name or number`: the pages of the deals that match.
pub(crate) async fn answer(
    deps: &Deps,
    tenant: &OpenTenant,
    event: &ChatEvent,
    words: &str,
) -> Result<String, Failure> {
    let language = bot_answers::language(event, tenant);
    let databases = &tenant.settings.notion.databases;
    if databases.is_empty() || tenant.portal.notion.is_none() {
        let text = language.text(texts::bot::NOTION_IS_NOT_SET_UP);
        return Ok(text.to_owned());
    }
    if words.is_empty() {
        let text = language.text(texts::bot::NOTION_NEEDS_WORDS);
        return Ok(text.to_owned());
    }
    let records = found_for(deps, tenant, event.author.id, words).await?;
    let mut lines = Vec::new();
    for (record, title) in &records {
        for database in databases.iter().filter(|known| known.records.kind() == record.kind()) {
            let link = deps.links.get(&tenant.id, &database.name, *record).await?;
            if let Some(page) = link.and_then(|(link, _)| link.page) {
                let title = Document::plain(title).to_bbcode(false);
                lines.push(format!(
                    "[url=https://www.notion.so/{}]{title}[/url] ({})",
                    page.replace('-', ""),
                    database.name
                ));
            }
        }
    }
    if lines.is_empty() {
        return Ok(language.text(texts::bot::NoPage { words: Document::plain(words).to_bbcode(false) }));
    }
    Ok(lines.join("\n"))
}

/// The deals and tasks that words or a number name and that the person may see.
async fn found_for(deps: &Deps, tenant: &OpenTenant, user: u64, words: &str) -> Result<Vec<(Record, String)>, Failure> {
    let rights = deps.context.rights_unasked(tenant, user).await?;
    let Ok(id) = words.trim_start_matches('#').parse::<u64>() else {
        let found = crm::views::find_deals(tenant, &rights, words).await?;
        return Ok(found.deals.into_iter().map(|(id, title, _)| (Record::item(EntityType::DEAL, id), title)).collect());
    };
    let mut records = Vec::new();
    if rights.item(EntityType::DEAL, id).await?.is_some() {
        records.push((Record::item(EntityType::DEAL, id), words.to_owned()));
    }
    if rights.task(id).await?.is_some() {
        records.push((Record::Task(id), words.to_owned()));
    }
    Ok(records)
}
