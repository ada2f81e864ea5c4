//! A company: its portal, its workspace, and what its people have done so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::TenantId;
use simulators::estate::Estate;
use simulators::{PortalSimulator, SlackSimulator};

/// A company.
pub struct Company {
    /// Its number in the estate.
    pub number: usize,
    /// Its portal.
    pub portal: Arc<PortalSimulator>,
    /// Its workspace.
    pub workspace: Arc<SlackSimulator>,
    /// Its tenant.
    pub tenant: TenantId,
    deeds: Mutex<Deeds>,
}

/// What people have done, as far as it is checked afterwards.
#[derive(Debug, Clone, Default)]
pub struct Deeds {
    /// When the company was connected.
    pub joined_at: Option<Duration>,
    /// When it left.
    pub left_at: Option<Duration>,
    /// The deals that people made after it had joined.
    pub deals: Vec<u64>,
    /// The tasks that people made after it had joined.
    pub tasks: Vec<u64>,
    /// What has to be read in Slack once.
    pub news: Vec<News>,
    /// What was said in the bridged conversation.
    pub said: Vec<Said>,
    /// The bridged chat.
    pub chat: Option<String>,
    /// The commands that were typed.
    pub commands: Vec<TypedCommand>,
    /// The Notion data source of its deals.
    pub source: Option<String>,
}

/// Something that has to be read in Slack once.
#[derive(Debug, Clone)]
pub struct News {
    /// What it is.
    pub kind: &'static str,
    /// The word by which it is found.
    pub word: String,
    /// The channel, or the e-mail of the person.
    pub to: String,
    /// When it happened.
    pub at: Duration,
}

/// Something that a person said in a bridged conversation.
#[derive(Debug, Clone)]
pub struct Said {
    /// The word by which it is found on the other side.
    pub word: String,
    /// Whether it was said in Slack.
    pub in_slack: bool,
    /// Its id: a `ts`, or a number.
    pub id: String,
    /// Its last text.
    pub text: String,
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// When it was last changed.
    pub at: Duration,
}

/// A command that a person typed.
#[derive(Debug, Clone)]
pub struct TypedCommand {
    /// The command.
    pub command: &'static str,
    /// The word by which its effect is found.
    pub word: String,
    /// Who typed it.
    pub user: String,
    /// Whether Slack was answered in time.
    pub is_accepted: bool,
}

impl Company {
    /// The company of this number.
    pub fn new(estate: &Estate, number: usize) -> anyhow::Result<Self> {
        let (portal, workspace) = (estate.portals[number].clone(), estate.workspaces[number].clone());
        let tenant = TenantId::new(portal.credentials().member_id)?;
        Ok(Self { number, portal, workspace, tenant, deeds: Mutex::default() })
    }

    /// What its people have done.
    pub fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is connected.
    pub fn is_connected(&self) -> bool {
        let deeds = self.deeds();
        deeds.joined_at.is_some() && deeds.left_at.is_none()
    }

    /// The Slack id of a user of the portal.
    pub fn person(&self, user: u64) -> String {
        self.workspace.person(&format!("user{user}@example.com"))
    }
}
