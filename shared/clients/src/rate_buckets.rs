//! The rate buckets of each provider, and how much each allows. We stay a little below.

use std::time::Duration;

use runtime::TenantId;
use runtime::limiter::{Rate, RateBucket, Window};
use tenants::portals::Portal;

use crate::ConnectionSide;

/// The account of a side, and the bucket that most of its calls use; `None` if it is not connected. `a_minute` is what
/// Notion's plan allows.
pub(crate) fn of(side: ConnectionSide, connected: &Portal, a_minute: u32) -> Option<(String, RateBucket)> {
    let alone = |bucket: RateBucket| (bucket.name.clone(), bucket);
    match side {
        ConnectionSide::Bitrix24 => Some(alone(portal(&connected.tenant))),
        ConnectionSide::Slack => {
            connected.slack.as_ref().map(|slack| (workspace_account(&slack.team_id), posts(&slack.team_id)))
        }
        ConnectionSide::Notion => connected.notion.as_ref().map(|own| alone(notion(&own.bot_id, a_minute))),
    }
}

/// The account of a workspace: all of its buckets are down together.
pub(crate) fn workspace_account(team: &str) -> String {
    format!("slack#{team}")
}

/// A portal: a leaky bucket of 50 that drains 2 a second, on all plans but Enterprise.
pub(crate) fn portal(tenant: &TenantId) -> RateBucket {
    RateBucket::new(format!("bitrix24#{tenant}"), Rate { every: Duration::from_millis(500), burst: 40 })
}

/// A workspace's posts: "several hundred a minute".
pub(crate) fn posts(team: &str) -> RateBucket {
    RateBucket::new(format!("slack#{team}#posts"), Rate { every: Duration::from_millis(250), burst: 10 })
}

/// A channel's posts: one a second with short bursts.
pub(crate) fn channel_posts(team: &str, channel: &str) -> RateBucket {
    let rate = Rate { every: Duration::from_secs(1), burst: 2 };
    RateBucket::new(format!("slack#{team}#posts#{channel}"), rate)
}

/// A method of tier 2: 20 a minute.
pub(crate) fn tier_2(team: &str, method: &str) -> RateBucket {
    RateBucket::new(format!("slack#{team}#{method}"), Rate { every: Duration::from_secs(3), burst: 5 })
}

/// A method of tier 3: 50 a minute.
pub(crate) fn tier_3(team: &str, method: &str) -> RateBucket {
    RateBucket::new(format!("slack#{team}#{method}"), Rate { every: Duration::from_millis(1_200), burst: 10 })
}

/// A method that reads history, where Slack allows one call a minute. Of two calls the first may have been on its way for
/// longer.
pub(crate) fn scarce_history(team: &str, method: &str) -> RateBucket {
    RateBucket::new(format!("slack#{team}#{method}"), Rate { every: Duration::from_secs(62), burst: 1 })
}

/// The part of that budget that searches for missed messages: the other half is left to deliveries.
pub(crate) fn scarce_gaps(team: &str, method: &str) -> RateBucket {
    RateBucket::new(format!("slack#{team}#{method}#gaps"), Rate { every: Duration::from_secs(124), burst: 1 })
}

/// A method of tier 4: 100 a minute.
pub(crate) fn tier_4(team: &str, method: &str) -> RateBucket {
    RateBucket::new(format!("slack#{team}#{method}"), Rate { every: Duration::from_millis(600), burst: 20 })
}

/// A connection to Notion: a number of requests in each minute, at any pace.
pub(crate) fn notion(bot: &str, a_minute: u32) -> RateBucket {
    RateBucket::windowed(format!("notion#{bot}"), Window { length: Duration::from_secs(60), most: a_minute })
}
