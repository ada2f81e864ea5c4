//! Why a request is refused, in words that say what to do, and the page with them.

use bytes::Bytes;
use clients::audience::NotAdmitted;
use clients::{ErrorClass, Failure, JoinError, Unproven};
use http::{Response, StatusCode};
use locale::{Fixed, Language, Say, texts};
use runtime::store::StoreError;
use web::answer::Refused;

use crate::{InstallVisit, page};

/// A text in any language: the refusal is made where its reader's language is not known.
type RefusalText = Box<dyn Fn(Language) -> String + Send + Sync>;

/// Why a request is refused.
pub(crate) enum Refusal {
    /// Something that the person can fix.
    Person(StatusCode, RefusalText),
    /// A temporary failure of ours or of a provider.
    Engine(Failure),
}

impl Refusal {
    pub(crate) fn new<M>(status: StatusCode, message: M) -> Self
    where
        M: Say<Said: Into<String>> + Clone + Send + Sync + 'static,
    {
        Self::Person(status, Box::new(move |language| language.text(message.clone()).into()))
    }

    pub(crate) fn bad_request<M>(message: M) -> Self
    where
        M: Say<Said: Into<String>> + Clone + Send + Sync + 'static,
    {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The page that explains it; the refusal is counted and logged.
    pub(crate) fn answer(self, visit: &InstallVisit<'_>) -> Response<Bytes> {
        match self {
            Self::Person(status, text) => {
                visit.deps.backend.metrics.count("installs_refused", "person");
                if web::is_sampled("install_refused") {
                    tracing::warn!(%status, text = text(Language::default()), "a connection was refused");
                }
                failed(visit, status, texts::pages::FAILED, &text(visit.language))
            }
            Self::Engine(failure) => {
                tracing::error!(%failure, "a connection could not be made");
                let text = visit.text(texts::install::TryInAMinute { reason: failure.text });
                failed(visit, StatusCode::BAD_GATEWAY, texts::install::DID_NOT_WORK_NOW, &text)
            }
        }
    }
}

/// The page for a request that is refused before anything is read.
pub(crate) fn refused_page(visit: &InstallVisit<'_>, refused: &Refused) -> Response<Bytes> {
    let text = match refused.status {
        StatusCode::NOT_FOUND => visit.text(texts::install::NO_SUCH_PAGE),
        _ => web::page::refusal(visit.language, refused),
    };
    let metrics = visit.deps.backend.metrics.as_ref();
    refused.answer_with(metrics, "installs_refused", |status| failed(visit, status, texts::pages::FAILED, text))
}

/// The page for a request that would send a provider or a browser back to us, while our address is unknown.
pub(crate) fn address_unknown(visit: &InstallVisit<'_>) -> Response<Bytes> {
    let text = visit.text(texts::install::ADDRESS_UNKNOWN_HELP);
    failed(visit, StatusCode::SERVICE_UNAVAILABLE, texts::install::ADDRESS_UNKNOWN, text)
}

fn failed(visit: &InstallVisit<'_>, status: StatusCode, title: Fixed, text: &str) -> Response<Bytes> {
    web::page::page(status, page::message(visit.language, title, text))
}

pub(crate) fn no_such_page() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, texts::install::NO_SUCH_PAGE)
}

pub(crate) fn another_provider() -> Refusal {
    Refusal::bad_request(texts::install::ANOTHER_PROVIDER)
}

/// Why an application may not connect a portal.
pub(crate) fn not_admitted(why: NotAdmitted) -> Fixed {
    match why {
        NotAdmitted::Connected => texts::install::CONNECTED_WITH_ANOTHER,
        NotAdmitted::OtherTenant => texts::install::SIGNED_IN_ELSEWHERE,
        NotAdmitted::NeedsCode => texts::install::NEEDS_CONNECTION_CODE,
    }
}

impl From<NotAdmitted> for Refusal {
    fn from(why: NotAdmitted) -> Self {
        Self::new(StatusCode::FORBIDDEN, not_admitted(why))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure.class {
            ErrorClass::Permanent { .. } | ErrorClass::Reauthorise => {
                // A provider's text is in one language.
                Self::Person(StatusCode::BAD_REQUEST, Box::new(move |_| failure.text.clone()))
            }
            _ => Self::Engine(failure),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<Unproven> for Refusal {
    fn from(error: Unproven) -> Self {
        match error {
            Unproven::Engine(failure) => failure.into(),
            Unproven::NotAdmitted(why) => why.into(),
            Unproven::Refused(reason) => Self::bad_request(texts::install::ConnectionRefused { reason }),
            Unproven::Server(server) => Self::bad_request(texts::install::NotAnAuthorizationServer { server }),
            Unproven::Another => Self::bad_request(texts::install::ANOTHER_ACCESS),
            Unproven::UnknownApp => Self::bad_request(texts::install::UNKNOWN_APPLICATION),
        }
    }
}

impl From<JoinError> for Refusal {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Engine(failure) => failure.into(),
            // What answers is not a portal: another address is needed, not another moment.
            JoinError::Portal(error) if error.is_foreign() => portal_refused(&error),
            error if !error.is_rejection() => Self::Engine(Failure::transient(error.to_string())),
            JoinError::Taken { team } => Self::new(StatusCode::CONFLICT, texts::install::WorkspaceTaken { team }),
            JoinError::MemberId(_) => Self::bad_request(texts::install::BAD_MEMBER_ID),
            JoinError::Portal(error) => portal_refused(&error),
            JoinError::Slack(error) => Self::bad_request(texts::install::SlackRefused { reason: error.to_string() }),
            JoinError::Notion(error) => Self::bad_request(texts::install::NotionRefused { reason: error.to_string() }),
            JoinError::NoWorkspace => Self::bad_request(texts::install::NO_WORKSPACE),
        }
    }
}

fn portal_refused(error: &bitrix24::Error) -> Refusal {
    let reason = match error {
        bitrix24::Error::Blocked { blocked, .. } => blocked.to_string(),
        bitrix24::Error::Address(why) => why.clone(),
        bitrix24::Error::Moved { .. } => error.to_string(),
        other => return Refusal::bad_request(texts::install::WebhookRefused { reason: other.to_string() }),
    };
    Refusal::bad_request(texts::install::WebhookAddressRefused { reason })
}

/// The person typed something that cannot be a portal's address.
pub(crate) fn bad_address() -> Refusal {
    Refusal::bad_request(texts::install::BAD_ADDRESS)
}
