//! One request, from its queue to its answer and its line in the ledger.

use connect::Failure;
use jiff::Zoned;
use jiff::tz::TimeZone;
use platform::claims::{self, Claim};
use platform::job::{Outcome, ReceivedJob};
use platform::ledger::{EventLine, EventStatus, event_write};
use platform::people::Link;
use platform::store::StoreError;
use platform::{DeliveryId, Kind};
use rules::asked::Asked;
use rules::commands::Misuse;
use rules::commands::answers;
use rules::language::Language;
use slack::Message;
use slack::answers::Shown;
use talk::Tenant;
use talk::people::Acting;
use talk::rights::Rights;

use crate::{Deps, act, me};

/// The portal's clock and ours need not agree.
pub(crate) const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_secs(120);

/// What a request comes to.
pub(crate) struct Answer {
    /// What is said; nothing where a dialog opened.
    pub(crate) message: Option<Message>,
    /// Who sees it.
    pub(crate) shown: Shown,
    /// What was done, for the ledger: `lead.created`.
    pub(crate) did: Option<String>,
    /// What it was done to: `deal 42`.
    pub(crate) record: Option<String>,
    /// Whether nobody but who asked may read it, wherever they asked.
    pub(crate) is_private: bool,
    /// What is wrong with what was typed or filled in, if that is the answer.
    pub(crate) problem: Option<Misuse>,
    /// What a button may show to everybody: `deal 42`, `status`.
    pub(crate) share: Option<String>,
}

impl Answer {
    /// An answer to who asked; nothing was done.
    pub(crate) fn to_one(message: Message) -> Self {
        Self {
            message: Some(message),
            shown: Shown::ToOne,
            did: None,
            record: None,
            is_private: false,
            problem: None,
            share: None,
        }
    }

    /// What is wrong with what was typed.
    pub(crate) fn misuse(misuse: Misuse, language: Language) -> Self {
        let message = answers::misuse(&misuse, language);
        Self { problem: Some(misuse), ..Self::private(message) }
    }

    /// An answer that nobody but who asked may read.
    pub(crate) fn private(message: Message) -> Self {
        Self { is_private: true, ..Self::to_one(message) }
    }

    /// An answer after something was done.
    pub(crate) fn done(message: Message, did: &str, record: String) -> Self {
        Self { did: Some(did.to_owned()), share: Some(record.clone()), record: Some(record), ..Self::to_one(message) }
    }

    /// Nothing to say.
    pub(crate) fn silent(did: &str) -> Self {
        Self {
            message: None,
            shown: Shown::ToOne,
            did: Some(did.to_owned()),
            record: None,
            is_private: false,
            problem: None,
            share: None,
        }
    }

    /// The same for everybody in the channel.
    pub(crate) fn seen_by(self, everybody: bool) -> Self {
        if everybody && !self.is_private { Self { shown: Shown::ToAll, ..self } } else { self }
    }
}

/// A request with what is needed to do it.
pub(crate) struct Request<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) tenant: Tenant,
    /// Who asked, in Slack.
    pub(crate) user: String,
    /// Where.
    pub(crate) channel: String,
    pub(crate) trigger_id: String,
    pub(crate) response_url: String,
    /// When it arrived, and whether this is another try.
    pub(crate) arrived_at: jiff::Timestamp,
    pub(crate) is_retry: bool,
    pub(crate) language: Language,
    /// Where who asked is, by the clock.
    pub(crate) zone: TimeZone,
    /// The id that what it makes carries: the same for every try.
    pub(crate) id: DeliveryId,
}

impl Request<'_> {
    /// When it arrived, by the clock of who asked: the same for every try.
    pub(crate) fn local(&self) -> Zoned {
        self.arrived_at.to_zoned(self.zone.clone())
    }

    /// As whom who asked acts; or what to tell them.
    pub(crate) async fn acting(&self) -> Result<Result<Link, Message>, Failure> {
        Ok(match self.deps.talk.acting(&self.tenant, &self.user).await? {
            Acting::As(link) => Ok(link),
            Acting::Dismissed => Err(answers::tell(answers::dismissed(self.language))),
            Acting::Nobody { email } => {
                let by_email = !self.tenant.settings.people.not_by_email;
                Err(answers::unmapped(email.as_deref(), by_email, self.language))
            }
        })
    }

    /// Who asked, and the rights with which it is done; or what to tell them.
    pub(crate) async fn ready(&self) -> Result<Result<(Link, Rights), Answer>, Failure> {
        let person = match self.acting().await? {
            Ok(person) => person,
            Err(message) => return Ok(Err(Answer::private(message))),
        };
        let rights = self.deps.talk.rights(&self.tenant, person.user).await?;
        Ok(Ok((person, rights)))
    }
}

pub(crate) async fn answer(deps: &Deps, job: ReceivedJob<Asked>) -> Outcome {
    match claim(deps, &job).await {
        Ok(true) => {}
        Ok(false) => return Outcome::Skip("asked for once already".into()),
        Err(failure) => return failure.outcome(deps.clock.now(), job.attempt),
    }
    let request = match request(deps, &job).await {
        Ok(request) => request,
        Err(failure) => return fail(deps, &job, None, &failure).await,
    };
    match run(&request, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => fail(deps, &job, Some(&request), &failure).await,
    }
}

/// Whether this is the request's own job: the first that claims it, in whichever try.
async fn claim(deps: &Deps, job: &ReceivedJob<Asked>) -> Result<bool, Failure> {
    let identity = format!("asked#{}", job.body.identity());
    let store = deps.talk.ports.store.as_ref();
    if let Some(claim) = claims::find(store, &job.tenant, &identity).await? {
        return Ok(claim.trace == job.trace);
    }
    let claim = Claim { trace: job.trace, swept: false };
    match store.put(claims::write(&job.tenant, &identity, &claim, deps.clock.now())?).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn request<'a>(deps: &'a Deps, job: &ReceivedJob<Asked>) -> Result<Request<'a>, Failure> {
    let tenant = deps.talk.tenant(&job.tenant).await?;
    let (user, channel, trigger_id, response_url) = match &job.body {
        Asked::Command(command) => (&command.user, &command.channel, &command.trigger_id, &command.response_url),
        Asked::Interaction(asked) => (&asked.user, &asked.channel, &asked.trigger_id, &asked.response_url),
    };
    // In the language of who asks, as far as we have it; else in the tenant's.
    let profile = deps.talk.slack_profile(&tenant, user).await.ok().flatten();
    let zone = profile.as_ref().and_then(|profile| TimeZone::get(profile.time_zone.as_deref()?).ok());
    let locale = profile.and_then(|profile| profile.locale);
    let language = match locale.as_deref().map(|locale| locale.get(..2).unwrap_or_default()) {
        Some("ru") => Language::Ru,
        Some("en") if tenant.settings.language == Language::En => Language::En,
        _ => tenant.settings.language,
    };
    // A form that was sent knows where it was opened.
    let origin = act::origin_of(&job.body);
    Ok(Request {
        user: user.clone(),
        channel: if channel.is_empty() { origin.channel } else { channel.clone() },
        trigger_id: trigger_id.clone(),
        response_url: response_url.clone(),
        arrived_at: job.arrived_at(),
        is_retry: job.attempt > 1,
        id: DeliveryId::of(&[job.tenant.as_str(), "asked", &job.trace.to_string()]),
        language,
        zone: zone.unwrap_or_else(|| tenant.settings.zone()),
        tenant,
        deps,
    })
}

async fn run(request: &Request<'_>, job: &ReceivedJob<Asked>) -> Result<Outcome, Failure> {
    let answer = match act::act(request, &job.body).await {
        Ok(answer) => answer,
        // Who asked is told at once what cannot be; there is nothing to keep for later.
        Err(Failure { kind: Kind::Permanent { code }, text, .. }) if code != "portal_not_connected" => {
            tracing::warn!(trace = %job.trace, tenant = %job.tenant, code, text, "a request was refused");
            let did = Some(format!("refused: {code}"));
            if talk::records::needs_permission(&code) {
                Answer {
                    did,
                    ..me::ask_to_allow(request, code == "grant_expired", &act::typed_again(&job.body)).await?
                }
            } else {
                Answer { did, ..Answer::private(answers::refused(&code, &text, request.language)) }
            }
        }
        Err(failure) => return Err(failure),
    };
    let answer = with_share_button(request, &job.body, answer);
    if let Some(message) = &answer.message {
        say(request, &job.body, message, answer.shown, answer.is_private).await?;
    }
    let mut line = line(request.deps, job, EventStatus::Routed);
    line.record = answer.record;
    match answer.did {
        Some(did) if did.starts_with("refused") => line.status = EventStatus::Skipped { reason: did },
        Some(did) => line.changes = vec![did],
        None => line.status = EventStatus::Skipped { reason: "answered; nothing was changed".into() },
    }
    request.deps.talk.ports.store.put(event_write(&job.tenant, line)?).await?;
    tracing::info!(trace = %job.trace, tenant = %job.tenant, asked = job.body.name(), "answered");
    Ok(Outcome::Done)
}

/// The answer with a button that shows it to everybody, where only who asked sees it and others may.
fn with_share_button(request: &Request<'_>, asked: &Asked, mut answer: Answer) -> Answer {
    let origin = act::origin_of(asked);
    let channel = if request.channel.is_empty() { &origin.channel } else { &request.channel };
    // In a direct message there is nobody else.
    let has_others = channel.starts_with(['C', 'G']) && origin.thread.is_none();
    let is_for_one = answer.shown == Shown::ToOne && !answer.is_private;
    if let (Some(message), Some(what), true) = (&mut answer.message, &answer.share, has_others && is_for_one) {
        message.blocks.push(answers::share_button(what, request.language));
    }
    answer
}

/// Says it where it was asked; to the person alone, where that is no longer possible.
async fn say(
    request: &Request<'_>,
    asked: &Asked,
    message: &Message,
    shown: Shown,
    is_private: bool,
) -> Result<(), Failure> {
    let origin = act::origin_of(asked);
    let response_url = if request.response_url.is_empty() { &origin.response_url } else { &request.response_url };
    if let Some(thread) = origin.thread.as_ref().filter(|_| !is_private) {
        // What came of a message is said below it.
        let channel = slack::ChannelId::from(origin.channel.as_str());
        request.tenant.slack.admit_post(&channel).await?;
        let metadata = slack::Metadata {
            event_type: rules::delivery::METADATA_EVENT.into(),
            event_payload: serde_json::json!({"delivery_id": request.id.as_str()}),
        };
        let posted = request.tenant.slack.reply(&channel, &slack::Ts::from(thread.as_str()), message, &metadata).await;
        match posted {
            Err(Failure { kind: Kind::Permanent { .. }, .. }) => {}
            posted => return posted.map(|_| ()),
        }
    }
    if !response_url.is_empty() {
        match request.tenant.slack.respond(response_url, message, shown).await {
            // Used up, or over: there are other ways.
            Err(Failure { kind: Kind::Permanent { .. }, .. }) => {}
            said => return said,
        }
    }
    let channel = if request.channel.is_empty() { &origin.channel } else { &request.channel };
    if !channel.is_empty() {
        match request.tenant.slack.whisper(channel, &request.user, message).await {
            Err(Failure { kind: Kind::Permanent { .. }, .. }) => {}
            said => return said,
        }
    }
    let metadata = slack::Metadata {
        event_type: rules::delivery::METADATA_EVENT.into(),
        event_payload: serde_json::json!({"delivery_id": request.id.as_str()}),
    };
    if let Some(direct) = request.tenant.slack.direct(0, Some(&request.user), None).await? {
        request.tenant.slack.admit_post(&direct).await?;
        request.tenant.slack.post(&direct, message, &metadata).await?;
    }
    Ok(())
}

async fn fail(deps: &Deps, job: &ReceivedJob<Asked>, request: Option<&Request<'_>>, failure: &Failure) -> Outcome {
    let now = deps.clock.now();
    let line = line(deps, job, EventStatus::Waiting { cause: failure.text.clone() });
    let outcome = connect::undecided(&deps.ledger, &job.tenant, line, now, failure).await;
    // Who waits is told once that it takes longer.
    if let (Outcome::Retry { .. }, Some(request), 1) = (&outcome, request, job.attempt) {
        let message = answers::unavailable(request.language);
        if let Err(error) = say(request, &job.body, &message, Shown::ToOne, true).await {
            tracing::warn!(trace = %job.trace, tenant = %job.tenant, %error, "nor could it be said that it takes longer");
        }
    }
    outcome
}

fn line(deps: &Deps, job: &ReceivedJob<Asked>, status: EventStatus) -> EventLine {
    EventLine::new(job, format!("slack {}", job.body.name()), None, deps.clock.now(), status)
}
