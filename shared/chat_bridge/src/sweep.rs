//! A sweep of bridged conversations: finds what people wrote, edited and deleted while no event of it arrived, and hands
//! it to the same deciders as the events.
//!
//! A message's claim and its link say what is known; a cursor for each side says how far everything has been checked.
//! What was written before the bridge was made is left alone.

mod carried;
mod channels;
mod chats;
mod compare;
mod progress;

use std::time::Duration;

use bitrix24::Bot;
use clients::{ErrorClass, Failure};
use crm::sweeps::Sweeps;
use jiff::{SignedDuration, Timestamp};
use runtime::clock::later;
use runtime::limiter::Priority;
use runtime::{TenantId, claims};
use settings::Settings;
use tenants::bridges::{Bridge, RecentLink};
use user_mapping::{OpenTenant, TenantContext};

use crate::{late, registration};
use progress::{BridgeProgress, StoredProgress};

pub(crate) use carried::CarriedSpan;
pub use progress::BridgeState;

/// After this no further reads are begun.
const MAX_READING: Duration = Duration::from_secs(120);
/// What was written within this time may still be on its way as an event.
const GRACE: SignedDuration = SignedDuration::from_secs(20);
/// How far back a bridge is checked that is older than its first sweep.
const FIRST_LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// The most chats that are tried for a check.
const MAX_ASKED: usize = 50;

/// The result of a sweep of one tenant's conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweptChats {
    /// Bridges that were checked.
    pub bridges: u64,
    /// Messages, edits and deletions of which no event had arrived.
    pub found: u64,
    /// What stopped it; the next run continues.
    pub stopped_by: Option<String>,
}

/// One tenant's sweep.
struct ChatSweep<'a> {
    context: &'a TenantContext,
    tenant: OpenTenant,
    sweeps: Sweeps,
    bot: Option<Bot>,
    /// No reads are begun after this.
    until: Timestamp,
    found: u64,
}

/// A bridge in the course of a sweep.
struct SweptBridge {
    bridge: Bridge,
    progress: StoredProgress,
    /// The last messages that are in links, as they were before anything was read.
    links: Vec<(String, RecentLink)>,
    known: KnownEnd,
}

/// The newest of a conversation that is known to be on both sides. Within a side the order of its messages counts; between
/// the sides their times, to the second.
#[derive(Default)]
struct KnownEnd {
    at: Option<Timestamp>,
    in_chat: u64,
    in_channel: String,
}

impl KnownEnd {
    fn note_in_chat(&mut self, message: u64, written_at: Timestamp) {
        self.in_chat = self.in_chat.max(message);
        self.at = self.at.max(Some(written_at));
    }

    fn note_in_channel(&mut self, ts: &str) {
        if self.in_channel.as_str() < ts {
            ts.clone_into(&mut self.in_channel);
        }
        self.at = self.at.max(late::written_at(ts));
    }

    /// Whether something newer than this message of the chat is on both sides already.
    fn overtakes_in_chat(&self, message: u64, written_at: Timestamp) -> bool {
        message < self.in_chat || self.at.is_some_and(|at| written_at < at)
    }

    /// Whether something newer than this message of the channel is on both sides already.
    fn overtakes_in_channel(&self, ts: &str) -> bool {
        ts < self.in_channel.as_str() || late::written_at(ts) < self.at
    }
}

/// Sweeps the conversations of one tenant; `None` if it has none. It needs no lease: what two workers find is one job,
/// and the progress of the one that ends first counts.
pub async fn sweep(context: &TenantContext, tenant: &TenantId, now: Timestamp) -> Result<Option<SweptChats>, Failure> {
    let portal = context.connections.portal(tenant).await?;
    if portal.slack.is_none() {
        return Ok(None);
    }
    let settings = portal.settings_as::<Settings>()?;
    let made = context.conversations.bridges(tenant).await?;
    if made.is_empty() && settings.bridges.is_empty() {
        return Ok(None);
    }
    let mut sweep = ChatSweep::begin(context, tenant, now).await?;
    let swept = sweep.run(made).await;
    let stopped_by = swept.as_ref().err().map(ToString::to_string);
    Ok(Some(SweptChats { bridges: swept.unwrap_or_default(), found: sweep.found, stopped_by }))
}

/// What the last sweep of a bridge could read.
pub async fn state(context: &TenantContext, tenant: &TenantId, bridge: &Bridge) -> Result<BridgeState, Failure> {
    let sweeps = Sweeps::new(context.backend.store.clone());
    Ok(StoredProgress::of(&sweeps, tenant, bridge, context.backend.clock.now()).await?.progress.state())
}

/// Whether the messages of a chat can be read, so that missed ones are found: by the connection's user, if they are a
/// member, or by the bot, which needs a message to begin at.
pub async fn is_readable(context: &TenantContext, tenant: &OpenTenant, bridge: &Bridge) -> Result<bool, Failure> {
    let answer = tenant.bitrix24.ask(&bitrix24::chat_page::newest(&bridge.dialog)).await;
    match answer {
        Ok(_) => Ok(true),
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
            let bot = registration::bot(context, tenant).await?;
            Ok(bot.is_some_and(|bot| bot.messages_around(1).is_some()))
        }
        Err(failure) => Err(failure),
    }
}

/// Which bridged chats can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadableChats {
    /// How many were tried.
    pub asked: usize,
    /// The names of those that cannot.
    pub unreadable: Vec<String>,
}

/// Tries to read the bridged chats of a tenant, [`MAX_ASKED`] at most.
pub async fn readable_chats(context: &TenantContext, tenant: &OpenTenant) -> Result<ReadableChats, Failure> {
    let made = context.conversations.bridges(&tenant.id).await?;
    let mut read = ReadableChats::default();
    for bridge in crate::bridges::all(context, tenant, made).await?.into_iter().take(MAX_ASKED) {
        read.asked += 1;
        if !is_readable(context, tenant, &bridge).await? {
            let is_named = !bridge.dialog_name.is_empty();
            read.unreadable.push(if is_named { bridge.dialog_name } else { bridge.dialog });
        }
    }
    Ok(read)
}

impl<'a> ChatSweep<'a> {
    async fn begin(context: &'a TenantContext, tenant: &TenantId, now: Timestamp) -> Result<Self, Failure> {
        let tenant = context.tenant(tenant).await?;
        let tenant = OpenTenant { bitrix24: tenant.bitrix24.in_lane(Priority::Sweep), ..tenant };
        let bot = registration::bot(context, &tenant).await?;
        let sweeps = Sweeps::new(context.backend.store.clone());
        Ok(Self { context, tenant, sweeps, bot, until: later(now, MAX_READING), found: 0 })
    }

    /// Sweeps all bridges; returns how many. The chats are read together; then each channel, the one first that was not
    /// tried for the longest time.
    async fn run(&mut self, made: Vec<Bridge>) -> Result<u64, Failure> {
        let mut bridges = Vec::new();
        for bridge in crate::bridges::all(self.context, &self.tenant, made).await? {
            let progress = StoredProgress::of(&self.sweeps, &self.tenant.id, &bridge, self.now()).await?;
            bridges.push(SweptBridge { bridge, progress, links: Vec::new(), known: KnownEnd::default() });
        }
        for bridge in &mut bridges {
            bridge.links = self.context.conversations.recent(&self.tenant.id, &bridge.bridge.channel).await?;
            if let Some(ts) = compare::newest_written(&bridge.links) {
                bridge.known.note_in_channel(ts);
            }
        }
        let chats = self.sweep_chats(&mut bridges).await;
        bridges.sort_by_key(|bridge| {
            let channel = &bridge.progress.progress.channel;
            channel.tried_at.max(channel.checked_at)
        });
        let channels = self.sweep_channels(&mut bridges).await;
        chats.and(channels).map(|()| bridges.len() as u64)
    }

    fn now(&self) -> Timestamp {
        self.context.backend.clock.now()
    }

    /// Whether there is time for another read.
    fn has_time(&self) -> bool {
        self.now() < self.until
    }

    /// Until when events have had time to arrive.
    fn settled_until(&self) -> Timestamp {
        self.now() - GRACE
    }

    /// Nothing older than this is carried.
    fn carried_since(&self, progress: &BridgeProgress) -> Timestamp {
        progress.carried_since(self.now())
    }

    async fn is_claimed(&self, identity: &str) -> Result<bool, Failure> {
        Ok(claims::find(self.context.backend.store.as_ref(), &self.tenant.id, identity).await?.is_some())
    }

    async fn keep(&self, bridge: &mut SweptBridge) -> Result<(), Failure> {
        Ok(bridge.progress.keep(&self.sweeps, &self.tenant.id).await?)
    }
}

/// A moment as Slack writes it.
fn slack_moment(moment: Timestamp) -> String {
    format!("{}.{:06}", moment.as_second(), moment.subsec_microsecond())
}
