//! A portal's REST under its limiter.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitrix24::batch::{BatchAnswer, MAX_COMMANDS};
use bitrix24::bot::Request;
use bitrix24::{Batch, CallAnswer, RestBase};
use runtime::TenantId;
use runtime::clock::{later, until};
use runtime::limiter::{Priority, RateBucket};
use serde_json::{Value, json};
use tenants::portals::Portal;
use wire::ErrorClass;
use wire::{Download, Http, Pieces};

use crate::account::ProviderAccount;
use crate::limits::PATIENCE;
use crate::{ConnectionSide, Connections, Failure, TokenSlot, rate_buckets};

/// A portal stops a method at 480 seconds of operating time in ten minutes; we stop before it.
const OPERATING_LIMIT: f64 = 430.0;

/// Calls one portal. Cheap to clone.
#[derive(Clone)]
pub struct PortalClient {
    pub(crate) connections: Connections,
    pub(crate) portal: Arc<Portal>,
    http: Http,
    base: Arc<Mutex<RestBase>>,
    /// The slot of its token, if it is renewed.
    slot: Option<TokenSlot>,
    account: ProviderAccount,
    bucket: RateBucket,
    /// The longest that it waits for an answer, if not as long as a portal works on a request.
    limit: Option<Duration>,
    /// Whether a call without an answer says nothing of the portal as a whole.
    is_apart: bool,
}

impl PortalClient {
    pub(crate) fn new(
        connections: Connections,
        portal: Arc<Portal>,
        base: RestBase,
        slot: Option<TokenSlot>,
        http: Http,
    ) -> Self {
        let bucket = rate_buckets::portal(&portal.tenant);
        let side = ConnectionSide::Bitrix24;
        let account = ProviderAccount::new(&connections, &portal, side, bucket.name.clone());
        let http = http.within(account.limit());
        Self {
            connections,
            portal,
            http,
            base: Arc::new(Mutex::new(base)),
            slot,
            account,
            bucket,
            limit: None,
            is_apart: false,
        }
    }

    fn client(&self) -> bitrix24::Client {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let client = bitrix24::Client::new(self.http.clone(), base).observed(self.connections.noting("bitrix24"));
        match self.limit {
            Some(limit) => client.within(limit),
            None => client,
        }
    }

    /// If the portal rejected the token: whether there is another one now.
    async fn renewed(&self, client: &bitrix24::Client, error: &bitrix24::Error) -> Result<bool, Failure> {
        let ended = matches!(error.code(), Some("expired_token" | "invalid_token"));
        let (Some(slot), true, RestBase::OAuth { endpoint, token }) = (self.slot, ended, client.base()) else {
            return Ok(false);
        };
        match self.connections.token_after(&self.portal.tenant, slot, token).await {
            Ok(token) => {
                let base = RestBase::OAuth { endpoint: endpoint.clone(), token };
                *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base;
                Ok(true)
            }
            // The portal's own error is passed on and noted.
            Err(failure) if failure.class == ErrorClass::Reauthorise => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// If the portal redirects: whether its authorization server says where it is now.
    async fn relocated(&self, client: &bitrix24::Client, error: &bitrix24::Error) -> Result<bool, Failure> {
        let is_moved = matches!(error, bitrix24::Error::Moved { .. });
        let (Some(slot), true, RestBase::OAuth { endpoint, token }) = (self.slot, is_moved, client.base()) else {
            return Ok(false);
        };
        let moved = self.connections.moved_access(&self.portal.tenant, slot, endpoint, token).await?;
        let Some(base) = moved else { return Ok(false) };
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base;
        Ok(true)
    }

    /// Whether the same call may work now, with another token or at another address.
    async fn recovered(&self, client: &bitrix24::Client, error: &bitrix24::Error) -> Result<bool, Failure> {
        Ok(self.renewed(client, error).await? || self.relocated(client, error).await?)
    }

    /// Whose portal it is.
    pub fn tenant(&self) -> &TenantId {
        &self.portal.tenant
    }

    /// The same client with another priority in the limiter.
    #[must_use]
    pub fn in_lane(mut self, lane: Priority) -> Self {
        self.bucket.lane = lane;
        self
    }

    /// The same client, which waits at most so long for an answer.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same client for what hangs although the portal answers other calls: a call of it that gets no answer does not
    /// count as a sign that the portal is down.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.is_apart = true;
        self
    }

    /// Whether it works as an application, which may do what an incoming webhook may not: bind events, read the offline
    /// queue.
    pub fn is_application(&self) -> bool {
        self.portal.application.is_some()
    }

    /// Whether the portal's plan has a feature, by its code.
    pub async fn has_feature(&self, code: &str) -> Result<bool, Failure> {
        match self.call("feature.get", &json!({"CODE": code})).await {
            Ok(answer) => Ok(answer.result["value"] == "Y"),
            Err(failure) if matches!(failure.class, ErrorClass::Permanent { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Makes one call.
    pub async fn call(&self, method: &str, params: &Value) -> Result<CallAnswer, Failure> {
        self.admit().await?;
        let client = self.client();
        match client.call(method, params).await {
            Ok(answer) => self.answered(answer).await,
            // Nothing was done, so the call is safe to repeat.
            Err(error) if self.recovered(&client, &error).await? => match self.client().call(method, params).await {
                Ok(answer) => self.answered(answer).await,
                Err(error) => Err(self.failed(&error).await),
            },
            Err(error) => Err(self.failed(&error).await),
        }
    }

    /// How many calls of `wanted` a request makes: fewer after one that the portal did not answer in time.
    pub fn at_once(&self, wanted: usize) -> usize {
        self.connections.request_sizes.next(&self.bucket.name, wanted)
    }

    /// Makes up to 50 calls in one request, or in several that the portal answers in time; returns the answers and what the
    /// portal says of the first request.
    pub async fn batch(&self, batch: &Batch) -> Result<(BatchAnswer, CallAnswer), Failure> {
        let mut all: Option<(BatchAnswer, CallAnswer)> = None;
        for part in batch.parts(self.at_once(MAX_COMMANDS)) {
            let (answers, answer) = self.batch_part(&part).await?;
            all = Some(match all {
                Some((known, first)) => (known.and(answers), first),
                None => (answers, answer),
            });
        }
        all.ok_or_else(|| Failure::transient("an empty batch was not sent"))
    }

    async fn batch_part(&self, batch: &Batch) -> Result<(BatchAnswer, CallAnswer), Failure> {
        let (sizes, account, began) =
            (&self.connections.request_sizes, &self.bucket.name, self.connections.clock.now());
        let answered = self.call("batch", &batch.params()).await;
        let took = until(began, self.connections.clock.now());
        match answered {
            Ok(answer) => {
                sizes.answered(account, batch.len(), MAX_COMMANDS, took);
                Ok((BatchAnswer::read(answer.clone()), CallAnswer { result: Value::Null, ..answer }))
            }
            Err(failure) => {
                if failure.class == ErrorClass::UnknownOutcome {
                    sizes.unanswered(account, batch.len(), took);
                }
                Err(failure)
            }
        }
    }

    /// Makes one call of a bot.
    pub async fn ask(&self, request: &Request) -> Result<CallAnswer, Failure> {
        self.call(request.method, &request.params).await
    }

    /// Makes one call that carries a file, piece by piece.
    pub async fn call_with_file(&self, request: &Request, length: u64, pieces: Pieces) -> Result<CallAnswer, Failure> {
        self.admit().await?;
        let client = self.client();
        match client.call_with_file(request.method, &request.params, length, pieces).await {
            Ok(answer) => self.answered(answer).await,
            // The pieces are gone: the upload starts again.
            Err(error) if self.recovered(&client, &error).await? => {
                Err(Failure::transient("the token or the portal's address was renewed; the file is sent again"))
            }
            Err(error) => Err(self.failed(&error).await),
        }
    }

    /// Downloads a file of `length` bytes, if that is known, from the address that this portal gives.
    pub async fn fetch(&self, address: &str, length: Option<u64>) -> Result<Download, Failure> {
        match self.client().fetch(address, length).await {
            Ok(download) => Ok(download),
            Err(error) => Err(self.failed(&error).await),
        }
    }

    /// A command's error within a batch, as a failure.
    pub fn failure(&self, error: &bitrix24::Error) -> Failure {
        Failure::of_bitrix24(error, self.connections.clock.now())
    }

    async fn admit(&self) -> Result<(), Failure> {
        let (paused, used_up) = ("the portal asked for a pause", "the portal's rate is used up");
        self.account.admit(&self.connections, &[&self.bucket], paused, used_up).await
    }

    async fn answered(&self, answer: CallAnswer) -> Result<CallAnswer, Failure> {
        self.account.answered(&self.connections).await;
        if answer.operating.is_some_and(|seconds| seconds >= OPERATING_LIMIT) {
            let reset = answer.operating_reset_at.unwrap_or_else(|| later(self.connections.clock.now(), PATIENCE));
            if let Err(error) = self.connections.limiter.park(&self.bucket, reset).await {
                tracing::warn!(%error, "a pause could not be recorded in the limiter");
            }
        }
        Ok(answer)
    }

    async fn failed(&self, error: &bitrix24::Error) -> Failure {
        let mut failure = self.failure(error);
        let is_elsewhere = matches!(error, bitrix24::Error::Moved { .. } | bitrix24::Error::Blocked { .. });
        if matches!(error, bitrix24::Error::Moved { .. }) {
            failure.text = format!("{}. {}", failure.text, self.where_to_say());
        }
        // If one person's own access no longer works, nobody else is held up.
        if matches!(self.slot, Some(TokenSlot::Person(_))) && failure.class == ErrorClass::Reauthorise && !is_elsewhere
        {
            failure = Failure::permanent("grant_expired", failure.text);
        }
        if self.is_apart && matches!(failure.class, ErrorClass::Transient | ErrorClass::UnknownOutcome) {
            return failure;
        }
        self.account.failed(&self.connections, &self.bucket, failure).await
    }

    /// How an administrator fixes a portal that redirects.
    fn where_to_say(&self) -> &'static str {
        match self.slot {
            Some(_) => {
                "Bitrix24's authorization server names no other address; if this lasts, connect the portal again at /install"
            }
            None => {
                "A redirect is not followed. Copy the incoming webhook's URL from the portal again, and replace it at /install"
            }
        }
    }
}
