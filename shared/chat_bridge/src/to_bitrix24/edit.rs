//! What happens to a copied message later: its text is edited, or its author deletes it or its files.

use crate::chat::said::{edit_of_older, taken_back};
use clients::{DeliveryAttempt, ErrorClass, Failure};
use runtime::job::JobOutcome;
use runtime::reasons;
use tenants::bridges::{MessageLink, SlackState};
use text::{BITRIX24_MESSAGE, units};

use super::{MessageDelivery, uuid_of};

/// Writes the parts over the existing copies; adds parts, or deletes those that are no longer needed. A message that
/// the chat never had is written once, below a line that says so.
pub(super) async fn edit(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    parts: &[String],
    at: &str,
) -> Result<JobOutcome, Failure> {
    let (mut link, version) = delivery.link_or_new(None);
    if link.deleted {
        return line.skip(reasons::DELETED_MEANWHILE).await;
    }
    if link.in_slack.is_outdated(at) {
        return line.skip("a newer edit has been copied").await;
    }
    let has_no_copy = link.bitrix24.is_empty() && link.in_slack.edited.is_empty();
    if has_no_copy && parts.is_empty() {
        return line.skip("it was never copied, and is empty now").await;
    }
    link.in_slack.is_older |= has_no_copy;
    let parts = if link.in_slack.is_older { below_a_line(delivery, parts) } else { parts.to_vec() };
    write_over(delivery, line, &mut link, &parts).await?;
    if !at.is_empty() {
        at.clone_into(&mut link.in_slack.edited);
    }
    let writes = delivery.keeping(&link, version)?;
    let first = link.bitrix24.first().copied().unwrap_or_default();
    line.done(format!("{}/{first}", link.dialog), writes).await
}

/// The parts, the first of them below the line about an older message; the line is a part of its own if there is no
/// room.
fn below_a_line(delivery: &MessageDelivery<'_>, parts: &[String]) -> Vec<String> {
    let head = edit_of_older(delivery.tenant.settings.language).to_bbcode(false);
    match parts {
        [first, rest @ ..] if units(&head) + 1 + units(first) <= BITRIX24_MESSAGE => {
            std::iter::once(format!("{head}\n{first}")).chain(rest.iter().cloned()).collect()
        }
        parts => std::iter::once(head).chain(parts.iter().cloned()).collect(),
    }
}

async fn write_over(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    link: &mut MessageLink,
    parts: &[String],
) -> Result<(), Failure> {
    let doubt = line.doubt_of_parts().await;
    for (index, text) in parts.iter().enumerate() {
        if index < link.texts {
            // The same edit twice is one.
            let request = delivery.bot.edit(link.bitrix24[index], text);
            line.repeatable(delivery.tenant.bitrix24.ask(&request)).await?;
            continue;
        }
        let body = &delivery.job.body;
        let uuid = uuid_of(&format!("{}{index}", body.delivery));
        let earlier = match &doubt {
            Some(doubt) => line.looked_up_part(delivery.find_posted(doubt, &uuid, text, &link.bitrix24).await?)?,
            None => None,
        };
        let message = match earlier {
            Some(message) => message,
            None => {
                let request = delivery.bot.send(&body.dialog, text, None, &uuid);
                let sent = line.call(body.dialog.as_str(), delivery.tenant.bitrix24.ask(&request)).await?;
                delivery.number(&sent.result)?
            }
        };
        link.bitrix24.insert(index.min(link.bitrix24.len()), message);
        link.texts += 1;
    }
    while link.texts > parts.len() {
        link.texts -= 1;
        delivery.remove(line, link.bitrix24.remove(link.texts)).await?;
    }
    Ok(())
}

/// Deletes the copies of files that their author deleted; if Bitrix24 does not allow it, a line says so.
pub(super) async fn take_back(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    files: &[(String, String)],
    had: &[String],
) -> Result<JobOutcome, Failure> {
    let (mut link, version) = delivery.link_or_new(None);
    let copies: Vec<Option<u64>> = files.iter().map(|(id, _)| copy_of(&link, id, had)).collect();
    let mut stuck = Vec::new();
    for ((id, name), copy) in files.iter().zip(copies) {
        link.in_slack.taken.insert(id.clone());
        let Some(copy) = copy else { continue };
        match delivery.remove(line, copy).await {
            Ok(()) => {
                link.bitrix24.retain(|message| *message != copy);
                link.in_slack.files.remove(id);
            }
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => stuck.push(name.as_str()),
            Err(failure) => return Err(failure),
        }
    }
    for (index, name) in stuck.into_iter().enumerate() {
        say_taken(delivery, line, name, index).await?;
    }
    let (dialog, was_copied) = (link.dialog.clone(), version.is_some());
    let writes = delivery.keeping(&link, version)?;
    if was_copied {
        return line.done(format!("{dialog}: files removed"), writes).await;
    }
    // If they arrive after all, they are not copied.
    delivery.context.backend.store.put_all(writes).await?;
    line.skip("it was never copied").await
}

/// The message that is the copy of a file. If the link does not know it, the files' copies follow those of the text, in
/// order.
fn copy_of(link: &MessageLink, file: &str, had: &[String]) -> Option<u64> {
    if let Some(copy) = link.in_slack.files.get(file) {
        return Some(*copy);
    }
    let copies = link.bitrix24.get(link.texts..).unwrap_or_default();
    let is_unknown = link.in_slack == SlackState::default() && copies.len() == had.len();
    let place = had.iter().position(|id| id == file).filter(|_| is_unknown)?;
    copies.get(place).copied()
}

async fn say_taken(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    name: &str,
    place: usize,
) -> Result<(), Failure> {
    let body = &delivery.job.body;
    let uuid = uuid_of(&format!("{}taken{place}", body.delivery));
    let text = taken_back(name, delivery.tenant.settings.language).to_bbcode(false);
    if let Some(doubt) = line.doubt_of_parts().await {
        let found = delivery.find_posted(&doubt, &uuid, &text, &[]).await?;
        if line.looked_up_part(found)?.is_some() {
            return Ok(());
        }
    }
    let request = delivery.bot.send(&body.dialog, &text, None, &uuid);
    line.call(body.dialog.as_str(), delivery.tenant.bitrix24.ask(&request)).await.map(|_| ())
}
