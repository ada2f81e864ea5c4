//! A file from Slack into the chat, piece by piece; or a note that says why it was not copied and where it is.

use crate::chat::said::{instead_of_copy, not_copied, with_copy};
use bitrix24::transfer::MAX_FILE;
use clients::{DeliveryAttempt, Doubt, ErrorClass, Failure, LookUp};
use locale::{Fixed, texts};
use runtime::clock::MAX_PROVIDER_SKEW;
use runtime::job::JobOutcome;
use slack::event::File;
use text::Document;

use super::{MessageDelivery, UNREADABLE_CHAT, found_in, uuid_of};

pub(super) async fn share(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    file: &File,
    author: &str,
) -> Result<JobOutcome, Failure> {
    if delivery.link.as_ref().is_some_and(|(link, _)| link.deleted) {
        return line.skip(crate::reasons::DELETED_IN_SLACK).await;
    }
    let state = delivery.link.as_ref().map(|(link, _)| &link.in_slack);
    if state.is_some_and(|state| state.taken.contains(&file.id)) {
        return line.skip("its author removed it before it could be copied").await;
    }
    if state.is_some_and(|state| state.files.contains_key(&file.id)) {
        return line.skip("it has been copied").await;
    }
    let thread = delivery.link.as_ref().and_then(|(link, _)| link.thread.clone());
    let body = &delivery.job.body;
    let language = delivery.tenant.settings.language;
    let chats = &delivery.tenant.settings.chats;
    let most = u64::from(chats.largest_file_mb).saturating_mul(1024 * 1024).min(MAX_FILE);
    let file = if file.ask_first {
        match delivery.tenant.slack.file(&file.id, &body.channel).await {
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
                let why = texts::chat::FILE_REFUSED;
                return note(delivery, line, file, author, why, thread.as_deref()).await;
            }
            found => found?.0,
        }
    } else {
        file.clone()
    };
    if let Some(instead) = instead_of_copy(&file, language) {
        return say(delivery, line, instead, author, thread.as_deref()).await;
    }
    let comment = with_copy(&file, author).to_bbcode(false);
    let why = if !chats.files {
        Some(texts::chat::FILES_OFF)
    } else if file.size > most {
        Some(texts::chat::FILE_TOO_LARGE)
    } else {
        None
    };
    let request = delivery.bot.upload(&body.dialog, &file.name, &comment);
    let (Some(request), None) = (request, why) else {
        let why = why.unwrap_or(texts::chat::BOTS_CANNOT_SHARE);
        return note(delivery, line, &file, author, why, thread.as_deref()).await;
    };
    if let Some(doubt) = line.doubt().await {
        let found = shared_before(delivery, &file, &doubt).await?;
        if let Some(message) = line.looked_up(found)? {
            return delivery.posted(line, message, thread.as_deref()).await;
        }
    }
    let download = match delivery.tenant.slack.download(&file).await {
        Err(Failure { class: ErrorClass::Permanent { code }, text, .. }) => {
            tracing::warn!(trace = %delivery.job.trace, file = file.id, code, text, "a file could not be fetched from Slack");
            let is_gone = code == "file_not_found";
            let why = if is_gone { texts::chat::FILE_GONE } else { texts::chat::FILE_SCOPE_MISSING };
            return note(delivery, line, &file, author, why, thread.as_deref()).await;
        }
        download => download?,
    };
    let length = download.length.unwrap_or(file.size);
    if length > most {
        let why = texts::chat::FILE_TOO_LARGE;
        return note(delivery, line, &file, author, why, thread.as_deref()).await;
    }
    let upload = delivery.tenant.bitrix24.call_with_file(&request, length, download.pieces);
    let sent = match line.call(format!("{}/file", body.dialog), upload).await {
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if code == "file_too_large" => {
            let why = texts::chat::FILE_TOO_LARGE;
            return note(delivery, line, &file, author, why, thread.as_deref()).await;
        }
        sent => sent?,
    };
    let message = delivery.number(&sent.result)?;
    delivery.posted(line, message, thread.as_deref()).await
}

/// Our file message that may have been posted.
async fn shared_before(delivery: &MessageDelivery<'_>, file: &File, doubt: &Doubt) -> Result<LookUp<u64>, Failure> {
    let Some(chat) = delivery.tenant.bitrix24.chat_since(&delivery.job.body.dialog, doubt).await? else {
        return Ok(LookUp::Unknowable(UNREADABLE_CHAT.into()));
    };
    let same: Vec<u64> = chat
        .files
        .iter()
        .filter(|row| row["name"] == file.name.as_str() && bitrix24::tolerant::whole(&row["size"]) == Some(file.size))
        .filter_map(|row| bitrix24::tolerant::whole(&row["id"]))
        .collect();
    let known = delivery.link.as_ref().map(|(link, _)| link.bitrix24.clone()).unwrap_or_default();
    let earliest = doubt.since - MAX_PROVIDER_SKEW;
    let found = chat.messages.iter().find(|row| {
        let ids = row["params"]["FILE_ID"].as_array().into_iter().flatten().filter_map(bitrix24::tolerant::whole);
        let recent =
            row["date"].as_str().and_then(|date| date.parse::<jiff::Timestamp>().ok()).is_none_or(|at| at >= earliest);
        let is_new = row["id"].as_u64().is_some_and(|id| !known.contains(&id));
        recent && is_new && row["author_id"] == delivery.bot.id && ids.into_iter().any(|id| same.contains(&id))
    });
    Ok(found_in(found.and_then(|row| row["id"].as_u64()), chat.is_cut))
}

/// Posts a note in the chat that there is a file, and where. The link opens for people who can see it in Slack; it
/// holds no token.
async fn note(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    file: &File,
    author: &str,
    why: Fixed,
    thread: Option<&str>,
) -> Result<JobOutcome, Failure> {
    let said = not_copied(file, why, delivery.tenant.settings.language);
    say(delivery, line, said, author, thread).await
}

/// Posts a text instead of a file's copy.
async fn say(
    delivery: &MessageDelivery<'_>,
    line: &mut DeliveryAttempt,
    said: Document,
    author: &str,
    thread: Option<&str>,
) -> Result<JobOutcome, Failure> {
    let body = &delivery.job.body;
    let uuid = uuid_of(&body.delivery);
    let text = said.by(author).to_bbcode(false);
    let known = delivery.link.as_ref().map(|(link, _)| link.bitrix24.clone()).unwrap_or_default();
    if let Some(doubt) = line.doubt().await {
        let found = delivery.find_posted(&doubt, &uuid, &text, &known).await?;
        if let Some(message) = line.looked_up(found)? {
            return delivery.posted(line, message, thread).await;
        }
    }
    let request = delivery.bot.send(&body.dialog, &text, None, &uuid);
    let sent = line.call(body.dialog.as_str(), delivery.tenant.bitrix24.ask(&request)).await?;
    let message = delivery.number(&sent.result)?;
    delivery.posted(line, message, thread).await
}
