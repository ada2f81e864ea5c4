//! How often an app may call each method, by Slack's tiers. A method that has no row here does not exist.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::api::text;
use crate::bucket::{Bucket, ExceededLimits};

/// Posts in one channel: one a second, with short bursts.
const CHANNEL_BURST: f64 = 4.0;
/// Posts in the workspace: several hundred a minute.
const WORKSPACE_BURST: f64 = 30.0;
const WORKSPACE_A_SECOND: f64 = 5.0;
/// Messages that a read gives an app that is sold outside the Marketplace.
pub(super) const DISTRIBUTED_PAGE: usize = 15;

/// What limits a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    Two,
    Three,
    Four,
    /// Posts: by channel, and all together.
    Posts,
    /// Answers at a response URL: by URL.
    Responses,
    /// Reads of messages: tier 3 for an app that a company made for itself; once a minute for one that many install
    /// from outside the Marketplace.
    Reads,
}

const TIERS: [(&str, Tier); 27] = [
    ("api.test", Tier::Four),
    ("auth.test", Tier::Four),
    ("chat.delete", Tier::Three),
    ("chat.postEphemeral", Tier::Four),
    ("chat.postMessage", Tier::Posts),
    ("chat.unfurl", Tier::Three),
    ("chat.update", Tier::Three),
    ("conversations.create", Tier::Two),
    ("conversations.history", Tier::Reads),
    ("conversations.info", Tier::Three),
    ("conversations.join", Tier::Three),
    ("conversations.list", Tier::Two),
    ("conversations.open", Tier::Three),
    ("conversations.replies", Tier::Reads),
    ("files.completeUploadExternal", Tier::Four),
    ("files.getUploadURLExternal", Tier::Four),
    ("files.info", Tier::Four),
    ("reactions.add", Tier::Three),
    ("reactions.remove", Tier::Two),
    ("team.info", Tier::Three),
    ("usergroups.list", Tier::Two),
    ("users.info", Tier::Four),
    ("users.list", Tier::Two),
    ("users.lookupByEmail", Tier::Three),
    ("views.open", Tier::Four),
    ("views.publish", Tier::Four),
    ("response_url", Tier::Responses),
];

/// The tier of a method, if there is such a method.
pub(super) fn tier(method: &str) -> Option<Tier> {
    TIERS.iter().find(|(known, _)| *known == method).map(|(_, tier)| *tier)
}

/// What an app has called so far.
#[derive(Debug, Default)]
pub(crate) struct MethodLimits {
    is_distributed: bool,
    methods: BTreeMap<String, Bucket>,
    places: BTreeMap<String, Bucket>,
    pub(super) exceeded: ExceededLimits,
}

impl MethodLimits {
    /// Counts a call, or says in how many seconds it is allowed.
    pub(super) fn admit(&mut self, method: &str, place: &str, now: Timestamp) -> Result<(), u64> {
        let Some(tier) = tier(method) else { return Ok(()) };
        let taken = match self.count(tier, method, place, now) {
            Ok(()) => return Ok(()),
            Err(taken) => taken,
        };
        let (limit, wait) = taken;
        self.exceeded.note(method, limit);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let seconds = wait.ceil().max(1.0) as u64;
        Err(seconds)
    }

    fn here(&mut self, method: &str, place: &str) -> &mut Bucket {
        let here = self.places.entry(format!("{method} {place}"));
        here.or_insert_with(|| Bucket::new(CHANNEL_BURST, 1.0))
    }

    fn count(&mut self, tier: Tier, method: &str, place: &str, now: Timestamp) -> Result<(), (&'static str, f64)> {
        let (limit, a_minute) = match tier {
            Tier::Responses => {
                return self.here(method, place).add(now).map_err(|wait| ("1 a second at a response URL", wait));
            }
            Tier::Posts => {
                self.here(method, place).add(now).map_err(|wait| ("1 a second in a channel", wait))?;
                let all = self.methods.entry(method.to_owned());
                let all = all.or_insert_with(|| Bucket::new(WORKSPACE_BURST, WORKSPACE_A_SECOND));
                return all.add(now).map_err(|wait| ("300 a minute in a workspace", wait));
            }
            Tier::Reads if self.is_distributed => ("1 a minute outside the Marketplace", 1.0),
            Tier::Two => ("tier 2", 20.0),
            Tier::Three | Tier::Reads => ("tier 3", 50.0),
            Tier::Four => ("tier 4", 100.0),
        };
        let bucket = self.methods.entry(method.to_owned());
        bucket.or_insert_with(|| Bucket::new(a_minute, a_minute / 60.0)).add(now).map_err(|wait| (limit, wait))
    }

    /// Sets which kind of app it is. Reads are counted afresh.
    pub(super) fn distribute(&mut self, is_distributed: bool) {
        self.is_distributed = is_distributed;
        self.methods.retain(|method, _| tier(method) != Some(Tier::Reads));
    }

    /// How many messages a read gives that asks for so many.
    pub(super) fn page(&self, asked: Option<usize>, usual: usize, most: usize) -> usize {
        let (usual, most) = if self.is_distributed { (DISTRIBUTED_PAGE, DISTRIBUTED_PAGE) } else { (usual, most) };
        asked.unwrap_or(usual).clamp(1, most)
    }
}

/// Where a call posts.
pub(super) fn place(params: &Map<String, Value>) -> &str {
    text(params, "channel").trim_start_matches('#')
}

impl super::SlackSimulator {
    /// Whether the app is one that many workspaces install from outside the Marketplace: then it reads messages once a
    /// minute, fifteen at a time. Workspaces that are connected by a click have such an app.
    pub fn be_distributed(&self, is: bool) {
        self.shared.lock().limits.distribute(is);
    }

    /// Which limits were exceeded so far, and how often.
    pub fn exceeded_limits(&self) -> Vec<crate::bucket::ExceededLimit> {
        self.shared.lock().limits.exceeded.of(self.shared.team())
    }
}
