//! A person's request in Slack with what acting on it needs, and the answer to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clients::time_limits::PORTAL_WORKS_FOR;
use clients::{Connections, Failure};
use crm::views::RecordViews;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use jobs::slack_request::SlackRequest;
use locale::{Language, texts};
use records::RecordRef;
use runtime::clock::{Clock, MAX_PROVIDER_SKEW, is_ahead};
use runtime::limiter::Limiter;
use runtime::{Backend, DeliveryId, TenantId, TraceId};
use slack::answers::Shown;
use slack::interaction::Act;
use slack::{SlackMessage, View};
use tenants::user_links::UserLink;
use user_mapping::mapping::Acting;
use user_mapping::rights::PersonRights;
use user_mapping::{OpenTenant, TenantContext};

use crate::forms::FormOrigin;
use crate::misuse::Misuse;
use crate::spec::CommandSpec;
use crate::{answers, views};

/// How long the first try waits for an answer of Bitrix24.
const FIRST_TRY: Duration = Duration::from_secs(15);
/// The same for later tries.
const LATER_TRY: Duration = Duration::from_secs(40);

/// The dependencies for handling requests.
#[derive(Clone)]
pub struct Deps {
    pub(crate) context: TenantContext,
    pub(crate) views: RecordViews,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limiter: Limiter,
    pub(crate) public_url: Option<String>,
}

impl Deps {
    /// On `backend`, with connections to providers, which reach us at `public_url`.
    pub fn new(backend: &Backend, connections: Connections, public_url: Option<String>) -> Self {
        let context = TenantContext::new(backend, connections);
        Self {
            views: RecordViews::new(&context),
            context,
            clock: backend.clock.clone(),
            limiter: Limiter::new(backend.store.clone(), backend.clock.clone()),
            public_url,
        }
    }
}

/// The try in which a request is handled.
#[derive(Debug, Clone, Copy)]
pub struct RequestTry {
    /// The trace of the request and of everything that follows from it.
    pub trace: TraceId,
    /// When the request arrived.
    pub arrived_at: Timestamp,
    /// Whether an earlier try ended without an answer.
    pub is_retry: bool,
    /// Until when what an earlier try asked for may still be made.
    pub late_until: Option<Timestamp>,
}

/// A request with what is needed to handle it.
pub struct CommandRequest<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) tenant: OpenTenant,
    /// The person who asked, by their id in Slack.
    pub(crate) user: String,
    pub(crate) channel: String,
    pub(crate) trigger_id: String,
    pub(crate) response_url: String,
    /// What travelled with the submitted form, if it was one.
    pub(crate) origin: FormOrigin,
    pub(crate) arrived_at: Timestamp,
    pub(crate) is_retry: bool,
    late_until: Mutex<Option<Timestamp>>,
    pub(crate) language: Language,
    /// The time zone of the person who asked.
    pub(crate) zone: TimeZone,
    /// The id that the created record carries: the same for every try.
    pub(crate) id: DeliveryId,
}

impl<'a> CommandRequest<'a> {
    /// Of a tenant, in a try.
    ///
    /// # Errors
    /// If the tenant is not connected, or the store does not answer.
    pub async fn new(
        deps: &'a Deps,
        tenant: &TenantId,
        asked: &SlackRequest,
        this_try: RequestTry,
    ) -> Result<Self, Failure> {
        let tenant = deps.context.tenant(tenant).await?;
        let (user, channel, trigger_id, response_url) = match asked {
            SlackRequest::Command(command) => {
                (&command.user, &command.channel, &command.trigger_id, &command.response_url)
            }
            SlackRequest::Interaction(asked) => (&asked.user, &asked.channel, &asked.trigger_id, &asked.response_url),
        };
        let profile = deps.context.slack_profile(&tenant, user).await.ok().flatten();
        let zone = profile.as_ref().and_then(|profile| TimeZone::get(profile.time_zone.as_deref()?).ok());
        let language = language_of(profile.and_then(|profile| profile.locale).as_deref(), tenant.settings.language);
        // A submitted form knows where it was opened.
        let origin = origin_of(asked);
        let filled = |text: &String, from_form: &String| if text.is_empty() { from_form.clone() } else { text.clone() };
        Ok(Self {
            user: user.clone(),
            channel: filled(channel, &origin.channel),
            trigger_id: trigger_id.clone(),
            response_url: filled(response_url, &origin.response_url),
            origin,
            arrived_at: this_try.arrived_at,
            is_retry: this_try.is_retry,
            late_until: Mutex::new(this_try.late_until),
            id: DeliveryId::of(&[tenant.id.as_str(), "asked", &this_try.trace.to_string()]),
            language,
            zone: zone.unwrap_or_else(|| tenant.settings.zone()),
            tenant,
            deps,
        })
    }

    /// When it arrived, in the time zone of the person who asked: the same for every try.
    pub(crate) fn local(&self) -> Zoned {
        self.arrived_at.to_zoned(self.zone.clone())
    }

    /// Until when what a try asked for may still be made, although it got no answer.
    pub(crate) fn late_until(&self) -> Option<Timestamp> {
        *self.late_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn may_come_until(&self, until: Timestamp) {
        *self.late_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Whether what was not found will not come any more either.
    pub(crate) fn nothing_comes_late(&self) -> Result<(), Failure> {
        match self.late_until().filter(|until| is_ahead(self.deps.clock.now(), *until, PORTAL_WORKS_FOR)) {
            Some(until) => {
                let text = "Bitrix24 was slow and may still do it; it is looked for again before it is done again";
                Err(Failure::wait(until, text))
            }
            None => Ok(()),
        }
    }

    /// The earliest moment, by the portal's clock, at which this request can have changed something there.
    pub(crate) fn not_before(&self) -> Timestamp {
        self.arrived_at - MAX_PROVIDER_SKEW
    }

    /// The user that the person acts as; or the answer.
    pub(crate) async fn acting(&self) -> Result<Result<UserLink, SlackMessage>, Failure> {
        Ok(match self.deps.context.acting(&self.tenant, &self.user).await? {
            Acting::As(link) => Ok(link),
            Acting::Dismissed => Err(answers::plain(self.language.text(texts::commands::DISMISSED))),
            Acting::Nobody { email } => {
                let by_email = !self.tenant.settings.people.not_by_email;
                Err(answers::unmapped(email.as_deref(), by_email, self.language))
            }
        })
    }

    /// The person who asked, and the rights to use; or the answer.
    pub(crate) async fn ready(&self) -> Result<Result<(UserLink, PersonRights), CommandAnswer>, Failure> {
        let person = match self.acting().await? {
            Ok(person) => person,
            Err(message) => return Ok(Err(CommandAnswer::private(message))),
        };
        let mut rights = self.deps.context.rights(&self.tenant, person.user).await?;
        // The person hears of a wait before long; a later try has the time that a slow portal needs.
        rights.client = rights.client.within(if self.is_retry { LATER_TRY } else { FIRST_TRY });
        Ok(Ok((person, rights)))
    }

    /// Whether fields of records can be shown in this channel: if outsiders read it, only if the settings allow it.
    pub(crate) async fn may_show_fields(&self) -> bool {
        if self.tenant.settings.commands.fields_in_shared_channels {
            return true;
        }
        // If that cannot be determined, the channel counts as shared.
        self.tenant.slack.channel_info(&self.channel).await.is_ok_and(|channel| !channel.is_shared)
    }

    /// Where the answer of a form that opens now goes.
    pub(crate) fn here(&self) -> FormOrigin {
        FormOrigin {
            channel: self.channel.clone(),
            response_url: self.response_url.clone(),
            zone: self.zone.iana_name().unwrap_or("UTC").to_owned(),
            language: self.language,
            ..FormOrigin::default()
        }
    }

    /// Opens a form; if its three seconds are over, offers it on a button.
    pub(crate) async fn open_view(&self, view: &View, spec: &CommandSpec) -> Result<CommandAnswer, Failure> {
        match self.tenant.slack.open_view(&self.trigger_id, view).await {
            Ok(()) => Ok(CommandAnswer::silent("dialog.opened")),
            Err(Failure { class: clients::ErrorClass::Permanent { code }, .. }) if code.contains("trigger") => {
                Ok(CommandAnswer::to_one(views::open_dialog(spec, self.language)))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The address of a CRM item.
    pub(crate) fn link(&self, entity: bitrix24::EntityType, id: u64) -> String {
        entity.link(&self.tenant.portal.domain, id)
    }

    /// The same answer for a record that does not exist and for one that the person may not see.
    pub(crate) fn not_found(&self) -> CommandAnswer {
        CommandAnswer::private(answers::refused("not_found", "", self.language))
    }
}

/// The language that the person chose in Slack, if we have it; else the tenant's. English is what Slack has for people
/// who chose nothing.
fn language_of(locale: Option<&str>, tenants: Language) -> Language {
    let chosen = locale.and_then(Language::of_reader).filter(|language| *language != Language::default());
    chosen.unwrap_or(tenants)
}

fn origin_of(asked: &SlackRequest) -> FormOrigin {
    match asked {
        SlackRequest::Interaction(interaction) => match &interaction.act {
            Act::Sent { private_metadata, .. } => FormOrigin::read(private_metadata),
            _ => FormOrigin::default(),
        },
        SlackRequest::Command(_) => FormOrigin::default(),
    }
}

/// The result of a request.
pub struct CommandAnswer {
    /// The message; none if a form opened.
    pub message: Option<SlackMessage>,
    /// Who sees it.
    pub shown: Shown,
    /// The action, for the ledger: `lead.created`.
    pub did: Option<String>,
    /// The record of the action: `deal 42`.
    pub record: Option<RecordRef>,
    /// Whether only the person who asked can read it, wherever they asked.
    pub is_private: bool,
    /// What is wrong with the input, if that is the answer.
    pub(crate) problem: Option<Misuse>,
    /// What a button can show to everyone: `deal 42`, `status`.
    pub(crate) share: Option<String>,
}

impl CommandAnswer {
    /// An answer to the person who asked, without an action.
    pub(crate) fn to_one(message: SlackMessage) -> Self {
        Self { message: Some(message), did: None, ..Self::silent("") }
    }

    /// An answer about what is wrong with the input.
    pub(crate) fn misuse(misuse: Misuse, spec: &CommandSpec, language: Language) -> Self {
        let message = answers::misuse(&misuse, spec, language);
        Self { problem: Some(misuse), ..Self::private(message) }
    }

    /// An answer that only the person who asked can read.
    pub(crate) fn private(message: SlackMessage) -> Self {
        Self { is_private: true, ..Self::to_one(message) }
    }

    /// An answer after an action.
    pub(crate) fn done(message: SlackMessage, did: &str, about: impl Into<RecordRef>) -> Self {
        Self { did: Some(did.to_owned()), ..Self::shown(message, about) }
    }

    /// An answer that shows something. A button shows it to the channel too, with the rights of the person who presses
    /// it.
    pub(crate) fn shown(message: SlackMessage, about: impl Into<RecordRef>) -> Self {
        let record = about.into();
        Self { share: Some(record.to_string()), record: Some(record), ..Self::to_one(message) }
    }

    /// No answer.
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

    /// The same for everyone in the channel, unless it is private.
    pub(crate) fn seen_by_all(self) -> Self {
        if self.is_private { self } else { Self { shown: Shown::ToAll, ..self } }
    }
}
